"""Policies over HTTP: proposed, previewed, activated, rolled back; by those who may."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.serving import ADA, BOB, Service, running

ADMIN: dict[str, Any] = {**ADA, "sub": "user:root", "groups": ["role:policy-admin"]}
HANDBOOK = "p, user:bob, acme, /acme/finance/*, document:read, True, allow"
OWN = "p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow"


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose policy changes, apart from the one that other tests rely on."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield from running(tmp_path_factory.mktemp("changing"))
    structlog.reset_defaults()


def in_effect(service: Service) -> tuple[int, str]:
    with service.as_(ADMIN) as client:
        answer = client.get("/v1/policy")
    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{answer.json()["revision"]}"'
    return answer.json()["revision"], answer.headers["etag"]


def test_a_policy_is_changed_and_obeyed_and_changed_back(changing: Service) -> None:
    number, etag = in_effect(changing)
    with changing.as_(ADMIN) as client:
        body = {"add": [HANDBOOK], "reason": "bob audits"}
        preview = client.post("/v1/policy:preview", json={"add": [HANDBOOK]})
        assert preview.status_code == 200
        gains = [one for one in preview.json()["roles"] if one["gained"]["documents"]]
        assert {who["subject"] for one in gains for who in one["who"]} == {"user:bob"}
        assert preview.json()["documents"] == 3 + 1

        proposed = client.put("/v1/policy", json=body, headers={"If-Match": etag})
        assert proposed.status_code == 201
        revision = proposed.json()["revision"]
        assert proposed.headers["location"] == f"/v1/policy/revisions/{revision}"
        assert proposed.json()["activated_at"] is None
        difference = client.get(f"/v1/policy/revisions/{revision}/diff").json()
        assert (difference["added"], difference["removed"]) == ([HANDBOOK], [])
        assert client.get(f"/v1/policy/revisions/{revision}/proof").json()["state"] == "none"

        activate = f"/v1/policy/revisions/{revision}:activate"
        done = client.post(activate, headers={"If-Match": etag})
        assert done.status_code == 200
        assert done.headers["etag"] == f'"{revision}"'
        assert done.json()["proof"]["compared"] >= 300
        assert client.post(activate, headers={"If-Match": etag}).status_code == 412
        listed = client.get("/v1/policy/revisions").json()
        assert listed["in_effect"] == revision
        assert listed["revisions"][-1]["reason"] == "bob audits"

        back = client.post(
            f"/v1/policy/revisions/{number}:rollback",
            json={"reason": "too much"},
            headers={"If-Match": f'"{revision}"'},
        )
        assert back.status_code == 201
        assert back.json()["reason"] == "too much"
        whole = client.get(f"/v1/policy/revisions/{back.json()['revision']}").json()
        assert whole["rules"] == (Path("policy") / "policy.csv").read_text()


def test_a_change_without_the_current_etag_changes_nothing(changing: Service) -> None:
    number, _ = in_effect(changing)
    body = {"add": [HANDBOOK]}
    with changing.as_(ADMIN) as client:
        assert client.put("/v1/policy", json=body).status_code == 428
        for stale in ('"999"', "*", f'W/"{number}"', "nonsense"):
            answer = client.put("/v1/policy", json=body, headers={"If-Match": stale})
            assert answer.status_code == 412, stale
        assert client.post(f"/v1/policy/revisions/{number}:activate").status_code == 428
    assert in_effect(changing)[0] == number


@pytest.mark.parametrize(
    ("body", "pointer", "reason"),
    [
        ({"add": ["p, role:x, acme, /*, document:raed, True, allow"]}, "/rules", "column act"),
        ({"add": ["p, role:x, acme, /*, document:read, True, Deny"]}, "/rules", "column eft"),
        ({"add": ["p, role:x, acme, /*, document:read, False) or (True, allow"]}, "/rules", ""),
        ({"remove": ["p, no, such, rule"]}, "/rules", "is not a rule of the policy"),
        ({"model": "[nothing]"}, "/model", ""),
        ({"rules": 3}, "/rules", "is not a text"),
        ({"unknown": 3}, "/unknown", "is not a known field"),
    ],
)
def test_a18_a19_what_is_refused_is_named_and_not_repeated(
    changing: Service, body: dict[str, Any], pointer: str, reason: str
) -> None:
    number, etag = in_effect(changing)
    with changing.as_(ADMIN) as client:
        answer = client.put("/v1/policy", json=body, headers={"If-Match": etag})

    assert answer.status_code == 422
    faults = answer.json()["errors"]
    assert any(one["pointer"] == pointer and reason in one["detail"] for one in faults), faults
    assert "raed" not in answer.text
    assert in_effect(changing)[0] == number


def test_nobody_else_sees_or_changes_the_policy(changing: Service) -> None:
    number, etag = in_effect(changing)
    tagged = {"If-Match": etag}
    with changing.as_(BOB) as client:
        answers = [
            client.get("/v1/policy"),
            client.get("/v1/policy/revisions"),
            client.get(f"/v1/policy/revisions/{number}"),
            client.get(f"/v1/policy/revisions/{number}/diff"),
            client.get(f"/v1/policy/revisions/{number}/proof"),
            client.put("/v1/policy", json={"add": [HANDBOOK]}, headers=tagged),
            client.post("/v1/policy:preview", json={"revision": number}),
            client.post(f"/v1/policy/revisions/{number}:activate", headers=tagged),
            client.post(f"/v1/policy/revisions/{number}:rollback", json={}, headers=tagged),
        ]
    assert {one.status_code for one in answers} == {403}
    assert {one.json()["type"] for one in answers} == {"urn:strongroom:problem:forbidden"}
    with changing.client() as client:
        assert client.get("/v1/policy").status_code == 401


def test_what_is_not_there_is_not_found(changing: Service) -> None:
    _, etag = in_effect(changing)
    with changing.as_(ADMIN) as client:
        assert client.get("/v1/policy/revisions/999").status_code == 404
        assert client.get("/v1/policy/revisions/999/proof").status_code == 404
        activate = client.post("/v1/policy/revisions/999:activate", headers={"If-Match": etag})
        assert activate.status_code == 404
        assert client.post("/v1/policy:preview", json={"revision": 999}).status_code == 404
        assert client.post("/v1/policy:preview", json={}).status_code == 422
        nothing = client.put("/v1/policy", json={}, headers={"If-Match": etag})
        assert nothing.status_code == 409
        assert "changes nothing" in nothing.json()["errors"][0]["detail"]
