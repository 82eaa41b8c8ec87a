"""Who got passages of a document, counted where the events are.

The laws of this file:

1. Somebody got a passage by an event that released it. A refusal is counted nowhere, whatever it
   names, and takes no room.
2. Whoever acted through others is told apart from themself alone.
3. A list is read page by page as it stood when it began: what is released meanwhile moves nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from acl.records.audit.events import AuditRecord
from acl.records.audit.log import COLUMNS, record_of
from acl.records.database.database import Database
from acl.records.tables.audit import audit_resources
from acl.records.tables.core import audit_events

_SEQ: Final = audit_resources.c.seq
_READER: Final = audit_resources.c.reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What one reader got of a document: how often, and the last event."""

    times: int
    last: AuditRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadersFrom:
    """Where a list of readers goes on.

    Attributes:
        upto: number of the last event that the list regards.
        below: the next reader's last event comes before this one.
    """

    upto: int
    below: int


class AuditReaders:
    """The readers of each document."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, resource: str, *, after: ReadersFrom | None = None, limit: int = 100
    ) -> tuple[Readings, ...]:
        """Return who got passages of `resource`, the last one first."""
        return await self._database.read(_readers, resource, after, limit)


def _readers(
    connection: Connection, resource: str, after: ReadersFrom | None, limit: int
) -> tuple[Readings, ...]:
    last = func.max(_SEQ)
    grouped = (
        select(func.count().label("times"), last.label("last"))
        .where(audit_resources.c.resource == resource, _READER > "")
        .group_by(_READER)
        .order_by(last.desc())
        .limit(limit)
    )
    if after is not None:
        grouped = grouped.where(audit_resources.c.seq <= after.upto).having(last < after.below)
    found = grouped.subquery()
    statement = (
        COLUMNS.add_columns(found.c.times)
        .join(found, found.c.last == audit_events.c.seq)
        .order_by(audit_events.c.seq.desc())
    )
    return tuple(
        Readings(times=times, last=record_of(link))
        for *link, times in connection.execute(statement)
    )
