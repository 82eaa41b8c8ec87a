"""Groups within groups: closure, circles and depth, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from acl.records import Records
from acl.records.database.errors import (
    DirectoryFaultError,
)
from acl.records.directory.directory import Place
from acl.records.directory.memberships import MAX_NESTING
from acl.records.directory.types import (
    Member,
    Wanted,
)
from acl.records.tables.schema import group_memberships
from acl.subject import PrincipalKind
from tests.integration.records.people import CHANGE, group, groups, members, user


async def test_groups_are_nested(records: Records) -> None:
    ada = await user(records)
    payroll = await group(records, "payroll", ada)
    finance = await group(records, "finance", payroll)
    staff = await group(records, "staff", finance, ada)
    await group(records, "other")

    assert await groups(records) == {"payroll", "finance", "staff"}
    found = await records.directory.group("acme", Wanted(id=staff))
    assert found is not None
    assert found.members == (
        Member(PrincipalKind.USER, ada, "user:ada"),
        Member(PrincipalKind.GROUP, finance, "group:finance"),
    )
    directly = await records.directory.groups_directly(ada)
    assert [one.identity for one in directly] == ["group:payroll", "group:staff"]

    await members(records, finance)
    assert await groups(records) == {"payroll", "staff"}
    await records.directory.delete_group(Place(tenant="acme", id=payroll), CHANGE)
    assert await groups(records) == {"staff"}


async def test_a_circle_is_refused(records: Records) -> None:
    inner = await group(records, "inner")
    middle = await group(records, "middle", inner)
    outer = await group(records, "outer", middle)
    before = await records.standing.read()

    for held in (inner, outer):
        with pytest.raises(DirectoryFaultError, match="circle"):
            await members(records, inner, held, outer)
    with pytest.raises(DirectoryFaultError, match="circle"):
        await members(records, middle, inner, outer)
    assert await records.standing.read() == before


async def test_two_writers_do_not_make_a_circle_together(records: Records) -> None:
    one, two = await group(records, "one"), await group(records, "two")
    ends = await asyncio.gather(
        members(records, one, two), members(records, two, one), return_exceptions=True
    )

    assert sum(isinstance(end, DirectoryFaultError) for end in ends) == 1
    assert sum(end is None for end in ends) == 1


async def test_a_circle_that_was_stored_ends_the_walk(records: Records) -> None:
    ada = await user(records)
    one = await group(records, "one", ada)
    two = await group(records, "two", one)
    row = {"group_id": one, "member_id": two, "tenant": "acme"}
    await records.database.write(
        lambda database: database.execute(insert(group_memberships), [row])
    )

    assert await groups(records) == {"one", "two"}
    three = await group(records, "three")
    with pytest.raises(DirectoryFaultError, match="nested more than"):
        await members(records, three, one)


async def test_nesting_is_bounded_when_written_and_never_when_read(records: Records) -> None:
    ada = await user(records)
    last, chain = await group(records, "g0", ada), ["g0"]
    for number in range(1, MAX_NESTING + 1):
        last = await group(records, f"g{number}", last)
        chain.append(f"g{number}")
    with pytest.raises(DirectoryFaultError, match=f"more than {MAX_NESTING} deep"):
        await group(records, "beyond", last)
    top = await group(records, "top")
    row = {"group_id": top, "member_id": last, "tenant": "acme"}
    await records.database.write(
        lambda database: database.execute(insert(group_memberships), [row])
    )

    assert await groups(records) == {*chain, "top"}


async def test_the_depth_above_counts_too(records: Records) -> None:
    bottom = await group(records, "bottom")
    last = bottom
    for number in range(MAX_NESTING):
        last = await group(records, f"g{number}", last)
    below = await group(records, "below")

    with pytest.raises(DirectoryFaultError, match=f"would be nested more than {MAX_NESTING} deep"):
        await members(records, bottom, below)


# Who is in whom: an edge from a higher number to a lower one is a group that holds another.
edges = st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda one: one[0] > one[1]))


def above(start: set[int], held_by: set[tuple[int, int]]) -> set[int]:
    """The oracle: everything that holds one of `start`, by repeated looking."""
    while True:
        more = start | {outer for outer, inner in held_by if inner in start}
        if more == start:
            return start
        start = more


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edges=edges, direct=st.sets(st.integers(0, 7)), dropped=st.integers(0, 7))
def test_the_groups_of_a_user_are_the_closure(
    sqlite_url: str, edges: set[tuple[int, int]], direct: set[int], dropped: int
) -> None:
    asyncio.run(_closure(sqlite_url, edges, direct, dropped))


async def _closure(url: str, edges: set[tuple[int, int]], direct: set[int], dropped: int) -> None:
    records = await Records.open(url, b"0" * 32)
    tenant = f"t{abs(hash((frozenset(edges), frozenset(direct), dropped)))}"
    if await records.directory.count_users(tenant):
        await records.close()
        return
    ada = await user(records, tenant=tenant)
    ids: list[str] = []
    for number in range(8):
        held = [ids[inner] for outer, inner in edges if outer == number]
        mine = [ada] if number in direct else []
        ids.append(await group(records, f"g{number}", *held, *mine, tenant=tenant))
    assert await groups(records, tenant=tenant) == {f"g{one}" for one in above(direct, edges)}

    await records.directory.delete_group(Place(tenant=tenant, id=ids[dropped]), CHANGE)
    left = {edge for edge in edges if dropped not in edge}
    expected = above(direct - {dropped}, left)
    assert await groups(records, tenant=tenant) == {f"g{one}" for one in expected}
    await records.close()
