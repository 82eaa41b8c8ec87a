"""No live label is left out by an activation, and what was refuted stays on record."""

from __future__ import annotations

import asyncio

import pytest

from acl.records import (
    AuditKind,
    PolicyRevision,
    Records,
    UnprovedLabelsError,
)
from tests.builders import (
    NOW,
    event,
    in_effect,
    label,
    put,
    revision,
    version,
)

PROPOSED = event(AuditKind.POLICY_PROPOSED)
ACTIVATED = event(AuditKind.POLICY_ACTIVATED)


async def digests(records: Records) -> set[str]:
    return {one.digest for one in await records.catalog.distinct_labels()}


async def test_nothing_takes_effect_on_labels_that_were_not_proved(records: Records) -> None:
    await in_effect(records, "a")
    await put(records, version())
    covered = await digests(records)
    await put(records, version("file:b.txt", label=label("confidential")))
    new = await digests(records) - covered
    proposed = await records.policies.propose(revision("b", base=1), PROPOSED)

    with pytest.raises(UnprovedLabelsError, match=r"not proved on 1 live label\(s\)") as raised:
        await records.policies.activate(
            proposed.revision, expected=1, event=ACTIVATED, covered=covered
        )

    assert set(raised.value.digests) == new
    assert (await records.standing.read()).policy == 1
    await records.policies.activate(
        proposed.revision, expected=1, event=ACTIVATED, covered=covered | new
    )
    assert (await records.standing.read()).policy == 2


async def test_a_label_comes_before_an_activation_or_after_it_and_never_in_between(
    records: Records,
) -> None:
    await in_effect(records, "a")
    proposed = await records.policies.propose(revision("b", base=1), PROPOSED)
    begun = [
        await records.documents.begin_version(
            version(f"file:{number}", label=label(owner=f"user:u{number}")), now=NOW
        )
        for number in range(8)
    ]

    async def activate() -> PolicyRevision | set[str]:
        try:
            return await records.policies.activate(
                proposed.revision, expected=1, event=ACTIVATED, covered=frozenset()
            )
        except UnprovedLabelsError as error:
            return set(error.digests)

    found, *_ = await asyncio.gather(
        activate(),
        *(records.documents.commit_version(one, event(AuditKind.INGEST)) for one in begun),
    )

    first = next(
        one.event.kind
        for one in await records.audit.events(after=3)
        if one.event.kind in {AuditKind.POLICY_ACTIVATED, AuditKind.INGEST}
    )
    assert isinstance(found, PolicyRevision) == (first is AuditKind.POLICY_ACTIVATED)
