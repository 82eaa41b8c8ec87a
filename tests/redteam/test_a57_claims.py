"""A57, A58, A62: claims that are missing, stretched, for somebody else, or of another type."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from acl.subject import RESERVED
from tests.serving import ADA, Service


def refused(service: Service, **changed: Any) -> None:
    with service.as_(ADA, **changed) as client:
        answer = client.get("/v1/documents")
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:strongroom:problem:unauthenticated"


def accepted(service: Service, **changed: Any) -> None:
    with service.as_(ADA, **changed) as client:
        assert client.get("/v1/documents").status_code == 200


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat", "sub", "tenant"])
def test_a57_a_claim_is_missing(service: Service, name: str) -> None:
    refused(service, **{name: ...})
    refused(service, **{name: None})


@pytest.mark.parametrize(
    "value", ["4000000000", 4e9, True, False, -1, 2**70, [4_000_000_000], {}, 0]
)
def test_a57_an_expiry_of_another_kind(service: Service, value: object) -> None:
    refused(service, exp=value)


def test_a57_an_expiry_that_would_be_good_in_another_type(service: Service) -> None:
    soon = int(time.time()) + 600
    refused(service, exp=soon + 0.5)
    refused(service, exp=float(soon))
    refused(service, exp=str(soon))
    refused(service, iat=float(soon - 600))
    accepted(service, exp=soon)


def test_a57_times(service: Service) -> None:
    now = int(time.time())
    refused(service, exp=now + 10 * 365 * 86_400)
    refused(service, exp=now + 3700)
    refused(service, iat=now + 120, exp=now + 600)
    refused(service, nbf=now + 120)
    refused(service, nbf="now")
    refused(service, iat=now - 30_000, exp=now + 600)
    refused(service, iat=now, exp=now)
    accepted(service, iat=now - 3000, exp=now + 600)
    # The clocks of two machines may differ by the leeway, and by no more.
    accepted(service, iat=now + 5, exp=now + 600)
    accepted(service, iat=now - 60, exp=now - 5)
    refused(service, iat=now - 60, exp=now - 15)


@pytest.mark.parametrize("text", ["1e400", "NaN", "Infinity", "-0.0", "1E9999"])
def test_a57_an_expiry_that_is_no_number(service: Service, text: str) -> None:
    claims = json.dumps(service.keys.claims(ADA, exp="@")).replace('"@"', text)
    refuse_raw(service, claims)


def refuse_raw(service: Service, claims: str) -> None:
    with service.client(signed(service, claims)) as client:
        assert client.get("/v1/documents").status_code == 401


def signed(service: Service, claims: str, header: str = "") -> str:
    header = header or '{"typ":"at+jwt","alg":"EdDSA","kid":"ed"}'
    parts = [base64.urlsafe_b64encode(one.encode()).rstrip(b"=") for one in (header, claims)]
    signature = service.keys.private["ed"].sign(b".".join(parts))
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_a57_a_claim_or_a_header_said_twice(service: Service) -> None:
    claims = json.dumps(service.keys.claims(ADA))
    with service.client(signed(service, claims)) as client:
        assert client.get("/v1/documents").status_code == 200
    refuse_raw(service, claims[:-1] + ', "groups": []}')
    refuse_raw(service, '{"tenant": "globex", ' + claims[1:])
    twice = '{"typ":"at+jwt","alg":"none","alg":"EdDSA","kid":"ed"}'
    with service.client(signed(service, claims, twice)) as client:
        assert client.get("/v1/documents").status_code == 401


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a57_the_name_of_the_program_itself(service: Service, name: str) -> None:
    refused(service, sub=name)
    refused(service, groups=[name])
    refused(service, act={"sub": name})
    refused(service, act={"sub": "agent:helper", "act": {"sub": name}})
    accepted(service, sub=f"{name}s")


@pytest.mark.parametrize("name", ["user:leo", "service:idp", "agent:helper", "leo", "user:ada"])
def test_a57_a_group_that_is_somebody(service: Service, name: str) -> None:
    refused(service, groups=[name])
    refused(service, groups=["group:finance", name])
    refused(service, act={"sub": "agent:helper", "groups": [name]})
    refused(service, act={"sub": "agent:helper", "act": {"sub": "agent:b", "groups": [name]}})
    accepted(service, groups=["group:finance", "role:auditor"])


def test_a58_a_token_for_somebody_else(service: Service) -> None:
    refused(service, aud="another-service")
    refused(service, aud=["a", "b"])
    refused(service, aud=[])
    refused(service, aud="strongroom.evil")
    refused(service, aud="strong")
    accepted(service, aud=["another-service", "strongroom"])
    refused(service, iss="https://issuer.test/")
    refused(service, iss="https://evil.test")
    refused(service, iss=["https://issuer.test"])


@pytest.mark.parametrize("kind", ["JWT", "id+jwt", "", "jwt", "logout+jwt", None, 7, "at+jwt "])
def test_a58_an_id_token_is_not_an_access_token(service: Service, kind: object) -> None:
    claims = json.dumps(service.keys.claims(ADA))
    header = json.dumps({"typ": kind, "alg": "EdDSA", "kid": "ed"})
    with service.client(signed(service, claims, header)) as client:
        assert client.get("/v1/documents").status_code == 401
    missing = json.dumps({"alg": "EdDSA", "kid": "ed"})
    with service.client(signed(service, claims, missing)) as client:
        assert client.get("/v1/documents").status_code == 401


@pytest.mark.parametrize(
    "value",
    ["group:finance", None, {}, {"group:finance": True}, [["group:finance"]], [1], [None], 7],
)
@pytest.mark.parametrize("name", ["groups", "compartments"])
def test_a62_a_list_of_another_type(service: Service, name: str, value: object) -> None:
    refused(service, **{name: value})


def test_a62_overage_is_not_no_groups(service: Service) -> None:
    refused(service, groups=[f"group:g{n}" for n in range(1001)])
    refused(service, groups=..., _claim_names={"groups": "src1"})
    refused(service, groups=..., hasgroups=True)
    accepted(service, groups=["group:finance"] * 3)


@pytest.mark.parametrize("value", ["top-secret", "3", -1, 4, 99, True, 1.0, None, [3], {}])
def test_a62_a_clearance_that_is_none(service: Service, value: object) -> None:
    refused(service, clearance=value)
