"""What a proposal would change, gathered from the records: documents, people, past releases.

The laws of this file:

1. Counts are of everything in the tenants that whoever previews decides about: their own, or each
   for `policy:administer` and the operator. Ids are shown only of what they may read.
2. People are those whom the audit saw in the days that are looked back on, with the rights that
   they had then, and the roles of the policies are looked at besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from acl.actions import Action
from acl.decision import Permitted
from acl.guards import TENANT
from acl.policy import Policy
from acl.predicate import ALWAYS, NEVER, Condition
from acl.preview import PastRelease
from acl.records import AuditKind, Records
from acl.subject import Subject
from retrieval.authority import Authority
from retrieval.live_labels import live_labels
from retrieval.preview import PolicyPreview, corpus_of, past_releases, preview_policy

MAX_EVENTS: Final = 100_000
MAX_PEOPLE: Final = 2000
_PAGE: Final = 1000
_RELEASES: Final = frozenset({AuditKind.SEARCH, AuditKind.FETCH, AuditKind.LIST})


@dataclass(frozen=True, slots=True, kw_only=True)
class LookBack:
    """Which past releases are looked at: those of the last `days` days."""

    days: int = 30


async def outlook(
    records: Records, authority: Authority, after: Policy, back: LookBack
) -> PolicyPreview:
    """Return who would gain and who would lose what, if `after` took effect.

    Raises:
        RecordsError: the records cannot be read.
    """
    before, now = authority.snapshot.policy, authority.now
    tenants = await _tenants(records, authority)
    releases = await _releases(records, tenants, now - timedelta(days=back.days))
    corpus = await corpus_of(records, before.schema, sorted(tenants), now)
    return await preview_policy(
        before,
        after,
        corpus,
        people=_people(releases),
        releases=releases,
        readable=_readable(authority),
        at=now,
    )


async def _tenants(records: Records, authority: Authority) -> set[str]:
    own = authority.tenant
    if own is not None and not authority.holds(Action.POLICY_ADMINISTER):
        return {own}
    labels = await live_labels(records, authority.snapshot.schema)
    return {str(label.values[TENANT]) for label in labels}


async def _releases(records: Records, tenants: set[str], since: datetime) -> list[PastRelease]:
    found: list[PastRelease] = []
    after, seen = 0, 0
    while seen < MAX_EVENTS:
        page = await records.audit.since(since, kinds=_RELEASES, after=after, limit=_PAGE)
        found += past_releases(one.event for one in page if one.event.tenant in tenants)
        if len(page) < _PAGE:
            break
        after, seen = page[-1].seq, seen + len(page)
    return found


def _people(releases: list[PastRelease]) -> list[Subject]:
    """Return whoever was seen, as they were the last time."""
    latest = {
        (one.subject.tenant, one.subject.id, one.subject.actors): one.subject for one in releases
    }
    return list(latest.values())[-MAX_PEOPLE:]


def _readable(authority: Authority) -> Condition:
    if authority.pinned is None:
        return ALWAYS
    subject, snapshot = authority.pinned.subject, authority.snapshot
    decided = authority.decisions.decide(snapshot, subject, Action.DOCUMENT_READ, authority.now)
    decision = decided.decision
    return decision.predicate if isinstance(decision, Permitted) else NEVER
