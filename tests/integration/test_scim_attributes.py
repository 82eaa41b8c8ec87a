"""Declared attributes of people over SCIM: typed at the door, in force at the next request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from scim2_models import SCIMException
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.service import ScimService

from acl.labels import LabelSchema
from acl.records import AuditEvent, AuditKind, Records
from acl.records.directory.directory import Edit
from acl.records.directory.types import DIRECTORY_ATTRIBUTES
from acl.subject import Attributes, Subject
from retrieval.access.subjects import DirectorySubjects
from retrieval.rights.directory import SubjectResolver
from retrieval.service.scim.forms import PATCH, read_patch, read_resource, users
from retrieval.service.scim.models import ENTERPRISE, User, scim_models
from retrieval.service.scim.routes import _wait
from retrieval.service.scim.storage import DirectoryStorage
from tests.builders import KEY, NOW

SCHEMA = LabelSchema.from_toml(
    """
[label.tenant]
type = "keyword"
[subject.department]
type = "keyword"
[subject.employeeNumber]
type = "integer"
[subject.costCenter]
type = "keyword_set"
[subject.division]
type = "integer"
levels = ["south", "north"]
[subject.title]
type = "keyword"
[subject.userType]
type = "boolean"
[subject.region]
type = "keyword"
"""
)
MODELS = scim_models(None, SCHEMA.subject)
KIND = users(MODELS.declared)
EDIT = Edit(AuditEvent(kind=AuditKind.DIRECTORY, time=NOW, subject="service:idp"))
TOKEN = Subject(
    id="user:ada",
    tenant="acme",
    attributes=Attributes({"department": "token", "region": "emea"}),
)
SENT: dict[str, Any] = {
    "schemas": [str(User.__schema__), ENTERPRISE],
    "userName": "ada",
    "title": "Head of Sales",
    "userType": "True",
    "preferredLanguage": "de",
    ENTERPRISE: {
        "department": "Sales",
        "employeeNumber": "701984",
        "costCenter": "4130",
        "division": "north",
        "organization": "Acme",
        "manager": {"value": "7"},
    },
}
TYPED = {
    "department": "Sales",
    "employeeNumber": 701984,
    "costCenter": frozenset({"4130"}),
    "division": 1,
    "title": "Head of Sales",
    "userType": True,
}

Ask = Callable[[str, str, Any], Awaitable[Any]]


@pytest.fixture(name="records")
async def _records(tmp_path: Path) -> AsyncIterator[Records]:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", KEY)
    yield records
    await records.close()


@pytest.fixture(name="ask")
def _ask(records: Records) -> Ask:
    """Return what answers a request as the service does, behind its rights."""
    service = ScimService(MODELS.provider)

    async def ask(method: str, path: str, body: Any) -> Any:
        own = path.rpartition("/")[2]
        formed = read_patch(KIND, own, body) if method == "PATCH" else read_resource(KIND, body)
        wait = partial(_wait, asyncio.get_running_loop())
        storage = DirectoryStorage(records.directory, MODELS, "acme", EDIT, wait=wait)
        request = ScimRequest(
            method=method, base_url="http://x", path=path, body=json.dumps(formed).encode()
        )
        handler = ScimHandler(service, storage)
        return (await asyncio.to_thread(handler.handle, request)).body

    return ask


def change(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(operations)}


async def asker(records: Records) -> dict[str, Any]:
    resolver = SubjectResolver(records.directory, SCHEMA.subject)
    return dict((await resolver.resolve(TOKEN)).attributes)


async def test_attributes_are_typed_stored_and_in_force(records: Records, ask: Ask) -> None:
    made = await ask("POST", "/Users", SENT)

    assert await asker(records) == {**TYPED, "region": "emea"}
    reviewed = await DirectorySubjects(records.directory, SCHEMA.subject).subject(
        "acme", "user:ada"
    )
    assert reviewed is not None
    assert dict(reviewed.attributes) == TYPED
    kept = {"department", "employeeNumber", "costCenter", "division"}
    assert made[ENTERPRISE] == {name: SENT[ENTERPRISE][name] for name in kept}
    assert (made["title"], "preferredLanguage" in made) == ("Head of Sales", False)


async def test_a_change_binds_the_next_request(records: Records, ask: Ask) -> None:
    path = f"/Users/{(await ask('POST', '/Users', SENT))['id']}"
    await ask(
        "PATCH",
        path,
        change(
            {"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "Legal"},
            {"op": "Replace", "path": f"{ENTERPRISE}:manager", "value": "8"},
            {"op": "Add", "value": {"title": "Counsel", f"{ENTERPRISE}:organization": "Acme"}},
            {"op": "Remove", "path": f"{ENTERPRISE}:costCenter"},
        ),
    )
    known = await asker(records)
    assert (known["department"], known["title"]) == ("Legal", "Counsel")
    assert "costCenter" not in known


async def test_what_is_taken_away_is_absent_and_not_the_token_s(records: Records, ask: Ask) -> None:
    plain = {"schemas": [str(User.__schema__)], "userName": "ada"}
    path = f"/Users/{(await ask('POST', '/Users', plain))['id']}"
    assert await asker(records) == dict(TOKEN.attributes), "the directory never said any"

    await ask("PUT", path, SENT)
    await ask("PUT", path, plain)
    assert await asker(records) == {"region": "emea"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("employeeNumber", "E-17"),
        ("employeeNumber", "9" * 16),
        ("employeeNumber", 5),
        ("division", "west"),
        ("department", ["Sales"]),
        ("department", {"value": "Sales"}),
        ("costCenter", "\u0000"),
        ("userType", "Employee"),
        ("title", 5),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_wrong_value_is_refused_in_one_sentence(
    records: Records, ask: Ask, method: str, name: str, value: object
) -> None:
    del records
    path = "/Users"
    core = name in {"title", "userType"}
    said = {**SENT, name: value} if core else {**SENT, ENTERPRISE: {name: value}}
    if method == "PATCH":
        path = f"/Users/{(await ask('POST', '/Users', SENT))['id']}"
        where = name if core else f"{ENTERPRISE}:{name}"
        said = change({"op": "replace", "path": where, "value": value})
    try:
        answer = await ask(method, path, said)
    except SCIMException as error:
        answer = {"status": str(error.status), "detail": error.detail}
    assert answer["status"] == "400", answer
    assert name in answer["detail"]
    assert "\n" not in answer["detail"]


async def test_what_a_later_schema_does_not_take_is_absent(records: Records, ask: Ask) -> None:
    await ask("POST", "/Users", SENT)
    later = LabelSchema.from_toml(
        '[label.tenant]\ntype = "keyword"\n[subject.department]\ntype = "integer"\n'
        '[subject.title]\ntype = "keyword"\n'
    )
    resolver = SubjectResolver(records.directory, later.subject)
    known = (await resolver.resolve(Subject(id="user:ada", tenant="acme"))).attributes
    assert dict(known) == {"title": "Head of Sales"}


def test_only_what_is_declared_is_published() -> None:
    published = MODELS.user.model_json_schema()["properties"].keys()
    assert {"title", "userType"} <= published
    assert "preferredLanguage" not in published
    assert MODELS.declared.keys() == TYPED.keys()
    assert MODELS.declared.keys() < DIRECTORY_ATTRIBUTES
    assert scim_models(None).enterprise is None
