"""Jobs over HTTP: changes of many documents, seen and gone on with by whoever began them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
from fastapi import APIRouter, status
from pydantic import Field

from acl.errors import AclError
from acl.records import ItemState, Job, JobItem
from ingest.index.engine import EngineError
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, StrictRoute
from retrieval.service.http.dependencies import Open
from retrieval.service.http.problems import ANSWERS
from retrieval.service.wiring import Parts


class ShownItem(Answered):
    """A document of a job that could not be changed, and why."""

    document_id: str
    state: str
    detail: str


class ListedJob(Answered):
    """A job and how far it has come."""

    id: str
    by: str
    reason: str
    created_at: datetime
    total: int
    pending: int
    done: int
    conflict: int
    failed: int


class JobList(Answered):
    """Jobs, the latest first."""

    jobs: list[ListedJob]


class ShownJob(ListedJob):
    """A job with the documents that could not be changed."""

    problems: list[ShownItem] = Field(description="The first hundred that were not changed.")
    problems_left_off: int = Field(description="How many more there are than are named.")

    @classmethod
    def shown(cls, job: Job, problems: Sequence[JobItem]) -> ShownJob:
        """Return the job as it is sent."""
        return cls(
            **ListedJob.model_validate(job).model_dump(),
            problems=[ShownItem.model_validate(item) for item in problems],
            problems_left_off=job.conflict + job.failed - len(problems),
        )


INLINE: Final = 20
"""A job of so many documents is done before it is answered; a larger one goes on behind."""

PROBLEMS: Final = 100
"""So many documents that were not changed are named."""

_ANSWERS: Final = ANSWERS["document"] | ANSWERS["query"]

router = APIRouter(route_class=StrictRoute, tags=["jobs"])
log = structlog.get_logger("strongroom.labels")

# The loop holds tasks weakly; one that nobody else holds can vanish.
_RUNNING: Final = dict[str, asyncio.Task[None]]()


@router.get(
    "/v1/jobs",
    operation_id="listJobs",
    summary="List the jobs that one has begun",
    responses=ANSWERS["query"],
)
async def list_jobs(subject: Asker, parts: Open) -> JobList:
    """Return the last fifty jobs of the subject's own, the latest first."""
    return JobList(jobs=[ListedJob.model_validate(job) for job in await parts.bulk.jobs(subject)])


@router.get(
    "/v1/jobs/{job_id}",
    operation_id="readJob",
    summary="See how far a job has come",
    responses=_ANSWERS,
)
async def read_job(job_id: str, subject: Asker, parts: Open) -> ShownJob:
    """Return a job of the subject's own, with the documents that could not be changed."""
    return await _shown(parts, await parts.bulk.job(subject, job_id))


@router.post(
    "/v1/jobs/{job_id}:resume",
    operation_id="resumeJob",
    summary="Go on with a job that stopped",
    status_code=status.HTTP_202_ACCEPTED,
    responses=_ANSWERS,
)
async def resume_job(job_id: str, subject: Asker, parts: Open) -> ShownJob:
    """Go on where a job of the subject's own stopped; one that is done stays as it is."""
    job = await parts.bulk.job(subject, job_id)
    await carry_out(parts, job)
    return await _shown(parts, await parts.bulk.job(subject, job.id))


async def carry_out(parts: Parts, job: Job) -> None:
    """Do a job before it is answered, or behind, if it is a large one."""
    if job.id in _RUNNING:
        return
    if job.total <= INLINE:
        await parts.bulk.run(job.id)
        return
    task = asyncio.create_task(_run(parts, job.id), name=f"job {job.id}")
    _RUNNING[job.id] = task
    task.add_done_callback(lambda _: _RUNNING.pop(job.id, None))


async def _run(parts: Parts, job_id: str) -> None:
    try:
        await parts.bulk.run(job_id)
    except (AclError, EngineError) as error:
        # The next sweep goes on with it, or the next start of a service.
        log.warning("job_stopped", job=job_id, error=type(error).__name__)


async def _shown(parts: Parts, job: Job) -> ShownJob:
    problems = [
        item
        for state in (ItemState.CONFLICT, ItemState.FAILED)
        for item in await parts.records.jobs.items(job.id, state=state, limit=PROBLEMS)
    ]
    return ShownJob.shown(job, problems[:PROBLEMS])
