"""What the red team's tests over HTTP do not reach; see tests/redteam/test_a52 and a57."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from acl.labels import Attribute, AttributeType, LabelSchema
from acl.subject import Attributes, Subject
from retrieval.service.http.token_keys import FixedKeys
from retrieval.service.http.tokens import (
    ClaimsError,
    DevelopmentIssuer,
    Issuer,
    TokenError,
    TokenRules,
    TokenVerifier,
    subject_of,
)

CASES = Path(__file__).parents[6] / "shared" / "cases" / "identities" / "cases.toml"
RULES = TokenRules(issuer="urn:test", audience="strongroom")
LEVELS = Attribute(
    name="classification", type=AttributeType.INTEGER, levels=("public", "internal", "secret")
)
DEPARTMENT = Attribute(name="department", type=AttributeType.KEYWORD, required=False)
REGIONS = Attribute(name="regions", type=AttributeType.KEYWORD_SET, required=False)
SCHEMA = LabelSchema(
    {"classification": LEVELS}, subject={"department": DEPARTMENT, "regions": REGIONS}
)
AGENT = Subject(id="agent:a", tenant="acme", clearance=1, groups=frozenset({"group:bots"}))
ADA = Subject(
    id="user:ada",
    tenant="acme",
    clearance=2,
    compartments=frozenset({"x", "y"}),
    groups=frozenset({"group:finance"}),
    attributes=Attributes({"department": "north", "regions": frozenset({"eu", "us"})}),
    actors=(AGENT, Subject(id="agent:b", tenant="acme")),
)


def own(key: Ed25519PrivateKey) -> Issuer:
    return Issuer(
        keys=FixedKeys.of_development(key), rules=RULES, read=partial(subject_of, schema=SCHEMA)
    )


async def test_a_subject_survives_the_way_through_a_token() -> None:
    key = Ed25519PrivateKey.generate()
    issuer = DevelopmentIssuer(key, RULES)
    verifier = TokenVerifier([own(key)])
    assert await verifier.verify(issuer.issue(ADA, seconds=60)) == ADA
    with pytest.raises(TokenError, match="lives too long"):
        await verifier.verify(issuer.issue(ADA, seconds=3601))
    with pytest.raises(TokenError, match="too long, or not ASCII"):
        await verifier.verify("ä.b.c")
    await verifier.close()


async def test_times_follow_the_clock() -> None:
    key = Ed25519PrivateKey.generate()
    token = DevelopmentIssuer(key, RULES).issue(ADA, seconds=60)
    late = TokenVerifier([own(key)], clock=lambda: datetime(2099, 1, 1, tzinfo=UTC))
    with pytest.raises(TokenError, match="has expired"):
        await late.verify(token)


def test_without_levels_a_clearance_is_a_number() -> None:
    claims = {"sub": "user:a", "tenant": "acme"}
    assert subject_of({**claims, "clearance": 7}, LabelSchema({})).clearance == 7
    for value in ("internal", -1, 1001, True):
        with pytest.raises(ClaimsError, match="`clearance` is not a level"):
            subject_of({**claims, "clearance": value}, LabelSchema({}))


@pytest.mark.parametrize("value", [None, 7, ["north"], {}, ""])
def test_an_attribute_of_another_type_refuses_the_token(value: object) -> None:
    claims = {"sub": "user:a", "tenant": "acme"}
    assert subject_of({**claims, "department": "north"}, SCHEMA).attributes["department"] == "north"
    with pytest.raises(ClaimsError, match=r"department|is null"):
        subject_of({**claims, "department": value}, SCHEMA)
    with pytest.raises(ClaimsError, match=r"department|is null"):
        subject_of({**claims, "act": {"sub": "agent:a", "department": value}}, SCHEMA)


def test_the_case_of_a_group_that_is_named_like_a_user() -> None:
    if not CASES.exists():
        pytest.skip("../shared is not there")
    cases = tomllib.loads(CASES.read_text())["case"]
    case = next(one for one in cases if one["id"] == "group-named-like-a-user")
    claims = json.loads(case["input"].splitlines()[0].removeprefix("claims: ").strip())
    levels = Attribute(
        name="classification",
        type=AttributeType.INTEGER,
        levels=("public", "internal", "confidential", "restricted"),
    )
    schema = LabelSchema({"classification": levels})
    agent = {"sub": "agent:a", "groups": claims["groups"]}
    for wrong in (claims, {**claims, "groups": [], "act": agent}):
        with pytest.raises(ClaimsError, match="`user:leo` is not a group"):
            subject_of(wrong, schema)
    assert subject_of({**claims, "groups": ["group:leo"]}, schema).groups == {"group:leo"}
