"""Jobs: one request that changes many documents, each in a transaction of its own.

The laws of this file:

1. A job is stored with every document that it is about before the first of them changes.
2. What became of a document stands in the transaction that changed it. So a job that was
   interrupted goes on where it stopped, and a document is never done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, func, insert, select, update

from acl.records.audit.chain import AuditEvent
from acl.records.audit.log import AuditedPart
from acl.records.database.database import BATCH, PAGE, snapshot, transaction
from acl.records.database.storable import checked_text, from_json, to_json
from acl.records.labels.types import ItemState, Job, JobItem, NewJob
from acl.records.tables.schema import label_job_items, label_jobs
from acl.records.tables.types import canonical_id

_ITEMS: Final = select(*(label_job_items.c[part.name] for part in fields(JobItem)))


class Jobs(AuditedPart):
    """Jobs and how far they have come."""

    @transaction
    def create(self, connection: Connection, job: NewJob, event: AuditEvent) -> None:
        """Store a job (law 1)."""
        create_job(connection, job, event.time)
        self.audit.append_within(connection, event)

    @snapshot
    def job(self, connection: Connection, job_id: str) -> Job | None:
        """Return a job, or `None`."""
        statement = select(label_jobs).where(label_jobs.c.id == canonical_id(job_id))
        return next(iter(_jobs(connection, statement)), None)

    @snapshot
    def recent(
        self, connection: Connection, *, tenant: str | None = None, by: str = "", limit: int = 50
    ) -> tuple[Job, ...]:
        """Return the last jobs, the latest first: all, or those of one author."""
        statement = select(label_jobs).order_by(label_jobs.c.created_at.desc(), label_jobs.c.id)
        if tenant is not None:
            statement = statement.where(label_jobs.c.tenant == tenant, label_jobs.c.by == by)
        return _jobs(connection, statement.limit(limit))

    @snapshot
    def unfinished(self, connection: Connection) -> tuple[Job, ...]:
        """Return the jobs of which documents are pending, the oldest first."""
        waiting = select(label_job_items.c.job_id).where(
            label_job_items.c.state == ItemState.PENDING.value
        )
        statement = (
            select(label_jobs)
            .where(label_jobs.c.id.in_(waiting))
            .order_by(label_jobs.c.created_at, label_jobs.c.id)
        )
        return _jobs(connection, statement)

    @snapshot
    def items(
        self,
        connection: Connection,
        job_id: str,
        *,
        state: ItemState,
        after: str = "",
        limit: int = PAGE,
    ) -> tuple[JobItem, ...]:
        """Return documents of a job in this state, in the order of their ids, behind `after`."""
        mine = (label_job_items.c.job_id == job_id) & (label_job_items.c.document_id > after)
        statement = (
            _ITEMS.where(mine, label_job_items.c.state == state.value)
            .order_by(label_job_items.c.document_id)
            .limit(limit)
        )
        rows = connection.execute(statement).mappings()
        return tuple(JobItem(**{**row, "state": ItemState(row["state"])}) for row in rows)

    @transaction
    def settle(
        self, connection: Connection, job_id: str, document_id: str, state: ItemState, detail: str
    ) -> None:
        """Note what became of a pending document that was not changed."""
        settle_item(connection, job_id, document_id, state, detail)


def settle_item(
    connection: Connection, job_id: str, document_id: str, state: ItemState, detail: str = ""
) -> bool:
    """Note what became of a document (law 2); return whether it was pending."""
    this = (label_job_items.c.job_id == job_id) & (label_job_items.c.document_id == document_id)
    waiting = label_job_items.c.state == ItemState.PENDING.value
    settled = update(label_job_items).where(this, waiting)
    return bool(connection.execute(settled.values(state=state.value, detail=detail)).rowcount)


def create_job(connection: Connection, job: NewJob, now: datetime) -> None:
    """Store a job within the caller's transaction."""
    connection.execute(
        insert(label_jobs).values(
            id=job.id,
            tenant=job.tenant,
            by=checked_text("by", job.by),
            asker=to_json("asker", job.asker),
            request=to_json("request", job.request),
            reason=job.reason,
            created_at=now,
        )
    )
    rows = [
        {
            "job_id": job.id,
            "document_id": document_id,
            "expected_version": version,
            "state": ItemState.PENDING.value,
            "detail": "",
        }
        for document_id, version in sorted(job.items.items())
    ]
    for start in range(0, len(rows), BATCH):
        connection.execute(insert(label_job_items), rows[start : start + BATCH])


def _jobs(connection: Connection, statement: Select[Any]) -> tuple[Job, ...]:
    rows = connection.execute(statement).mappings().all()
    return tuple(_job(row, _counts(connection, row["id"])) for row in rows)


def _counts(connection: Connection, job_id: str) -> dict[ItemState, int]:
    state = label_job_items.c.state
    statement = select(state, func.count()).where(label_job_items.c.job_id == job_id)
    found = connection.execute(statement.group_by(state).order_by(state))
    return {ItemState(name): count for name, count in found}


def _job(row: RowMapping, counts: Mapping[ItemState, int]) -> Job:
    parsed = {"asker": from_json(row["asker"]), "request": from_json(row["request"])}
    return Job(**{**row, **parsed}, counts=counts)
