"""The values that go into the records and come out of them, and the rows that they come out of.

The laws of this file:

1. A principal with which a document is shared is one of the label's `readers`; a share remembers
   who gave it, and when it ends. A share whose principal is no reader any more is no share.
2. A share that ends at a moment is over at that moment, even while the stored label names the
   principal.
3. No row, session or SQL type leaves the records: what leaves is one of these values.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import ColumnElement, Table

from acl.errors import LabelError
from acl.labels import READERS, Label, LabelSchema
from acl.records.database.errors import UnstorableError
from acl.records.database.storable import (
    checked_text,
    checked_time,
    from_json,
    from_microseconds,
    to_json,
    to_microseconds,
)
from acl.records.tables.schema import documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One share.

    Attributes:
        principal: `user:…`, `group:…` or `role:…`.
        until: when it is over; `None` for good.
        by: who gave it.
        since: when it was given.
    """

    principal: str
    until: datetime | None
    by: str
    since: datetime

    def __post_init__(self) -> None:
        checked_text("principal", self.principal)
        checked_text("by", self.by)
        checked_time("since", self.since)
        if self.until is not None and checked_time("until", self.until) <= self.since:
            raise UnstorableError("`until` is not after the moment at which the share begins")

    def over(self, at: datetime) -> bool:
        """Say whether it is over at `at` (law 2)."""
        return self.until is not None and self.until <= at

    def as_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return {
            "principal": self.principal,
            "until": None if self.until is None else to_microseconds(self.until),
            "by": self.by,
            "since": to_microseconds(self.since),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Share:
        """Return the share whose stored form this is."""
        until = stored["until"]
        return cls(
            principal=stored["principal"],
            until=None if until is None else from_microseconds(until),
            by=stored["by"],
            since=from_microseconds(stored["since"]),
        )


def shares_of(text: str) -> tuple[Share, ...]:
    """Return the shares that are stored as `text`."""
    # Nearly every document has none, and every search reads this column.
    return () if text == "[]" else tuple(Share.from_json(one) for one in json.loads(text))


def ended(shares: Iterable[Share], at: datetime) -> frozenset[str]:
    """Return whose shares are over at `at`."""
    return frozenset(one.principal for one in shares if one.over(at))


def standing(shares: Iterable[Share], readers: Iterable[str]) -> tuple[Share, ...]:
    """Return the shares of those who are readers (law 1), in the order of their names."""
    known = frozenset(readers)
    kept = {one.principal: one for one in shares if one.principal in known}
    return tuple(kept[name] for name in sorted(kept))


def next_end(shares: Iterable[Share]) -> datetime | None:
    """Return when the first of them is over."""
    return min((one.until for one in shares if one.until is not None), default=None)


def without(label: Mapping[str, Any], gone: frozenset[str]) -> Mapping[str, Any]:
    """Return the stored form of a label without these readers."""
    if not gone or READERS not in label:
        return label
    return {**label, READERS: [one for one in label[READERS] if one not in gone]}


def share_columns(shares: tuple[Share, ...]) -> dict[str, Any]:
    """Return the columns of a document in which its shares are kept."""
    return {
        "shares": to_json("shares", [one.as_json() for one in shares]),
        "shares_next": next_end(shares),
    }


NO_ID: Final = str(uuid.UUID(int=0))
"""An id that nothing has."""

# What an index of PostgreSQL can hold, with room for a second column.
MAX_KEY_BYTES: Final = 1200


@dataclass(frozen=True, slots=True, order=True)
class DocumentVersion:
    """One version of a document. A number is handed out once, even across deletion."""

    document_id: str
    version: int

    def chunk_id(self, ordinal: int) -> str:
        """Return the id of a chunk of this version, which is also the id of its point."""
        return str(uuid.uuid5(uuid.UUID(self.document_id), f"{self.version}/{ordinal}"))


@dataclass(frozen=True, slots=True)
class NewChunk:
    """One passage to store: the exact text of the document from `start` on, in characters."""

    start: int
    text: str

    def __post_init__(self) -> None:
        checked_text("text", self.text)
        if self.start < 0:
            raise UnstorableError(f"a chunk starts at `{self.start}`, before the text")

    @property
    def end(self) -> int:
        """Where the passage ends, so that `text == document[start:end]`."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A complete version of a document: description, label and every chunk.

    Attributes:
        document_id: UUID text, always the same for one tenant and uri.
        expected_label_version: the label version on which `label` was decided, 0 for a document
            not seen before; `None` for the one that stands when the version begins.
        origins: where the label's values come from; by default all of them from the source.
        folders: what had been set for folders when the label was put together from it, as
            `folders_version` counts it; `None` where the label does not rest on that.
        source: id of the source that it comes from, or `""`.
    """

    document_id: str
    tenant: str
    uri: str
    title: str
    media_type: str
    label: Label
    content_digest: str
    chunks: tuple[NewChunk, ...]
    metadata: Mapping[str, object] = field(default_factory=dict)
    expected_label_version: int | None = None
    origins: Mapping[str, Any] | None = None
    folders: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("tenant", "uri", "title", "media_type", "content_digest"):
            checked_text(name, getattr(self, name))
        for name in ("tenant", "uri"):
            if len(getattr(self, name).encode()) > MAX_KEY_BYTES:
                raise UnstorableError(f"`{name}` is longer than {MAX_KEY_BYTES} bytes")
        if canonical_id(self.document_id) != self.document_id:
            raise UnstorableError(f"`{self.document_id}` is not a UUID in canonical form")
        if not self.chunks:
            raise UnstorableError("a version without text is not stored")
        starts = [chunk.start for chunk in self.chunks]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise UnstorableError("the chunks are not in the order of the text")
        if self.label.values.get("tenant", self.tenant) != self.tenant:
            raise UnstorableError("the label names another tenant than the document")


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSource:
    """What comes with a label that a document's source says, in the transaction that stores it.

    Attributes:
        origins: where the label's values come from.
        metadata: takes the place of the document's: also that the source was heard.
        folders: what had been set for folders when the label was put together from it.
    """

    origins: Mapping[str, Any]
    metadata: Mapping[str, object]
    folders: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord:
    """A live document with its label of record.

    Attributes:
        label_json: the label as `Label.as_json` gave it; its readers may hold shares that ended.
        label_version: counts up with every change of the label, from 1.
        projected_label_version: the newest label version that the engine is known to carry.
        live_version: the version whose chunks are visible; 0 for one that was withdrawn.
        label_revision: number of the last change of who may read it, among those of all documents.
        shares: which of the readers are so by a share, and until when.
        source: id of the source that it comes from, or `""`.
    """

    id: str
    tenant: str
    uri: str
    title: str
    media_type: str
    metadata: Mapping[str, Any]
    label_json: Mapping[str, Any]
    label_digest: str
    label_version: int
    projected_label_version: int
    content_digest: str
    live_version: int
    chunk_count: int
    created_at: datetime
    updated_at: datetime
    label_revision: int
    shares: tuple[Share, ...] = ()
    source: str = ""

    def label(self, schema: LabelSchema, at: datetime) -> Label:
        """Return the typed label of record at `at`: a share that ended by then lets no one read.

        Raises:
            LabelError: it was stored under another schema.
        """
        return schema.parse(without(self.label_json, ended(self.shares, at)))

    def legible(self, schema: LabelSchema, at: datetime) -> Label:
        """Return what of the label of record can be read, for those who repair it."""
        return schema.legible(without(self.label_json, ended(self.shares, at)))

    def label_or_none(self, schema: LabelSchema, at: datetime) -> Label | None:
        """Return the label of record at `at`, or `None` where it cannot be read."""
        try:
            return self.label(schema, at)
        except LabelError:
            return None

    @property
    def is_live(self) -> bool:
        """Whether readers can see it; one that was withdrawn keeps its label."""
        return self.live_version > 0

    def overdue(self, at: datetime) -> bool:
        """Say whether a share ended by `at` that the stored label and the engine still carry."""
        first = next_end(self.shares)
        return first is not None and first <= at

    @property
    def live(self) -> DocumentVersion:
        """The version that readers see."""
        return DocumentVersion(self.id, self.live_version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A chunk of a live version with its document and label, read in one statement."""

    chunk_id: str
    document_id: str
    version: int
    ordinal: int
    start: int
    end: int
    text: str
    document: DocumentRecord


@dataclass(frozen=True, slots=True)
class DistinctLabel:
    """One label that live documents carry, and how many carry it."""

    digest: str
    label_json: Mapping[str, Any]
    documents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """What could not be indexed, and why. `tenant` is `""` where it could not be told."""

    id: int
    tenant: str
    uri: str
    reason: str
    content_digest: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionState:
    """What the vectors and labels of the collection were made with."""

    label_schema_digest: str
    model_name: str
    model_digest: str


def canonical_id(text: str) -> str:
    """Return an id in the one spelling that ids have, or an id that nothing has."""
    try:
        return text if str(uuid.UUID(text)) == text else NO_ID
    except ValueError:
        return NO_ID


_FIELDS: Final = tuple(part.name for part in fields(DocumentRecord))

DOCUMENT_COLUMNS: Final = tuple(
    documents.c["label" if name == "label_json" else name] for name in _FIELDS
)
"""The columns of a document, in the order in which `document_of` takes them."""

LIVE: Final = documents.c.live_version > 0
"""That readers can see a document."""

LAGS: Final = LIVE & (documents.c.projected_label_version < documents.c.label_version)
"""That the engine is not known to carry the label of record."""


def of_version(table: Table, version: DocumentVersion) -> ColumnElement[bool]:
    """Return what is true for the rows of a version."""
    mine = table.c.document_id == version.document_id
    return mine & (table.c.version == version.version)


def document_of(row: Sequence[Any]) -> DocumentRecord:
    """Return the document of a row that was selected by `DOCUMENT_COLUMNS`."""
    stored = dict(zip(_FIELDS, row, strict=True))
    stored["metadata"] = from_json(stored["metadata"])
    stored["label_json"] = from_json(stored["label_json"])
    stored["shares"] = shares_of(stored["shares"])
    return DocumentRecord(**stored)
