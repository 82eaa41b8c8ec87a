"""Review of access: who may read a document, what may somebody read, why, and what is missing.

The laws of this file:

1. Nothing is told of a document unless the asker holds `access:review` on its label of record. A
   document on which they do not is the same as one that does not exist: one error, after the same
   reads, and in the audit the same line.
2. What is told is what is decided. Nobody of another tenant is told of.
3. Numbers count only documents that the asker may review.
4. Nobody is read of the directory, and nothing is decided about others, before the asker's right is
   known. The work for one answer has a bound that is counted, not timed; an answer that met it says
   so.
5. The audit event is durable before the answer leaves, under rights that still stand then.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from acl.actions import Action
from acl.containment.budget import Budget
from acl.errors import FilterTooLargeError, LabelError, RequestError
from acl.explain.explain import explain
from acl.explain.grants import Grant, grants
from acl.labels import Label, LabelSchema
from acl.records import AuditKind, DistinctLabel, DocumentRecord, Records
from acl.subject import Subject
from retrieval.access.audience import Audience, roles
from retrieval.access.documents import DocumentNotFoundError
from retrieval.access.listing import Listing
from retrieval.access.questions import permits
from retrieval.access.review_names import MAX_ROWS, names_giving
from retrieval.access.review_types import Listed, People, Readable, Readership, Reviewed
from retrieval.rights.authority import Asker, Authority, authority_of
from retrieval.rights.decisions import Decided, Decisions, undecided
from retrieval.rights.standing import ANY, AtLeast, Standing
from retrieval.rights.threads import for_review
from retrieval.search.search import READ

MAX_PAGE: Final = 200
MAX_LABELS: Final = 5_000
"""Grants are measured by this many distinct labels at most; beyond, by the most common ones."""
CONSIDERED: Final = 100
"""As many subjects are decided about for one page."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A document that the asker may review."""

    document: DocumentRecord
    label: Label


class AccessReview:
    """Answers questions about others' rights.

    Each of its methods raises:
        RequestError: an attribute of a subject cannot be decided upon.
        UnsettledError: the policy changed again and again meanwhile.
        RecordsError: the records failed, or the answer could not be put on record.
    """

    def __init__(
        self,
        *,
        records: Records,
        standing: Standing,
        decisions: Decisions | None = None,
        audience: Audience = roles,
    ) -> None:
        """Take the parts.

        Args:
            records: labels of record, and the audit.
            standing: pins policy and memberships.
            decisions: shared with others that decide for the same askers.
            audience: whom the policy and a label name.
        """
        self._records = records
        self._standing = standing
        self._decisions = Decisions() if decisions is None else decisions
        # Those about others have their own place, so that they push no asker's out.
        self._reviewed = Decisions()
        self._audience = audience

    async def who_may_read(  # noqa: PLR0913 - whom to ask about can be said in two ways
        self,
        asker: Asker,
        document_id: str,
        *,
        subjects: Sequence[Subject] = (),
        people: People | None = None,
        now: datetime,
        at_least: AtLeast = ANY,
    ) -> Readership:
        """Return who of `subjects` and `people`, and which names, may read a document.

        Raises:
            DocumentNotFoundError: there is none, or the asker may not review access to it.
            NotReachedError: see `retrieval.rights.standing`.
        """
        asked = partial(self._who, asker, _identity(document_id), subjects, people)
        return await self._standing.settled(partial(asked, now, at_least))

    async def what_may_read(  # noqa: PLR0913 - a page of what one may read, for another
        self,
        asker: Asker,
        subject: Subject,
        *,
        now: datetime,
        after: str = "",
        limit: int = 50,
        at_least: AtLeast = ANY,
    ) -> Readable:
        """Return what `subject` may read of what the asker may review, behind the uri `after`.

        Raises:
            RequestError: `limit` is out of range.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise RequestError(f"`limit` lies between 1 and {MAX_PAGE}")
        asked = partial(self._what, asker, subject, now, after=after, limit=limit)
        return await self._standing.settled(partial(asked, at_least=at_least))

    async def why(
        self,
        asker: Asker,
        subject: Subject,
        document_id: str,
        *,
        now: datetime,
        at_least: AtLeast = ANY,
    ) -> Reviewed:
        """Return why `subject` may or may not read a document, and what would change that.

        Raises:
            DocumentNotFoundError: there is none, or the asker may not review access to it.
        """
        asked = partial(self._why, asker, subject, _identity(document_id), now)
        return await self._standing.settled(partial(asked, at_least))

    async def _who(  # noqa: PLR0913, PLR0917 - see `who_may_read`
        self,
        asker: Asker,
        identity: str,
        subjects: Sequence[Subject],
        people: People | None,
        now: datetime,
        at_least: AtLeast,
    ) -> Readership:
        authority = await self._authority(asker, now, at_least)
        case = await self._case(authority, identity, {"asked": "who"})
        tenant, label = case.document.tenant, case.label
        given = await self._permitted(authority, subjects, label)
        page, cursor = await self._page(authority, case, people)
        names, incomplete = tuple[tuple[str, ...], ...](), False
        if people is None or not people.after:
            work = partial(names_giving, self._audience, authority.snapshot, tenant, label, now)
            names, incomplete = await for_review(work)
        return Readership(
            subjects=tuple(dict.fromkeys([*given, *page])),
            principals=names,
            incomplete=incomplete,
            cursor=cursor,
            decision_id=await self._told(authority, (identity,), tenant, {"asked": "who"}),
            policy_revision=authority.snapshot.revision,
            label_revision=authority.label_revision,
        )

    async def _page(
        self, authority: Authority, case: _Case, people: People | None
    ) -> tuple[list[str], str | None]:
        """Return who of a page may read, and behind whom the next one begins."""
        found: list[str] = []
        if people is None:
            return found, None
        considered, last = 0, ""
        async for one in people.of_tenant(case.document.tenant, people.after):
            if considered == CONSIDERED or len(found) == people.limit:
                return found, last
            if permits(self._decided(authority, one), case.label):
                found.append(one.id)
            considered, last = considered + 1, one.id
            await asyncio.sleep(0)
        return found, None

    async def _what(  # noqa: PLR0913 - see `what_may_read`
        self,
        asker: Asker,
        subject: Subject,
        now: datetime,
        *,
        after: str,
        limit: int,
        at_least: AtLeast,
    ) -> Readable:
        authority = await self._authority(asker, now, at_least)
        found: list[Listed] = []
        if authority.tenant in {None, subject.tenant}:
            found = await self._listed(authority, subject, after, limit + 1)
        page = tuple(found[:limit])
        detail = {"asked": "what", "about": subject.id}
        ids = tuple(one.id for one in page)
        return Readable(
            documents=page,
            more=len(found) > limit,
            decision_id=await self._told(authority, ids, subject.tenant, detail),
            policy_revision=authority.snapshot.revision,
            label_revision=authority.label_revision,
        )

    async def _why(
        self,
        asker: Asker,
        subject: Subject,
        identity: str,
        now: datetime,
        at_least: AtLeast,
    ) -> Reviewed:
        authority = await self._authority(asker, now, at_least)
        detail = {"asked": "why", "about": subject.id}
        case = await self._case(authority, identity, detail)
        decision = self._decided(authority, subject)
        policy, label = authority.snapshot.policy, case.label
        explanation = await for_review(partial(explain, policy, subject, READ, label, now))
        offered, incomplete = await self._grants(authority, subject, case)
        return Reviewed(
            explanation=explanation,
            permitted=permits(decision, label),
            grants=offered,
            incomplete=incomplete,
            decision_id=await self._told(authority, (identity,), case.document.tenant, detail),
            policy_revision=authority.snapshot.revision,
            label_revision=authority.label_revision,
        )

    async def _authority(self, asker: Asker, now: datetime, at_least: AtLeast) -> Authority:
        return await authority_of(self._standing, self._decisions, asker, now, at_least=at_least)

    async def _case(self, authority: Authority, identity: str, detail: Mapping[str, str]) -> _Case:
        """Return a document with its label of record; what cannot be reviewed is not there."""
        document = await self._records.catalog.document(identity)
        now = authority.now
        label = None if document is None else _reviewable(authority, _of_record(document, now))
        if document is None or label is None:
            await self._told(authority, (identity,), "", detail, permitted=False)
            raise DocumentNotFoundError
        return _Case(document, label)

    async def _permitted(
        self, authority: Authority, subjects: Iterable[Subject], label: Label
    ) -> list[str]:
        found: list[str] = []
        for one in subjects:
            if permits(self._decided(authority, one), label):
                found.append(one.id)
            # Deciding is work of this process; other requests get their turn in between.
            await asyncio.sleep(0)
        return found

    async def _listed(
        self, authority: Authority, subject: Subject, behind: str, wanted: int
    ) -> list[Listed]:
        decision = self._decided(authority, subject)
        if decision.denied:
            return []
        listing = Listing(
            catalog=self._records.catalog,
            schema=authority.snapshot.schema,
            tenant=subject.tenant,
            now=authority.now,
            fits=lambda label: (
                authority.may(Action.ACCESS_REVIEW, label) and permits(decision, label)
            ),
            shown=lambda document, _: Listed(document.id, document.uri),
        )
        return await listing.page(behind, wanted)

    async def _grants(
        self, authority: Authority, subject: Subject, case: _Case
    ) -> tuple[tuple[Grant, ...], bool]:
        """Return the grants, and whether changes were left untried."""
        if subject.tenant != case.document.tenant:
            return (), False
        kept = await self._records.catalog.distinct_labels(subject.tenant)
        common = sorted(kept, key=lambda one: (-one.documents, one.digest))[:MAX_LABELS]
        policy, budget = authority.snapshot.policy, Budget(MAX_ROWS)

        def work() -> tuple[Grant, ...]:
            mine = [
                (label, one.documents)
                for one in common
                if (label := _reviewable(authority, _stored(one))) is not None
            ]
            return grants(
                policy, subject, READ, case.label, authority.now, labels=mine, budget=budget
            )

        found = await for_review(work)
        return found, budget.left < 0

    def _decided(self, authority: Authority, subject: Subject) -> Decided:
        """Return what may be read; nothing where that cannot be decided."""
        snapshot, now = authority.snapshot, authority.now
        try:
            return self._reviewed.decide(snapshot, subject, READ, now)
        except (FilterTooLargeError, RequestError):
            return undecided(snapshot, now)

    async def _told(
        self,
        authority: Authority,
        resources: tuple[str, ...],
        tenant: str,
        detail: Mapping[str, str],
        *,
        permitted: bool = True,
    ) -> str:
        """Put an answer on record and return its id."""
        event = authority.event(
            AuditKind.EXPLAIN,
            Action.ACCESS_REVIEW,
            tenant=tenant,
            resources=resources,
            permitted=permitted,
            detail=detail,
        )
        await self._standing.record(self._records.audit, event, authority.pinned)
        return event.decision_id


def _reviewable(authority: Authority, read: Callable[[LabelSchema], Label]) -> Label | None:
    """Return a label if the asker may review documents that carry it, or None."""
    try:
        label = read(authority.snapshot.schema)
    except LabelError:
        return None
    return label if authority.may(Action.ACCESS_REVIEW, label) else None


def _of_record(document: DocumentRecord, now: datetime) -> Callable[[LabelSchema], Label]:
    return lambda schema: document.label(schema, now)


def _stored(label: DistinctLabel) -> Callable[[LabelSchema], Label]:
    return lambda schema: schema.parse(label.label_json)


def _identity(text: str) -> str:
    """Return an id in its one spelling; what is none becomes one that nothing has."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return str(uuid.UUID(int=0))
