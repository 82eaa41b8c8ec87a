"""In the background: shares that end, labels that the engine lacks, and jobs left half-done."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

import structlog

from acl.errors import AclError
from ingest.expiry import Sweeper
from ingest.index.engine import EngineError
from ingest.project import Projector
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


async def resume_jobs(parts: Parts) -> None:
    """Go on with every job that is not finished."""
    if not parts.may_write:
        return
    try:
        for job in await parts.records.jobs.unfinished():
            await parts.bulk.run(job.id)
            log.info("job_resumed", job=job.id)
    except (AclError, EngineError) as error:
        log.warning("jobs_not_resumed", error=type(error).__name__)


def _until(ends: datetime | None) -> float:
    if ends is None:
        return LONGEST
    return min(LONGEST, max(_SHORTEST, (ends - datetime.now(UTC)).total_seconds()))
