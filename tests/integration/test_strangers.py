"""Who matches no one is told, with the documents and the nearest known name."""

from __future__ import annotations

import pytest

from acl.records import AuditEvent, AuditKind
from acl.records.directory.directory import Edit
from acl.records.directory.types import GroupState, UserState
from acl.subject import Subject
from retrieval.access.strangers import SHOWN, strangers
from tests.integration.world import NOW, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

EDIT = Edit(AuditEvent(kind=AuditKind.DIRECTORY, time=NOW, subject="service:idp"))
TRAVEL = "file:acme/handbook/travel.md"


async def test_an_owner_whom_nobody_bears_is_told(light: World) -> None:
    snapshot = light.snapshots.pin()
    assert await strangers(light.records, snapshot, (), NOW) == (), "nobody is known at all"
    await light.relabel(TRAVEL, owner="group:finnance", readers=["user:olaf", "group:everyone"])
    await light.records.directory.create_user("acme", UserState(identity="user:olof"), EDIT)
    finance = GroupState(identity="group:finance")
    await light.records.directory.create_group("acme", finance, EDIT)

    told = await strangers(light.records, snapshot, (), NOW)
    found = {each.principal: each for each in told}
    assert found["group:finnance"].nearest == "group:finance"
    assert found["user:olaf"].nearest == "user:olof"
    assert found["user:olaf"].uris == (TRAVEL,)
    assert {each.tenant for each in told} == {"acme"}
    assert all(0 < len(each.uris) <= SHOWN for each in told)
    assert not found.keys() & {"group:everyone", "group:finance", "user:olof"}

    olaf = Subject(id="user:olaf", tenant="acme", groups=frozenset({"group:finnance"}))
    known = await strangers(light.records, snapshot, (olaf,), NOW)
    assert not {each.principal for each in known} & {"group:finnance", "user:olaf"}
