"""Credentials of provisioners: what an identity provider shows to keep the directory.

The laws of this file:

1. A secret is never stored, only a keyed digest that the caller made of it.
2. A credential is of one tenant and one service for as long as it lives. It lives until it is
   revoked, or until the overlap with its successor ends.
3. Making, replacing and revoking are on record in the same transaction; so is under which rights.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, insert, or_, select, update

from acl.records.audit.log import AuditedPart
from acl.records.database.database import snapshot, transaction
from acl.records.database.errors import UnknownEntryError
from acl.records.database.storable import is_storable
from acl.records.directory.directory import Edit
from acl.records.tables.heads import require_rights
from acl.records.tables.schema import provisioners

_USE_RECORDED: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential of record.

    Attributes:
        service: `service:…`, whose rights it carries.
        digest: the keyed digest of its secret.
        used_at: the last use, to the minute; `None` if it was never used.
        ends_at: when it ends by itself or was revoked; `None` while it lives on.
    """

    id: str
    tenant: str
    service: str
    digest: str = field(repr=False)
    created_at: datetime
    created_by: str
    used_at: datetime | None = None
    ends_at: datetime | None = None

    def lives(self, now: datetime) -> bool:
        """Say whether it is taken at `now` (law 2)."""
        return self.ends_at is None or now < self.ends_at


class Credentials(AuditedPart):
    """The credentials of every tenant."""

    @snapshot
    def find(self, connection: Connection, credential_id: str) -> Credential | None:
        """Return the credential of this id."""
        if not is_storable(credential_id):
            return None
        return _find(connection, credential_id)

    @snapshot
    def listed(self, connection: Connection, tenant: str) -> tuple[Credential, ...]:
        """Return the credentials of a tenant, the newest first."""
        statement = (
            select(provisioners)
            .where(provisioners.c.tenant == tenant)
            .order_by(provisioners.c.created_at.desc(), provisioners.c.id)
        )
        return tuple(Credential(**row) for row in connection.execute(statement).mappings())

    @transaction
    def create(self, connection: Connection, made: Credential, edit: Edit) -> None:
        """Store a new credential."""
        self._add(connection, made)
        self._conclude(connection, made, edit, "credential created")

    @transaction
    def rotate(
        self,
        connection: Connection,
        old: Credential,
        made: Credential,
        ends_at: datetime,
        edit: Edit,
    ) -> None:
        """Store a successor; the old credential ends at `ends_at`, and not later than it would.

        Raises:
            UnknownEntryError: the old one is no living credential of the tenant.
        """
        self._end(connection, old, ends_at, made.created_at)
        self._add(connection, made)
        detail = {"replaces": old.id, "ends": ends_at.isoformat()}
        self._conclude(connection, made, edit, "credential replaced", **detail)

    @transaction
    def revoke(self, connection: Connection, old: Credential, now: datetime, edit: Edit) -> None:
        """End a credential at once.

        Raises:
            UnknownEntryError: it is no living credential of the tenant.
        """
        self._end(connection, old, now, now)
        self._conclude(connection, old, edit, "credential revoked")

    @transaction
    def used(self, connection: Connection, credential_id: str, now: datetime) -> None:
        """Remember a use, once a minute."""
        before = provisioners.c.used_at
        connection.execute(
            update(provisioners)
            .where(provisioners.c.id == credential_id)
            .where(or_(before.is_(None), before <= now - _USE_RECORDED))
            .values(used_at=now)
        )

    def _add(self, connection: Connection, made: Credential) -> None:
        columns = {column.name: getattr(made, column.name) for column in provisioners.c}
        connection.execute(insert(provisioners).values(columns))

    def _end(
        self, connection: Connection, old: Credential, ends_at: datetime, now: datetime
    ) -> None:
        ending = provisioners.c.ends_at
        ended = connection.execute(
            update(provisioners)
            .where(provisioners.c.id == old.id, provisioners.c.tenant == old.tenant)
            .where(or_(ending.is_(None), ending > now))
            .values(ends_at=ends_at if old.ends_at is None else min(ends_at, old.ends_at))
        )
        if ended.rowcount != 1:
            raise UnknownEntryError(old.id)

    def _conclude(
        self, connection: Connection, about: Credential, edit: Edit, change: str, **more: str
    ) -> None:
        require_rights(connection, edit.under)  # law 3
        detail = {**edit.event.detail, "change": change, "service": about.service, **more}
        known = replace(edit.event, tenant=about.tenant, resources=(about.id,), detail=detail)
        self.audit.append_within(connection, known)


def _find(connection: Connection, credential_id: str) -> Credential | None:
    statement = select(provisioners).where(provisioners.c.id == credential_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Credential(**row)
