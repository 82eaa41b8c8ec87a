"""In the background: shares that end, labels that the engine lacks, and jobs that stopped.

The laws of this file:

1. Of what goes on by itself nothing holds up the next: one job that fails stops no other.
2. A job that stopped for a reason that passes goes on at the next sweep. When a service starts,
   that is every job that is not finished.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import structlog

from acl.errors import AclError
from ingest.index.engine import EngineError
from ingest.project import Projector
from ingest.reconcile import Sweeper
from retrieval.service.wiring import Parts

# Another process may have given a share that ends before the one that is waited for.
LONGEST: Final = 5.0
_SHORTEST: Final = 0.01

log = structlog.get_logger("strongroom.service")


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
