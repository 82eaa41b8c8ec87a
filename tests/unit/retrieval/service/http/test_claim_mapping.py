"""Claims of common providers become subjects as the file of identities says, or are refused."""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from acl.identity import display_name, folded_name, principal_of
from acl.labels import LabelSchema
from retrieval.service.http.claim_mapping import ClaimMapping
from retrieval.service.http.identities import presets, read_identities
from retrieval.service.http.tokens import ClaimsError
from retrieval.service.settings import SettingsError
from tests.provider_tokens import AUTH0, ENTRA, KEYCLOAK, OKTA, SHAPES, TID, name

ROOT = Path(__file__).parents[5]
DECLARED = """
[subject.department]
type = "keyword"
[subject.regions]
type = "keyword_set"
"""
SCHEMA = LabelSchema.from_toml((ROOT / "policy" / "labels.toml").read_text() + DECLARED)
CASES = ROOT.parent / "shared" / "cases" / "identities" / "cases.toml"


WRONG: list[Any] = [None, 7, True, {}, {"a": "b"}, [1], [None], [[]], "", [""]]


def mappings(tmp_path: Path, text: str, *, directory: bool = False) -> dict[str, ClaimMapping]:
    file = tmp_path / "identities.toml"
    file.write_text(text)
    found = read_identities(file, SCHEMA, directory=directory)
    return {one.name: one.mapping for one in found}


@pytest.mark.parametrize("preset", sorted(SHAPES))
def test_a_hundred_token_shapes_of_each_provider(tmp_path: Path, preset: str) -> None:
    text, claims_of, named = SHAPES[preset]
    mapping = mappings(tmp_path, text)[preset]
    drawn = random.Random(preset)
    ids: dict[str, set[str]] = {}
    for _ in range(150):
        claims = claims_of(drawn)
        subject = mapping.subject(claims)
        assert subject.tenant == "acme"
        assert display_name(subject.id) == f"user:{folded_name(claims[named])}"
        # The directory makes the same of the same name.
        assert subject.id == principal_of("user", claims[named])
        ids.setdefault(subject.id, set()).add(folded_name(claims[named]))
        kept = {one for one in subject.groups if one.startswith("group:")}
        given = claims.get("groups", claims.get("https://acme.example/groups", []))
        given = ["sales" if one == "Sales EMEA" else one for one in given]
        said = {f"group:{folded_name(one)}" for one in given} - {"group:everyone"}
        assert {display_name(one) for one in kept} == said
    assert all(len(spelt) == 1 for spelt in ids.values())
    assert preset in presets()


@pytest.mark.parametrize("preset", sorted(SHAPES))
def test_a_claim_of_another_type_is_never_read_as_none(tmp_path: Path, preset: str) -> None:
    text, claims_of, _ = SHAPES[preset]
    mapping = mappings(tmp_path, text)[preset]
    drawn = random.Random(preset)
    claims = claims_of(drawn)
    read = [mapping.tenant, *(one.name for one in mapping.named), *mapping.memberships.values()]
    for source in (one for one in read if one.claim):
        path = [one.replace("~1", "/") for one in source.claim.split("/")[1:]]
        for wrong in WRONG:
            changed = {**claims, "idtyp": "app" if path == ["azp"] else "user"}
            changed["gty"] = "client-credentials" if path == ["azp"] else "password"
            changed[path[0]] = wrong if len(path) == 1 else {path[1]: wrong}
            with pytest.raises(ClaimsError, match=r"is not a (list of texts|text)"):
                mapping.subject(changed)


def test_the_case_of_common_providers(tmp_path: Path) -> None:
    if not CASES.exists():
        pytest.skip("../shared is not there")
    cases = tomllib.loads(CASES.read_text())["case"]
    case = next(one for one in cases if one["id"] == "claims-of-common-providers")
    tokens = [json.loads(line) for line in case["input"].splitlines() if line.startswith("{")]
    right = ["user:rita@acme.example", "user:f--3a-12--3a-rita", "user:rita@acme.example"]
    groups = [
        {"group:2e8f03b7-91d5-4c6a-8b40-c7a6d5e4f390"},
        {"group:x--2f-sales", "group:x--2f-sales--2f-emea"},
        {"group:sales"},
    ]
    for place, text in enumerate((ENTRA, KEYCLOAK, OKTA)):
        (mapping,) = mappings(tmp_path, text).values()
        subject = mapping.subject(tokens[place])
        assert (subject.id, subject.tenant, set(subject.groups)) == (
            right[place],
            "acme",
            groups[place],
        )


def test_rights_come_from_roles_and_groups_that_a_table_names(tmp_path: Path) -> None:
    mapping = mappings(tmp_path, ENTRA)["entra"]
    claims = {"tid": TID, "preferred_username": "rita@acme.example"}
    read = [
        ({}, 0, set()),
        ({"roles": ["Staff"]}, 1, set()),
        ({"roles": ["staff", "BOARD"]}, 3, set()),
        ({"roles": ["Reader.All"], "groups": ["g-other"]}, 0, set()),
        ({"groups": ["G-LEGAL", "g-other"]}, 0, {"legal"}),
    ]
    for said, clearance, compartments in read:
        subject = mapping.subject({**claims, **said})
        assert (subject.clearance, set(subject.compartments)) == (clearance, compartments)
    app = mapping.subject({**claims, "idtyp": "app", "azp": "2D3A-Nightly"})
    assert app.id == "service:2d3a-nightly"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tid": ...}, "`/tid` is missing"),
        ({"tid": "other"}, "`/tid` is `other`, which no table names"),
        ({"preferred_username": ...}, "`/preferred_username` is missing"),
        ({"preferred_username": "a\0"}, "`/preferred_username` holds a control character"),
        ({"idtyp": "app", "azp": "operator"}, "is a name of this program itself"),
        ({"groups": [f"g{n}" for n in range(1001)]}, "more than 1000"),
        ({"_claim_names": {"groups": "src1"}}, "`/_claim_names` says that groups are left out"),
        ({"hasgroups": True}, "`/hasgroups` says that groups are left out"),
        ({"nonce": "x"}, "`/nonce` says that this is no token for a service"),
        ({"cnf": {"jkt": "x"}}, "`/cnf` says that this is no token for a service"),
        ({"act": {"sub": "agent"}}, "`act` is not mapped"),
    ],
)
def test_what_is_refused_and_why(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    mapping = mappings(tmp_path, ENTRA)["entra"]
    claims = {"tid": TID, "preferred_username": "rita@acme.example", **changed}
    given = {name: value for name, value in claims.items() if value is not ...}
    with pytest.raises(ClaimsError, match=reason):
        mapping.subject(given)


def test_left_out_groups_are_the_directory_s_where_there_is_one(tmp_path: Path) -> None:
    mapping = mappings(tmp_path, ENTRA, directory=True)["entra"]
    claims = {"tid": TID, "preferred_username": "rita@acme.example", "hasgroups": True}
    assert mapping.subject(claims).groups == frozenset()
    with pytest.raises(ClaimsError, match="groups are left out"):
        mapping.subject({**claims, "idtyp": "app", "azp": "nightly"})


def test_what_only_looks_like_a_tenant_is_none(tmp_path: Path) -> None:
    mapping = mappings(tmp_path, KEYCLOAK)["keycloak"]
    assert mapping.subject({"sub": "a", "tenant": "KiloWatt"}).tenant == "kilowatt"
    for tenant in ("\u212ailowatt", "k\u0131lowatt", "kilo watt", "kilowatt\n", "-a", "a" * 64):
        with pytest.raises(ClaimsError, match="tenant is not a plain name"):
            mapping.subject({"sub": "a", "tenant": tenant})


def test_an_actor_is_read_like_a_subject(tmp_path: Path) -> None:
    text = AUTH0 + 'actor = { claim = "/sub" }\n'
    mapping = mappings(tmp_path, text)["auth0"]
    act = {"sub": "Helper One", "https://acme.example/clearance": "internal"}
    claims = {"sub": "auth0|5", "org_id": "org_9ybsU1dN2dKfDkBi", "act": act}
    (actor,) = mapping.subject(claims).actors
    assert (actor.id, actor.clearance) == ("agent:helper--20-one", 1)
    for wrong in ({}, {"sub": 7}, {**act, "https://acme.example/groups": "g"}):
        with pytest.raises(ClaimsError):
            mapping.subject({**claims, "act": wrong})


def test_declared_attributes_come_from_claims_and_tables(tmp_path: Path) -> None:
    text = (
        OKTA
        + """
[issuer.okta.attributes]
department = { claim = "/profile/department", table = { "Finance Dept." = "finance" } }
regions = { claim = "/regions" }
"""
    )
    mapping = mappings(tmp_path, text)["okta"]
    claims = {"sub": "rita@acme.example"}
    assert not mapping.subject(claims).attributes
    said = {"profile": {"department": "finance dept."}, "regions": ["eu", "us"]}
    assert dict(mapping.subject({**claims, **said}).attributes) == {
        "department": "finance",
        "regions": frozenset({"eu", "us"}),
    }
    for wrong in ({"regions": "eu"}, {"regions": None}, {"profile": {"department": "Sales"}}):
        with pytest.raises(ClaimsError, match=r"`/(regions|profile/department)` "):
            mapping.subject({**claims, **wrong})


def test_names_of_two_issuers_are_never_one(tmp_path: Path) -> None:
    both = OKTA + KEYCLOAK + 'prefix = "kc."\n'
    found = mappings(tmp_path, both)
    drawn = random.Random(5)
    spelt: dict[str, str] = {}
    for _ in range(200):
        said = drawn.choice(["", "kc.", "KC.", "kc"]) + name(drawn)
        for issuer, mapping in found.items():
            try:
                subject = mapping.subject({"sub": said, "tenant": "acme", "groups": [said]})
            except ClaimsError as error:
                assert "a name of another issuer" in str(error)  # noqa: PT017
                assert issuer == "okta"
                continue
            for principal in (subject.id, *subject.groups):
                assert spelt.setdefault(principal, issuer) == issuer
    assert set(spelt.values()) == set(found)


def test_case_tells_names_apart_where_the_provider_says_so(tmp_path: Path) -> None:
    mapping = mappings(tmp_path, AUTH0 + 'case = "exact"\n')["auth0"]
    claims = {"org_id": "org_9ybsU1dN2dKfDkBi"}
    upper, lower = (mapping.subject({**claims, "sub": one}).id for one in ("Ab", "ab"))
    assert (upper, lower) == (principal_of("user", "Ab", exact=True), "user:ab")
    with pytest.raises(ClaimsError, match="no table names"):
        mapping.subject({"org_id": "ORG_9ybsU1dN2dKfDkBi", "sub": "ab"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not readable TOML"),
        ("", "something else than"),
        ("[other]", "something else than"),
        ("issuer.a = 1", "`issuer.a` is not a table"),
        ('[issuer.a]\npreset = "entr"', "`preset` is none of entra, okta"),
        ('[issuer.a]\nissuer = "x"', "`audience` is missing"),
        (
            OKTA.replace("tenant", "tennant"),
            "`tenant` is missing; .*`tennant` is not a key",
        ),
        (OKTA.replace('{ constant = "acme" }', '{ constant = "Acme!" }'), "`Acme!` is no tenant"),
        (OKTA.replace('{ constant = "acme" }', "{ table = {} }"), "`tenant` names either"),
        (OKTA.replace("group:sales", "user:leo"), "`user:leo` is not `group:…` or `role:…`"),
        (OKTA.replace("group:sales", "sales"), "`sales` is not `group:…` or `role:…`"),
        (OKTA + 'clearance = { constant = "top" }', "`top` is no level"),
        (OKTA + 'clearance = { claim = "/c", table = { a = "top" } }', "`top` is no level"),
        (OKTA + 'clearance = { claim = "c" }', "`clearance.claim` is no JSON pointer"),
        (OKTA + 'compartments = { claim = "/c", table = { a = " x" } }', "padded"),
        (OKTA + 'prefix = "Okta"', "`prefix` is small letters"),
        (OKTA + 'jwks_url = "http://sso.acme.example/keys"', "`jwks_url` must be an https"),
        (OKTA + 'jwks_url = "http://127.0.0.1:9/keys"', "STRONGROOM_JWKS_FILE"),
        (OKTA.replace("https:", "http:"), "`issuer` must be an https address"),
        (OKTA + 'jwks_url = "https://a.example"\njwks_file = "b"', "two places of keys"),
        (OKTA + KEYCLOAK, "`prefix`: 2 issuers have ``"),
        (OKTA + OKTA.replace("[issuer.okta]", '[issuer.b]\nprefix = "b."'), "`issuer`: 2 issuers"),
        (OKTA.replace('"Sales EMEA" =', '"A" = "group:a", "a" ='), "one key in two spellings"),
        (OKTA + '[issuer.okta.attributes]\nx = { claim = "/x" }', "not declared under"),
    ],
)
def test_a_wrong_file_stops_the_start_with_a_sentence(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        mappings(tmp_path, text)


def test_a_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_identities(tmp_path / "identities.toml", SCHEMA)
