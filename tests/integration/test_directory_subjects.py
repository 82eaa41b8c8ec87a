"""Who a subject is, where the directory says so."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from acl.errors import RequestError
from acl.records import AuditEvent, AuditKind, Records
from acl.records.directory.directory import Edit, Place
from acl.records.directory.types import GroupState, UserState, Wanted
from acl.records.tables.schema import directory_groups, user_memberships
from acl.subject import MAX_GROUPS, Subject
from retrieval.access import subjects
from retrieval.access.subjects import DirectorySubjects
from retrieval.rights.directory import SubjectResolver, UnknownSubjectError
from tests.builders import KEY, NOW

EDIT = Edit(AuditEvent(kind=AuditKind.DIRECTORY, time=NOW, subject="service:idp"))
TOKEN = Subject(
    id="user:ada",
    tenant="acme",
    clearance=3,
    compartments=frozenset({"finance"}),
    groups=frozenset({"group:token", "role:auditor"}),
)


@pytest.fixture(name="records")
async def _records(tmp_path: Path) -> AsyncIterator[Records]:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", KEY)
    yield records
    await records.close()


async def user(records: Records, name: str = "ada", **more: Any) -> str:
    state = UserState(identity=f"user:{name}", **more)
    return (await records.directory.create_user("acme", state, EDIT)).id


async def group(records: Records, name: str, *members: str) -> str:
    state = GroupState(identity=f"group:{name}", members=frozenset(members))
    return (await records.directory.create_group("acme", state, EDIT)).id


async def test_groups_are_exactly_the_directory_s(records: Records) -> None:
    inner = await group(records, "inner", await user(records))
    await group(records, "outer", inner)
    known = await SubjectResolver(records.directory).resolve(TOKEN)

    assert known.groups == {"group:inner", "group:outer"}
    assert (known.clearance, known.compartments) == (3, frozenset({"finance"}))


@pytest.mark.parametrize(
    ("said", "clearance", "compartments"),
    [
        ({"clearance": 1}, 1, frozenset()),
        ({"compartments": frozenset({"legal"})}, 0, {"legal"}),
        ({"clearance": 0}, 0, frozenset()),
        ({"compartments": frozenset()}, 0, frozenset()),
    ],
)
async def test_what_the_directory_leaves_out_is_the_weakest(
    records: Records, said: dict[str, Any], clearance: int, compartments: frozenset[str]
) -> None:
    await user(records, **said)
    known = await SubjectResolver(records.directory).resolve(TOKEN)

    assert (known.clearance, known.compartments) == (clearance, compartments)


async def test_who_is_not_an_active_user_is_nobody(records: Records) -> None:
    resolver = SubjectResolver(records.directory)
    with pytest.raises(UnknownSubjectError, match="`user:ada` is not an active user"):
        await resolver.resolve(TOKEN)

    ada = await user(records)
    assert (await resolver.resolve(TOKEN)).id == "user:ada"
    place = Place(tenant="acme", id=ada)
    await records.directory.replace_user(place, UserState(identity="user:ada", active=False), EDIT)
    with pytest.raises(UnknownSubjectError):
        await resolver.resolve(TOKEN)
    await records.directory.replace_user(place, UserState(identity="user:ada"), EDIT)
    assert (await resolver.resolve(TOKEN)).id == "user:ada"
    await records.directory.delete_user(place, EDIT)
    with pytest.raises(UnknownSubjectError):
        await resolver.resolve(TOKEN)


async def test_services_and_agents_are_what_their_token_says(records: Records) -> None:
    service = Subject(id="service:nightly", tenant="acme", groups=frozenset({"group:batch"}))
    assert await SubjectResolver(records.directory).resolve(service) == service


async def test_actors_are_asked_for_too(records: Records) -> None:
    agent = Subject(id="agent:helper", tenant="acme", groups=frozenset({"group:agents"}))
    bob = Subject(id="user:bob", tenant="acme", groups=frozenset({"group:token"}))
    asker = Subject(id="user:ada", tenant="acme", actors=(agent, bob))
    await user(records)
    resolver = SubjectResolver(records.directory)
    with pytest.raises(UnknownSubjectError, match="user:bob"):
        await resolver.resolve(asker)

    await group(records, "staff", await user(records, "bob"))
    known = await resolver.resolve(asker)
    assert known.actors == (agent, Subject(id="user:bob", tenant="acme", groups={"group:staff"}))  # type: ignore[arg-type]
    assert known.groups == frozenset()


def _many(connection: Connection, ada: str, count: int) -> None:
    """Put a user into many groups in one transaction."""
    known: dict[str, Any] = {"tenant": "acme", "external_id": "", "version": 1}
    known |= {"created_at": NOW, "updated_at": NOW}
    rows = [
        {"id": str(uuid.uuid4()), "identity": name, "called": name, "name": "", **known}
        for name in (f"group:h{one}" for one in range(count))
    ]
    held = [{"group_id": one["id"], "member_id": ada, "tenant": "acme"} for one in rows]
    connection.execute(insert(directory_groups), rows)
    connection.execute(insert(user_memberships), held)


async def test_too_many_groups_refuse_and_are_never_cut(records: Records) -> None:
    ada = await user(records)
    held = [ada]
    for number in range(3):
        held.append(await group(records, f"g{number}", *held[:1]))
    assert len((await SubjectResolver(records.directory).resolve(TOKEN)).groups) == 3

    await records.database.write(_many, ada, MAX_GROUPS - 2)
    with pytest.raises(RequestError, match="more than 1000 groups"):
        await SubjectResolver(records.directory).resolve(TOKEN)


async def test_who_is_in_too_many_groups_is_not_known_and_hides_nobody(records: Records) -> None:
    await user(records)
    mallory = await user(records, "mallory")
    await user(records, "zoe")
    await user(records, "off", active=False)
    await records.database.write(_many, mallory, MAX_GROUPS + 1)
    known = DirectorySubjects(records.directory)

    assert [one.id async for one in known.subjects("acme")] == ["user:ada", "user:zoe"]
    assert [one.id async for one in known.subjects("acme", after="user:ada")] == ["user:zoe"]
    assert await known.subject("acme", "user:mallory") is None


async def test_nobody_is_passed_over_while_others_go(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "_PAGE", 2)
    ids = {name: await user(records, name) for name in "abcdef"}
    seen = []
    async for one in DirectorySubjects(records.directory).subjects("acme"):
        seen.append(one.id.removeprefix("user:"))
        if one.id == "user:b":
            for gone in "ab":
                place = Place(tenant="acme", id=ids[gone])
                await records.directory.delete_user(place, EDIT)

    assert seen == list("abcdef")


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.sampled_from(["join", "leave", "off", "on", "delete"]), max_size=8))
async def test_each_change_is_obeyed_at_the_next_request(
    records: Records, steps: list[str]
) -> None:
    resolver, directory = SubjectResolver(records.directory), records.directory
    for found in await directory.users("acme"):
        await directory.delete_user(Place(tenant="acme", id=found.id), EDIT)
    for staff in await directory.groups("acme"):
        await directory.delete_group(Place(tenant="acme", id=staff.id), EDIT)
    team, ada, inside, active = await group(records, "staff"), await user(records), False, True
    for step in steps:
        there = await directory.user("acme", Wanted(id=ada)) is not None
        if step in {"join", "leave"} and there:
            inside = step == "join"
            members = frozenset({ada}) if inside else frozenset()
            state = GroupState(identity="group:staff", members=members)
            await directory.replace_group(Place(tenant="acme", id=team), state, EDIT)
        elif step in {"off", "on"} and there:
            active = step == "on"
            state_of = UserState(identity="user:ada", active=active)
            await directory.replace_user(Place(tenant="acme", id=ada), state_of, EDIT)
        elif step == "delete" and there:
            await directory.delete_user(Place(tenant="acme", id=ada), EDIT)
            active = inside = False
        if active:
            known = await resolver.resolve(TOKEN)
            assert known.groups == ({"group:staff"} if inside else frozenset())
        else:
            with pytest.raises(UnknownSubjectError):
                await resolver.resolve(TOKEN)
