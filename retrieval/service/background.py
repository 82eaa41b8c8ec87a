"""Everything that a service does in the background, beside its requests.

It loads the model, mends the engine once, takes out shares as they end, brings late labels to the
engine, goes on with jobs, and looks again at what was released (`retrieval.policy.shadow`).

The laws of this file:

1. Of what goes on by itself nothing holds up the next: one job that fails stops no other. A process
   that cannot change the engine leaves that to the one that can.
2. A writer that was killed can leave a version half-written, a label that the engine does not carry
   yet, or points of a version that is gone. At start the engine is brought to what the records say.
   None of it is ever shown, so serving does not wait; what another process may be writing right now
   is left alone.
3. A job that stopped for a reason that passes goes on at the next sweep. When a service starts,
   that is every job that is not finished.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from acl.errors import AclError
from ingest.errors import IngestError, ModelError
from ingest.index.engine import EngineError
from ingest.project import Projector
from ingest.reconcile import Sweeper
from retrieval.service.wiring import Parts, reconciler

# Another process may have given a share that ends before the one that is waited for.
LONGEST: Final = 5.0
_SHORTEST: Final = 0.01

STILL_WRITING: Final = timedelta(minutes=10)
"""No writer takes this long for one document, so an older half-written version is given up."""

log = structlog.get_logger("strongroom.service")


@asynccontextmanager
async def background(parts: Parts) -> AsyncIterator[None]:
    """Do all of it until the context is left."""
    tasks = [
        asyncio.create_task(load(parts), name="load the model"),
        asyncio.create_task(mend(parts), name="mend"),
        asyncio.create_task(sweep(parts), name="sweep"),
        asyncio.create_task(keep_jobs_going(parts), name="keep jobs going"),
        asyncio.create_task(parts.shadow.run(), name="shadow"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def load(parts: Parts) -> None:
    """Load the model for questions; `/readyz` says whether it is."""
    try:
        await parts.encoder.load()
    except ModelError as error:
        # `/readyz` goes on saying that the model is not ready.
        log.error("model refused", reason=error.reason)  # noqa: TRY400 - the sentence says it all


async def mend(parts: Parts) -> None:
    """Bring the engine to what the records say, once (law 2)."""
    if not parts.may_write:
        return
    now = datetime.now(UTC)
    try:
        report = await reconciler(parts).run(now=now, begun_before=now - STILL_WRITING)
    except (EngineError, AclError, IngestError) as error:
        log.warning("not_mended", error=type(error).__name__)
        return
    log.info("mended", differences=report.differences)
    if report.unreadable:
        log.error("labels_unreadable", documents=report.unreadable)


async def sweep(parts: Parts) -> None:
    """Take out shares as they end, and bring late labels to the engine, while the service runs."""
    if not parts.may_write:
        return
    sweeper = Sweeper(parts.records, Projector(parts.stores))
    while True:
        try:
            await sweeper.sweep(now=datetime.now(UTC))
            await sweeper.catch_up(now=datetime.now(UTC))
            ends = await parts.records.labels.next_expiry()
        except (AclError, EngineError) as error:
            log.warning("not_swept", error=type(error).__name__)
            ends = None
        await asyncio.sleep(_until(ends))


async def keep_jobs_going(parts: Parts) -> None:
    """Go on with every job that is not finished, then with those that stop, for good."""
    if not parts.may_write:
        return
    known = False
    while True:
        if known:
            await resume(parts, tuple(parts.labels.stopped))
        else:
            known = await resume_jobs(parts)
        await asyncio.sleep(LONGEST)


async def resume_jobs(parts: Parts) -> bool:
    """Go on with every job that is not finished; say whether it is known which those are."""
    try:
        jobs = await parts.records.jobs.unfinished()
    except AclError as error:
        log.warning("jobs_not_resumed", error=type(error).__name__)
        return False
    await resume(parts, [one.id for one in jobs])
    return True


async def resume(parts: Parts, jobs: Iterable[str]) -> None:
    """Go on with these jobs, each by itself."""
    for job in jobs:
        try:
            await parts.bulk.run(job)
            log.info("job_resumed", job=job)
        except (AclError, EngineError) as error:
            log.warning("job_not_resumed", job=job, error=type(error).__name__)


def _until(ends: datetime | None) -> float:
    if ends is None:
        return LONGEST
    return min(LONGEST, max(_SHORTEST, (ends - datetime.now(UTC)).total_seconds()))
