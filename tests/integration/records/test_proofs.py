"""Which labels were compared under which revision, and that none is left out by an activation."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from acl.records import (
    AuditKind,
    ComparedLabel,
    PolicyRevision,
    Records,
    RecordsConflictError,
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


async def test_a_label_that_was_compared_is_on_record_once(records: Records) -> None:
    await in_effect(records, "a")
    await in_effect(records, "b")
    one, other = (ComparedLabel(hashlib.sha256(text).hexdigest(), "p") for text in (b"1", b"2"))

    await asyncio.gather(*(records.proofs.add(2, [one]) for _ in range(3)))
    await records.proofs.add(2, [one, other])
    await records.proofs.add(1, [other])

    assert await records.proofs.compared(2) == {one, other}
    assert await records.proofs.compared(1) == {other}
    await records.proofs.forget(before=2)
    assert await records.proofs.compared(2) == {one, other}
    assert await records.proofs.compared(1) == frozenset()
    with pytest.raises(RecordsConflictError):
        await records.proofs.add(7, [one])


async def test_every_change_of_labels_moves_the_counter_whatever_the_engine_carries(
    records: Records,
) -> None:
    before = await records.proofs.label_counter()
    await put(records, version())

    assert await records.proofs.label_counter() == before + 1


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
