"""Who and what is known beside a policy, so that a name in it which refers to nothing is odd.

The laws of this file:

1. Known are the people and groups of the directory, those whom documents name, and those who were
   seen asking lately, each in the tenants that occur.
2. Whoever decides about a region alone is told nothing of them: not even whether a name is known.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from acl.actions import Action
from acl.admission.cautions import NOTHING_KNOWN, Known
from acl.decision import TENANT
from acl.labels import Label
from acl.records import AuditKind, Records
from acl.records.directory.types import Slice
from acl.subject import is_identity
from retrieval.policy.gate import live_labels
from retrieval.rights.authority import Authority
from retrieval.rights.releases import subject_of

LOOK_BACK: Final = timedelta(days=30)
MOST: Final = 10_000
_EVENTS: Final = 2000
_PAGE: Final = 1000
_ASKING: Final = frozenset({AuditKind.SEARCH, AuditKind.FETCH, AuditKind.LIST})


async def known_names(records: Records, authority: Authority) -> Known:
    """Return what is known beside the policy, as far as the asker may be told (law 2).

    Raises:
        RecordsError: the records cannot be read.
    """
    if not authority.holds(Action.POLICY_ADMINISTER):
        return NOTHING_KNOWN
    labels = await live_labels(records, authority.snapshot.schema)
    tenants = {str(label.values[TENANT]) for label in labels}
    named = {text for label in labels for text in _people(label)}
    seen = await records.audit.since(
        authority.now - LOOK_BACK, kinds=_ASKING, tenants=tenants, limit=_EVENTS
    )
    for entry in seen:
        if (subject := subject_of(entry.event)) is not None:
            named |= subject.principals
    named |= await _listed(records, tenants)
    return Known(frozenset(tenants), frozenset(named), complete=bool(named))


def _people(label: Label) -> frozenset[str]:
    return frozenset(filter(is_identity, label.texts))


async def _listed(records: Records, tenants: Collection[str]) -> set[str]:
    """Return whom the directory has, up to a number in each tenant."""
    named = set[str]()
    for tenant in sorted(tenants):
        for page_of in (records.directory.users, records.directory.groups):
            part, count = Slice(limit=_PAGE), 0
            while (page := await page_of(tenant, part=part)) and count < MOST:
                named |= {entry.identity for entry in page}
                part, count = Slice(after=page[-1].identity, limit=_PAGE), count + len(page)
    return named
