"""What a proposal would change, gathered from the records: documents, people, past releases.

The laws of this file:

1. Counts are of everything in the tenants that whoever previews decides about: their own, or each
   for `policy:administer` and the operator. Ids are shown only of what they may read.
2. People are those whom the audit saw asking in the days that are looked back on, whatever they
   got, with the rights that they had the last time; besides, the roles of the policies.
3. The latest comes first. What is too much to be looked at is left out from the other end, and the
   answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from acl.actions import Action
from acl.decision import TENANT
from acl.policy.policy import Policy
from acl.predicate import ALWAYS, Condition
from acl.preview.preview import PastRelease
from acl.records import AuditEvent, AuditKind, Records
from acl.subject import Subject
from retrieval.policy.live_labels import live_labels
from retrieval.policy.preview import PolicyPreview, corpus_of, past_releases, preview_policy
from retrieval.rights.authority import Authority
from retrieval.rights.releases import subject_of

MAX_EVENTS: Final = 100_000
MAX_PEOPLE: Final = 2000
_PAGE: Final = 1000
_ASKING: Final = frozenset({AuditKind.SEARCH, AuditKind.FETCH, AuditKind.LIST})


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
    seen = await _seen(records, tenants, now - timedelta(days=back.days))
    corpus = await corpus_of(records, before.schema, sorted(tenants), now)
    found = await preview_policy(
        before,
        after,
        corpus,
        people=seen.people,
        releases=seen.releases,
        readable=_readable(authority),
        at=now,
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
            since, kinds=_ASKING, tenants=tenants, before=before, limit=wanted
        )
        found += [one.event for one in page]
        if len(page) < wanted or len(found) > MAX_EVENTS:
            return found[:MAX_EVENTS], len(found) > MAX_EVENTS
        before = page[-1].seq


def _readable(authority: Authority) -> Condition:
    if authority.pinned is None:
        return ALWAYS
    subject, snapshot = authority.pinned.subject, authority.snapshot
    decided = authority.decisions.decide(snapshot, subject, Action.DOCUMENT_READ, authority.now)
    return decided.decision.condition
