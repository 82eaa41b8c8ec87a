"""The JSON of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from acl.records import ItemState, Job, JobItem
from retrieval.service.api.messages import Answered


class ShownItem(Answered):
    """A document of a job that could not be changed, and why."""

    document_id: str
    state: str
    detail: str

    @classmethod
    def of(cls, item: JobItem) -> ShownItem:
        """Return it as it is sent."""
        return cls(document_id=item.document_id, state=item.state.value, detail=item.detail)


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

    @classmethod
    def of(cls, job: Job) -> ListedJob:
        """Return the job as it is sent."""
        return cls(
            id=job.id,
            by=job.by,
            reason=job.reason,
            created_at=job.created_at,
            total=job.total,
            pending=job.pending,
            done=job.counts.get(ItemState.DONE, 0),
            conflict=job.counts.get(ItemState.CONFLICT, 0),
            failed=job.counts.get(ItemState.FAILED, 0),
        )


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
        listed = ListedJob.of(job)
        return cls(
            **listed.model_dump(),
            problems=[ShownItem.of(one) for one in problems],
            problems_left_off=listed.conflict + listed.failed - len(problems),
        )
