"""Questions about rights: may they, who may, with which documents, and why not.

The applications of AuthZEN and the reviewers of access ask the same questions; one engine answers
both. The laws of this file, beside those of `retrieval.access.inquiry`:

1. A document on whose label of record the asker may not be told anything is the same as one that
   does not exist: one answer, after the same reads, and in the audit the same line.
2. A list equals the evaluation of each entry: it is the compiler's predicate on the labels of
   record, suspended roles included. Numbers count only documents that the asker may review.
3. The work for one answer has a bound that is counted, not timed. A page considers `CONSIDERED`
   subjects, so it can be short, or empty, and not be the last; only its cursor says so. An answer
   that left names or changes untried says `incomplete`.
4. After each decision other requests get their turn.
5. The audit event is durable before the answer leaves, under rights that still stand then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from acl.actions import Action
from acl.errors import Budget, LabelError
from acl.explain.changes import Grant, grants
from acl.explain.explain import explain
from acl.labels import Label
from acl.records import AuditKind, DocumentRecord, Records
from acl.records.tables.types import canonical_id
from acl.subject import Subject
from retrieval.access.audience import MAX_ROWS, Audience, names_giving, roles
from retrieval.access.documents import DocumentNotFoundError, Listing
from retrieval.access.inquiry import About, Inquiry, Rights
from retrieval.access.subjects import KINDS, KnownSubjects, PolicySubjects
from retrieval.access.types import (
    DOCUMENT,
    Evaluated,
    Found,
    Listed,
    PageAsked,
    Party,
    Question,
    Readable,
    Readership,
    Recorded,
    Reviewed,
    Semantic,
    Sought,
    Target,
    action_of,
    check_limit,
    permits,
)
from retrieval.rights.authority import Asker, authority_of
from retrieval.rights.decisions import Decisions, PolicySnapshot
from retrieval.rights.releases import Release
from retrieval.rights.standing import ANY, AtLeast, Standing, settled
from retrieval.rights.threads import for_review
from retrieval.search.search import READ

CONSIDERED: Final = 100
"""As many subjects are decided about for one page."""
MAX_LABELS: Final = 5_000
"""Grants are measured by this many distinct labels at most; beyond, by the most common ones."""


NOT_KNOWN_HERE: Final = (
    "people are not known here, because tokens alone say who is who: only those whom the policy "
    "names are listed, and the principals that give the right"
)
MORE_NAMES: Final = "there are more names than were tried"


class Questions:
    """Answers questions about rights.

    Each of its methods raises:
        RequestError: an attribute of the asker cannot be decided upon.
        NotReachedError, UnsettledError: see `retrieval.rights.standing`.
        RecordsError: the records failed, or the answer could not be put on record.
    """

    def __init__(  # noqa: PLR0913 - the parts, all but two of which have defaults
        self,
        *,
        records: Records,
        standing: Standing,
        decisions: Decisions | None = None,
        known: KnownSubjects | None = None,
        reviewed: Decisions | None = None,
        audience: Audience = roles,
    ) -> None:
        """Take the parts.

        Args:
            records: labels of record, and the audit.
            standing: pins policy and memberships.
            decisions: shared with others that decide for the same askers.
            known: who can be asked about; None stands for the subjects that the policy in effect
                names.
            reviewed: keeps decisions about others, which have a place of their own, so that they
                push no asker's out.
            audience: the profiles that policy and labels name.
        """
        self._records = records
        self._standing = standing
        self._decisions = Decisions() if decisions is None else decisions
        self._reviewed = Decisions() if reviewed is None else reviewed
        self._known = known
        self._named: tuple[str, PolicySubjects] | None = None
        self._audience = audience

    @settled
    async def evaluate(
        self,
        asker: Subject,
        questions: Sequence[Question | None],
        *,
        semantic: Semantic = Semantic.EXECUTE_ALL,
        now: datetime,
        at_least: AtLeast = ANY,
    ) -> Evaluated:
        """Return the decision on each question, in order; None stands for one that is malformed."""
        inquiry = await self._inquiry(asker, now, at_least)
        asked = [question for question in questions if question is not None]
        ids = {question.target.document_id for question in asked}
        documents = await self._records.catalog.labels_of(ids)
        decided: list[tuple[Question | None, bool]] = []
        for question in questions:
            decision = False
            if question is not None:
                label = inquiry.label(documents.get(question.target.document_id))
                action = action_of(question.action)
                decision = await inquiry.may(question.party, action, label)
            decided.append((question, decision))
            if semantic.ends_with(decision=decision):
                break
            await asyncio.sleep(0)  # law 4
        actions = {question.action for question in asked}
        context = await self._decided(
            inquiry,
            action_of(actions.pop()) if len(actions) == 1 else None,
            [question.target.document_id for question, good in decided if question and good],
            {"evaluations": [_told(question, decision=good) for question, good in decided]},
        )
        return Evaluated(decisions=tuple(good for _, good in decided), context=context)

    @settled
    async def search_resources(
        self, asker: Subject, party: Party, sought: Sought, *, page: PageAsked, now: datetime
    ) -> Found:
        """Return with which documents the party may do it, in the order of their uris."""
        inquiry, action = await self._inquiry(asker, now, page.at_least), action_of(sought.action)
        rights = await inquiry.rights(party, action) if action else None
        seen, more = list[Listed](), False
        if rights is not None and sought.kind == DOCUMENT:
            seen, more = await self._covered(inquiry, inquiry.asker.tenant, rights, page)
        names = tuple(document.id for document in seen)
        detail = {"search": "resource", **_about(party)}
        context = await self._decided(inquiry, action, names, detail)
        return Found(names=names, cursor=seen[-1].uri if more else None, context=context)

    @settled
    async def search_subjects(
        self, asker: Subject, target: Target, sought: Sought, *, page: PageAsked, now: datetime
    ) -> Found:
        """Return who may do it with the document, in the order of their ids."""
        inquiry, action = await self._inquiry(asker, now, page.at_least), action_of(sought.action)
        if action is not None:
            # Before the document, so that it takes no longer where there is one.
            inquiry.own(action)
        inquiry.reviews(None)
        label = inquiry.label(await self._records.catalog.document(target.document_id))
        names, cursor = list[str](), None
        if action is not None and label is not None and sought.kind in KINDS:
            others = inquiry.reviews(label)
            people = inquiry.candidates(sought.kind, others=others, after=page.after)
            names, cursor = await _able(inquiry, people, action, label, page.limit)
        detail = {"search": "subject", "found": names}
        released = (target.document_id,) if names else ()
        context = await self._decided(inquiry, action, released, detail)
        return Found(names=tuple(names), cursor=cursor, context=context)

    @settled
    async def search_actions(
        self, asker: Subject, party: Party, target: Target, *, page: PageAsked, now: datetime
    ) -> Found:
        """Return what the party may do with the document, in the order of the names."""
        inquiry = await self._inquiry(asker, now, page.at_least)
        for action in Action:
            inquiry.own(action)
        label = inquiry.label(await self._records.catalog.document(target.document_id))
        able = [action.value for action in Action if await inquiry.may(party, action, label)]
        left = [name for name in sorted(able) if name > page.after]
        names = left[: page.limit]
        detail = {"search": "action", **_about(party), "found": names}
        released = (target.document_id,) if names else ()
        context = await self._decided(inquiry, None, released, detail)
        cursor = names[-1] if len(left) > page.limit else None
        return Found(names=tuple(names), cursor=cursor, context=context)

    @settled
    async def who_may_read(  # noqa: PLR0913 - who is asked about can be said in two ways
        self,
        asker: Asker,
        document_id: str,
        *,
        subjects: Sequence[Subject] = (),
        page: PageAsked | None = None,
        now: datetime,
        at_least: AtLeast = ANY,
    ) -> Readership:
        """Return who may read a document, and which names give the right.

        Args:
            asker: who asks.
            document_id: of which document.
            subjects: subjects that are asked about, whether or not they are known.
            page: which of the known subjects are asked about; None for none of them.
            now: the time.
            at_least: revisions that the answer must not be older than.

        Raises:
            DocumentNotFoundError: there is none, or the asker may not review access to it.
        """
        detail = {"asked": "who"}
        inquiry = await self._inquiry(asker, now, at_least)
        document, label = await self._reviewable(inquiry, document_id, detail)
        tenant, snapshot = document.tenant, inquiry.authority.snapshot
        able, cursor, reason = await _permitted(inquiry, subjects, label), None, ""
        if page is not None:
            known = inquiry.known.subjects(tenant, after=page.after)
            found, cursor = await _able(inquiry, known, Action.DOCUMENT_READ, label, page.limit)
            able += found
            reason = "" if inquiry.known.complete else NOT_KNOWN_HERE
        names, incomplete = tuple[tuple[str, ...], ...](), False
        if page is None or not page.after:
            work = partial(names_giving, self._audience, snapshot, tenant, label, now)
            names, incomplete = await for_review(work)
            reason = reason or (MORE_NAMES if incomplete else "")
        return Readership(
            subjects=tuple(dict.fromkeys(able)),
            principals=names,
            incomplete=bool(reason),
            reason=reason,
            cursor=cursor,
            decision_id=await self._told(inquiry, (document.id,), tenant, detail),
            policy_revision=snapshot.revision,
            label_revision=inquiry.authority.label_revision,
        )

    @settled
    async def what_may_read(  # noqa: PLR0913 - a page of what one may read, for another
        self,
        asker: Asker,
        about: About,
        *,
        now: datetime,
        after: str = "",
        limit: int = 50,
        at_least: AtLeast = ANY,
    ) -> Readable:
        """Return what a subject may read of what the asker may review, behind the uri `after`.

        Raises:
            RequestError: `limit` is out of range.
        """
        check_limit(limit)
        inquiry = await self._inquiry(asker, now, at_least)
        told, tenant = inquiry.told, inquiry.authority.tenant
        seen, more, footing = list[Listed](), False, None
        if told is None or told.permit is not None:  # asked first
            supposed = await inquiry.supposed(about)
            subject, footing = supposed.subject, supposed.footing
            tenant = tenant or subject.tenant
            if tenant == subject.tenant and supposed.can_ask:
                rights = Rights(inquiry.about(subject, Action.DOCUMENT_READ), told)
                page = PageAsked(after=after, limit=limit)
                seen, more = await self._covered(inquiry, tenant, rights, page)
        ids = tuple(document.id for document in seen)
        detail = {"asked": "what", "about": about.id}
        return Readable(
            documents=tuple(seen),
            more=more,
            footing=footing,
            decision_id=await self._told(inquiry, ids, tenant or "", detail),
            policy_revision=inquiry.authority.snapshot.revision,
            label_revision=inquiry.authority.label_revision,
        )

    @settled
    async def why(
        self,
        asker: Asker,
        about: About,
        document_id: str,
        *,
        now: datetime,
        at_least: AtLeast = ANY,
    ) -> Reviewed:
        """Return why a subject may or may not read a document, and what would change that.

        Raises:
            DocumentNotFoundError: there is none, or the asker may not review access to it.
        """
        detail = {"asked": "why", "about": about.id}
        inquiry = await self._inquiry(asker, now, at_least)
        document, label = await self._reviewable(inquiry, document_id, detail)
        supposed = await inquiry.supposed(about)
        subject = supposed.subject
        decided = inquiry.about(subject, Action.DOCUMENT_READ)
        policy = inquiry.authority.snapshot.policy
        explanation = await for_review(partial(explain, policy, subject, READ, label, now))
        offered, incomplete = tuple[Grant, ...](), False
        if supposed.can_ask:
            offered, incomplete = await self._grants(inquiry, subject, document, label)
        return Reviewed(
            explanation=explanation,
            permitted=supposed.can_ask and permits(decided, label),
            footing=supposed.footing,
            grants=offered,
            incomplete=incomplete,
            decision_id=await self._told(inquiry, (document.id,), document.tenant, detail),
            policy_revision=inquiry.authority.snapshot.revision,
            label_revision=inquiry.authority.label_revision,
        )

    async def _inquiry(self, asker: Asker, now: datetime, at_least: AtLeast) -> Inquiry:
        standing, decisions = self._standing, self._decisions
        authority = await authority_of(standing, decisions, asker, now, at_least=at_least)
        known = self._known or self._named_by(authority.snapshot)
        return Inquiry(authority=authority, known=known, reviewed=self._reviewed)

    def _named_by(self, snapshot: PolicySnapshot) -> KnownSubjects:
        if self._named is None or self._named[0] != snapshot.digest:
            self._named = snapshot.digest, PolicySubjects(snapshot.policy)
        return self._named[1]

    async def _reviewable(
        self, inquiry: Inquiry, document_id: str, detail: Mapping[str, str]
    ) -> tuple[DocumentRecord, Label]:
        """Return a document with its label of record; what cannot be reviewed is not there."""
        identity = canonical_id(document_id)
        document = await self._records.catalog.document(identity)
        label = inquiry.label(document)
        if not inquiry.reviews(label) or document is None or label is None:
            await self._told(inquiry, (identity,), "", detail, permitted=False)  # law 1
            raise DocumentNotFoundError
        return document, label

    async def _covered(
        self, inquiry: Inquiry, tenant: str, rights: Rights, page: PageAsked
    ) -> tuple[list[Listed], bool]:
        """Return a page of what the rights cover, and whether there is more (law 2)."""
        if not rights.possible:
            return [], False
        listing = Listing(
            catalog=self._records.catalog,
            schema=inquiry.authority.snapshot.schema,
            tenant=tenant,
            now=inquiry.authority.now,
            fits=rights.cover,
            shown=lambda document, _: Listed(document.id, document.uri),
        )
        seen = await listing.page(page.after, page.limit + 1)
        return seen[: page.limit], len(seen) > page.limit

    async def _grants(
        self, inquiry: Inquiry, subject: Subject, document: DocumentRecord, label: Label
    ) -> tuple[tuple[Grant, ...], bool]:
        """Return the grants, and whether changes were left untried."""
        if subject.tenant != document.tenant:
            return (), False
        kept = await self._records.catalog.distinct_labels(subject.tenant)
        common = sorted(kept, key=lambda one: (-one.documents, one.digest))[:MAX_LABELS]
        policy, budget = inquiry.authority.snapshot.policy, Budget(MAX_ROWS)

        def work() -> tuple[Grant, ...]:
            mine = []
            for stored in common:
                try:
                    other = policy.schema.parse(stored.label_json)
                except LabelError:
                    continue
                if inquiry.reviews(other):  # law 2
                    mine.append((other, stored.documents))
            now = inquiry.authority.now
            return grants(policy, subject, READ, label, now, labels=mine, budget=budget)

        offered = await for_review(work)
        return offered, budget.left < 0

    async def _told(
        self,
        inquiry: Inquiry,
        resources: tuple[str, ...],
        tenant: str,
        detail: Mapping[str, str],
        *,
        permitted: bool = True,
    ) -> str:
        """Put the answer of a review on record, and return its id (law 5)."""
        authority = inquiry.authority
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

    async def _decided(
        self,
        inquiry: Inquiry,
        action: Action | None,
        released: Iterable[str],
        detail: Mapping[str, object],
    ) -> Recorded:
        """Put decisions on record, while directory and policy stand as they were read (law 5)."""
        authority, resources = inquiry.authority, tuple(dict.fromkeys(released))
        assert authority.pinned is not None
        release = Release(pinned=authority.pinned, now=authority.now, action=action or "")
        event = release.event(
            AuditKind.EVALUATE, permitted=bool(resources), resources=resources, detail=detail
        )
        await self._records.audit.append(event, under=authority.heads)
        return Recorded(
            decision_id=release.id,
            policy_revision=authority.snapshot.revision,
            label_revision=authority.label_revision,
        )


async def _permitted(inquiry: Inquiry, subjects: Iterable[Subject], label: Label) -> list[str]:
    able: list[str] = []
    for asked in subjects:
        supposed = await inquiry.supposed(asked)
        subject = supposed.subject
        if supposed.can_ask and permits(inquiry.about(subject, Action.DOCUMENT_READ), label):
            able.append(subject.id)
        await asyncio.sleep(0)  # law 4
    return able


async def _able(
    inquiry: Inquiry, subjects: AsyncIterator[Subject], action: Action, label: Label, limit: int
) -> tuple[list[str], str | None]:
    """Return who is able, and behind which id the next page begins (law 3)."""
    able: list[str] = []
    considered, last = 0, ""
    async for subject in subjects:
        if considered == CONSIDERED or len(able) == limit:
            return able, last
        if permits(inquiry.about(subject, action), label):
            able.append(subject.id)
        considered, last = considered + 1, subject.id
        await asyncio.sleep(0)  # law 4
    return able, None


def _about(party: Party) -> dict[str, object]:
    """Return the subject of a question, for the record; what is no identity is not repeated."""
    return {"about": party.id, "claimed": party.claimed.names}


def _told(question: Question | None, *, decision: bool) -> dict[str, object]:
    if question is None:
        return {"malformed": True, "decision": decision}
    return {
        **_about(question.party),
        "action": action_of(question.action) or "",
        "document": question.target.document_id,
        "decision": decision,
    }
