"""Jobs: changes of many documents, stored before they begin and carried out one by one.

The laws of this file:

1. Each document changes in a transaction of its own, under the rights that stand at that moment.
   What became of it stands in the same transaction, so that an interrupted job goes on where it
   stopped and does nothing twice.
2. A document whose label is not the one that a person's selection was made for is a conflict, and
   stays. What a folder says is brought to the label of the moment, even if that moved meanwhile.
3. Where two pairs of eyes are asked for, a job lowers nothing that a second person did not approve.
4. A job whose author is gone is settled as failed. One that stopped for a reason that passes goes
   on later. Neither holds up another.
5. Records first, engine after: documents that carry one label share one write to the engine, and
   searches get their turn between the writes.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from acl.actions import Action
from acl.errors import FilterTooLargeError, RequestError
from acl.records import (
    AuditKind,
    AuditUnavailableError,
    ChangeKind,
    FolderLabel,
    ItemState,
    Job,
    JobItem,
    LabelState,
    MovedOnError,
    NewJob,
    Provided,
    Records,
    RecordsConflictError,
    RecordsUnavailableError,
    StaleLabelError,
    UnknownDocumentError,
)
from ingest.index.engine import EngineError
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.desk import LabelDesk
from retrieval.labels.outcomes import change_detail, edit_of
from retrieval.labels.requests import LabelRequest
from retrieval.labels.selection import Planned, Planner, Refused, Selection
from retrieval.labels.views import SecondPersonError
from retrieval.rights.authority import Asker, Authority, ForbiddenError, asker_json, asker_of
from retrieval.rights.directory import UnknownSubjectError
from retrieval.rights.standing import UnsettledError, settled

# So often is a folder's rule brought to a label that keeps changing, before the job goes on.
_TRIES: Final = 10
# So many records change between two looks at the engine.
_TOGETHER: Final = 50
_PASSING: Final = (RecordsUnavailableError, AuditUnavailableError, UnsettledError, EngineError)
_GONE: Final = "whoever began this is not an active user any more"

_LOG = structlog.stdlib.get_logger("strongroom.labels")

PROPOSED_BY: Final = "proposed_by"

Progress = Callable[[Job], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A job that was stored, and what it leaves alone."""

    job: Job
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What the documents of one batch are judged upon.

    Attributes:
        states: document to its label of record.
        folders: tenant to what is set for its folders.
    """

    job: Job
    request: LabelRequest
    authority: Authority
    states: Mapping[str, LabelState]
    folders: Mapping[str, Sequence[FolderLabel]]

    @property
    def proposed_by(self) -> str:
        """Whose proposal it carries out that a second person approved, or `""`."""
        return str(self.job.request.get(PROPOSED_BY, ""))

    @property
    def follows(self) -> bool:
        """Whether it brings what folders say, and so takes each label as it is (law 2)."""
        return self.request.kind is ChangeKind.FOLDER


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


async def begun(records: Records, job_id: str, planned: Planned) -> Begun:
    """Return a job that has just been stored.

    Raises:
        DocumentNotFoundError: there is none.
    """
    return Begun(job=await _job(records, job_id), refused=planned.refused)


class BulkDesk:
    """Makes jobs and carries them out."""

    def __init__(self, desk: LabelDesk, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._records = desk.parts.records
        self._planner = Planner(desk)
        self._clock = clock

    async def plan(self, asker: Asker, selection: Selection, request: LabelRequest) -> Planned:
        """Return what a job would do; nothing is stored.

        Raises:
            LabelRequestError: the selection or the request is none.
        """
        authority = await self._desk.authority(asker, self._clock())
        return await self._planner.plan(authority, selection, request)

    async def begin(self, asker: Asker, selection: Selection, request: LabelRequest) -> Begun:
        """Store a job; `run` carries it out.

        Raises:
            LabelRequestError: the selection or the request is none.
        """
        authority = await self._desk.authority(asker, self._clock())
        planned = await self._planner.plan(authority, selection, request, tell=False)
        job = new_job(authority, asker, selection.tenant, request, planned.items)
        event = authority.event(
            AuditKind.RELABEL_JOB,
            Action.DOCUMENT_TAG,
            tenant=job.tenant,
            detail={"job": job.id, "documents": len(job.items), "reason": request.reason}
            | _handed(request),
        )
        await self._records.jobs.create(job, event)
        return await begun(self._records, job.id, planned)

    async def job(self, asker: Asker, job_id: str) -> Job:
        """Return a job of the asker's own.

        Raises:
            DocumentNotFoundError: there is none.
        """
        authority = await self._desk.authority(asker, self._clock())
        job = await self._records.jobs.job(job_id)
        mine = job is not None and (job.tenant, job.by) == (authority.tenant, authority.by)
        if job is None or not (mine or authority.tenant is None):
            raise DocumentNotFoundError
        return job

    async def jobs(self, asker: Asker) -> tuple[Job, ...]:
        """Return the last jobs of the asker's own, the latest first."""
        authority = await self._desk.authority(asker, self._clock())
        return await self._records.jobs.recent(tenant=authority.tenant, by=authority.by)

    async def run(self, job_id: str, *, on_progress: Progress = lambda _: None) -> Job:
        """Carry a job out, or go on with it.

        Raises:
            RecordsError, UnsettledError: what was done is done; another run goes on from there.
        """
        stopped = self._desk.stopped
        stopped.discard(job_id)
        try:
            job = await self._run(job_id, on_progress)
        except _PASSING:
            stopped.add(job_id)
            raise
        if job.pending:
            stopped.add(job_id)
        return job

    async def _run(self, job_id: str, on_progress: Progress) -> Job:
        job = await _job(self._records, job_id)
        after = ""
        while items := await self._records.jobs.items(
            job_id, state=ItemState.PENDING, after=after, limit=_TOGETHER
        ):
            done = await self._batch(job, items)
            await self._parts.projector.follow_all(done, at=self._clock())
            after = items[-1].document_id
            on_progress(await _job(self._records, job_id))
            await asyncio.sleep(0)
        await self._catch_up()
        return await _job(self._records, job_id)

    async def _batch(self, job: Job, items: Sequence[JobItem]) -> list[str]:
        """Change some documents; return the ids of those that were."""
        try:
            ground = await self._ground(job, items)
        except UnknownSubjectError:
            for item in items:
                await self._settle(job, item, ItemState.FAILED, _GONE)
            return []
        return [one for item in items if (one := await self._one(ground, item))]

    async def _one(self, ground: _Ground, item: JobItem) -> str | None:
        """Change one document; return its id if that was done."""
        job = ground.job
        try:
            changed = await self._tried(ground, item)
        except (RecordsConflictError, UnsettledError):
            # Another process was first with this one; or it keeps changing, and its turn comes
            # again.
            return None
        except StaleLabelError:
            await self._settle(job, item, ItemState.CONFLICT, "was changed by somebody else")
        except UnknownDocumentError:
            await self._settle(job, item, ItemState.CONFLICT, "is gone")
        except UnknownSubjectError:
            await self._settle(job, item, ItemState.FAILED, _GONE)
        except (ForbiddenError, SecondPersonError, RequestError, FilterTooLargeError) as error:
            await self._settle(job, item, ItemState.FAILED, str(error))
        else:
            return item.document_id if changed else None
        return None

    async def _tried(self, ground: _Ground, item: JobItem) -> bool:
        """Change one document, again while a folder's rule meets a label that moved (law 2)."""
        for _ in range(_TRIES):
            try:
                return await self._attempt(ground, item)
            except MovedOnError:
                return await self._anew(ground.job, item)
            except StaleLabelError:
                if not ground.follows:
                    raise
                ground = await self._ground(ground.job, [item])
        raise UnsettledError

    async def _ground(self, job: Job, items: Sequence[JobItem]) -> _Ground:
        """Read once what several documents are judged upon; each change checks that it stands."""
        states = await self._records.labels.states([one.document_id for one in items])
        tenants = {one.document.tenant for one in states.values()}
        return _Ground(
            job=job,
            request=LabelRequest.from_json(job.request),
            authority=await self._desk.authority(asker_of(job.asker), self._clock()),
            states=states,
            folders={one: await self._records.folders.of_tenant(one) for one in tenants},
        )

    @settled
    async def _anew(self, job: Job, item: JobItem) -> bool:
        return await self._attempt(await self._ground(job, [item]), item)

    async def _attempt(self, ground: _Ground, item: JobItem) -> bool:
        """Change one document; say whether there was anything to change."""
        authority, request = ground.authority, ground.request
        state = ground.states.get(item.document_id)
        if state is None or not authority.knows_of(state.document):
            raise UnknownDocumentError(item.document_id)
        if not ground.follows:
            _require_version(state, item)
        folders = ground.folders[state.document.tenant]
        outcome = await self._planner.judged(
            authority, state, request, folders, approved=bool(ground.proposed_by)
        )
        if not outcome.changes:
            await self._settle(ground.job, item, ItemState.DONE, "")
            return False
        detail = change_detail(state.document, request, outcome, None)
        await self._records.labels.change(
            edit_of(state.document, request, outcome, ground.job.id),
            authority.event(
                AuditKind.RELABEL,
                max(outcome.actions),
                tenant=state.document.tenant,
                resources=(item.document_id,),
                detail={"job": ground.job.id} | detail | {PROPOSED_BY: ground.proposed_by},
            ),
            provided=Provided(under=authority.heads, job=ground.job.id),
        )
        return True

    async def _settle(self, job: Job, item: JobItem, state: ItemState, detail: str) -> None:
        await self._records.jobs.settle(job.id, item.document_id, state, detail)

    async def _catch_up(self) -> None:
        """Bring to the engine what a run that was killed had brought to the records alone."""
        behind = await self._records.projection.unprojected()
        try:
            await self._parts.projector.project_all([one.id for one in behind], at=self._clock())
        except EngineError as error:
            _LOG.warning("labels_not_projected", error=type(error).__name__)


def _handed(request: LabelRequest) -> dict[str, str]:
    moved = request.hand_over
    return {} if moved is None else {"from": moved.principal, "to": moved.successor}


def _require_version(state: LabelState, item: JobItem) -> None:
    actual = state.document.label_version
    if actual != item.expected_version:
        raise StaleLabelError(item.document_id, expected=item.expected_version, actual=actual)


async def _job(records: Records, job_id: str) -> Job:
    job = await records.jobs.job(job_id)
    if job is None:
        raise DocumentNotFoundError
    return job


def new_job(  # noqa: PLR0913 - a job has as many sides
    authority: Authority,
    asker: Asker,
    tenant: str,
    request: LabelRequest,
    items: Mapping[str, int],
    *,
    proposed_by: str = "",
) -> NewJob:
    """Return a job as it is stored; `proposed_by` is whose proposal the asker approved."""
    return NewJob(
        id=str(uuid.uuid4()),
        tenant=authority.tenant or tenant,
        by=authority.by,
        asker=asker_json(asker),
        request=request.as_json() | ({PROPOSED_BY: proposed_by} if proposed_by else {}),
        reason=request.reason,
        items=items,
    )
