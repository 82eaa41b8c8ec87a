"""Documents themselves, for those who may read them: a list, one with its text, and why.

The laws of this file:

1. What may be read is decided on labels of record, by the same predicate that a search obeys.
2. A document that is hidden and one that does not exist are the same: one error, one sentence, one
   line in the audit, reached by the same reads. Nothing is computed of what may not be read.
3. A page is full unless there is no more to see, and a cursor names the last document that was
   seen. So neither tells of anything in between.
4. Where the first documents do not fill a page, each distinct label is decided about once, and only
   documents that carry a fitting one, or whose label a share's end has changed, are read further.
   So a page takes as long as the labels are many, not as the documents are.
5. The audit event is durable before anything leaves, under rights that still stand then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeAlias, TypeVar

from acl.errors import AclError, LabelError
from acl.explain.explain import Explanation, explain
from acl.labels import Label, LabelSchema, classification_of, label_of, owner_of
from acl.policy.policy import Policy
from acl.records import AuditKind, DocumentRecord, Records
from acl.records.documents.catalog import Catalog, joined
from acl.records.tables.types import canonical_id
from acl.subject import Subject
from ingest.project import declared
from retrieval.access.types import Explained, Recorded, check_limit, permits
from retrieval.rights.decisions import Decided, Decisions
from retrieval.rights.releases import Release, Witness, unwitnessed
from retrieval.rights.standing import ANY, AtLeast, Standing, settled
from retrieval.search.search import READ

T = TypeVar("T")
Explain: TypeAlias = Callable[[Policy, Subject, str, Label, datetime], Explanation]

SCANNED: Final = 500
MAX_LABELS: Final = 1000
_TURN: Final = 50
"""After so many labels other requests get their turn."""


class DocumentNotFoundError(AclError):
    """No document that the subject may read has this id."""

    def __init__(self) -> None:
        super().__init__("there is no such document")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    """A document as a subject sees it who may read it.

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
class DocumentPage(Recorded):
    """Documents in the order of their uris; `cursor` is the last one, and None at the end."""

    documents: tuple[DocumentView, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentText(Recorded):
    """A document with its text; the spans of hits count the characters of this text."""

    document: DocumentView
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """A list of the documents of one tenant, for one decision.

    Attributes:
        fits: says whether documents of a label are listed.
        shown: what is listed of a document of such a label.
        most: of more fitting labels the documents are read one after the other.
    """

    catalog: Catalog
    schema: LabelSchema
    tenant: str
    now: datetime
    fits: Callable[[Label], bool]
    shown: Callable[[DocumentRecord, Label], T]
    most: int = MAX_LABELS

    async def page(self, behind: str, wanted: int) -> list[T]:
        """Return what is listed behind a uri, up to as many as wanted (law 3)."""
        listed: list[T] = []
        digests: frozenset[str] | None = None
        known = False
        while True:
            page = await self.catalog.list_documents(
                self.tenant, after=behind, limit=SCANNED, labels=digests, at=self.now
            )
            for document in page:
                label = document.label_or_none(self.schema, self.now)
                if label is not None and self.fits(label):
                    listed.append(self.shown(document, label))
            if len(listed) >= wanted or len(page) < SCANNED:
                return listed[:wanted]
            behind = page[-1].uri
            if not known:
                digests, known = await self._fitting(), True  # law 4

    async def _fitting(self) -> frozenset[str] | None:
        """Return the digests of fitting labels, or None where they are too many."""
        fitting: set[str] = set()
        for number, label in enumerate(await self.catalog.distinct_labels(self.tenant)):
            try:
                if self.fits(self.schema.parse(label.label_json)):
                    fitting.add(label.digest)
            except LabelError:
                continue
            if number % _TURN == _TURN - 1:
                await asyncio.sleep(0)
        return frozenset(fitting) if len(fitting) <= self.most else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """One request under what was pinned."""

    decided: Decided
    release: Release

    @property
    def schema(self) -> LabelSchema:
        return self.release.pinned.snapshot.schema

    def label(self, document: DocumentRecord | None) -> Label | None:
        """Return the label of a document that the subject may read, or None (law 1)."""
        if document is None:
            return None
        label = document.label_or_none(self.schema, self.release.now)
        return label if self.permits(label) else None

    def permits(self, label: Label | None) -> bool:
        """Say whether the subject may read documents of this label."""
        return permits(self.decided, label)

    def shown(self, document: DocumentRecord, label: Label) -> DocumentView:
        """Return a document that the subject may read as they see it."""
        return DocumentView(
            id=document.id,
            uri=document.uri,
            title=document.title,
            media_type=document.media_type,
            metadata=_shown(document.metadata, self.schema),
            label=label_of(label, self.schema),
            classification=classification_of(label, self.schema),
            owner=owner_of(label),
            label_version=document.label_version,
            updated_at=document.updated_at,
        )


class DocumentReader:
    """Lists, fetches and explains documents.

    Each of its methods raises:
        NotReachedError, UnsettledError: see `retrieval.rights.standing`.
        RecordsError: the records failed, or the answer could not be put on record.
    """

    def __init__(
        self,
        *,
        records: Records,
        standing: Standing,
        decisions: Decisions | None = None,
        explain: Explain = explain,
        released: Witness = unwitnessed,
    ) -> None:
        """Share the decisions of askers; `explain` is called for what may be read alone."""
        self._records = records
        self._standing = standing
        self._decisions = Decisions() if decisions is None else decisions
        self._explain = explain
        self._released = released

    @settled
    async def list_documents(
        self,
        subject: Subject,
        *,
        now: datetime,
        after: str | None = None,
        limit: int = 50,
        at_least: AtLeast = ANY,
    ) -> DocumentPage:
        """Return documents that `subject` may read, beginning behind the uri `after`.

        Raises:
            RequestError: `limit` is out of range.
        """
        check_limit(limit)
        ask = await self._ask(subject, now, at_least)
        listing = Listing(
            catalog=self._records.catalog,
            schema=ask.schema,
            tenant=ask.release.pinned.subject.tenant,
            now=now,
            fits=ask.permits,
            shown=lambda document, label: (ask.shown(document, label), label),
        )
        seen = await listing.page(after or "", limit + 1)
        page = tuple(view for view, _ in seen[:limit])
        await self._record(ask, AuditKind.LIST, permitted=True, ids=[one.id for one in page])
        self._released(ask.release, [label for _, label in seen[:limit]])
        return DocumentPage(
            documents=page,
            cursor=page[-1].uri if len(seen) > limit else None,
            decision_id=ask.release.id,
            policy_revision=ask.release.pinned.snapshot.revision,
            label_revision=ask.release.pinned.heads.label,
        )

    @settled
    async def document(
        self, subject: Subject, document_id: str, *, now: datetime, at_least: AtLeast = ANY
    ) -> DocumentText:
        """Return a document with its text.

        Raises:
            DocumentNotFoundError: there is none, or the subject may not read it.
        """
        identity, ask = canonical_id(document_id), await self._ask(subject, now, at_least)
        readable = ask.label(await self._records.catalog.document(identity)) is not None
        # The text is read only now, and what stands beside it in the same read decides.
        passages = await self._records.catalog.document_passages(identity if readable else "")
        record = passages[0].document if passages else None
        label = ask.label(record)
        await self._record(ask, AuditKind.FETCH, permitted=label is not None, ids=[identity])
        if record is None or label is None:
            raise DocumentNotFoundError  # law 2
        self._released(ask.release, [label])
        return DocumentText(
            document=ask.shown(record, label),
            text=joined(passages),
            decision_id=ask.release.id,
            policy_revision=ask.release.pinned.snapshot.revision,
            label_revision=ask.release.pinned.heads.label,
        )

    @settled
    async def explain(
        self, subject: Subject, document_id: str, *, now: datetime, at_least: AtLeast = ANY
    ) -> Explained:
        """Return why `subject` may read a document.

        Raises:
            DocumentNotFoundError: there is none, or the subject may not read it.
        """
        identity, ask = canonical_id(document_id), await self._ask(subject, now, at_least)
        label = ask.label(await self._records.catalog.document(identity))
        ids = [] if label is None else [identity]
        await self._record(ask, AuditKind.EXPLAIN, permitted=label is not None, ids=ids)
        if label is None:
            raise DocumentNotFoundError  # law 2
        pinned = ask.release.pinned
        return Explained(
            explanation=await asyncio.to_thread(
                self._explain, pinned.snapshot.policy, pinned.subject, READ, label, now
            ),
            decision_id=ask.release.id,
            policy_revision=pinned.snapshot.revision,
            label_revision=pinned.heads.label,
        )

    async def _ask(self, subject: Subject, now: datetime, at_least: AtLeast) -> _Ask:
        pinned = await self._standing.pin(subject, at_least=at_least)
        decided = self._decisions.decide(pinned.snapshot, pinned.subject, READ, now)
        release = Release(pinned=pinned, now=now, action=READ)
        return _Ask(decided=decided, release=release)

    async def _record(
        self, ask: _Ask, kind: AuditKind, *, permitted: bool, ids: Sequence[str]
    ) -> None:
        """Put the answer on record (law 5)."""
        event = ask.release.event(kind, permitted=permitted, resources=tuple(ids))
        await self._standing.record(self._records.audit, event, ask.release.pinned)


def _shown(metadata: Mapping[str, object], schema: LabelSchema) -> dict[str, object]:
    """Return declared metadata as a person would write it; a stored set is a list already."""
    return {
        name: schema.metadata[name].display(value) if isinstance(value, int | str) else value
        for name, value in declared(metadata, schema).items()
    }
