"""Users and groups over SCIM, against a running service that asks the directory who is who."""

from __future__ import annotations

import json
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from acl.records import AuditKind
from acl.subject import Subject
from tests.commandline import strongroom
from tests.provisioning import (
    GROUP,
    IDP,
    OTHER_IDP,
    RIGHTS,
    USER,
    made,
    patched,
    refused,
    search,
    titles,
)
from tests.serving import ADA, BOB, Service


def test_a_user_is_answered_from_the_moment_the_directory_has_it(
    scim: Service, idp: httpx2.Client
) -> None:
    assert search(scim, BOB).status_code == 401
    bob = made(idp, "Users", userName="Bob", displayName="Bob Bee")

    assert (bob["userName"], bob["active"]) == ("Bob", True)
    assert search(scim, BOB).status_code == 200
    idp.delete(f"Users/{bob['id']}").raise_for_status()
    assert search(scim, BOB).status_code == 401
    refused(idp.get(f"Users/{bob['id']}"), 404)


def test_an_inactive_user_is_refused_and_no_omission_activates(
    scim: Service, idp: httpx2.Client
) -> None:
    bob = made(idp, "Users", userName="bob", active=True)
    path = f"Users/{bob['id']}"
    off = {"op": "Replace", "path": "active", "value": "False"}
    assert patched(idp, path, off).status_code == 204
    assert search(scim, BOB).status_code == 401

    replaced = idp.put(path, json={"schemas": [USER], "userName": "bob", "displayName": "B"})
    assert replaced.json()["active"] is False
    assert search(scim, BOB).status_code == 401
    assert patched(idp, path, {"op": "replace", "value": {"active": True}}).status_code == 204
    assert search(scim, BOB).status_code == 200


def test_groups_are_the_directory_s_through_any_nesting(scim: Service, idp: httpx2.Client) -> None:
    ada = made(idp, "Users", userName="ada")
    assert "Budget" not in titles(scim, ADA), "the token's groups count for nothing"

    payroll = made(idp, "Groups", displayName="payroll", members=[{"value": ada["id"]}])
    assert payroll["members"] == [
        {
            "value": ada["id"],
            "$ref": f"{scim.server.address}/scim/v2/Users/{ada['id']}",
            "type": "User",
        }
    ]
    finance = made(idp, "Groups", displayName="Finance", members=[{"value": payroll["id"]}])
    assert finance["displayName"] == "Finance"
    assert "Budget" in titles(scim, ADA)

    gone = {"op": "remove", "path": f'members[value eq "{ada["id"]}"]'}
    assert patched(idp, f"Groups/{payroll['id']}", gone).status_code == 204
    assert "Budget" not in titles(scim, ADA)
    again = {"op": "Add", "path": "members", "value": [{"value": ada["id"]}]}
    assert patched(idp, f"Groups/{payroll['id']}", again).status_code == 204
    assert "Budget" in titles(scim, ADA)
    # As Microsoft Entra says it.
    odd = {"op": "Remove", "path": "members", "value": [{"value": ada["id"]}]}
    assert patched(idp, f"Groups/{payroll['id']}", odd).status_code == 204
    assert "Budget" not in titles(scim, ADA)


def test_rights_are_the_directory_s_where_it_says_any(scim: Service, idp: httpx2.Client) -> None:
    ada = made(idp, "Users", userName="ada")
    made(idp, "Groups", displayName="finance", members=[{"value": ada["id"]}])
    assert "Budget" in titles(scim, ADA), "the token's clearance and compartments count"

    path = f"Users/{ada['id']}"
    weak = {"op": "add", "path": f"{RIGHTS}:clearance", "value": "confidential"}
    assert patched(idp, path, weak).status_code == 204
    assert "Budget" not in titles(scim, ADA), "no compartment was said, so there is none"
    full = {"op": "add", "value": {RIGHTS: {"compartments": ["finance"]}}}
    assert patched(idp, path, full).status_code == 204
    assert idp.get(path).json()[RIGHTS] == {
        "clearance": "confidential",
        "compartments": ["finance"],
    }
    assert "Budget" in titles(scim, ADA)
    low = {"op": "replace", "path": f"{RIGHTS}:clearance", "value": "public"}
    assert patched(idp, path, low).status_code == 204
    assert titles(scim, ADA) == set()


BODY = {"schemas": [USER], "userName": "ada"}


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        ({"op": "remove", "path": f'{RIGHTS}:compartments[value eq "finance"]'}, set()),
        ({"op": "remove", "path": f"{RIGHTS}:compartments"}, set()),
        ({"op": "remove", "path": RIGHTS}, set()),
        ({"op": "replace", "path": f"{RIGHTS}:compartments", "value": []}, set()),
        ({**BODY, RIGHTS: None}, set()),
        ({**BODY, RIGHTS: {}}, set()),
        ({**BODY, RIGHTS: {"clearance": None, "compartments": None}}, set()),
        (BODY, {"finance"}),
        ({**BODY, "active": True}, {"finance"}),
    ],
)
def test_taking_rights_away_never_hands_the_question_back_to_the_token(
    scim: Service, idp: httpx2.Client, step: dict[str, Any], kept: set[str]
) -> None:
    ada = made(idp, "Users", userName="ada", **{RIGHTS: {"compartments": ["finance"]}})
    token = Subject(
        id="user:ada", tenant="acme", clearance=3, compartments=frozenset({"board", "finance"})
    )

    path = f"Users/{ada['id']}"
    answer = patched(idp, path, step) if "op" in step else idp.put(path, json=step)
    answer.raise_for_status()

    for _ in range(2):
        known = scim.run(scim.parts.standing.pin(token)).subject
        assert (known.clearance, known.compartments) == (0, kept)
        named = {"op": "replace", "path": "displayName", "value": "Ada"}
        assert patched(idp, path, named).status_code == 204


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("Users", {"userName": "a\0"}, "`userName` holds a control character"),
        ("Users", {"userName": "a\n"}, "`userName` holds a control character"),
        ("Users", {"userName": "a" * 501}, "`userName` is longer than 500"),
        ("Users", {"userName": "a", "externalId": "\0"}, "`externalId` holds what no text"),
        ("Users", {"userName": "a", RIGHTS: {"clearance": "\0"}}, "`clearance` is no level"),
        ("Users", {"userName": "a", RIGHTS: {"compartments": ["\0"]}}, "`compartments` one holds"),
        ("Groups", {"displayName": "f", "members": [{"value": "\0"}]}, "`members` name an id"),
        ("Users", {"userName": ""}, "`userName` is required"),
        ("Groups", {"displayName": "Everyone"}, "`displayName` is the name of the group"),
        ("Groups", {"displayName": "f", "members": [{"value": "nobody"}]}, "`members` name an id"),
        ("Groups", {"displayName": "f", "members": [{"type": "User"}]}, "`members` must be"),
        ("Users", {"userName": "a", RIGHTS: {"clearance": "cosmic"}}, "`clearance` is no level"),
        ("Users", {"userName": "a", RIGHTS: {"compartments": [" x"]}}, "`compartments` one begins"),
        ("Users", {"userName": "a", "externalId": "x" * 501}, "`externalId` is longer"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(
    idp: httpx2.Client, kind: str, fields: dict[str, Any], words: str
) -> None:
    schemas = [USER if kind == "Users" else GROUP, *(one for one in fields if ":" in one)]
    answer = idp.post(kind, json={"schemas": schemas, **fields})

    assert refused(answer, 400, "invalidValue").startswith(words)
    assert idp.get(kind).json()["totalResults"] == 0


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("Users", {"userName": "\ud800"}),
        ("Users", {"userName": "a", "displayName": "\ud800"}),
        ("Groups", {"displayName": "f", "externalId": "\ud800"}),
        ("Groups", {"displayName": "f", "members": [{"value": "\ud800"}]}),
    ],
)
def test_half_a_surrogate_pair_is_refused(
    idp: httpx2.Client, kind: str, fields: dict[str, Any]
) -> None:
    body = json.dumps({"schemas": [USER if kind == "Users" else GROUP], **fields})
    refused(idp.post(kind, content=body), 400, "invalidSyntax")


def test_a_name_is_one_principal_however_it_is_written(idp: httpx2.Client) -> None:
    made(idp, "Users", userName="Mallory")
    for variant in ("mallory", "MALLORY", "mAllory"):
        again = idp.post("Users", json={"schemas": [USER], "userName": variant})
        assert "`userName`" in refused(again, 409, "uniqueness")


CASES = Path(__file__).parents[3] / "shared" / "cases" / "identities" / "cases.toml"


def names_a_provider_sends() -> list[str]:
    """The names of the case where it is there, and others of its kind."""
    made = ["joe_partner.example#EXT#@acme.example", "Jörg Müller", "o'neil+x@acme.example", "(a)"]
    if CASES.exists():
        cases = {one["id"]: one for one in tomllib.loads(CASES.read_text())["case"]}
        sent = cases["names-a-provider-sends"]["input"]
        made += re.findall(r'"([^"{}]+)"\}?$', sent, re.MULTILINE)
    return sorted(set(made))


def test_every_name_that_a_provider_sends_comes_in(scim: Service, idp: httpx2.Client) -> None:
    names = names_a_provider_sends()
    for kind, attribute in (("Users", "userName"), ("Groups", "displayName")):
        for name in names:
            entry = made(idp, kind, **{attribute: name})
            assert entry[attribute] == name
            asked = idp.get(kind, params={"filter": f"{attribute} eq {json.dumps(name.upper())}"})
            same = name.upper().lower() == name.lower()
            found = [one["id"] for one in asked.json().get("Resources", [])]
            assert found == [entry["id"]] * same
            again = {"schemas": entry["schemas"], attribute: name}
            refused(idp.post(kind, json=again), 409, "uniqueness")
    guest = "user:joe_partner.example--23-ext--23-@acme.example"
    assert search(scim, {**BOB, "sub": guest}).status_code == 200


def test_a_renamed_person_keeps_what_is_theirs(scim: Service, idp: httpx2.Client) -> None:
    ada = made(idp, "Users", userName="ada", **{RIGHTS: {"clearance": "restricted"}})
    path = f"Users/{ada['id']}"
    finance = made(idp, "Groups", displayName="finance", members=[{"value": ada["id"]}])
    rights = {"op": "replace", "path": f"{RIGHTS}:compartments", "value": ["finance"]}
    named = {"op": "Replace", "path": "userName", "value": "Ada.Smith@acme.example"}
    assert patched(idp, path, rights, named).status_code == 204
    renamed = {"id": finance["id"], "displayName": "Finance (EMEA)"}
    answer = patched(idp, f"Groups/{finance['id']}", {"op": "replace", "value": renamed})
    assert answer.status_code == 204

    assert idp.get(path).json()["userName"] == "Ada.Smith@acme.example"
    new = {**ADA, "sub": "user:ada.smith@acme.example"}
    assert titles(scim, new) == titles(scim, ADA) >= {"Budget"}
    event = scim.run(scim.parts.records.audit.events(kind=AuditKind.SEARCH, limit=100_000))[-1]
    assert event.event.subject == "user:ada", "what is theirs is of one principal"
    taken = {"schemas": [USER], "userName": "ada"}
    refused(idp.post("Users", json=taken), 409, "uniqueness")


def test_a_circle_is_refused(idp: httpx2.Client) -> None:
    inner = made(idp, "Groups", displayName="inner")
    outer = made(idp, "Groups", displayName="outer", members=[{"value": inner["id"]}])
    add = {"op": "add", "path": "members", "value": [{"value": outer["id"]}]}

    answer = patched(idp, f"Groups/{inner['id']}", add)
    assert "circle" in refused(answer, 400, "invalidValue")


def test_changes_at_once_are_all_kept(idp: httpx2.Client) -> None:
    ids = [made(idp, "Users", userName=f"u{number}")["id"] for number in range(8)]
    team = made(idp, "Groups", displayName="team")

    def join(user_id: str) -> int:
        add = {"op": "add", "path": "members", "value": [{"value": user_id}]}
        return patched(idp, f"Groups/{team['id']}", add).status_code

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(join, ids)) == {204}
    members = idp.get(f"Groups/{team['id']}").json()["members"]
    assert {one["value"] for one in members} == set(ids)


def test_many_members_are_changed_by_one_operation(scim: Service, idp: httpx2.Client) -> None:
    ids = [made(idp, "Users", userName=f"u{number}")["id"] for number in range(130)]
    team = made(idp, "Groups", displayName="team", members=[{"value": ids[0]}])
    path, held = f"Groups/{team['id']}", [{"value": each, "type": "User"} for each in ids]

    def members() -> set[str]:
        return {one["value"] for one in idp.get(path).json().get("members", [])}

    add = {"op": "Add", "path": "members", "value": held}
    assert patched(idp, path, add).status_code == 204
    assert members() == set(ids)
    version = idp.get(path).json()["meta"]["version"]
    assert patched(idp, path, add).status_code == 204
    assert idp.get(path).json()["meta"]["version"] == version, "nothing changed"
    remove = {"op": "Remove", "path": "members", "value": held[1:]}
    name = {"op": "replace", "path": "displayName", "value": "crew"}
    assert "change of their own" in refused(patched(idp, path, remove, name), 413)
    few = {**remove, "value": held[100:]}
    assert patched(idp, path, few, name).status_code == 204
    assert members() == set(ids[:100])
    assert patched(idp, path, remove).status_code == 204
    assert members() == {ids[0]}
    wrong = {"op": "add", "path": "members", "value": [{"value": "nobody"}]}
    assert "`members` name an id" in refused(patched(idp, path, wrong), 400, "invalidValue")
    refused(patched(idp, "Groups/nobody", add), 404)
    event = scim.run(scim.parts.records.audit.events(kind=AuditKind.DIRECTORY, limit=100_000))[-1]
    assert len(event.event.detail["removed"]) == 99


def test_nothing_is_seen_or_changed_from_another_tenant(scim: Service, idp: httpx2.Client) -> None:
    bob = made(idp, "Users", userName="bob")
    with scim.as_(OTHER_IDP) as client:
        path = f"/scim/v2/Users/{bob['id']}"
        body = {"schemas": [USER], "userName": "bob"}
        assert client.get("/scim/v2/Users").json()["totalResults"] == 0
        here = refused(client.get(path), 404)
        assert here == refused(client.get("/scim/v2/Users/nobody"), 404)
        refused(client.put(path, json=body), 404)
        refused(client.delete(path), 404)
        member = {"schemas": [GROUP], "displayName": "g", "members": [{"value": bob["id"]}]}
        refused(client.post("/scim/v2/Groups", json=member), 400, "invalidValue")
        assert client.post("/scim/v2/Users", json=body).status_code == 201
        for one in client.get("/scim/v2/Users").json()["Resources"]:
            client.delete(f"/scim/v2/Users/{one['id']}").raise_for_status()
    assert search(scim, BOB).status_code == 200


def test_every_change_is_on_record(scim: Service, idp: httpx2.Client) -> None:
    bob = made(idp, "Users", userName="bob")
    event = scim.run(scim.parts.records.audit.events(kind=AuditKind.DIRECTORY, limit=100_000))[
        -1
    ].event

    assert (event.subject, event.tenant, event.action) == ("service:idp", "acme", "directory:edit")
    assert event.resources == (bob["id"],)
    assert event.detail["change"] == "created"
    assert event.policy_revision >= 1
    assert event.decision_id


def test_the_command_line_shows_who_is_known(
    scim: Service, idp: httpx2.Client, tmp_path: Path
) -> None:
    rights = {"clearance": "internal", "compartments": ["legal", "finance"]}
    ada = made(idp, "Users", userName="ada", displayName="Ada", **{RIGHTS: rights})
    made(idp, "Users", userName="bob", active=False)
    inner = made(idp, "Groups", displayName="inner", members=[{"value": ada["id"]}])
    made(idp, "Groups", displayName="outer", members=[{"value": inner["id"]}])

    def said(*arguments: str, code: int = 0, source: str = "scim") -> str:
        done = strongroom(
            tmp_path,
            "directory",
            *arguments,
            code=code,
            data_dir=str(scim.settings.data_dir),
            policy_dir=str(scim.settings.policy_dir),
            directory=source,
        )
        return " ".join((done.stdout + done.stderr).split())

    users = said("list", "--tenant", "acme")
    assert "user:ada Ada yes internal finance, legal" in users
    assert "user:bob bob no as the token says as the token says" in users
    assert "2 users of acme" in users
    assert "group:inner" in said("list", "--tenant", "acme", "--groups")
    assert "0 users of globex" in said("list", "--tenant", "globex")
    shown = said("show", "user:ada", "--tenant", "acme")
    assert "groups, directly group:inner groups, through those group:outer" in shown
    group = said("show", "group:inner", "--tenant", "acme")
    assert "members user:ada member of group:outer" in group
    assert "has no `user:eve`" in said("show", "user:eve", "--tenant", "acme", code=1)
    assert "has no `group:eve`" in said("show", "group:eve", "--tenant", "acme", code=1)
    unused = said("list", "--tenant", "acme", source="token")
    assert "not in use" in unused


STEWARD: dict[str, Any] = {**ADA, "sub": "service:stew", "groups": ["role:steward"]}
LUNCH = "file:acme/handbook/lunch.md"


@pytest.mark.parametrize(
    ("who", "claimed", "standing"),
    [
        ("user:bob", {}, "known"),
        ("user:sus", {}, "suspended"),
        ("user:sus", {"clearance": 3}, "suspended"),
        ("user:neverexisted", {}, "unknown"),
        ("user:neverexisted", {"clearance": 3, "groups": []}, "described"),
        ("service:x", {}, "unknown"),
    ],
)
def test_every_way_to_ask_agrees_on_who_can_read(
    scim: Service, idp: httpx2.Client, who: str, claimed: dict[str, Any], standing: str
) -> None:
    made(idp, "Users", userName="bob", **{RIGHTS: {"clearance": "internal"}})
    made(idp, "Users", userName="sus", active=False, **{RIGHTS: {"clearance": "restricted"}})
    document = scim.documents[LUNCH]
    about = {"id": who, **claimed}
    kind = who.partition(":")[0]
    subject = {"type": kind, "id": who, "properties": claimed}
    resource = {"type": "document", "id": document}
    reading = {"subject": subject, "action": {"name": "document:read"}}
    with scim.as_(STEWARD) as client:

        def asked(path: str, body: dict[str, Any]) -> Any:
            return client.post(path, json=body).raise_for_status().json()

        what = asked("/v1/access:readable", {"subject": about})
        why = asked("/v1/access:explain", {"subject": about, "document_id": document})
        may = asked("/access/v1/evaluation", {**reading, "resource": resource})["decision"]
        sought = {**reading, "resource": {"type": "document"}}
        found = asked("/access/v1/search/resource", sought)["results"]
        people = {**reading, "subject": {"type": kind}, "resource": resource}
        able = asked("/access/v1/search/subject", people)["results"]
        audience = client.get(f"/v1/documents/{document}/audience").json()
    reads = standing in {"known", "described"}
    assert (what["standing"], why["standing"]) == (standing, standing)
    assert (document in {one["id"] for one in what["documents"]}) is reads
    assert bool(what["documents"]) is reads
    assert (why["allowed"], may) == (reads, reads)
    assert {one["id"] for one in found} == {one["id"] for one in what["documents"]}
    names = {f"{kind}:{one['id'].removeprefix(kind + ':')}" for one in able}
    assert (who in names) is (standing == "known")
    assert (who in audience["subjects"]) is (standing == "known")
    assert not audience["incomplete"]


def test_a_credential_is_made_replaced_and_revoked(
    scim: Service, idp: httpx2.Client, tmp_path: Path
) -> None:
    del idp

    def provisioner(*arguments: str, code: int = 0) -> Any:
        done = strongroom(
            tmp_path,
            "provisioner",
            *arguments,
            "--tenant",
            "acme",
            "--json",
            code=code,
            data_dir=str(scim.settings.data_dir),
            policy_dir=str(scim.settings.policy_dir),
        )
        return json.loads(done.stdout) if code == 0 else done.stderr

    def users(secret: str, path: str = "/scim/v2/Users") -> int:
        with scim.client(secret) as client:
            return client.get(path).status_code

    made = provisioner("create", "service:idp")
    assert users(made["secret"]) == 200
    assert users(made["secret"], "/v1/documents") == 401, "it is good for the directory alone"
    assert users(made["secret"], "/v1/provisioners") == 401
    assert users(provisioner("create", "service:other")["secret"]) == 403
    new = provisioner("rotate", made["id"], "--overlap-hours", "1")
    assert (users(made["secret"]), users(new["secret"])) == (200, 200)
    provisioner("revoke", made["id"])
    assert (users(made["secret"]), users(new["secret"])) == (401, 200)
    assert "no living credential" in str(provisioner("revoke", made["id"], code=1))
    listed = provisioner("list")["provisioners"]
    assert {one["id"]: one["used_at"] is not None for one in listed}[new["id"]]
    assert "secret" not in json.dumps(listed)


def test_credentials_are_kept_over_http(scim: Service) -> None:
    with scim.as_(IDP) as client:
        made = client.post("/v1/provisioners", json={"service": "service:idp"})
        assert made.status_code == 201
        path = f"/v1/provisioners/{made.json()['id']}"
        new = client.post(f"{path}:rotate", json={"overlap_hours": 0})
        assert new.status_code == 201
        with scim.client(made.json()["secret"]) as old:
            assert old.get("/scim/v2/Users").status_code == 401
        known = {one["id"] for one in client.get("/v1/provisioners").json()["provisioners"]}
        assert {made.json()["id"], new.json()["id"]} <= known
        assert client.delete(f"/v1/provisioners/{new.json()['id']}").status_code == 204
        assert client.delete(path).status_code == 404
        assert client.post("/v1/provisioners", json={"service": "user:ada"}).status_code == 422
    with scim.as_(OTHER_IDP) as client:
        assert client.get("/v1/provisioners").json() == {"provisioners": []}
        assert client.delete(path).status_code == 404
    with scim.as_(IDP, sub="service:other") as client:
        assert client.get("/v1/provisioners").status_code == 403
