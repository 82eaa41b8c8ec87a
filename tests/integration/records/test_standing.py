"""The counters of change, and releases that are recorded only while their rights stand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from acl.records import AuditKind, MovedOnError, Records
from tests.builders import (
    NOW,
    document_id,
    event,
    in_effect,
    label,
    put,
    version,
)


async def test_every_change_of_a_label_has_a_number(records: Records) -> None:
    assert (await records.standing.read()).label == 0

    first = await put(records, version())
    second = await put(records, version("file:b.txt"))
    again = await put(records, version("file:b.txt", "other text", content_digest="2"))

    assert [one.label_revision for one in (first, second, again)] == [1, 2, 2]
    await records.documents.delete_document(second.id, event(AuditKind.DELETE))
    assert (await records.standing.read()).label == 3


async def test_a_label_that_the_engine_lacks_is_not_counted(records: Records) -> None:
    await put(records, version())
    relabelled = event(AuditKind.RELABEL)
    await records.documents.relabel(
        document_id("file:a.txt"), label("confidential"), expected_label_version=1, event=relabelled
    )
    await put(records, version("file:b.txt"))

    assert (await records.standing.read()).label == 1
    await records.projection.mark_all_projected({document_id("file:a.txt"): 2})
    assert (await records.standing.read()).label == 3


async def test_a_release_is_recorded_while_its_rights_stand(records: Records) -> None:
    await in_effect(records, "a")
    pinned = await records.standing.read()
    await records.audit.append(event(AuditKind.SEARCH), under=pinned)
    await put(records, version())
    await records.audit.append(event(AuditKind.SEARCH), under=pinned)

    await in_effect(records, "b")

    before = await records.audit.head()
    with pytest.raises(MovedOnError):
        await records.audit.append(event(AuditKind.SEARCH), under=pinned)
    assert await records.audit.head() == before


async def test_of_releases_that_share_a_commit_each_is_judged_alone(records: Records) -> None:
    old = await records.standing.read()
    await in_effect(records, "a")
    new = await records.standing.read()
    append = records.audit.append

    outcomes = await asyncio.gather(
        *(append(event(), under=(old, new, None)[n % 3]) for n in range(9)), return_exceptions=True
    )

    assert [isinstance(one, MovedOnError) for one in outcomes] == [True, False, False] * 3
    assert (await records.audit.verify()).fault is None


async def test_the_last_events_of_some_tenants_come_latest_first(records: Records) -> None:
    for tenant, later in (("acme", 0), ("globex", 1), ("acme", 2), ("", 3), ("acme", 4)):
        await records.audit.append(event(AuditKind.SEARCH, tenant=tenant, later=later))
    await records.audit.append(event(AuditKind.DELETE, tenant="acme", later=5))

    async def found(*tenants: str, **more: Any) -> list[int]:
        asked = {"kinds": {AuditKind.SEARCH}, "tenants": tenants, **more}
        return [one.seq for one in await records.audit.since(NOW, **asked)]

    assert await found("acme") == [5, 3, 1]
    assert await found("acme", "globex", limit=3) == [5, 3, 2]
    assert await found("acme", before=5, limit=1) == [3]
    assert await found("nobody") == []
    kinds = {AuditKind.SEARCH}
    future = NOW.replace(year=NOW.year + 1)
    assert await records.audit.since(future, kinds=kinds, tenants=["acme"]) == ()
