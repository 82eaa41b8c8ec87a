"""Access requests: somebody asks to read a document whose id they were given.

The laws of this file:

1. A request is stored whether or not the document exists, so that nothing that its asker sees,
   counts or waits for depends on it.
2. One asker has one request for one document. Asking again gives it its reason and its time anew,
   whatever was decided meanwhile; so what an asker sees of a request, they have said themselves.
3. A request is as good as gone once it is `KEPT` old, whatever it names and whatever was decided.
   One asker has at most `MAX_OPEN` that are younger.
4. Whoever decides is shown requests for documents that exist, so that no number of others hides
   one.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from acl.records.audit.events import AuditEvent
from acl.records.audit.log import AuditLog
from acl.records.database.database import Database
from acl.records.database.errors import RecordsError
from acl.records.database.storable import checked_text
from acl.records.tables.core import documents
from acl.records.tables.heads import lock_heads
from acl.records.tables.requests import access_requests

MAX_OPEN: Final = 100
MAX_REASON: Final = 1000
KEPT: Final = timedelta(days=30)

_TABLE: Final = access_requests.c


class TooManyRequestsError(RecordsError):
    """The asker has too many requests that are not old enough to be gone."""

    def __init__(self) -> None:
        super().__init__(f"more than {MAX_OPEN} requests within {KEPT.days} days")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a list of requests goes on: behind the one of this time and id."""

    created_at: datetime
    id: str


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

    async def of_asker(
        self, tenant: str, asker: str, *, now: datetime
    ) -> tuple[AccessRequest, ...]:
        """Return the requests of one asker, the latest first."""
        mine = (_TABLE.tenant == tenant) & (_TABLE.asker == asker) & _kept(now)
        return await self._database.read(_found, mine, MAX_OPEN)

    async def waiting(
        self, tenant: str, *, now: datetime, after: Place | None = None, limit: int = 100
    ) -> tuple[AccessRequest, ...]:
        """Return open requests for documents of a tenant (law 4), the latest first."""
        there = select(documents.c.id).where(
            documents.c.id == _TABLE.document_id,
            documents.c.tenant == tenant,
            documents.c.live_version > 0,
        )
        wanted = (_TABLE.tenant == tenant) & _open(now) & there.exists()
        return await self._database.read(_found, wanted & _behind(after), limit)

    async def request(self, tenant: str, request_id: str, *, now: datetime) -> AccessRequest | None:
        """Return one open request of a tenant."""
        wanted = (_TABLE.tenant == tenant) & (_TABLE.id == request_id) & _open(now)
        found = await self._database.read(_found, wanted, 1)
        return found[0] if found else None

    async def decide(self, request_id: str, state: RequestState, event: AuditEvent) -> bool:
        """Note a decision by the event's subject; return whether the request was open."""
        return await self._database.write(self._decide, request_id, state, event)

    def _ask(
        self, connection: Connection, tenant: str, document_id: str, reason: str, event: AuditEvent
    ) -> None:
        # Whoever counts must not be overtaken by another request of the same asker.
        lock_heads(connection)
        gone = (_TABLE.tenant == tenant) & ~_kept(event.time)
        connection.execute(delete(access_requests).where(gone))
        mine = (_TABLE.tenant == tenant) & (_TABLE.asker == event.subject)
        again = update(access_requests).where(mine, _TABLE.document_id == document_id)
        if not connection.execute(again.values(**_opened(reason, event))).rowcount:
            if (connection.scalar(select(func.count()).where(mine)) or 0) >= MAX_OPEN:
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


def _kept(now: datetime) -> ColumnElement[bool]:
    return _TABLE.created_at > now - KEPT


def _open(now: datetime) -> ColumnElement[bool]:
    return _kept(now) & (_TABLE.state == RequestState.OPEN.value)


def _behind(place: Place | None) -> ColumnElement[bool]:
    if place is None:
        return true()
    same = and_(_TABLE.created_at == place.created_at, _TABLE.id > place.id)
    return or_(_TABLE.created_at < place.created_at, same)


def _found(
    connection: Connection, wanted: ColumnElement[bool], limit: int
) -> tuple[AccessRequest, ...]:
    statement = select(access_requests).where(wanted).order_by(_TABLE.created_at.desc(), _TABLE.id)
    return tuple(
        AccessRequest(**{**row, "state": RequestState(row["state"])})
        for row in connection.execute(statement.limit(limit)).mappings()
    )
