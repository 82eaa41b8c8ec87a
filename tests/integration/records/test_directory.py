"""Users and groups of record: on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from acl.records import AuditKind, Records, RecordsConflictError
from acl.records.database.errors import (
    DirectoryFaultError,
    MovedOnError,
    StaleEntryError,
    TakenIdentityError,
    UnknownEntryError,
)
from acl.records.directory.directory import FIRST, Edit, Place
from acl.records.directory.memberships import drop_members
from acl.records.directory.types import (
    GroupState,
    Slice,
    UserState,
    Wanted,
)
from acl.records.tables.heads import DirectoryHead
from acl.records.tables.schema import user_memberships
from tests.builders import NOW, events_about, in_effect
from tests.integration.records.people import CHANGE, EVENT, group, groups, members, user


async def last_detail(records: Records) -> dict[str, Any]:
    events = await records.audit.events(kind=AuditKind.DIRECTORY, limit=1000)
    return dict(events[-1].event.detail)


async def test_what_is_written_comes_back(records: Records) -> None:
    state = UserState(
        identity="user:ada",
        external_id="00u1-É",
        display_name='Ada "the CFO" \U0001f600',
        active=False,
        clearance=0,
        compartments=frozenset({"finance", "über"}),
    )
    created = await records.directory.create_user("acme", state, CHANGE)

    assert created.state == state
    assert (created.version, created.created_at, created.updated_at) == (1, NOW, NOW)
    entry = await records.directory.resolve("acme", "user:ada")
    assert entry is not None
    assert entry.user == created
    assert await records.directory.user("acme", Wanted(id=created.id)) == created
    assert await records.directory.resolve("acme", "user:bob") is None
    assert await records.directory.resolve("globex", "user:ada") is None


async def test_nothing_said_is_not_everything_taken_away(records: Records) -> None:
    await user(records)
    await user(records, "bob", compartments=frozenset())
    silent, none = [
        await records.directory.resolve("acme", f"user:{one}") for one in ("ada", "bob")
    ]
    assert silent is not None
    assert none is not None

    assert not silent.user.state.says_rights
    assert none.user.state.says_rights
    assert none.user.state.compartments == frozenset()


async def test_rights_that_were_said_once_are_never_unsaid(records: Records) -> None:
    ada = Place(tenant="acme", id=await user(records, clearance=2))
    silent = UserState(identity="user:ada")

    for _ in range(2):
        state = (await records.directory.replace_user(ada, silent, CHANGE)).state
        assert (state.clearance, state.compartments) == (None, frozenset())
    bob = Place(tenant="acme", id=await user(records, "bob"))
    silent = UserState(identity="user:bob")
    assert not (await records.directory.replace_user(bob, silent, CHANGE)).state.says_rights


async def test_a_change_counts_and_is_on_record(records: Records) -> None:
    before = await records.standing.read("acme")
    assert before.directory == DirectoryHead("acme", 0)
    ada = await user(records)
    staff = await group(records, "staff", ada)
    await records.directory.replace_user(
        Place(tenant="acme", id=ada), UserState(identity="user:ada", active=False), CHANGE
    )
    replaced = await last_detail(records)
    await members(records, staff)
    emptied = await last_detail(records)
    await records.directory.delete_user(Place(tenant="acme", id=ada), CHANGE)
    deleted = await last_detail(records)

    after = await records.standing.read("acme")
    assert after.directory == DirectoryHead("acme", 5)
    assert after.same_policy(before)
    assert not before.same_rights(after)
    assert replaced["change"] == "replaced"
    assert (replaced["active"], replaced["before"]["active"]) == (False, True)
    assert emptied["removed"] == ["user:ada"]
    assert deleted == {
        "by": "scim",
        "change": "deleted",
        "identity": "user:ada",
        "directory": 5,
    }
    assert (await records.audit.verify()).fault is None
    assert len(await events_about(records, ada)) == 3


async def test_a_refused_change_leaves_nothing(records: Records) -> None:
    ada = await user(records)
    await user(records, "bob")
    before = await records.standing.read(), await records.audit.head()
    place = Place(tenant="acme", id=ada, version=7)

    with pytest.raises(TakenIdentityError, match="`user:bob` is another entry"):
        await user(records, "bob")
    with pytest.raises(TakenIdentityError):
        await records.directory.replace_user(
            Place(tenant="acme", id=ada), UserState(identity="user:bob"), CHANGE
        )
    with pytest.raises(StaleEntryError, match="at version 1; the change was made on 7"):
        await records.directory.replace_user(place, UserState(identity="user:eve"), CHANGE)
    with pytest.raises(StaleEntryError):
        await records.directory.delete_user(place, CHANGE)
    with pytest.raises(DirectoryFaultError, match="no user or group of this tenant"):
        await group(records, "staff", ada, "nobody")

    assert (await records.standing.read(), await records.audit.head()) == before
    assert await records.directory.count_groups("acme") == 0


async def test_a_change_under_rights_that_moved_on_is_not_made(records: Records) -> None:
    under = await records.standing.read("acme")
    change = Edit(EVENT, under)
    await records.directory.create_user("acme", UserState(identity="user:ada"), change)

    for step in (
        records.directory.create_user("acme", UserState(identity="user:bob"), change),
        records.directory.create_group("acme", GroupState(identity="group:staff"), change),
    ):
        with pytest.raises(MovedOnError):
            await step
    assert await records.directory.count_users("acme") == 1
    assert await records.directory.count_groups("acme") == 0
    await in_effect(records, "a")
    with pytest.raises(MovedOnError):
        await records.directory.create_user(
            "globex", UserState(identity="user:gus"), Edit(EVENT, replace(under, directory=None))
        )
    assert (await records.standing.read("globex")).directory == DirectoryHead("globex", 0)


async def test_the_changes_of_a_tenant_are_nothing_to_another(records: Records) -> None:
    names = ("acme", "globex")
    acme, globex = [await records.standing.read(name) for name in names]
    alone = await records.standing.read()
    await user(records, tenant="globex")

    assert alone.directory is None
    for under in (acme, alone):
        await records.audit.append(EVENT, under=under)
    with pytest.raises(MovedOnError):
        await records.audit.append(EVENT, under=globex)
    later = await records.standing.read("globex")
    assert later.directory == DirectoryHead("globex", 1)
    outcomes = await asyncio.gather(
        *(records.audit.append(EVENT, under=one) for one in (acme, globex, later, alone)),
        return_exceptions=True,
    )
    assert [isinstance(one, MovedOnError) for one in outcomes] == [False, True, False, False]


async def test_writers_of_one_tenant_take_turns_and_lose_no_count(records: Records) -> None:
    await asyncio.gather(
        *(user(records, f"u{n}", tenant=("acme", "globex")[n % 2]) for n in range(20))
    )

    for name in ("acme", "globex"):
        assert (await records.standing.read(name)).directory == DirectoryHead(name, 10)
    assert (await records.audit.verify()).fault is None


async def test_nothing_is_reached_from_another_tenant(records: Records) -> None:
    ada = await user(records)
    staff = await group(records, "staff", ada)
    there = Place(tenant="globex", id=ada)

    with pytest.raises(UnknownEntryError):
        await records.directory.replace_user(there, UserState(identity="user:ada"), CHANGE)
    with pytest.raises(UnknownEntryError):
        await records.directory.delete_user(there, CHANGE)
    with pytest.raises(UnknownEntryError):
        await records.directory.delete_group(Place(tenant="globex", id=staff), CHANGE)
    with pytest.raises(UnknownEntryError):
        await records.directory.replace_group(
            Place(tenant="globex", id=staff), GroupState(identity="group:staff"), CHANGE
        )
    with pytest.raises(DirectoryFaultError):
        await group(records, "staff", ada, tenant="globex")
    assert await records.directory.user("globex", Wanted(id=ada)) is None
    assert await records.directory.group("globex", Wanted(id=staff)) is None
    assert await records.directory.users("globex") == ()


async def test_the_database_itself_refuses_a_member_of_another_tenant(records: Records) -> None:
    ada = await user(records, tenant="globex")
    staff = await group(records, "staff")
    row = {"group_id": staff, "member_id": ada, "tenant": "acme"}

    with pytest.raises(RecordsConflictError):
        await records.database.write(lambda one: one.execute(insert(user_memberships), [row]))


async def test_a_group_that_gets_another_name_keeps_its_members(records: Records) -> None:
    staff = await group(records, "staff", await user(records))
    await group(records, "team")
    found = await records.directory.group("acme", Wanted(id=staff))
    assert found is not None
    place = Place(tenant="acme", id=staff)
    taken = replace(found.state, identity="group:team")
    with pytest.raises(TakenIdentityError):
        await records.directory.replace_group(place, taken, CHANGE)
    crew = replace(found.state, identity="group:crew", name="Crew")
    renamed = await records.directory.replace_group(place, crew, CHANGE)

    assert (renamed.identity, renamed.state) == ("group:staff", crew)
    assert await groups(records) == {"staff"}, "rules and labels go on naming it"
    detail = await last_detail(records)
    assert (detail["identity"], detail["called"]) == ("group:staff", "group:crew")


async def test_who_is_renamed_stays_the_same_principal(records: Records) -> None:
    ada = await user(records)
    place = Place(tenant="acme", id=ada)
    await group(records, "staff", ada)
    other = UserState(identity="user:ada.smith", name="Ada.Smith")
    renamed = await records.directory.replace_user(place, other, CHANGE)
    assert (renamed.identity, renamed.state) == ("user:ada", other)

    for name in ("ada", "ada.smith"):
        entry = await records.directory.resolve("acme", f"user:{name}")
        assert entry is not None
        assert (entry.user.identity, entry.groups) == ("user:ada", frozenset({"group:staff"}))
        with pytest.raises(TakenIdentityError):
            await user(records, name)
    third = await records.directory.replace_user(place, replace(other, identity="user:a"), CHANGE)
    assert third.identity == "user:ada"
    smith = await user(records, "ada.smith")
    assert (await records.directory.replace_user(place, UserState(identity="user:ada"), CHANGE)).id
    with pytest.raises(TakenIdentityError):
        await records.directory.replace_user(
            Place(tenant="acme", id=smith), UserState(identity="user:ada"), CHANGE
        )


async def test_a_deleted_member_makes_another_version_of_its_groups(records: Records) -> None:
    ada = await user(records)
    staff = await group(records, "staff", ada)
    await group(records, "other")
    await records.directory.delete_user(Place(tenant="acme", id=ada, version=1), CHANGE)

    other, changed = await records.directory.groups("acme", members=True)
    assert (changed.id, changed.version, changed.members) == (staff, 2, ())
    assert other.version == 1


async def test_somebody_of_the_same_name_is_somebody_else(records: Records) -> None:
    ada = await user(records)
    await group(records, "staff", ada)
    await records.directory.delete_user(Place(tenant="acme", id=ada), CHANGE)
    again = await user(records)

    assert again != ada
    assert await groups(records) == set()


async def test_lists_are_ordered_sliced_and_narrowed(records: Records) -> None:
    ids = {name: await user(records, name, external_id=f"x-{name}") for name in "cab"}
    staff = await group(records, "staff", ids["a"])
    team = await group(records, "team", staff)

    async def names(wanted: Wanted, part: Slice = FIRST) -> list[str]:
        return [one.state.identity for one in await records.directory.users("acme", wanted, part)]

    assert await names(Wanted()) == ["user:a", "user:b", "user:c"]
    assert await names(Wanted(), Slice(start=1, limit=1)) == ["user:b"]
    assert await names(Wanted(external_id="x-c")) == ["user:c"]
    assert await names(Wanted(identity="user:b", id=ids["a"])) == []
    assert await records.directory.count_users("acme", Wanted(id=ids["c"])) == 1
    assert await records.directory.count_users("acme") == 3
    for member, held in ((ids["a"], staff), (staff, team)):
        found = await records.directory.groups("acme", Wanted(member=member))
        assert [one.id for one in found] == [held]
        assert found[0].members == ()


@pytest.mark.parametrize("text", ["\0", "a\0", "\ud800"])
async def test_what_cannot_be_stored_equals_nothing(records: Records, text: str) -> None:
    await user(records)
    await group(records, "staff")

    for wanted in (
        Wanted(id=text),
        Wanted(identity=text),
        Wanted(external_id=text),
        Wanted(member=text),
    ):
        assert await records.directory.users("acme", wanted) == ()
        assert await records.directory.groups("acme", wanted) == ()
        assert await records.directory.count_users("acme", wanted) == 0
    with pytest.raises(UnknownEntryError):
        await records.directory.delete_user(Place(tenant="acme", id=text), CHANGE)
    with pytest.raises(DirectoryFaultError, match="no user or group"):
        await group(records, "team", text)


async def test_whoever_reads_all_goes_behind_the_last_one(records: Records) -> None:
    ids = [await user(records, name) for name in "abcd"]
    staff = [await group(records, name) for name in "xyz"]
    await records.directory.delete_user(Place(tenant="acme", id=ids[0]), CHANGE)
    await records.directory.delete_group(Place(tenant="acme", id=staff[0]), CHANGE)

    users = await records.directory.users("acme", part=Slice(after="user:b", limit=1))
    groups = await records.directory.groups("acme", part=Slice(after="group:x"))
    assert [one.identity for one in users] == ["user:c"]
    assert [one.identity for one in groups] == ["group:y", "group:z"]


async def test_large_groups_are_written_in_parts(records: Records) -> None:
    staff = await group(records, "staff")
    many = [await user(records, f"u{number}") for number in range(30)]
    await members(records, staff, *many)
    found = await records.directory.group("acme", Wanted(id=staff))
    assert found is not None
    assert {one.id for one in found.members} == set(many)

    def drop(connection: Connection) -> None:
        drop_members(connection, staff, found.members * 20)

    await records.database.write(drop)
    emptied = await records.directory.group("acme", Wanted(id=staff))
    assert emptied is not None
    assert emptied.members == ()
