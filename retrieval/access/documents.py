"""Documents themselves, for those who may read them: a list, and one with its text.

The laws of this file:

1. What may be read is decided on labels of record, by the same predicate that a search obeys.
2. A document that is hidden and one that does not exist are the same: one error, one sentence, one
   line in the audit, reached by the same reads.
3. A page is full unless there is no more to see, and a cursor names the last document that was
   seen. So neither tells of anything in between. How long a page takes does grow with how many
   distinct labels there are.
4. The audit event is durable before anything leaves, under rights that still stand then.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from acl.errors import AclError, LabelError, RequestError
from acl.labels import Label, LabelSchema
from acl.records import AuditKind, DocumentRecord, Records
from acl.records.documents.catalog import joined
from acl.subject import Subject
from ingest.project import declared
from retrieval.access.listing import Listing
from retrieval.rights.decisions import Decided, Decisions
from retrieval.rights.display import classification_of, label_of, owner_of
from retrieval.rights.releases import Release, Witness, unwitnessed
from retrieval.rights.snapshot import PolicySnapshot
from retrieval.rights.standing import ANY, AtLeast, Standing
from retrieval.search.search import READ

MAX_PAGE: Final = 200


class DocumentNotFoundError(AclError):
    """No document that the subject may read has this id."""

    def __init__(self) -> None:
        super().__init__("there is no such document")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    """A document as somebody sees it who may read it.

    Attributes:
        metadata: what the schema declares and the document has.
        label: every attribute, as a person would write it.
        classification: name of the level.
    """

    id: str
    uri: str
    title: str
    media_type: str
    metadata: Mapping[str, object]
    label: Mapping[str, object]
    classification: str
    owner: str
    label_version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPage:
    """Documents in the order of their uri; `cursor` continues, and is None at the end."""

    documents: tuple[DocumentView, ...]
    cursor: str | None
    decision_id: str
    policy_revision: int
    label_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentText:
    """A document with its text; the spans of hits count the characters of this text."""

    document: DocumentView
    text: str
    decision_id: str
    policy_revision: int
    label_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """One request under what was pinned."""

    snapshot: PolicySnapshot
    decided: Decided
    release: Release

    def label(self, document: DocumentRecord | None) -> Label | None:
        """Return the label of a document that the subject may read, or None."""
        if document is None:
            return None
        try:
            label = document.label(self.snapshot.schema, self.release.now)
        except LabelError:
            return None
        return label if self.permits(label) else None

    def permits(self, label: Label) -> bool:
        """Say whether the subject may read documents of this label."""
        return self.decided.permits(label)

    def shown(self, document: DocumentRecord, label: Label) -> DocumentView:
        """Return a document that the subject may read as they see it."""
        return _view(document, label, self.snapshot.schema)


class DocumentReader:
    """Lists and fetches documents."""

    def __init__(
        self,
        *,
        records: Records,
        standing: Standing,
        decisions: Decisions | None = None,
        released: Witness = unwitnessed,
    ) -> None:
        self._records = records
        self._standing = standing
        self._decisions = Decisions() if decisions is None else decisions
        self._released = released

    async def list_documents(
        self,
        subject: Subject,
        *,
        now: datetime,
        after: str | None = None,
        limit: int = 50,
        at_least: AtLeast = ANY,
    ) -> DocumentPage:
        """Return documents that `subject` may read, beginning behind the cursor `after`.

        Raises:
            RequestError: `after` is no cursor, or `limit` is out of range.
            NotReachedError, UnsettledError: see `retrieval.rights.standing`.
            RecordsError: the records failed, or the list could not be put on record.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise RequestError(f"`limit` lies between 1 and {MAX_PAGE}")
        behind = "" if after is None else _uri(after)
        return await self._standing.settled(
            partial(self._list, subject, now, behind, limit, at_least=at_least)
        )

    async def document(
        self, subject: Subject, document_id: str, *, now: datetime, at_least: AtLeast = ANY
    ) -> DocumentText:
        """Return a document with its text.

        Raises:
            DocumentNotFoundError: there is none, or the subject may not read it.
            NotReachedError, UnsettledError: see `retrieval.rights.standing`.
            RecordsError: the records failed, or the fetch could not be put on record.
        """
        return await self._standing.settled(
            partial(self._fetch, subject, _identity(document_id), now, at_least=at_least)
        )

    async def _list(
        self, subject: Subject, now: datetime, behind: str, limit: int, *, at_least: AtLeast
    ) -> DocumentPage:
        ask = await self._ask(subject, now, at_least)
        seen = await self._seen(ask, behind, limit + 1)
        page = tuple(view for view, _ in seen[:limit])
        await self._record(ask, AuditKind.LIST, permitted=True, ids=[one.id for one in page])
        self._released(ask.release, [label for _, label in seen[:limit]])
        return DocumentPage(
            documents=page,
            cursor=_cursor(page[-1].uri) if len(seen) > limit else None,
            decision_id=ask.release.id,
            policy_revision=ask.snapshot.revision,
            label_revision=ask.release.pinned.heads.label,
        )

    async def _fetch(
        self, subject: Subject, identity: str, now: datetime, *, at_least: AtLeast
    ) -> DocumentText:
        ask = await self._ask(subject, now, at_least)
        label = ask.label(await self._records.catalog.document(identity))
        # The text is read only now, and what stands beside it in the same read decides.
        passages = await self._records.catalog.document_passages(identity if label else "")
        label = ask.label(passages[0].document) if passages else None
        await self._record(ask, AuditKind.FETCH, permitted=label is not None, ids=[identity])
        if label is None:
            raise DocumentNotFoundError
        self._released(ask.release, [label])
        return DocumentText(
            document=ask.shown(passages[0].document, label),
            text=joined(passages),
            decision_id=ask.release.id,
            policy_revision=ask.snapshot.revision,
            label_revision=ask.release.pinned.heads.label,
        )

    async def _ask(self, subject: Subject, now: datetime, at_least: AtLeast) -> _Ask:
        pinned = await self._standing.pin(subject, at_least=at_least)
        return _Ask(
            snapshot=pinned.snapshot,
            decided=self._decisions.decide(pinned.snapshot, pinned.subject, READ, now),
            release=Release(pinned=pinned, now=now, action=READ),
        )

    async def _record(
        self, ask: _Ask, kind: AuditKind, *, permitted: bool, ids: Sequence[str]
    ) -> None:
        event = ask.release.event(kind, permitted=permitted, resources=tuple(ids))
        await self._standing.record(self._records.audit, event, ask.release.pinned)

    async def _seen(self, ask: _Ask, behind: str, wanted: int) -> list[tuple[DocumentView, Label]]:
        listing = Listing(
            catalog=self._records.catalog,
            schema=ask.snapshot.schema,
            tenant=ask.release.pinned.subject.tenant,
            now=ask.release.now,
            fits=ask.permits,
            shown=lambda document, label: (ask.shown(document, label), label),
        )
        return await listing.page(behind, wanted)


def _view(document: DocumentRecord, label: Label, schema: LabelSchema) -> DocumentView:
    return DocumentView(
        id=document.id,
        uri=document.uri,
        title=document.title,
        media_type=document.media_type,
        metadata=_shown(document.metadata, schema),
        label=label_of(label, schema),
        classification=classification_of(label, schema),
        owner=owner_of(label),
        label_version=document.label_version,
        updated_at=document.updated_at,
    )


def _shown(metadata: Mapping[str, object], schema: LabelSchema) -> dict[str, object]:
    """Return declared metadata as a person would write it; a stored set is a list already."""
    return {
        name: schema.metadata[name].display(value) if isinstance(value, int | str) else value
        for name, value in declared(metadata, schema).items()
    }


def _identity(text: str) -> str:
    """Return an id in its one spelling; what is none becomes one that nothing has."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return str(uuid.UUID(int=0))


def _cursor(uri: str) -> str:
    return base64.urlsafe_b64encode(uri.encode()).decode().rstrip("=")


def _uri(cursor: str) -> str:
    padding = "=" * (-len(cursor) % 4)
    try:
        return base64.b64decode(cursor + padding, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise RequestError("the cursor is not one that a page came with") from error
