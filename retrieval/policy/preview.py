"""The preview beside the service: what a proposed policy would change, one at a time in a thread.

The laws of this file:

1. A preview is of one moment: every label is the label of record at that moment.
2. Counts are of everything that the asker decides about: for `policy:administer` and the operator
   all there is, for others their region, the labels on which they may see, edit or activate the
   policy. What lies outside changes nothing in the answer. Ids are shown of what they may read.
3. People are those whom the audit saw asking in the days that are looked back on, whatever they
   got, with the rights that they had the last time; besides, the roles of the policies.
4. The latest comes first. What is too much to be looked at is left out from the other end, and the
   answer says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from acl.actions import Action
from acl.algebra.conditions import any_of
from acl.decision import TENANT, Permitted
from acl.errors import Caution
from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import Row
from acl.policy.policy import Policy
from acl.policy.profiles import profiles
from acl.predicate import ALWAYS, NEVER, Condition, holds
from acl.preview.census import Corpus
from acl.preview.preview import (
    Conditions,
    PastRelease,
    Preview,
    ReleaseReview,
    Shift,
    other_rights,
    preview,
    review_releases,
)
from acl.preview.touches import Touch, touches
from acl.proof.plan import clearances_of, compartments_of, tenants_of
from acl.records import AuditEvent, AuditKind, DocumentRecord, Outcome, Records
from acl.subject import Subject
from retrieval.policy.gate import live_labels
from retrieval.rights.authority import Authority
from retrieval.rights.releases import subject_of
from retrieval.rights.threads import in_turn

SEEING: Final = (
    Action.POLICY_READ,
    Action.POLICY_EDIT,
    Action.POLICY_ACTIVATE,
    Action.POLICY_ADMINISTER,
)
"""Whoever may do one of these sees the policy and previews."""

MAX_EVENTS: Final = 100_000
MAX_PEOPLE: Final = 2000
_PAGE: Final = 1000
_RELEASING: Final = frozenset({AuditKind.SEARCH, AuditKind.FETCH, AuditKind.LIST})


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPreview:
    """What a proposed policy would change.

    Attributes:
        documents: how many were counted.
        roles: for the subjects that stand for every role, one preview for each action.
        people: for the subjects that were given, likewise.
        releases: for what was released before.
        rights: which of those who stand for roles gain or lose another action, on some label.
        touches: what each new line touches today.
        cautions: what is odd about new lines.
        cut: what was too much to be looked at, a sentence for each.
    """

    documents: int
    roles: tuple[Preview, ...]
    people: tuple[Preview, ...]
    releases: ReleaseReview
    rights: tuple[Shift, ...] = ()
    touches: tuple[Touch, ...] = ()
    cautions: tuple[Caution, ...] = ()
    cut: tuple[str, ...] = ()


async def corpus_of(
    records: Records,
    schema: LabelSchema,
    tenants: Iterable[str],
    at: datetime,
    *,
    within: Condition = ALWAYS,
) -> Corpus:
    """Read the live documents of `tenants` whose labels of record at `at` lie `within` a region.

    Raises:
        RecordsError: the records cannot be read.
        LabelError: a label was stored under another schema.
    """
    documents: list[tuple[str, Label]] = []
    for tenant in tenants:
        page = await records.catalog.list_documents(tenant, limit=_PAGE)
        while page:
            documents += await in_turn(_labelled, page, schema, at, within)
            page = await records.catalog.list_documents(tenant, after=page[-1].uri, limit=_PAGE)
    return await in_turn(Corpus, documents, schema)


def past_releases(events: Iterable[AuditEvent]) -> Iterator[PastRelease]:
    """Yield what the audit record says was released, as far as it kept the rights of the time."""
    for event in events:
        if event.kind in _RELEASING and event.outcome is Outcome.PERMITTED and event.resources:
            subject = subject_of(event)
            if subject is not None:
                yield PastRelease(
                    id=event.decision_id,
                    subject=subject,
                    action=event.action,
                    documents=event.resources,
                    at=event.time,
                )


async def preview_policy(  # noqa: PLR0913 - two policies, who, on which documents, for whose eyes
    before: Policy,
    after: Policy,
    corpus: Corpus,
    *,
    people: Sequence[Subject],
    releases: Iterable[PastRelease],
    readable: Condition,
    at: datetime,
    actions: Sequence[str] = (Action.DOCUMENT_READ,),
    rows: Sequence[Row] = (),
) -> PolicyPreview:
    """Return who gains and who loses what, and which past releases would have been refused.

    Args:
        before: the policy in effect.
        after: the proposed policy.
        corpus: the documents, from `corpus_of`.
        people: subjects to look at beside the roles.
        releases: from `past_releases`.
        readable: what whoever previews may read.
        at: the moment for which time-limited roles are decided.
        actions: which actions to look at.
        rows: of which it is told what they touch.
    """

    def work() -> PolicyPreview:
        labels, old, new = corpus.census.labels, Conditions(before), Conditions(after)
        roles = profiles(
            (before, after),
            tenants=tenants_of(labels),
            clearances=clearances_of(after.schema, labels),
            compartments=compartments_of(labels),
        )
        by_role, by_person = (
            tuple(
                preview(old, new, some, action, corpus, at=at, readable=readable)
                for action in actions
            )
            for some in (roles, people)
        )
        return PolicyPreview(
            documents=int(corpus.census.counts.sum()),
            roles=by_role,
            people=by_person,
            releases=review_releases(new, releases, corpus, readable=readable),
            rights=other_rights(old, new, roles, at=at),
            touches=touches(after, rows, corpus, people=people, roles=roles, at=at),
        )

    return await in_turn(work)


def _labelled(
    page: Sequence[DocumentRecord], schema: LabelSchema, at: datetime, within: Condition
) -> list[tuple[str, Label]]:
    found = ((one.id, one.label_or_none(schema, at)) for one in page)
    return [(name, label) for name, label in found if label is not None and holds(within, label)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookBack:
    """Which past releases are looked at: those of the last `days` days."""

    days: int = 30


async def outlook(
    records: Records,
    authority: Authority,
    after: Policy,
    back: LookBack,
    rows: Sequence[Row] = (),
) -> PolicyPreview:
    """Return who would gain and who would lose what, if `after` took effect.

    Of `rows`, its new ones, it is told what they touch.

    Raises:
        RecordsError: the records cannot be read.
    """
    before, now = authority.snapshot.policy, authority.now
    tenants = await _tenants(records, authority)
    seen = await _seen(records, tenants, now - timedelta(days=back.days))
    region = _region(authority)
    corpus = await corpus_of(records, before.schema, sorted(tenants), now, within=region)  # law 2
    found = await preview_policy(
        before,
        after,
        corpus,
        people=seen.people,
        releases=seen.releases,
        readable=_permitted(authority, Action.DOCUMENT_READ),
        at=now,
        rows=rows,
    )
    return replace(found, cut=seen.cut)


async def _tenants(records: Records, authority: Authority) -> set[str]:
    own = authority.tenant
    if own is not None and not authority.holds(Action.POLICY_ADMINISTER):
        return {own}
    labels = await live_labels(records, authority.snapshot.schema)
    return {str(label.values[TENANT]) for label in labels}


@dataclass(frozen=True, slots=True)
class _Seen:
    """Whom and what the audit saw, the latest first."""

    people: tuple[Subject, ...]
    releases: tuple[PastRelease, ...]
    cut: tuple[str, ...]


async def _seen(records: Records, tenants: set[str], since: datetime) -> _Seen:
    events, more = await _events(records, tenants, since)
    asking = [one for event in events if (one := subject_of(event)) is not None]
    latest: dict[tuple[str, str, tuple[Subject, ...]], Subject] = {}
    for one in asking:
        latest.setdefault((one.tenant, one.id, one.actors), one)
    people = tuple(latest.values())
    cut: list[str] = []
    if more:
        cut.append(f"only the last {len(events)} answers were looked at, back to {events[-1].time}")
    if len(people) > MAX_PEOPLE:
        cut.append(f"of {len(people)} people, only the {MAX_PEOPLE} seen last were looked at")
    return _Seen(people[:MAX_PEOPLE], tuple(past_releases(events)), tuple(cut))


async def _events(
    records: Records, tenants: set[str], since: datetime
) -> tuple[list[AuditEvent], bool]:
    """Return the last events, and whether there are more of them."""
    found: list[AuditEvent] = []
    before: int | None = None
    while True:
        # One more than is wanted, to know whether there is one.
        wanted = min(_PAGE, MAX_EVENTS + 1 - len(found))
        page = await records.audit.since(
            since, kinds=_RELEASING, tenants=tenants, before=before, limit=wanted
        )
        found += [one.event for one in page]
        if len(page) < wanted or len(found) > MAX_EVENTS:
            return found[:MAX_EVENTS], len(found) > MAX_EVENTS
        before = page[-1].seq


def _region(authority: Authority) -> Condition:
    """Return the labels that the asker decides about (law 2)."""
    if authority.holds(Action.POLICY_ADMINISTER):
        return ALWAYS
    return any_of(*(_permitted(authority, action) for action in SEEING))


def _permitted(authority: Authority, action: Action) -> Condition:
    """Return the labels on which the asker may do something."""
    if authority.pinned is None:
        return ALWAYS
    subject, snapshot = authority.pinned.subject, authority.snapshot
    decision = authority.decisions.decide(snapshot, subject, action, authority.now).decision
    return decision.predicate if isinstance(decision, Permitted) else NEVER
