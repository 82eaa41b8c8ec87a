"""A question in, cleared passages out, and on record before they leave.

The laws of this file:

1. Policy and memberships are pinned for the whole request, and decide before anything else
   happens. Who is denied gets an empty page; neither the model nor the engine is asked.
2. Every hit is rechecked against the label of record. What is dropped is replaced, as long as the
   engine has more.
3. The audit event is durable before the page is returned. If it cannot be written, nothing is;
   if what was pinned has moved on, the request begins again (`retrieval.rights.standing`).
4. The text of a question is not stored and not logged; a keyed hash of it is recorded.
5. A page says nothing of what was not on it.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from acl.engine.wire import Filter
from acl.errors import RequestError
from acl.labels import LabelSchema, classification_of, owner_of
from acl.records import AuditEvent, AuditKind, DocumentRecord, Records
from acl.subject import Subject
from ingest.label.description import MODIFIED, PAGES
from ingest.parts import Encoding
from retrieval.rights.decisions import Decided, Decisions, PolicySnapshot
from retrieval.rights.releases import Release, Witness, unwitnessed
from retrieval.rights.standing import ANY, AtLeast, Standing, settled
from retrieval.search.narrow import Narrowing, narrow
from retrieval.search.recheck import AsOf, Cleared, Counts, Recheck
from retrieval.search.store import MAX_LIMIT, Mode, Question, Store

READ: Final = "document:read"
MAX_QUERY: Final = 4000
MAX_TOP_K: Final = 100

# Asked for beyond the page, so that a few dropped hits cost no second round. Up to a page of 15
# the lists that are fused stay as deep as they are without it.
_SPARE: Final = 10
_ROUNDS: Final = 4
_WIDER: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is asked.

    Attributes:
        query: the question.
        top_k: at most so many passages.
        mode: which lists answer.
        narrowing: what the asker restricts the search to, all of it at once.
    """

    query: str
    top_k: int = 10
    mode: Mode = Mode.HYBRID
    narrowing: tuple[Narrowing, ...] = ()

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise RequestError("the query is empty")
        if len(self.query) > MAX_QUERY:
            raise RequestError(f"the query is longer than {MAX_QUERY} characters")
        if not self.query.isascii() and any("\ud800" <= one <= "\udfff" for one in self.query):
            raise RequestError("the query is not text")
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise RequestError(f"`top_k` lies between 1 and {MAX_TOP_K}")


@dataclass(frozen=True, slots=True)
class Span:
    """Where a passage lies in its document's text, in characters: `[start, end)`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One passage that the asker may read.

    Attributes:
        score: of the list that was asked, or the sum of reciprocal ranks when two were.
        classification: name of the level.
        page: the page on which the passage begins, from 1; None where there are no pages.
        last_page: the page on which it ends.
        modified: when the document was changed, as its source says.
        updated: when its text or its label was last changed here.
    """

    chunk_id: str
    document_id: str
    title: str
    uri: str
    media_type: str
    text: str
    span: Span
    score: float
    classification: str
    owner: str
    page: int | None
    last_page: int | None
    modified: datetime | None
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """The answer; `decision_id` finds it again in the audit.

    Attributes:
        policy_revision: the policy under which it was decided.
        label_revision: every change of a label up to this number was regarded.
    """

    hits: tuple[Hit, ...]
    decision_id: str
    policy_revision: int
    label_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """One request under what was pinned."""

    request: SearchRequest
    snapshot: PolicySnapshot
    narrowing: Filter | None
    release: Release


class Searcher:
    """Answers questions."""

    def __init__(  # noqa: PLR0913 - a search is where everything comes together
        self,
        *,
        records: Records,
        store: Store,
        encoder: Encoding,
        standing: Standing,
        query_key: bytes,
        decisions: Decisions | None = None,
        released: Witness = unwitnessed,
    ) -> None:
        """Put the reader together.

        Args:
            records: where labels and passages of record are.
            store: the only road to the engine.
            encoder: of questions.
            standing: pins policy and memberships.
            query_key: secret of the hash under which questions are recorded.
            decisions: shared with others that decide for the same subjects.
            released: told what is released.
        """
        self._records = records
        self._store = store
        self._encoder = encoder
        self._standing = standing
        self._query_key = query_key
        self._decisions = Decisions() if decisions is None else decisions
        self._released = released
        self._recheck = Recheck(records)

    @property
    def counts(self) -> Counts:
        """How many hits the recheck has dropped, by reason; `alarm` should be 0."""
        return self._recheck.counts

    @settled
    async def search(
        self, subject: Subject, request: SearchRequest, now: datetime, *, at_least: AtLeast = ANY
    ) -> SearchPage:
        """Return the best passages that `subject` may read.

        Args:
            subject: who asks, as the token says.
            request: what is asked.
            now: the time.
            at_least: revisions that the answer must not be older than.

        Raises:
            RequestError: the subject or a narrowing condition cannot be decided upon.
            FilterTooLargeError: the policy leaves too large a filter for this subject.
            NotReachedError: a revision of `at_least` is not there yet.
            UnsettledError: the policy changed again and again meanwhile.
            EngineError: the engine failed; `EngineUnavailableError` if it may be back later.
            RecordsError: the records failed; `AuditUnavailableError` if the search could not be
                put on record.
        """
        pinned = await self._standing.pin(subject, at_least=at_least)
        snapshot, schema = pinned.snapshot, pinned.snapshot.schema
        ask = _Ask(
            request=request,
            snapshot=snapshot,
            narrowing=narrow(request.narrowing, schema),
            release=Release(pinned=pinned, now=now, action=READ),
        )
        decided = self._decisions.decide(snapshot, pinned.subject, READ, now)
        cleared = await self._cleared(ask, decided)
        event = self._event(ask, decided, cleared)
        await self._standing.record(self._records.audit, event, pinned)
        self._released(ask.release, [one.label for one in cleared])
        return SearchPage(
            hits=tuple(_hit(one, schema) for one in cleared),
            decision_id=ask.release.id,
            policy_revision=snapshot.revision,
            label_revision=pinned.heads.label,
        )

    async def _cleared(self, ask: _Ask, decided: Decided) -> list[Cleared]:
        permit = decided.permit
        if permit is None:
            return []
        request = ask.request
        vector = None
        if request.mode is not Mode.SPARSE:
            vector = await self._encoder.encode_question(request.query)
        question = Question(request.query, vector)
        return await self._filled(ask, question, permit, decided)

    async def _filled(
        self, ask: _Ask, question: Question, permit: Filter, decided: Decided
    ) -> list[Cleared]:
        """Ask, recheck, and ask for more while the page is not full and there is more."""
        wanted, cleared = ask.request.top_k, list[Cleared]()
        as_of = AsOf(now=ask.release.now, label_revision=ask.release.pinned.heads.label)
        limit = wanted + _SPARE
        for _ in range(_ROUNDS):
            found = await self._store.search(
                permit, question, mode=ask.request.mode, narrowing=ask.narrowing, limit=limit
            )
            cleared = await self._recheck.cleared(decided, found, as_of)
            if len(cleared) >= wanted or len(found) < limit or limit == MAX_LIMIT:
                break
            limit = min(limit * _WIDER, MAX_LIMIT)
        return cleared[:wanted]

    def _event(self, ask: _Ask, decided: Decided, cleared: Sequence[Cleared]) -> AuditEvent:
        request, tenant = ask.request, ask.release.pinned.subject.tenant
        return ask.release.event(
            AuditKind.SEARCH,
            permitted=not decided.denied,
            resources=tuple(dict.fromkeys(one.passage.document_id for one in cleared)),
            query_hmac=query_hmac(self._query_key, tenant, request.query),
            detail={
                "mode": request.mode.value,
                "top_k": request.top_k,
                "passages": len(cleared),
            },
        )


def query_hmac(key: bytes, tenant: str, query: str) -> str:
    """Return a hash of the question; only equal questions of one tenant share it."""
    text = unicodedata.normalize("NFC", query)
    content = f"{len(tenant)}:{tenant}{text}".encode()
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _hit(cleared: Cleared, schema: LabelSchema) -> Hit:
    passage, document = cleared.passage, cleared.passage.document
    return Hit(
        chunk_id=passage.chunk_id,
        document_id=document.id,
        title=document.title,
        uri=document.uri,
        media_type=document.media_type,
        text=passage.text,
        span=Span(passage.start, passage.end),
        score=cleared.ranked.score,
        classification=classification_of(cleared.label, schema),
        owner=owner_of(cleared.label),
        page=_page(document, passage.start),
        last_page=_page(document, passage.end - 1),
        modified=_modified(document),
        updated=document.updated_at,
    )


def _page(document: DocumentRecord, at: int) -> int | None:
    """Return the number of the page on which the character `at` stands."""
    starts = document.metadata.get(PAGES)
    return bisect_right(starts, at) if isinstance(starts, list) and starts else None


def _modified(document: DocumentRecord) -> datetime | None:
    seconds = document.metadata.get(MODIFIED)
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None
