"""Users and groups of record, as an identity provider says.

The laws of this file:

1. A change, its audit event and the count of changes are one transaction: who reads the count
   again and finds it unmoved has read what still holds.
2. The writers of a tenant take turns on its counter, before they read what their change rests on.
   Those of other tenants, and searches, do not wait for them. A change that was decided
   under rights which no longer stand is not made.
3. Everything is of one tenant; nothing here is reached from another.
4. An entry's version moves with all that is shown of it, so that a group whose member is deleted
   is another version of that group.
5. What was said once of a user's rights or attributes is never unsaid: what is taken away leaves
   the weakest, and not what a token says.
6. An entry is known by its principal and by the name it has now, and no other entry of its kind is
   known by either. So a renamed person keeps what is theirs, and nobody else can come to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    Table,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    update,
)

from acl.records.audit.chain import AuditEvent
from acl.records.audit.log import AuditedPart
from acl.records.database.database import batches, snapshot, transaction
from acl.records.database.errors import StaleEntryError, TakenIdentityError, UnknownEntryError
from acl.records.database.storable import from_json, is_storable, to_json
from acl.records.directory.memberships import (
    add_members,
    change_members,
    groups_holding,
    groups_of,
    members_of,
)
from acl.records.directory.types import (
    DirectoryEntry,
    DirectoryGroup,
    DirectoryUser,
    GroupState,
    Member,
    MemberChange,
    MemberOperation,
    Slice,
    UserState,
    Wanted,
)
from acl.records.tables.heads import Heads, bump_directory, lock_directory, require_rights
from acl.records.tables.schema import (
    directory_groups,
    directory_users,
    group_memberships,
    user_memberships,
)
from acl.subject import NO_ATTRIBUTES, Attributes

ALL = Wanted()
FIRST = Slice()


@dataclass(frozen=True, slots=True)
class Edit:
    """Who changes the directory, and under which rights.

    Attributes:
        event: the audit event, to which the change is added.
        under: the rights under which it was decided; they must still stand.
    """

    event: AuditEvent
    under: Heads | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which entry a change is made on.

    Attributes:
        version: the version that the change was made on; `None` for the one that stands.
    """

    tenant: str
    id: str
    version: int | None = None


class Directory(AuditedPart):
    """The users and groups of every tenant."""

    @snapshot
    def resolve(self, connection: Connection, tenant: str, identity: str) -> DirectoryEntry | None:
        """Return the user called `identity` with all groups that it is in, in one reading."""
        user = _user(connection, tenant, Wanted(identity=identity))
        if user is None:
            return None
        return DirectoryEntry(user=user, groups=groups_of(connection, user.id))

    @snapshot
    def user(self, connection: Connection, tenant: str, wanted: Wanted) -> DirectoryUser | None:
        """Return the user of this id or identity."""
        return _user(connection, tenant, wanted)

    @snapshot
    def group(
        self, connection: Connection, tenant: str, wanted: Wanted, *, members: bool = True
    ) -> DirectoryGroup | None:
        """Return the group of this id or identity."""
        return _group(connection, tenant, wanted, members=members)

    @snapshot
    def users(
        self, connection: Connection, tenant: str, wanted: Wanted = ALL, part: Slice = FIRST
    ) -> tuple[DirectoryUser, ...]:
        """Return users in the order of their identities."""
        statement = _part(_where(directory_users, tenant, wanted), directory_users, part)
        return tuple(map(_user_of, connection.execute(statement).mappings()))

    @snapshot
    def groups(
        self,
        connection: Connection,
        tenant: str,
        wanted: Wanted = ALL,
        part: Slice = FIRST,
        *,
        members: bool = False,
    ) -> tuple[DirectoryGroup, ...]:
        """Return groups in the order of their identities, with their members if asked for."""
        statement = _part(_where(directory_groups, tenant, wanted), directory_groups, part)
        return _groups(connection, statement, members=members)

    @snapshot
    def groups_directly(self, connection: Connection, member_id: str) -> tuple[DirectoryGroup, ...]:
        """Return the groups that an entry is directly in, without their members."""
        mine = directory_groups.c.id.in_(groups_holding(connection, member_id))
        statement = select(directory_groups).where(mine).order_by(directory_groups.c.identity)
        return _groups(connection, statement, members=False)

    @snapshot
    def count_users(self, connection: Connection, tenant: str, wanted: Wanted = ALL) -> int:
        """Count users."""
        return _count(connection, directory_users, tenant, wanted)

    @snapshot
    def count_groups(self, connection: Connection, tenant: str, wanted: Wanted = ALL) -> int:
        """Count groups."""
        return _count(connection, directory_groups, tenant, wanted)

    @transaction
    def create_user(
        self, connection: Connection, tenant: str, state: UserState, edit: Edit
    ) -> DirectoryUser:
        """Add a user.

        Raises:
            TakenIdentityError: the tenant has one of this name.
        """
        lock_directory(connection, tenant)
        _require_free(connection, directory_users, tenant, state.identity)
        columns = {"identity": state.identity, **_user_columns(state)}
        user_id = _insert(connection, directory_users, tenant, columns, edit.event)
        detail = _user_detail(state, state.identity)
        self._conclude(connection, edit, _Change("created", tenant, user_id, detail))
        return _known_user(connection, tenant, user_id)

    @transaction
    def replace_user(
        self, connection: Connection, place: Place, state: UserState, edit: Edit
    ) -> DirectoryUser:
        """Set everything that may be set of a user.

        Raises:
            UnknownEntryError, StaleEntryError, TakenIdentityError: nothing was changed.
        """
        lock_directory(connection, place.tenant)
        old = _known_user(connection, place.tenant, place.id)
        _require_version(place, old.version)
        _require_free(connection, directory_users, place.tenant, state.identity, but=old.id)
        if old.state.says_rights and not state.says_rights:
            state = replace(state, compartments=frozenset())  # law 5
        if old.state.attributes is not None and state.attributes is None:
            state = replace(state, attributes=NO_ATTRIBUTES)
        _move_on(connection, directory_users, [old.id], edit.event, **_user_columns(state))
        before, detail = _user_detail(old.state, old.identity), _user_detail(state, old.identity)
        detail |= {"before": before}
        self._conclude(connection, edit, _Change("replaced", place.tenant, old.id, detail))
        return _known_user(connection, place.tenant, place.id)

    @transaction
    def delete_user(self, connection: Connection, place: Place, edit: Edit) -> None:
        """Remove a user and its memberships.

        Raises:
            UnknownEntryError, StaleEntryError: nothing was changed.
        """
        self._delete(connection, directory_users, place, edit)

    @transaction
    def create_group(
        self, connection: Connection, tenant: str, state: GroupState, edit: Edit
    ) -> DirectoryGroup:
        """Add a group.

        Raises:
            TakenIdentityError: the tenant has one of this name.
            DirectoryFaultError: a member is none of this tenant, or too deeply nested.
        """
        lock_directory(connection, tenant)
        _require_free(connection, directory_groups, tenant, state.identity)
        columns = {"identity": state.identity, **_group_columns(state)}
        group_id = _insert(connection, directory_groups, tenant, columns, edit.event)
        added = add_members(connection, tenant, group_id, set(state.members))
        detail = {"identity": state.identity, "added": sorted(one.identity for one in added)}
        self._conclude(connection, edit, _Change("created", tenant, group_id, detail))
        return _known_group(connection, tenant, group_id)

    @transaction
    def replace_group(
        self, connection: Connection, place: Place, state: GroupState, edit: Edit
    ) -> DirectoryGroup:
        """Set everything that may be set of a group, its members included.

        Raises:
            UnknownEntryError, StaleEntryError, TakenIdentityError: nothing was changed.
            DirectoryFaultError: a member is none of this tenant, or would close a circle.
        """
        lock_directory(connection, place.tenant)
        old = _known_group(connection, place.tenant, place.id)
        _require_version(place, old.version)
        _require_free(connection, directory_groups, place.tenant, state.identity, but=old.id)
        _move_on(connection, directory_groups, [old.id], edit.event, **_group_columns(state))
        all_of_them = MemberChange(((MemberOperation.REPLACE, state.members),))
        moved = change_members(connection, place.tenant, old.id, all_of_them)
        detail = {
            **_known_as(old.identity, state.identity),
            "before": _known_as(old.identity, old.called),
            **_moved(*moved),
        }
        self._conclude(connection, edit, _Change("replaced", place.tenant, old.id, detail))
        return _known_group(connection, place.tenant, place.id)

    @transaction
    def change_members(
        self, connection: Connection, place: Place, change: MemberChange, edit: Edit
    ) -> None:
        """Change who is in a group, and nothing else; what changes nothing is no new version.

        Raises:
            UnknownEntryError, StaleEntryError: nothing was changed.
            DirectoryFaultError: a member is none of this tenant, or would close a circle.
        """
        lock_directory(connection, place.tenant)
        old = _group(connection, place.tenant, Wanted(id=place.id), members=False)
        if old is None:
            raise UnknownEntryError(place.id)
        _require_version(place, old.version)
        added, dropped = change_members(connection, place.tenant, old.id, change)
        if added or dropped:
            _move_on(connection, directory_groups, [old.id], edit.event)
            detail = {**_known_as(old.identity, old.called), **_moved(added, dropped)}
            self._conclude(connection, edit, _Change("replaced", place.tenant, old.id, detail))

    @transaction
    def delete_group(self, connection: Connection, place: Place, edit: Edit) -> None:
        """Remove a group and its memberships, on either side.

        Raises:
            UnknownEntryError, StaleEntryError: nothing was changed.
        """
        self._delete(connection, directory_groups, place, edit)

    def _delete(self, connection: Connection, table: Table, place: Place, edit: Edit) -> None:
        lock_directory(connection, place.tenant)
        columns = table.c.identity, table.c.version
        mine = _where(table, place.tenant, Wanted(id=place.id), *columns)
        row = connection.execute(mine).one_or_none()
        if row is None:
            raise UnknownEntryError(place.id)
        _require_version(place, row.version)
        _move_on(connection, directory_groups, groups_holding(connection, place.id), edit.event)
        connection.execute(delete(table).where(table.c.id == place.id))
        change = _Change("deleted", place.tenant, place.id, {"identity": row.identity})
        self._conclude(connection, edit, change)

    def _conclude(self, connection: Connection, edit: Edit, change: _Change) -> None:
        """Count the change and put it on record, if it may still be made (laws 1 and 2)."""
        event = edit.event
        require_rights(connection, edit.under)
        head = bump_directory(connection, change.tenant)
        detail = {**event.detail, **change.detail, "change": change.name, "directory": head}
        known = replace(event, tenant=change.tenant, resources=(change.entry_id,), detail=detail)
        self.audit.append_within(connection, known)


@dataclass(frozen=True, slots=True)
class _Change:
    name: str
    tenant: str
    entry_id: str
    detail: Mapping[str, Any]


def _user(connection: Connection, tenant: str, wanted: Wanted) -> DirectoryUser | None:
    statement = _where(directory_users, tenant, wanted)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _user_of(row)


def _known_user(connection: Connection, tenant: str, user_id: str) -> DirectoryUser:
    user = _user(connection, tenant, Wanted(id=user_id))
    if user is None:
        raise UnknownEntryError(user_id)
    return user


def _group(
    connection: Connection, tenant: str, wanted: Wanted, *, members: bool
) -> DirectoryGroup | None:
    groups = _groups(connection, _where(directory_groups, tenant, wanted), members=members)
    return next(iter(groups), None)


def _known_group(connection: Connection, tenant: str, group_id: str) -> DirectoryGroup:
    group = _group(connection, tenant, Wanted(id=group_id), members=True)
    if group is None:
        raise UnknownEntryError(group_id)
    return group


def _require_free(
    connection: Connection, table: Table, tenant: str, identity: str, *, but: str = ""
) -> None:
    """Refuse a name that another entry has, or had when its principal was made (law 6)."""
    statement = _where(table, tenant, Wanted(identity=identity), func.count())
    if connection.scalar(statement.where(table.c.id != but)):
        raise TakenIdentityError(identity)


def _require_version(place: Place, actual: int) -> None:
    if place.version is not None and place.version != actual:
        raise StaleEntryError(expected=place.version, actual=actual)


def _insert(
    connection: Connection,
    table: Table,
    tenant: str,
    columns: Mapping[str, Any],
    event: AuditEvent,
) -> str:
    entry_id = str(uuid.uuid4())
    connection.execute(
        insert(table).values(
            id=entry_id,
            tenant=tenant,
            version=1,
            created_at=event.time,
            updated_at=event.time,
            **columns,
        )
    )
    return entry_id


def _move_on(
    connection: Connection,
    table: Table,
    ids: list[str],
    event: AuditEvent,
    **columns: str | int | None,
) -> None:
    """Change entries, which makes another version of each (law 4)."""
    for batch in batches(ids):
        connection.execute(
            update(table)
            .where(table.c.id.in_(batch))
            .values(version=table.c.version + 1, updated_at=event.time, **columns)
        )


def _known_as(identity: str, called: str) -> dict[str, Any]:
    return {"identity": identity} | ({} if called == identity else {"called": called})


def _moved(added: list[Member], dropped: list[Member]) -> dict[str, Any]:
    return {
        "added": sorted(one.identity for one in added),
        "removed": sorted(one.identity for one in dropped),
    }


def _user_detail(state: UserState, identity: str) -> dict[str, Any]:
    return {
        **_known_as(identity, state.identity),
        "active": state.active,
        "clearance": state.clearance,
        "compartments": None if state.compartments is None else sorted(state.compartments),
        **({} if state.attributes is None else {"attributes": state.attributes.as_json()}),
    }


def _group_columns(state: GroupState) -> dict[str, Any]:
    return {"called": state.identity, "name": state.name, "external_id": state.external_id}


def _user_columns(state: UserState) -> dict[str, Any]:
    said, attributes = state.compartments, state.attributes
    return {
        "called": state.identity,
        "name": state.name,
        "external_id": state.external_id,
        "display_name": state.display_name,
        "active": int(state.active),
        "clearance": state.clearance,
        "compartments": None if said is None else to_json("compartments", {"in": said}),
        "attributes": None if attributes is None else to_json("attributes", attributes.as_json()),
    }


def _user_of(row: RowMapping) -> DirectoryUser:
    said, attributes = row["compartments"], row["attributes"]
    state = UserState(
        identity=row["called"],
        name=row["name"],
        external_id=row["external_id"],
        display_name=row["display_name"],
        active=bool(row["active"]),
        clearance=row["clearance"],
        compartments=None if said is None else frozenset(from_json(said)["in"]),
        attributes=None if attributes is None else Attributes(from_json(attributes)),
    )
    return DirectoryUser(
        id=row["id"],
        tenant=row["tenant"],
        identity=row["identity"],
        state=state,
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _count(connection: Connection, table: Table, tenant: str, wanted: Wanted) -> int:
    return connection.scalar(_where(table, tenant, wanted, func.count())) or 0


def _groups(
    connection: Connection, statement: Select[Any], *, members: bool
) -> tuple[DirectoryGroup, ...]:
    rows = connection.execute(statement).mappings().all()
    held = members_of(connection, [row["id"] for row in rows]) if members else {}
    return tuple(DirectoryGroup(**row, members=held.get(row["id"], ())) for row in rows)


def _part(statement: Select[Any], table: Table, part: Slice) -> Select[Any]:
    return (
        statement.where(table.c.identity > part.after)
        .order_by(table.c.identity)
        .offset(part.start)
        .limit(part.limit)
    )


def _where(table: Table, tenant: str, wanted: Wanted, *columns: Any) -> Select[Any]:  # noqa: ANN401
    """Return the statement for what is wanted: whole rows, or these columns."""
    asked = {name: getattr(wanted, name) for name in ("id", "external_id")}
    given = {name: value for name, value in asked.items() if value is not None}
    statement = select(*(columns or (table,))).select_from(table).where(table.c.tenant == tenant)
    known = wanted.identity
    if not all(map(is_storable, (*given.values(), known or "", wanted.member or ""))):
        # What cannot be stored equals nothing; the driver would not even take it.
        return statement.where(false())
    for name, value in given.items():
        statement = statement.where(table.c[name] == value)
    if known is not None:
        statement = statement.where(or_(table.c.identity == known, table.c.called == known))
    if wanted.member is not None:
        held = [
            table.c.id.in_(select(one.c.group_id).where(one.c.member_id == wanted.member))
            for one in (user_memberships, group_memberships)
        ]
        statement = statement.where(or_(*held))
    return statement
