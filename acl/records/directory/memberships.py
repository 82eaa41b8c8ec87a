"""Who is in which group: the steps in SQL, each within a transaction that `directory` owns.

The laws of this file:

1. The groups of a user are all that it is in, directly or through other groups, each once. A
   circle, should one ever be stored, ends the walk; it is never cut off at a depth, because a
   subject without one of its groups would escape what that group is denied.
2. No circle is written, and no nesting beyond `MAX_NESTING`. The writer holds its tenant's counter,
   so that two writers cannot make a circle together.
3. A member is a user or group of the same tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, bindparam, delete, insert, select, union

from acl.records.database.database import batches
from acl.records.database.errors import DirectoryFaultError
from acl.records.database.storable import is_storable
from acl.records.directory.types import Member, MemberChange
from acl.records.tables.schema import (
    directory_groups,
    directory_users,
    group_memberships,
    user_memberships,
)
from acl.subject import PrincipalKind

MAX_NESTING: Final = 16

_KINDS: Final = (
    (PrincipalKind.USER, directory_users, user_memberships),
    (PrincipalKind.GROUP, directory_groups, group_memberships),
)


def _upwards() -> Select[Any]:
    """Return the statement for the groups of one user, made once: each request runs it."""
    mine = user_memberships.c.member_id == bindparam("user_id")
    direct = select(user_memberships.c.group_id).where(mine)
    reached = direct.cte("reached", recursive=True)
    reached = reached.union(
        select(group_memberships.c.group_id).join(
            reached, group_memberships.c.member_id == reached.c.group_id
        )
    )
    return select(directory_groups.c.identity).join(
        reached, reached.c.group_id == directory_groups.c.id
    )


_GROUPS_OF: Final = _upwards()


def groups_of(connection: Connection, user_id: str) -> frozenset[str]:
    """Return the identities of all groups that a user is in (law 1)."""
    return frozenset(connection.execute(_GROUPS_OF, {"user_id": user_id}).scalars())


def members_of(connection: Connection, group_ids: Iterable[str]) -> dict[str, tuple[Member, ...]]:
    """Return the direct members of each group: users, then groups, each in order of identity."""
    found: dict[str, list[Member]] = {}
    for batch in batches(group_ids):
        for kind, entries, memberships in _KINDS:
            statement = (
                select(memberships.c.group_id, entries.c.id, entries.c.identity)
                .join(entries, entries.c.id == memberships.c.member_id)
                .where(memberships.c.group_id.in_(batch))
                .order_by(entries.c.identity)
            )
            for group_id, member_id, identity in connection.execute(statement):
                found.setdefault(group_id, []).append(Member(kind, member_id, identity))
    return {group_id: tuple(members) for group_id, members in found.items()}


def groups_holding(connection: Connection, member_id: str) -> list[str]:
    """Return the ids of the groups that a user or group is directly in."""
    statement = union(
        *(
            select(memberships.c.group_id).where(memberships.c.member_id == member_id)
            for _, _, memberships in _KINDS
        )
    )
    return list(connection.execute(statement).scalars())


def add_members(connection: Connection, tenant: str, group_id: str, ids: set[str]) -> list[Member]:
    """Put users and groups into a group, and return them.

    Raises:
        DirectoryFaultError: one is none of this tenant, or holds this group itself.
    """
    members = _known(connection, tenant, ids)
    if len(members) != len(ids):
        raise DirectoryFaultError("members", "name an id that is no user or group of this tenant")
    _check_nesting(
        connection, group_id, {one.id for one in members if one.kind is PrincipalKind.GROUP}
    )
    for kind, _, memberships in _KINDS:
        rows = [
            {"group_id": group_id, "member_id": one.id, "tenant": tenant}
            for one in members
            if one.kind is kind
        ]
        if rows:
            connection.execute(insert(memberships), rows)
    return members


def change_members(
    connection: Connection, tenant: str, group_id: str, change: MemberChange
) -> tuple[list[Member], list[Member]]:
    """Change the members of a group, and return who was added and who was dropped.

    Raises:
        DirectoryFaultError: one is none of this tenant, or holds this group itself.
    """
    held = {one.id: one for one in members_of(connection, [group_id]).get(group_id, ())}
    wanted = change.over(frozenset(held))
    dropped = [one for member_id, one in held.items() if member_id not in wanted]
    drop_members(connection, group_id, dropped)
    return add_members(connection, tenant, group_id, set(wanted - held.keys())), dropped


def drop_members(connection: Connection, group_id: str, members: Iterable[Member]) -> None:
    """Take members out of a group."""
    for batch in batches(one.id for one in members):
        for _, _, memberships in _KINDS:
            mine = memberships.c.group_id == group_id
            connection.execute(delete(memberships).where(mine, memberships.c.member_id.in_(batch)))


def _known(connection: Connection, tenant: str, ids: Iterable[str]) -> list[Member]:
    found: list[Member] = []
    for batch in batches(filter(is_storable, ids)):
        for kind, entries, _ in _KINDS:
            statement = select(entries.c.id, entries.c.identity).where(
                entries.c.tenant == tenant, entries.c.id.in_(batch)
            )
            found += [Member(kind, *row) for row in connection.execute(statement)]
    return found


def _check_nesting(connection: Connection, group_id: str, added: set[str]) -> None:
    """Refuse a circle or too deep a nesting, before anything is written (law 2)."""
    if not added:
        return
    below, inside = _walk(connection, added, _step(group_memberships, down=True))
    if group_id in inside:
        raise DirectoryFaultError("members", "hold this group themselves, which would be a circle")
    above, _ = _walk(connection, {group_id}, _step(group_memberships, down=False))
    if above + 1 + below > MAX_NESTING:
        raise DirectoryFaultError("members", f"would be nested more than {MAX_NESTING} deep")


_Step = Callable[[Connection, set[str]], set[str]]


def _step(memberships: Table, *, down: bool) -> _Step:
    start, end = memberships.c.group_id, memberships.c.member_id
    if not down:
        start, end = end, start

    def step(connection: Connection, ids: set[str]) -> set[str]:
        return {
            found
            for batch in batches(ids)
            for found in connection.execute(select(end).where(start.in_(batch))).scalars()
        }

    return step


def _walk(connection: Connection, start: set[str], step: _Step) -> tuple[int, set[str]]:
    """Return the length of the longest way from `start`, and everything on any."""
    reached, frontier, length = set(start), start, 0
    while frontier := step(connection, frontier):
        # Without the groups met before: the longest way counts, and there is no circle yet.
        length += 1
        if length > MAX_NESTING:
            raise DirectoryFaultError("members", f"are nested more than {MAX_NESTING} deep")
        reached |= frontier
    return length, reached
