"""The audit log on a real database: durable, in one order, and honest about what was done to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from acl.records import (
    AuditEvent,
    AuditHead,
    AuditKind,
    AuditUnavailableError,
    CollectionState,
    Records,
    RecordsConflictError,
    RecordsError,
    RecordsMismatchError,
    RecordsUnavailableError,
)
from acl.records.audit import log as audit
from acl.records.audit.chain import Chain
from acl.records.audit.log import MAX_BATCH, AuditLog
from acl.records.database.database import Database
from tests.builders import KEY, NOW, event, put, version
from tests.integration.records import tampering

P = ParamSpec("P")
T = TypeVar("T")

COUNT = 6


async def filled(records: Records, count: int = COUNT) -> None:
    for number in range(count):
        await records.audit.append(event(later=number, resources=(f"r{number}",)))


async def fault_seq(records: Records, anchor: AuditHead | None = None) -> int | None:
    report = await records.audit.verify(anchor)
    return None if report.fault is None else report.fault.seq


async def test_a_record_longer_than_one_batch_is_verified_to_its_end(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "VERIFY_BATCH", 2)
    await filled(records)

    report = await records.audit.verify()

    assert report.fault is None
    assert report.head.seq == COUNT


async def test_events_come_back_in_order_and_the_chain_holds(records: Records) -> None:
    first = await records.audit.append(event(AuditKind.SEARCH, query_hmac="q"))
    second = await records.audit.append(event(AuditKind.FETCH, detail={"a": [1, "ä\0😀"]}))

    both = await records.audit.events()
    report = await records.audit.verify()

    assert [(one.seq, one.hash) for one in both] == [
        (first.seq, first.hash),
        (second.seq, second.hash),
    ]
    assert both[0].event == event(AuditKind.SEARCH, query_hmac="q")
    assert both[1].event == event(AuditKind.FETCH, detail={"a": [1, "ä\0😀"]})
    assert (report.verified, report.fault) == (2, None)
    assert report.head == await records.audit.head() == AuditHead(2, second.hash)
    assert await records.audit.events(after=1, limit=5) == both[1:]
    assert await records.audit.events(limit=1) == both[:1]
    assert await records.audit.events(kind=AuditKind.FETCH) == both[1:]


async def test_an_empty_chain_holds(records: Records) -> None:
    report = await records.audit.verify()

    assert (report.verified, report.head.seq, report.fault) == (0, 0, None)


async def test_many_at_once_share_commits_and_keep_a_gapless_order(records: Records) -> None:
    count = MAX_BATCH + 50
    entries = await asyncio.gather(
        *(records.audit.append(event(resources=(f"r{number}",))) for number in range(count))
    )

    assert [one.seq for one in entries] == list(range(1, count + 1))
    assert await fault_seq(records) is None
    stored = await records.audit.events(limit=count)
    assert [one.event.resources for one in stored] == [(f"r{n}",) for n in range(count)]


class Counting(Database):
    """A database that counts its transactions, and can be told to fail."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.commits = 0
        self.failure: BaseException | None = None

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.inner.read(work, *args, **kwargs)

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self.commits += 1
        if self.failure is not None:
            raise self.failure
        return await self.inner.write(work, *args, **kwargs)

    async def require_durable(self) -> None:
        await self.inner.require_durable()

    def lock_migration(self, connection: Connection) -> None:
        self.inner.lock_migration(connection)

    async def close(self) -> None:
        await self.inner.close()


async def test_fifty_at_once_cost_two_commits(records: Records) -> None:
    database = Counting(records.database)
    audit = AuditLog(database, Chain(KEY))
    first = asyncio.create_task(audit.append(event()))
    await asyncio.sleep(0)

    await asyncio.gather(*(audit.append(event()) for _ in range(49)), first)

    assert database.commits == 2
    assert (await records.audit.head()).seq == 50


async def test_when_the_commit_fails_everyone_is_told(records: Records) -> None:
    database = Counting(records.database)
    audit = AuditLog(database, Chain(KEY))
    database.failure = RecordsUnavailableError("gone")

    answers = await asyncio.gather(
        *(audit.append(event()) for _ in range(5)), return_exceptions=True
    )

    assert all(isinstance(one, AuditUnavailableError) for one in answers)
    assert all(str(one) == "the event could not be recorded" for one in answers)
    database.failure = None
    assert (await audit.append(event())).seq == 1


async def test_a_fault_of_the_program_leaves_nobody_waiting(records: Records) -> None:
    database = Counting(records.database)
    audit = AuditLog(database, Chain(KEY))
    database.failure = asyncio.CancelledError()

    answers = await asyncio.gather(
        *(audit.append(event()) for _ in range(MAX_BATCH + 1)), return_exceptions=True
    )

    assert all(isinstance(one, AuditUnavailableError) for one in answers)


async def test_a_waiter_that_gives_up_disturbs_no_other(records: Records) -> None:
    gone = asyncio.create_task(records.audit.append(event()))
    stays = asyncio.create_task(records.audit.append(event()))
    await asyncio.sleep(0)
    gone.cancel()

    assert (await stays).seq in {1, 2}
    assert await fault_seq(records) is None


async def test_a_waiter_that_gives_up_is_not_told_of_a_failure(records: Records) -> None:
    database = Counting(records.database)
    database.failure = RecordsUnavailableError("gone")
    audit = AuditLog(database, Chain(KEY))
    gone = asyncio.create_task(audit.append(event()))
    await asyncio.sleep(0)
    gone.cancel()
    await audit.close()

    assert gone.cancelled() or gone.cancelling()


async def test_a_closed_log_refuses_and_finishes_what_is_under_way(url: str) -> None:
    records = await Records.open(url, KEY)
    under_way = [asyncio.create_task(records.audit.append(event())) for _ in range(3)]
    await asyncio.sleep(0)
    await records.close()

    assert [(await one).seq for one in under_way] == [1, 2, 3]
    with pytest.raises(AuditUnavailableError, match="the audit log is closed"):
        await records.audit.append(event())


EDITS = {
    "edit": lambda n: [f"UPDATE audit_events SET body = body || ' ' WHERE seq = {n}"],
    "rewrite": lambda n: [f"UPDATE audit_events SET kind = 'list', time = 5 WHERE seq = {n}"],
    "delete": lambda n: [f"DELETE FROM audit_events WHERE seq = {n}"],
    "truncate": lambda n: [f"DELETE FROM audit_events WHERE seq >= {n}"],
    "swap": lambda n: [
        f"UPDATE audit_events SET seq = 100 WHERE seq = {n}",
        f"UPDATE audit_events SET seq = {n} WHERE seq = {n + 1}",
        f"UPDATE audit_events SET seq = {n + 1} WHERE seq = 100",
    ],
    "close the gap": lambda n: [
        f"DELETE FROM audit_events WHERE seq = {n}",
        # Two steps, because a unique number may not be taken even for a moment.
        f"UPDATE audit_events SET seq = seq + 99 WHERE seq > {n}",
        "UPDATE audit_events SET seq = seq - 100 WHERE seq > 99",
    ],
}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(sorted(EDITS)), place=st.integers(1, COUNT - 1))
async def test_any_single_change_is_found_at_its_number(
    records: Records, url: str, name: str, place: int
) -> None:
    await tampering.run(
        url,
        "DELETE FROM audit_events",
        "UPDATE audit_head SET seq = 0, hash = '"
        + "0" * 64
        + "', mac = '"
        + Chain(KEY).seal(AuditHead(0, "0" * 64)).mac
        + "'",
    )
    await filled(records)
    assert await fault_seq(records) is None

    await tampering.run(url, *EDITS[name](place))

    assert await fault_seq(records) == place


async def test_a_restored_older_state_shows_against_an_anchor_alone(
    records: Records, url: str
) -> None:
    await filled(records, 3)
    old = Chain(KEY).seal(await records.audit.head())
    await filled(records, 3)
    anchor = await records.audit.head()
    assert await fault_seq(records, anchor) is None

    await tampering.run(
        url,
        "DELETE FROM audit_events WHERE seq > 3",
        f"UPDATE audit_head SET seq = 3, hash = '{old.hash}', mac = '{old.mac}'",
    )

    assert await fault_seq(records) is None
    assert await fault_seq(records, anchor) == 4


@pytest.mark.parametrize(
    "change", ["DELETE FROM audit_head", "UPDATE audit_head SET seq = seq + 1"]
)
async def test_under_a_changed_head_nothing_is_appended(
    records: Records, url: str, change: str
) -> None:
    await put(records, version())
    await tampering.run(url, change)

    with pytest.raises(AuditUnavailableError):
        await records.audit.append(event())
    with pytest.raises(AuditUnavailableError, match="the audit head is missing"):
        await records.audit.head()
    # What would be announced does not happen either.
    with pytest.raises(AuditUnavailableError):
        await put(records, version("file:b.txt"))
    assert await records.catalog.count_documents() == 1
    assert await fault_seq(records) == 2


async def test_a_new_start_does_not_heal_a_missing_head(records: Records, url: str) -> None:
    await filled(records, 2)
    await tampering.run(url, "DELETE FROM audit_head", "DELETE FROM audit_events")
    again = await Records.open(url, KEY)

    assert await fault_seq(again) == 1
    await again.close()


async def test_another_key_can_neither_append_nor_vouch(records: Records, url: str) -> None:
    await filled(records, 2)
    other = await Records.open(url, b"x" * 32)

    with pytest.raises(AuditUnavailableError):
        await other.audit.append(event())
    assert await fault_seq(other) == 1
    await other.close()


async def test_an_unreadable_entry_is_an_error_of_its_own(records: Records, url: str) -> None:
    await filled(records, 1)
    await tampering.run(url, "UPDATE audit_events SET body = '{}'")

    with pytest.raises(RecordsError, match="audit entry 1 cannot be read; verify the chain"):
        await records.audit.events()


async def test_a_collection_is_made_once(records: Records) -> None:
    state = CollectionState(label_schema_digest="s", model_name="m", model_digest="d")
    await records.collection.require(state, now=NOW)
    await records.collection.require(state, now=NOW)

    with pytest.raises(RecordsMismatchError) as refused:
        await records.collection.require(
            replace(state, model_name="n", label_schema_digest="t"), now=NOW
        )

    assert str(refused.value) == (
        "the collection was made otherwise: `label_schema_digest` is `s`, not `t`; "
        "`model_name` is `m`, not `n`"
    )


async def test_constraints_refuse_what_the_code_must_not_see(records: Records, url: str) -> None:
    await put(records, version())
    for change in (
        "UPDATE documents SET label_version = 0",
        "UPDATE documents SET projected_label_version = label_version + 1",
        "UPDATE documents SET label = NULL",
        "UPDATE chunks SET span_end = span_start",
        "UPDATE chunks SET text = text || 'more'",
        "INSERT INTO audit_head (id, seq, hash, mac) SELECT 2, seq, hash, mac FROM audit_head",
    ):
        with pytest.raises(Exception, match=r"(?i)constraint"):
            await tampering.run(url, change)


async def test_an_event_too_many_for_the_chain_undoes_the_write(records: Records, url: str) -> None:
    await put(records, version())
    # A smuggled next entry collides with the one that is to be appended.
    await tampering.run(
        url,
        "INSERT INTO audit_events SELECT 2, time, kind, body, previous, hash FROM audit_events",
    )
    with pytest.raises(RecordsConflictError):
        await put(records, version("file:b.txt"))
    with pytest.raises(AuditUnavailableError):
        await records.audit.append(event())
    assert await records.catalog.count_documents() == 1


def test_no_field_of_an_event_holds_a_query() -> None:
    assert not {"query", "text", "question"} & set(AuditEvent.__dataclass_fields__)
