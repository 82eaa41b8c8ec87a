"""Owners and readers of documents whom nobody known bears: they match no one today.

The laws of this file:

1. Known are the people and groups of the directory, the names of the policy, those that the caller
   knows of, and those who were seen asking lately. Where none of these holds a person, nobody is
   told of: everybody would be.
2. Each stranger is told with documents that name them, so many at most, and the nearest known name.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from acl.admission.values import nearest
from acl.policy.names import mentions_of
from acl.records import AuditKind, Records
from acl.records.directory.types import Slice
from acl.subject import EVERYONE, Subject
from ingest.label.principals import principals_in
from ingest.report import Stranger
from retrieval.rights.decisions import PolicySnapshot
from retrieval.rights.releases import subject_of

SHOWN: Final = 20
MOST: Final = 100
_PAGE: Final = 1000
_SEEN: Final = timedelta(days=30)
_EVENTS: Final = 2000
_ASKING: Final = frozenset({AuditKind.SEARCH, AuditKind.FETCH, AuditKind.LIST})


async def strangers(
    records: Records, snapshot: PolicySnapshot, people: Iterable[Subject], now: datetime
) -> tuple[Stranger, ...]:
    """Return the owners and readers whom nobody known bears, in order, up to `MOST`.

    Raises:
        RecordsError: the records cannot be read.
    """
    named = dict[str, set[str]]()
    for stored in await records.catalog.distinct_labels():
        tenant = str(stored.label_json.get("tenant", ""))
        named.setdefault(tenant, set()).update(principals_in(snapshot.schema, stored.label_json))
    people, found = tuple(people), list[Stranger]()
    for tenant, names in sorted(named.items()):
        known = await _known(records, tenant, people, now)
        if not known:  # law 1
            continue
        told = mentions_of(snapshot.policy).in_tenant(tenant)
        known |= frozenset({EVERYONE}).union(*told)
        for name in sorted(names - known)[: MOST - len(found)]:
            states = await records.labels.naming(tenant, name, limit=SHOWN)
            uris = tuple(state.document.uri for state in states)
            found.append(Stranger(name, tenant, uris, nearest(name, known)))
    return tuple(found)


async def _known(
    records: Records, tenant: str, people: Iterable[Subject], now: datetime
) -> frozenset[str]:
    named = frozenset[str]()
    for person in people:
        if person.tenant == tenant:
            named |= person.principals
    seen = await records.audit.since(now - _SEEN, kinds=_ASKING, tenants=[tenant], limit=_EVENTS)
    for entry in seen:
        if (subject := subject_of(entry.event)) is not None:
            named |= subject.principals
    for page_of in (records.directory.users, records.directory.groups):
        part = Slice(limit=_PAGE)
        while page := await page_of(tenant, part=part):
            named |= {entry.identity for entry in page}
            part = Slice(after=page[-1].identity, limit=_PAGE)
    return named
