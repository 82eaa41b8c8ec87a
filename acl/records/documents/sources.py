"""Sources: the places that documents come from, and which document came from which.

The laws of this file:

1. A source has a name and a root of its own; two sources never share either.
2. A document belongs to one source for as long as it is known. A rename moves its name, and nothing
   else: its id, label, shares and history stay.
3. Adding, changing and removing a source, and each move of a document, are on record in the same
   transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from acl.records.audit.chain import AuditEvent
from acl.records.audit.log import AuditedPart
from acl.records.database.database import batches, snapshot, transaction
from acl.records.database.errors import RecordsConflictError
from acl.records.database.storable import checked_text, from_json, to_json
from acl.records.tables import transitions as step
from acl.records.tables.schema import documents, sources
from acl.records.tables.types import DOCUMENT_COLUMNS, LIVE, DocumentRecord, document_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """A source of record.

    Attributes:
        name: what people call it.
        kind: how it is read: `folder`.
        root: where it lies, in the words of its kind.
        at: the place in the tenant's tree under which its documents stand; `""` for the top.
        label: label attributes that win over what is written in the source.
        last_run: what the last run did, by number.
    """

    id: str
    name: str
    kind: str = "folder"
    root: str
    at: str = ""
    label: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime
    last_run_at: datetime | None = None
    last_run: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("id", "name", "kind", "root"):
            checked_text(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Holding:
    """How many documents a source has."""

    source: SourceRecord
    live: int


class Sources(AuditedPart):
    """Every source, of every tenant."""

    @snapshot
    def listed(self, connection: Connection) -> tuple[Holding, ...]:
        """Return the sources in the order of their names, each with its live documents."""
        counted = (
            select(documents.c.source, func.count().label("live"))
            .where(LIVE)
            .group_by(documents.c.source)
        )
        live = {row.source: row.live for row in connection.execute(counted)}
        rows = connection.execute(select(sources).order_by(sources.c.name))
        return tuple(Holding(record, live.get(record.id, 0)) for record in map(_record, rows))

    @snapshot
    def named(self, connection: Connection, name: str) -> SourceRecord | None:
        """Return the source of this name."""
        row = connection.execute(select(sources).where(sources.c.name == name)).one_or_none()
        return None if row is None else _record(row)

    @snapshot
    def rooted(self, connection: Connection, kind: str, root: str) -> SourceRecord | None:
        """Return the source of this kind that lies at `root`."""
        mine = select(sources).where(sources.c.kind == kind, sources.c.root == root)
        row = connection.execute(mine).one_or_none()
        return None if row is None else _record(row)

    @transaction
    def put(self, connection: Connection, source: SourceRecord, event: AuditEvent) -> None:
        """Add a source, or change what is known of it but for its kind.

        Raises:
            RecordsConflictError: its name or its root is that of another source (law 1).
        """
        _require_own(connection, source)
        values = {
            **{name: getattr(source, name) for name in _PLAIN},
            "label": to_json("label", source.label),
        }
        mine = sources.c.id == source.id
        if connection.execute(update(sources).where(mine).values(values)).rowcount == 0:
            made = {"id": source.id, "created_at": source.created_at, **values}
            connection.execute(insert(sources).values(made))
        self.audit.append_within(connection, event)  # law 3

    @transaction
    def ran(
        self, connection: Connection, source_id: str, report: Mapping[str, Any], *, at: datetime
    ) -> None:
        """Remember what the last run did."""
        values = {"last_run": to_json("last_run", report), "last_run_at": at}
        connection.execute(update(sources).where(sources.c.id == source_id).values(values))

    @transaction
    def remove(self, connection: Connection, source_id: str, event: AuditEvent) -> None:
        """Forget a source; what it brought stays its own, should the same source come back.

        Raises:
            RecordsConflictError: documents of it can still be found.
        """
        mine = documents.c.source == source_id
        if connection.scalar(select(func.count()).select_from(documents).where(mine, LIVE)):
            raise RecordsConflictError("documents of the source can still be found")
        connection.execute(delete(sources).where(sources.c.id == source_id))
        self.audit.append_within(connection, event)  # law 3

    @snapshot
    def documents(self, connection: Connection, source_id: str) -> tuple[DocumentRecord, ...]:
        """Return the documents of a source that are live or were withdrawn."""
        statement = select(*DOCUMENT_COLUMNS).where(documents.c.source == source_id)
        known = map(document_of, connection.execute(statement.order_by(documents.c.uri)))
        return tuple(document for document in known if step.was_live(document))

    @snapshot
    def at(self, connection: Connection, uris: Iterable[str]) -> tuple[DocumentRecord, ...]:
        """Return the documents of these names, of every tenant and source, live or not."""
        return tuple(
            document_of(row)
            for batch in batches(uris)
            for row in connection.execute(
                select(*DOCUMENT_COLUMNS).where(documents.c.uri.in_(batch))
            )
        )

    @snapshot
    def with_ids(self, connection: Connection, ids: Iterable[str]) -> frozenset[str]:
        """Return those ids that some document has."""
        return frozenset(
            identity
            for batch in batches(ids)
            for identity in connection.scalars(
                select(documents.c.id).where(documents.c.id.in_(batch))
            )
        )

    @transaction
    def move(self, connection: Connection, document_id: str, uri: str, event: AuditEvent) -> None:
        """Give a document the name that its file has by now (law 2).

        Raises:
            UnknownDocumentError: no document that is live or was withdrawn.
            RecordsConflictError: another document of its tenant has that name.
        """
        step.lock(connection, document_id)
        known = step.known_document(connection, document_id)
        taken = (documents.c.tenant == known.tenant) & (documents.c.uri == uri)
        if connection.scalar(select(documents.c.id).where(taken)) is not None:
            raise RecordsConflictError(f"`{uri}` is the name of another document")
        mine = documents.c.id == document_id
        connection.execute(update(documents).where(mine).values(uri=checked_text("uri", uri)))
        self.audit.append_within(connection, event)  # law 3


_PLAIN: Final = ("name", "kind", "root", "at")


def _require_own(connection: Connection, source: SourceRecord) -> None:
    others = select(sources.c.name, sources.c.root).where(sources.c.id != source.id)
    for name, root in connection.execute(others):
        if name == source.name:
            raise RecordsConflictError(f"there is a source `{name}` already, at `{root}`")
        if root == source.root:
            raise RecordsConflictError(f"`{root}` is the source `{name}` already")


def _record(row: Row[Any]) -> SourceRecord:
    stored = dict(row._mapping)  # noqa: SLF001 - the public way to a row's columns
    for name in ("label", "last_run"):
        stored[name] = from_json(stored[name])
    return SourceRecord(**stored)
