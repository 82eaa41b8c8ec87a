"""The audit log: durable before it answers, linked in one order, many events in one commit.

While one commit is on its way, the events that arrive wait and share the next one: fifty searches
at once cost two flushes of the disk, not fifty. If that commit fails, every one of them is told.

A release says under which rights it was decided. It is recorded only if they still stand in the
transaction that records it, asked while it holds the end of the chain. So nothing leaves under a
policy that was replaced while the request ran: what it read is older than this check, and so is no
policy that it should have obeyed.

Who got passages of a document is counted where the events are:

1. A reader got a passage by an event that released it. A refusal is counted nowhere and takes no
   room.
2. A subject that acted through others is told apart from the subject alone.
3. A list is read page by page as it stood when it began: what is released meanwhile moves no line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, func, insert, select, update

from acl.records.audit.chain import (
    GENESIS,
    AuditEntry,
    AuditEvent,
    AuditHead,
    AuditKind,
    AuditRecord,
    AuditReport,
    AuditVerifier,
    Chain,
    Link,
    Outcome,
    SealedHead,
)
from acl.records.database.database import PAGE, Database, Part, json_value, snapshot, upsert
from acl.records.database.errors import AuditUnavailableError, MovedOnError, RecordsError
from acl.records.database.storable import from_json, to_json, to_microseconds
from acl.records.tables.heads import Heads, which_stand
from acl.records.tables.schema import audit_events, audit_head, audit_resources

MAX_BATCH: Final = 256
VERIFY_BATCH: Final = 1000
READING: Final = frozenset({AuditKind.SEARCH, AuditKind.FETCH})
"""What releases passages."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: AuditEvent
    under: Heads | None
    future: asyncio.Future[AuditEntry]


_HEAD: Final = select(*(audit_head.c[part.name] for part in fields(SealedHead)))
_LINKS: Final = select(*(audit_events.c[part.name] for part in fields(Link)))
_IN_ORDER: Final = _LINKS.order_by(audit_events.c.seq)


class AuditLog(Part):
    """The chain of events of one database under one key."""

    def __init__(self, database: Database, chain: Chain) -> None:
        super().__init__(database)
        self._chain = chain
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    async def append(self, event: AuditEvent, *, under: Heads | None = None) -> AuditEntry:
        """Record `event`; it is durable when this returns.

        Args:
            event: what happened.
            under: the rights under which it was decided; they must still stand.

        Raises:
            MovedOnError: they do not; nothing was recorded, and nothing may be released.
            AuditUnavailableError: it may not be on record, so what it announces must not happen.
        """
        if self._closed:
            raise AuditUnavailableError("the audit log is closed")
        future: asyncio.Future[AuditEntry] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(event, under, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain(), name="audit writer")
        return await future

    def append_within(self, connection: Connection, *events: AuditEvent) -> tuple[AuditEntry, ...]:
        """Link `events` in the caller's transaction; for the modules of this package alone.

        Call it last: in PostgreSQL the head stays locked until the transaction ends.

        Raises:
            AuditUnavailableError: the head is missing, changed or sealed with another key.
        """
        head = self.lock(connection)
        links: list[Link] = []
        for event in events:
            links.append(self._chain.link(head, event))
            head = links[-1].head
        connection.execute(insert(audit_events), [asdict(link) for link in links])
        if found := [
            entry
            for link, event in zip(links, events, strict=True)
            for entry in _found_by(link.seq, event)
        ]:
            # An index that was left too long by a hand must not keep the chain from growing.
            connection.execute(upsert(connection, audit_resources).on_conflict_do_nothing(), found)
        connection.execute(update(audit_head).values(asdict(self._chain.seal(head))))
        return tuple(AuditEntry(link.seq, link.hash) for link in links)

    def lock(self, connection: Connection) -> AuditHead:
        """Hold the end of the chain until the caller's transaction ends.

        Raises:
            AuditUnavailableError: the head is missing, changed or sealed with another key.
        """
        return self._checked(_sealed_head(connection, lock=True))

    async def head(self) -> AuditHead:
        """Return the end of the chain; kept elsewhere, it is the anchor for `verify`.

        Raises:
            AuditUnavailableError: the head is missing, changed or sealed with another key.
        """
        return self._checked(await self.database.read(_sealed_head))

    @snapshot
    def events(
        self,
        connection: Connection,
        *,
        after: int = 0,
        limit: int = PAGE,
        kind: AuditKind | None = None,
    ) -> tuple[AuditRecord, ...]:
        """Return events in the order of the chain, beginning behind number `after`."""
        statement = _IN_ORDER.where(audit_events.c.seq > after).limit(limit)
        if kind is not None:
            statement = statement.where(audit_events.c.kind == kind.value)
        return _records(connection, statement)

    @snapshot
    def since(  # noqa: PLR0913 - a list has as many sides
        self,
        connection: Connection,
        moment: datetime,
        *,
        kinds: Collection[AuditKind],
        tenants: Collection[str],
        before: int | None = None,
        limit: int = 1000,
    ) -> tuple[AuditRecord, ...]:
        """Return the last events of these kinds and tenants from `moment` on, the latest first.

        Args:
            connection: of the snapshot.
            moment: the earliest time.
            kinds: which kinds.
            tenants: whose events.
            before: the number before which to go on, or `None` for the end of the chain.
            limit: how many at most.
        """
        statement = (
            _LINKS.where(audit_events.c.time >= to_microseconds(moment))
            .where(audit_events.c.kind.in_([one.value for one in kinds]))
            .order_by(audit_events.c.seq.desc())
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(audit_events.c.seq < before)
        mine = json_value(connection, audit_events.c.body, "tenant").in_(list(tenants))
        return _records(connection, statement.where(mine))

    async def verify(self, expected_head: AuditHead | None = None) -> AuditReport:
        """Walk the whole chain and report the first number that cannot be vouched for.

        Args:
            expected_head: a head that was kept elsewhere. Without it, a database that was put
                back as a whole to an earlier state passes, because that state was once true.
        """
        verifier = AuditVerifier(self._chain, anchor=expected_head)
        await self.database.read(_walk, verifier)
        return AuditReport(verifier.head.seq, verifier.head, verifier.fault)

    async def close(self) -> None:
        """Refuse new events and wait for those under way."""
        self._closed = True
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            try:
                entries = await self.database.write(self._append_standing, batch)
            except RecordsError as error:
                _tell(batch, error)
            except BaseException as error:
                # Cancelled, or a fault of this program: no caller may be left waiting.
                _tell([*batch, *self._waiting], error)
                self._waiting = []
                raise
            else:
                _hand_out(batch, entries)

    def _append_standing(
        self, connection: Connection, batch: Sequence[_Waiting]
    ) -> list[AuditEntry | None]:
        """Link what was decided under rights that stand; `None` in place of what was not."""
        # Held before it is asked what stands, so that no change comes in between.
        self.lock(connection)
        stands = which_stand(connection, [one.under for one in batch])
        kept = [one.event for one, good in zip(batch, stands, strict=True) if good]
        entries = iter(self.append_within(connection, *kept) if kept else ())
        return [next(entries) if good else None for good in stands]

    def _checked(self, sealed: SealedHead | None) -> AuditHead:
        if sealed is None or not self._chain.sealed_by_us(sealed):
            raise AuditUnavailableError("the audit head is missing, changed or under another key")
        return sealed.head


class AuditedPart(Part):
    """A part of the records that puts on record what it changes."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        super().__init__(database)
        self.audit = audit


def begin_chain(connection: Connection, chain: Chain) -> None:
    """Store the head of an empty chain; done once, with the tables, in the same transaction.

    Never done later: a missing head in a database that has been used is a fault to report.
    """
    connection.execute(insert(audit_head).values(id=1, **asdict(chain.seal(GENESIS))))


def _sealed_head(connection: Connection, *, lock: bool = False) -> SealedHead | None:
    statement: Select[Any] = _HEAD.with_for_update() if lock else _HEAD
    row = connection.execute(statement).one_or_none()
    return None if row is None else SealedHead(*row)


def _links(connection: Connection) -> Iterator[Link]:
    # From below the first number, so that a smuggled entry 0 is met and not passed over.
    after = -(2**62)
    while True:
        statement = _IN_ORDER.where(audit_events.c.seq > after).limit(VERIFY_BATCH)
        rows = connection.execute(statement).all()
        for row in rows:
            yield Link(*row)
        if len(rows) < VERIFY_BATCH:
            return
        after = rows[-1].seq


def _walk(connection: Connection, verifier: AuditVerifier) -> None:
    for link in _links(connection):
        verifier.feed(link)
        if verifier.fault is not None:
            return
    verifier.finish(_sealed_head(connection))


def _records(connection: Connection, statement: Select[Any]) -> tuple[AuditRecord, ...]:
    return tuple(map(_record_of, connection.execute(statement)))


def _record_of(row: Sequence[Any]) -> AuditRecord:
    """Return the event of a row that was selected by `_LINKS`.

    Raises:
        RecordsError: it is not one; it was changed.
    """
    link = Link(*row)
    try:
        event = AuditEvent.from_json(from_json(link.body))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordsError(f"audit entry {link.seq} cannot be read; verify the chain") from error
    return AuditRecord(link.seq, link.hash, event)


def _found_by(seq: int, event: AuditEvent) -> Iterator[dict[str, Any]]:
    got = event.kind in READING and event.outcome is Outcome.PERMITTED
    reader = to_json("reader", [event.subject, *event.actors]) if got else ""
    for resource in dict.fromkeys(event.resources):
        yield {"resource": resource, "seq": seq, "reader": reader}


def _hand_out(batch: Sequence[_Waiting], entries: Sequence[AuditEntry | None]) -> None:
    for one, entry in zip(batch, entries, strict=True):
        if one.future.done():
            continue
        if entry is None:
            one.future.set_exception(MovedOnError())
        else:
            one.future.set_result(entry)


def _tell(batch: Sequence[_Waiting], error: BaseException) -> None:
    for one in batch:
        if not one.future.done():
            failure = AuditUnavailableError("the event could not be recorded")
            failure.__cause__ = error
            one.future.set_exception(failure)


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


class AuditReaders(Part):
    """The readers of each document."""

    @snapshot
    def of(
        self,
        connection: Connection,
        resource: str,
        *,
        after: ReadersFrom | None = None,
        limit: int = PAGE,
    ) -> tuple[Readings, ...]:
        """Return who got passages of `resource`, the last one first."""
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
            _LINKS.add_columns(found.c.times)
            .join(found, found.c.last == audit_events.c.seq)
            .order_by(audit_events.c.seq.desc())
        )
        return tuple(
            Readings(times=times, last=_record_of(link))
            for *link, times in connection.execute(statement)
        )
