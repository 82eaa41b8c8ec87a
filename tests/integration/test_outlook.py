"""Whom and what a preview looks at, and that it says what it left out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from acl.predicate import ALWAYS
from acl.records import AuditEvent, AuditKind, Outcome
from acl.subject import Subject
from retrieval.policy import preview as looking
from retrieval.policy.edits import Edit
from retrieval.policy.preview import LookBack, PolicyPreview, corpus_of, outlook, preview_policy
from retrieval.rights.authority import OPERATOR, authority_of
from retrieval.rights.policy_source import source_of
from retrieval.rights.releases import rights
from tests.integration.proving import ROWS, Office, office
from tests.integration.world import NOW

pytestmark = pytest.mark.asyncio(loop_scope="session")

Z = frozenset({"role:z"})


@pytest_asyncio.fixture(name="made", loop_scope="session")
async def _made(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as made:
        await made.document("a")
        yield made


async def asked(made: Office, name: str, *resources: str, later: int, tenant: str = "acme") -> None:
    subject = Subject(id=name, tenant=tenant, clearance=2, groups=Z)
    await made.records.audit.append(
        AuditEvent(
            kind=AuditKind.SEARCH,
            time=NOW - timedelta(hours=1) + timedelta(seconds=later),
            subject=name,
            tenant=tenant,
            action="document:read",
            decision_id=f"{name}-{later}",
            resources=resources,
            outcome=Outcome.PERMITTED if resources else Outcome.DENIED,
            detail={"rights": [rights(subject)]},
        )
    )


async def looked(made: Office) -> PolicyPreview:
    base = await made.records.policies.texts(1)
    schema = made.standing.snapshots.pin().schema
    proposed = source_of(Edit(remove=(ROWS[1],)).applied(base), schema).policy
    authority = await authority_of(made.standing, made.decisions, OPERATOR, NOW)
    return await outlook(made.records, authority, proposed, LookBack(days=1))


def people(found: PolicyPreview) -> set[str]:
    return {who.id for one in found.people for change in one.changes for who in change.subjects}


async def test_who_got_nothing_is_looked_at_too(made: Office) -> None:
    (document,) = await made.records.catalog.list_documents("acme")
    await asked(made, "user:ann", document.id, later=1)
    await asked(made, "user:none", later=2)

    found = await looked(made)

    assert people(found) == {"user:ann", "user:none"}
    assert (found.releases.releases, found.cut) == (1, ())


async def test_the_latest_is_looked_at_and_what_is_left_out_is_said(
    made: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MAX_EVENTS", 4)
    monkeypatch.setattr(looking, "_PAGE", 2)
    (document,) = await made.records.catalog.list_documents("acme")
    await asked(made, "user:first", document.id, later=0)
    for number in range(1, 5):
        await asked(made, "user:ann", document.id, later=number)
    for number in range(5, 30):
        await asked(made, "user:gus", "x", later=number, tenant="globex")

    found = await looked(made)

    assert people(found) == {"user:ann"}
    assert found.releases.releases == 4
    assert next(one.release.id for one in found.releases.refused) == "user:ann-4"
    (said,) = found.cut
    assert said.startswith("only the last 4 answers were looked at, back to 2026-02-01 11:00:01")

    monkeypatch.setattr(looking, "MAX_EVENTS", 5)
    assert (await looked(made)).cut == ()


async def test_of_many_people_the_last_seen_are_looked_at(
    made: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MAX_PEOPLE", 2)
    for number, name in enumerate(("user:a", "user:b", "user:c", "user:a")):
        await asked(made, name, later=number)

    found = await looked(made)

    assert people(found) == {"user:a", "user:c"}
    assert found.cut == ("of 3 people, only the 2 seen last were looked at",)


async def test_previews_take_no_thread_that_a_request_needs(made: Office) -> None:
    go_on = threading.Event()

    class Slow(list[Subject]):
        def __iter__(self) -> Iterator[Subject]:
            assert go_on.wait(60)
            return super().__iter__()

    policy = made.standing.snapshots.pin().policy
    corpus = await corpus_of(made.records, policy.schema, ["acme"], NOW)
    previews = [
        asyncio.create_task(
            preview_policy(
                policy, policy, corpus, people=Slow(), releases=(), readable=ALWAYS, at=NOW
            )
        )
        for _ in range(64)
    ]
    await asyncio.sleep(0.1)

    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 20) == "free"
    assert not any(one.done() for one in previews)
    go_on.set()
    await asyncio.gather(*previews)
