"""Users and groups out of their rows, and the statements that find them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, false, func, or_, select

from acl.records.database.storable import from_json, is_storable, to_json
from acl.records.directory.memberships import groups_holding, members_of
from acl.records.directory.types import (
    DirectoryGroup,
    DirectoryUser,
    Slice,
    UserState,
    Wanted,
)
from acl.records.tables.schema import (
    directory_groups,
    directory_users,
    group_memberships,
    user_memberships,
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


def user_of(row: RowMapping) -> DirectoryUser:
    """Return the user of a row."""
    said = row["compartments"]
    state = UserState(
        identity=row["identity"],
        external_id=row["external_id"],
        display_name=row["display_name"],
        active=bool(row["active"]),
        clearance=row["clearance"],
        compartments=None if said is None else frozenset(from_json(said)["in"]),
    )
    return DirectoryUser(
        id=row["id"],
        tenant=row["tenant"],
        state=state,
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def select_user(connection: Connection, tenant: str, wanted: Wanted) -> DirectoryUser | None:
    """Return the one user that equals what is wanted."""
    statement = _where([directory_users], directory_users, tenant, wanted)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else user_of(row)


def select_group(
    connection: Connection, tenant: str, wanted: Wanted, *, members: bool = True
) -> DirectoryGroup | None:
    """Return the one group that equals what is wanted."""
    statement = _where([directory_groups], directory_groups, tenant, wanted)
    row = connection.execute(statement).mappings().one_or_none()
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
    found = _where([directory_users], directory_users, tenant, wanted)
    statement = _part(found, directory_users, part)
    return tuple(map(user_of, connection.execute(statement).mappings()))


def list_groups(
    connection: Connection, tenant: str, wanted: Wanted, part: Slice, *, members: bool
) -> tuple[DirectoryGroup, ...]:
    """Return groups in the order of their identities, with their members if asked for."""
    found = _where([directory_groups], directory_groups, tenant, wanted)
    rows = connection.execute(_part(found, directory_groups, part)).mappings().all()
    return tuple(_groups(connection, rows, members=members))


def groups_directly(connection: Connection, member_id: str) -> tuple[DirectoryGroup, ...]:
    """Return the groups that an entry is directly in, without their members."""
    ids = groups_holding(connection, member_id)
    statement = select(directory_groups).where(directory_groups.c.id.in_(ids))
    rows = connection.execute(statement.order_by(directory_groups.c.identity)).mappings().all()
    return tuple(_groups(connection, rows, members=False))


def count(connection: Connection, table: Table, tenant: str, wanted: Wanted) -> int:
    """Count the entries that equal what is wanted."""
    statement = _where((func.count(),), table, tenant, wanted)
    return int(connection.execute(statement).scalar_one())


def _groups(
    connection: Connection, rows: Sequence[RowMapping], *, members: bool
) -> list[DirectoryGroup]:
    held = members_of(connection, [row["id"] for row in rows]) if members else {}
    return [DirectoryGroup(**row, members=held.get(row["id"], ())) for row in rows]


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
