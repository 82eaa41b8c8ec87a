"""Tokens that are refused before their time.

The laws of this file:

1. A revocation is about one tenant: no other tenant's tokens are met by it.
2. It names one token by its id, or a subject, of whom everything issued until a moment is refused.
   Said again, the later moment counts.
3. It is on record in the same transaction. It is dropped once it is `KEPT` old, when no token that
   it could meet lives any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, and_, delete, exists, or_, select

from acl.records.audit.log import AuditedPart
from acl.records.database.database import snapshot, transaction, upsert
from acl.records.database.storable import is_storable
from acl.records.directory.directory import Edit
from acl.records.tables.heads import require_rights
from acl.records.tables.schema import revoked_tokens

MAX_LIFETIME: Final = timedelta(days=7)
"""No token lives longer than this."""

KEPT: Final = MAX_LIFETIME + timedelta(days=1)

_TABLE: Final = revoked_tokens.c


class RevokedKind(StrEnum):
    """What a revocation names."""

    TOKEN = "token"  # noqa: S105 - not a secret
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One revocation of record.

    Attributes:
        name: the id of a token (`jti`), or a principal.
        until: of a subject, tokens issued until this moment are refused.
        at: when it was made.
    """

    tenant: str
    kind: RevokedKind
    name: str
    until: datetime
    at: datetime
    by: str


class Revocations(AuditedPart):
    """The revocations of every tenant."""

    @snapshot
    def meets(
        self,
        connection: Connection,
        tenant: str,
        *,
        token_id: str,
        subjects: Collection[str],
        issued_at: datetime,
    ) -> bool:
        """Say whether a token is refused: of this id, issued then, and naming these subjects."""
        by_subject = and_(
            _TABLE.kind == RevokedKind.SUBJECT,
            _TABLE.name.in_(subjects),
            _TABLE.until >= issued_at,
        )
        by_id = and_(_TABLE.kind == RevokedKind.TOKEN, _TABLE.name == token_id)
        either = or_(by_subject, by_id) if is_storable(token_id) else by_subject
        return bool(connection.scalar(select(exists().where(_TABLE.tenant == tenant, either))))

    @snapshot
    def listed(self, connection: Connection, tenant: str) -> tuple[Revocation, ...]:
        """Return the revocations of a tenant, the newest first."""
        statement = select(revoked_tokens).where(_TABLE.tenant == tenant)
        rows = connection.execute(statement.order_by(_TABLE.at.desc(), _TABLE.name)).mappings()
        return tuple(Revocation(**{**row, "kind": RevokedKind(row["kind"])}) for row in rows)

    @transaction
    def revoke(self, connection: Connection, made: Sequence[Revocation], edit: Edit) -> None:
        """Store revocations of one tenant, made at one moment.

        Raises:
            MovedOnError: the rights under which it was decided do not stand any more.
        """
        tenant, now = made[0].tenant, made[0].at
        old = and_(_TABLE.tenant == tenant, _TABLE.at < now - KEPT)
        connection.execute(delete(revoked_tokens).where(old))  # law 3
        for one in made:
            row = upsert(connection, revoked_tokens).values(asdict(one))
            later = {name: getattr(row.excluded, name) for name in ("until", "at", "by")}
            connection.execute(
                row.on_conflict_do_update(
                    index_elements=["tenant", "kind", "name"],
                    set_=later,
                    where=_TABLE.until < row.excluded.until,
                )
            )
        require_rights(connection, edit.under)
        names = {one.kind.value: one.name for one in reversed(made)}
        detail = {**edit.event.detail, "change": "token revoked", **names}
        until = {"until": made[0].until.isoformat()}
        self.audit.append_within(
            connection, replace(edit.event, tenant=tenant, detail={**detail, **until})
        )
