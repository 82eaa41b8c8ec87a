"""The preview beside the service: what a proposed policy would change, one at a time in a thread.

The laws of this file:

1. A preview is of one moment: every label is the label of record at that moment.
2. Whoever previews sees counts of everything, because the change is theirs to judge, but ids only
   of what they may read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.actions import Action
from acl.labels import Label, LabelSchema
from acl.policy.policy import Policy
from acl.policy.profiles import profiles
from acl.predicate import Condition
from acl.preview.census import Corpus
from acl.preview.difference import Conditions
from acl.preview.preview import (
    PastRelease,
    Preview,
    ReleaseReview,
    Shift,
    other_rights,
    preview,
    review_releases,
)
from acl.proof.plan import clearances_of, compartments_of, tenants_of
from acl.records import AuditEvent, AuditKind, DocumentRecord, Outcome, Records
from acl.subject import Subject
from retrieval.rights.releases import subject_of
from retrieval.rights.threads import in_turn

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
        cut: what was too much to be looked at, a sentence for each.
    """

    documents: int
    roles: tuple[Preview, ...]
    people: tuple[Preview, ...]
    releases: ReleaseReview
    rights: tuple[Shift, ...] = ()
    cut: tuple[str, ...] = ()


async def corpus_of(
    records: Records, schema: LabelSchema, tenants: Iterable[str], at: datetime
) -> Corpus:
    """Read the live documents of `tenants` with their labels of record at `at`.

    Raises:
        RecordsError: the records cannot be read.
        LabelError: a label was stored under another schema.
    """
    documents: list[tuple[str, Label]] = []
    for tenant in tenants:
        page = await records.catalog.list_documents(tenant, limit=_PAGE)
        while page:
            documents += await in_turn(_labelled, page, schema, at)
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
        )

    return await in_turn(work)


def _labelled(
    page: Sequence[DocumentRecord], schema: LabelSchema, at: datetime
) -> list[tuple[str, Label]]:
    found = ((one.id, one.label_or_none(schema, at)) for one in page)
    return [(document_id, label) for document_id, label in found if label is not None]
