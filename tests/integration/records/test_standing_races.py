"""What is decided upon and what changes it, meeting at the worst moment on PostgreSQL.

Another connection holds the end of the audit chain, as a change does that is about to commit. What
is tested waits for it, and must see what was committed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from acl.records import (
    AuditKind,
    ChangeKind,
    LabelEdit,
    MovedOnError,
    Proof,
    ProofState,
    Provided,
    Records,
)
from acl.records.directory.directory import Edit
from acl.records.directory.types import GroupState, UserState
from acl.records.tables.heads import Heads
from tests.builders import (
    KEY,
    NOW,
    document_id,
    event,
    in_effect,
    label,
    put,
    revision,
    version,
)

POLICY = "UPDATE heads SET policy = policy + 1"
REFUTED = "UPDATE heads SET refuted = 1"
DIRECTORY = (
    "INSERT INTO directory_heads VALUES ('acme', 1) "
    "ON CONFLICT (tenant) DO UPDATE SET changes = directory_heads.changes + 1"
)
OTHER_DIRECTORY = DIRECTORY.replace("acme", "globex")
LOCKED = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)

Work = Callable[[Records, Heads], Awaitable[object]]


@pytest.fixture(name="shared")
async def _shared(postgres_url: str) -> AsyncIterator[Records]:
    records = await Records.open(postgres_url, KEY)
    await in_effect(records, "a")
    await put(records, version())
    yield records
    await records.close()


@asynccontextmanager
async def about_to_commit(url: str) -> AsyncIterator[AsyncConnection]:
    """A transaction of another process that holds the end of the chain."""
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool
    )
    async with engine.begin() as connection:
        await connection.execute(text("SELECT seq FROM audit_head FOR UPDATE"))
        yield connection


async def waits(connection: AsyncConnection) -> None:
    """Return when somebody waits for a lock; nobody else works on this database."""
    async with asyncio.timeout(20):
        while not (await connection.execute(LOCKED)).scalar_one():
            await asyncio.sleep(0.01)


async def overtaken(url: str, records: Records, work: Work, change: str) -> object:
    """Run `work` so that `change` commits at its last moment; return what came of it."""
    under = await records.standing.read("acme")
    async with about_to_commit(url) as connection:
        running = asyncio.ensure_future(work(records, under))
        await waits(connection)
        await connection.execute(text(change))
    return (await asyncio.gather(running, return_exceptions=True))[0]


async def release(records: Records, under: Heads) -> None:
    await records.audit.append(event(AuditKind.SEARCH), under=under)


async def relabel(records: Records, under: Heads) -> None:
    edit = LabelEdit(
        document_id=document_id("file:a.txt"),
        expected_version=1,
        label=label("confidential"),
        shares=(),
        origins={},
        kind=ChangeKind.RELABEL,
        reason="",
        change_id="",
    )
    await records.labels.change(edit, event(AuditKind.RELABEL), provided=Provided(under=under))


async def propose(records: Records, under: Heads) -> None:
    await records.policies.propose(
        revision("b", base=1), event(AuditKind.POLICY_PROPOSED), under=under
    )


async def provision(records: Records, under: Heads) -> None:
    change = Edit(event(AuditKind.DIRECTORY), under)
    await records.directory.create_user("acme", UserState(identity="user:ada"), change)


@pytest.mark.parametrize(
    ("work", "change"),
    [
        (release, POLICY),
        (release, REFUTED),
        (release, DIRECTORY),
        (relabel, DIRECTORY),
        (propose, DIRECTORY),
        (provision, POLICY),
        (provision, REFUTED),
    ],
)
async def test_nothing_is_recorded_after_the_change_that_forbids_it(
    shared: Records, postgres_url: str, work: Work, change: str
) -> None:
    before = await shared.audit.head()

    assert isinstance(await overtaken(postgres_url, shared, work, change), MovedOnError)
    assert await shared.audit.head() == before


@pytest.mark.parametrize("work", [release, relabel, propose, provision])
async def test_what_only_waited_is_recorded(shared: Records, postgres_url: str, work: Work) -> None:
    before = await shared.audit.head()

    assert await overtaken(postgres_url, shared, work, OTHER_DIRECTORY) is None
    assert (await shared.audit.head()).seq == before.seq + 1


async def test_a_large_change_of_one_tenant_holds_up_nobody_else(
    shared: Records, postgres_url: str
) -> None:
    engine = create_async_engine(
        make_url(postgres_url).set(drivername="postgresql+asyncpg"), poolclass=NullPool
    )
    await shared.database.write(lambda one: one.execute(text(OTHER_DIRECTORY)))
    async with asyncio.timeout(20), engine.begin() as connection:
        await connection.execute(text("SELECT * FROM directory_heads FOR UPDATE"))
        under = await shared.standing.read("acme")
        for work in (release, relabel, propose, provision):
            await work(shared, under)
            under = await shared.standing.read("acme")


async def test_whatever_meets_nothing_waits_in_a_circle(shared: Records, postgres_url: str) -> None:
    other = await Records.open(postgres_url, KEY)

    async def labels(records: Records, number: int) -> None:
        under = await records.standing.read(("acme", "globex")[number % 2])
        await put(records, version(f"file:{number}.txt"))
        await records.audit.append(event(AuditKind.SEARCH), under=under)

    async def people(records: Records, number: int) -> None:
        tenant = ("acme", "globex")[number % 2]
        under = await records.standing.read(tenant)
        change = Edit(event(AuditKind.DIRECTORY), under)
        made = UserState(identity=f"user:u{number}")
        ada = await records.directory.create_user(tenant, made, change)
        staff = GroupState(identity=f"group:g{number}", members=frozenset({ada.id}))
        await records.directory.create_group(tenant, staff, Edit(event(AuditKind.DIRECTORY)))

    async def proofs(records: Records, number: int) -> None:
        state = ProofState.REFUTED if number % 2 else ProofState.PROVED
        await records.policies.note_proof(1, Proof(state=state, labels=number, updated_at=NOW))
        await propose(records, await records.standing.read("acme"))

    outcomes = await asyncio.gather(
        *(
            work((shared, other)[number % 2], number)
            for number in range(12)
            for work in (labels, people, proofs)
        ),
        return_exceptions=True,
    )

    failed = [one for one in outcomes if isinstance(one, BaseException)]
    assert all(isinstance(one, MovedOnError) for one in failed), [
        repr(one.__cause__) for one in failed
    ]
    assert len(failed) < len(outcomes)
    assert (await shared.audit.verify()).fault is None
    await other.close()
