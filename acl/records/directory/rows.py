"""Users and groups out of their rows, and the statements that find them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, false, func, or_, select

from acl.records.database.storable import from_json, is_storable, to_json
from acl.records.directory.memberships import groups_holding, members_of
from acl.records.directory.types import (
    DirectoryGroup,
    DirectoryUser,
    Slice,
    UserState,
    Wanted,
)
from acl.records.tables.directory import (
    directory_groups,
    directory_users,
    group_memberships,
    user_memberships,
)

_USER: Final = (
    directory_users.c.id,
    directory_users.c.tenant,
    directory_users.c.identity,
    directory_users.c.external_id,
    directory_users.c.display_name,
    directory_users.c.active,
    directory_users.c.clearance,
    directory_users.c.compartments,
    directory_users.c.version,
    directory_users.c.created_at,
    directory_users.c.updated_at,
)
_GROUP: Final = (
    directory_groups.c.id,
    directory_groups.c.tenant,
    directory_groups.c.identity,
    directory_groups.c.external_id,
    directory_groups.c.version,
    directory_groups.c.created_at,
    directory_groups.c.updated_at,
)


def user_columns(state: UserState) -> dict[str, Any]:
    """Return the columns that hold what may be set of a user."""
    said = state.compartments
    return {
        "identity": state.identity,
        "external_id": state.external_id,
        "display_name": state.display_name,
        "active": int(state.active),
        "clearance": state.clearance,
        "compartments": None if said is None else to_json("compartments", {"in": said}),
    }


def user_of(row: Sequence[Any]) -> DirectoryUser:
    """Return the user of a row that was selected by the columns of a user."""
    entry_id, tenant, identity, external_id, display_name, active = row[:6]
    clearance, compartments, version, created_at, updated_at = row[6:]
    return DirectoryUser(
        id=entry_id,
        tenant=tenant,
        state=UserState(
            identity=identity,
            external_id=external_id,
            display_name=display_name,
            active=bool(active),
            clearance=clearance,
            compartments=None if compartments is None else frozenset(from_json(compartments)["in"]),
        ),
        version=version,
        created_at=created_at,
        updated_at=updated_at,
    )


def select_user(connection: Connection, tenant: str, wanted: Wanted) -> DirectoryUser | None:
    """Return the one user that equals what is wanted."""
    row = connection.execute(_where(_USER, directory_users, tenant, wanted)).one_or_none()
    return None if row is None else user_of(row)


def select_group(
    connection: Connection, tenant: str, wanted: Wanted, *, members: bool = True
) -> DirectoryGroup | None:
    """Return the one group that equals what is wanted."""
    row = connection.execute(_where(_GROUP, directory_groups, tenant, wanted)).one_or_none()
    return None if row is None else _groups(connection, [row], members=members)[0]


def select_name(
    connection: Connection, table: Table, tenant: str, wanted: Wanted
) -> tuple[str, int] | None:
    """Return identity and version of the one entry that equals what is wanted."""
    statement = _where((table.c.identity, table.c.version), table, tenant, wanted)
    row = connection.execute(statement).one_or_none()
    return None if row is None else (row[0], row[1])


def list_users(
    connection: Connection, tenant: str, wanted: Wanted, part: Slice
) -> tuple[DirectoryUser, ...]:
    """Return users in the order of their identities."""
    statement = _part(_where(_USER, directory_users, tenant, wanted), directory_users, part)
    return tuple(user_of(row) for row in connection.execute(statement))


def list_groups(
    connection: Connection, tenant: str, wanted: Wanted, part: Slice, *, members: bool
) -> tuple[DirectoryGroup, ...]:
    """Return groups in the order of their identities, with their members if asked for."""
    statement = _part(_where(_GROUP, directory_groups, tenant, wanted), directory_groups, part)
    rows = connection.execute(statement).all()
    return tuple(_groups(connection, rows, members=members))


def groups_directly(connection: Connection, member_id: str) -> tuple[DirectoryGroup, ...]:
    """Return the groups that an entry is directly in, without their members."""
    ids = groups_holding(connection, member_id)
    statement = select(*_GROUP).where(directory_groups.c.id.in_(ids))
    rows = connection.execute(statement.order_by(directory_groups.c.identity)).all()
    return tuple(_groups(connection, rows, members=False))


def count(connection: Connection, table: Table, tenant: str, wanted: Wanted) -> int:
    """Count the entries that equal what is wanted."""
    statement = _where((func.count(),), table, tenant, wanted)
    return int(connection.execute(statement).scalar_one())


def _groups(
    connection: Connection, rows: Sequence[Sequence[Any]], *, members: bool
) -> list[DirectoryGroup]:
    held = members_of(connection, [row[0] for row in rows]) if members else {}
    return [
        DirectoryGroup(
            id=row[0],
            tenant=row[1],
            identity=row[2],
            external_id=row[3],
            members=held.get(row[0], ()),
            version=row[4],
            created_at=row[5],
            updated_at=row[6],
        )
        for row in rows
    ]


def _part(statement: Select[Any], table: Table, part: Slice) -> Select[Any]:
    return (
        statement.where(table.c.identity > part.after)
        .order_by(table.c.identity)
        .offset(part.start)
        .limit(part.limit)
    )


def _where(columns: Sequence[Any], table: Table, tenant: str, wanted: Wanted) -> Select[Any]:
    asked = {name: getattr(wanted, name) for name in ("id", "identity", "external_id")}
    given = {name: value for name, value in asked.items() if value is not None}
    statement = select(*columns).select_from(table).where(table.c.tenant == tenant)
    if not all(map(is_storable, (*given.values(), wanted.member or ""))):
        # What cannot be stored equals nothing; the driver would not even take it.
        return statement.where(false())
    for name, value in given.items():
        statement = statement.where(table.c[name] == value)
    if wanted.member is not None:
        held = [
            table.c.id.in_(select(one.c.group_id).where(one.c.member_id == wanted.member))
            for one in (user_memberships, group_memberships)
        ]
        statement = statement.where(or_(*held))
    return statement
