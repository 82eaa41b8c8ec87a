"""Access requests: somebody asks to read a document whose id they were given.

The laws of this file:

1. A request is stored whether or not the document exists, so that nothing that its asker sees,
   counts or waits for depends on it.
2. One asker has one request for one document. Asking again while it is open changes nothing; once
   decided, it opens it again.
3. One asker has at most `MAX_OPEN` requests that are not granted.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from acl.records.audit import AuditLog
from acl.records.audit_types import AuditEvent
from acl.records.database import Database
from acl.records.errors import RecordsError
from acl.records.heads import lock_heads
from acl.records.rows import batches
from acl.records.schema_requests import access_requests
from acl.records.storable import checked_text

MAX_OPEN: Final = 100
MAX_REASON: Final = 1000

_TABLE: Final = access_requests.c


class TooManyRequestsError(RecordsError):
    """The asker has too many requests that were not granted."""

    def __init__(self) -> None:
        super().__init__(f"more than {MAX_OPEN} requests wait for a decision")


class RequestState(StrEnum):
    """What became of a request."""

    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """A request.

    Attributes:
        document_id: what it names; there need be no such document.
        decided_by: who decided last, or `""`.
    """

    id: str
    tenant: str
    document_id: str
    asker: str
    reason: str
    state: RequestState
    created_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""


class Requests:
    """The requests of one database."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def ask(self, tenant: str, document_id: str, reason: str, event: AuditEvent) -> None:
        """Store a request of the event's subject (law 2).

        Raises:
            TooManyRequestsError: law 3.
            UnstorableError: the reason cannot be stored.
        """
        if reason:
            checked_text("reason", reason)
        await self._database.write(self._ask, tenant, document_id, reason[:MAX_REASON], event)

    async def of_asker(self, tenant: str, asker: str) -> tuple[AccessRequest, ...]:
        """Return the requests of one asker, the latest first."""
        mine = (_TABLE.tenant == tenant) & (_TABLE.asker == asker)
        return await self._database.read(_found, mine)

    async def open_for(self, tenant: str, document_ids: Sequence[str]) -> tuple[AccessRequest, ...]:
        """Return the open requests for these documents, the latest first."""
        return await self._database.read(_open_for, tenant, list(document_ids))

    async def open(self, tenant: str, *, limit: int = 1000) -> tuple[AccessRequest, ...]:
        """Return open requests of a tenant, the latest first."""
        wanted = (_TABLE.tenant == tenant) & (_TABLE.state == RequestState.OPEN.value)
        return await self._database.read(_found, wanted, limit)

    async def request(self, tenant: str, request_id: str) -> AccessRequest | None:
        """Return one request of a tenant."""
        wanted = (_TABLE.tenant == tenant) & (_TABLE.id == request_id)
        found = await self._database.read(_found, wanted)
        return found[0] if found else None

    async def decide(self, request_id: str, state: RequestState, event: AuditEvent) -> bool:
        """Note a decision by the event's subject; return whether the request was open."""
        return await self._database.write(self._decide, request_id, state, event)

    def _ask(
        self, connection: Connection, tenant: str, document_id: str, reason: str, event: AuditEvent
    ) -> None:
        # Whoever counts must not be overtaken by another request of the same asker.
        lock_heads(connection)
        mine = (_TABLE.tenant == tenant) & (_TABLE.asker == event.subject)
        waiting = mine & (_TABLE.state != RequestState.GRANTED.value)
        known = (*_found(connection, mine & (_TABLE.document_id == document_id)), None)[0]
        if known is None:
            if (connection.scalar(select(func.count()).where(waiting)) or 0) >= MAX_OPEN:
                raise TooManyRequestsError
            connection.execute(
                insert(access_requests).values(
                    id=str(uuid.uuid4()),
                    tenant=tenant,
                    document_id=document_id,
                    asker=event.subject,
                    **_opened(reason, event),
                )
            )
        elif known.state is not RequestState.OPEN:
            this = update(access_requests).where(_TABLE.id == known.id)
            connection.execute(this.values(**_opened(reason, event)))
        self._audit.append_within(connection, event)

    def _decide(
        self, connection: Connection, request_id: str, state: RequestState, event: AuditEvent
    ) -> bool:
        this = update(access_requests).where(
            _TABLE.id == request_id, _TABLE.state == RequestState.OPEN.value
        )
        changed = connection.execute(
            this.values(state=state.value, decided_at=event.time, decided_by=event.subject)
        )
        if changed.rowcount:
            self._audit.append_within(connection, event)
        return bool(changed.rowcount)


def _opened(reason: str, event: AuditEvent) -> dict[str, Any]:
    return {
        "reason": reason,
        "state": RequestState.OPEN.value,
        "created_at": event.time,
        "decided_at": None,
        "decided_by": "",
    }


def _open_for(
    connection: Connection, tenant: str, document_ids: list[str]
) -> tuple[AccessRequest, ...]:
    found: list[AccessRequest] = []
    for batch in batches(document_ids):
        wanted = _TABLE.document_id.in_(batch) & (_TABLE.state == RequestState.OPEN.value)
        found += _found(connection, wanted & (_TABLE.tenant == tenant))
    return tuple(sorted(found, key=lambda one: one.created_at, reverse=True))


def _found(connection: Connection, wanted: Any, limit: int = 1000) -> tuple[AccessRequest, ...]:  # noqa: ANN401 - a condition
    statement = select(access_requests).where(wanted).order_by(_TABLE.created_at.desc(), _TABLE.id)
    return tuple(
        AccessRequest(**{**row, "state": RequestState(row["state"])})
        for row in connection.execute(statement.limit(limit)).mappings()
    )
