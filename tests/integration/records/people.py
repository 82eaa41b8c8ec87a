"""Users and groups for the tests of the directory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from acl.records import AuditEvent, AuditKind, Records
from acl.records.directory.directory import Edit, Place
from acl.records.directory.types import (
    GroupState,
    UserState,
    Wanted,
)
from tests.builders import NOW

EVENT = AuditEvent(
    kind=AuditKind.DIRECTORY, time=NOW, subject="service:idp", tenant="acme", detail={"by": "scim"}
)
CHANGE = Edit(EVENT)


async def user(records: Records, name: str = "ada", tenant: str = "acme", **more: Any) -> str:
    state = UserState(identity=f"user:{name}", **more)
    return (await records.directory.create_user(tenant, state, CHANGE)).id


async def group(records: Records, name: str, *members: str, tenant: str = "acme") -> str:
    state = GroupState(identity=f"group:{name}", members=frozenset(members))
    return (await records.directory.create_group(tenant, state, CHANGE)).id


async def members(records: Records, group_id: str, *ids: str, tenant: str = "acme") -> None:
    found = await records.directory.group(tenant, Wanted(id=group_id))
    assert found is not None
    state = replace(found.state, members=frozenset(ids))
    await records.directory.replace_group(Place(tenant=tenant, id=group_id), state, CHANGE)


async def groups(records: Records, name: str = "ada", tenant: str = "acme") -> set[str]:
    entry = await records.directory.resolve(tenant, f"user:{name}")
    assert entry is not None
    return {one.removeprefix("group:") for one in entry.groups}
