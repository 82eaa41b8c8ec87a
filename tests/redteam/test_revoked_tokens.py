"""A token that leaked is refused by the next request, and its owner goes on working."""

from __future__ import annotations

import time
from typing import Any

from tests.serving import ADA, BOB, Service

IDP: dict[str, Any] = {"sub": "service:idp", "tenant": "acme", "groups": ["role:provisioner"]}


def status(service: Service, who: dict[str, Any], **claims: Any) -> int:
    with service.as_(who, **claims) as client:
        return client.get("/v1/documents").status_code


def test_one_token_and_all_that_a_subject_has(service: Service) -> None:
    bob = {**BOB, "sub": "user:leaky"}
    assert status(service, bob, jti="a") == status(service, bob, jti="b") == 200
    revoke(service, {"token_id": "a"})
    assert [status(service, bob, jti=name) for name in ("a", "b")] == [401, 200]
    assert status(service, {**bob, "tenant": "globex"}, jti="a") == 200

    before = int(time.time()) - 100
    revoke(service, {"subject": "user:leaky", "issued_until": f"{moment(before)}"})
    assert status(service, bob, jti="b", iat=before) == 401
    assert status(service, bob, jti="b", iat=before + 1) == 200
    assert status(service, bob, jti=7) == 401
    with service.as_(bob, jti="a") as client:
        answer = client.get("/v1/documents")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_what_is_asked_for_wrongly_or_without_the_right(service: Service) -> None:
    with service.as_(ADA) as client:
        assert client.post("/v1/token-revocations", json={"token_id": "z"}).status_code == 403
        assert client.get("/v1/token-revocations").status_code == 403
    with service.as_(IDP) as client:
        for wrong in (
            {},
            {"token_id": "a", "subject": "user:a"},
            {"token_id": "a", "issued_until": "2020-01-01T00:00:00Z"},
            {"subject": "group:finance"},
            {"subject": "user:a", "issued_until": "2999-01-01T00:00:00Z"},
        ):
            assert client.post("/v1/token-revocations", json=wrong).status_code == 422
        names = {one["name"] for one in client.get("/v1/token-revocations").json()["revocations"]}
    assert "z" not in names


def moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def revoke(service: Service, body: dict[str, str]) -> None:
    with service.as_(IDP) as client:
        answer = client.post("/v1/token-revocations", json=body)
    assert answer.status_code == 201, answer.text
