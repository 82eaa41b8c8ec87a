"""The proof beside the service: in processes of their own, so that no question waits for it.

The laws of this file:

1. The event loop does nothing but wait: texts are packed in a thread, in small parts, and pairs are
   compared in child processes that know nothing but `acl`.
2. The gate is proved before a revision takes effect. What lies beyond it goes on afterwards as a
   `BackgroundProof`, which tells of each mismatch as soon as it is found.
3. Whoever cancels gets their processes back: what runs is a small batch, and nothing follows it.
   Children end when the service does, however it ends.
4. A report has no gap: it counts pairs in the order of the plan, so that it says where to go on.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Final, TypeAlias

from acl import proof_worker
from acl.errors import AclError
from acl.labels import Label
from acl.proof import Batch, Counterexample, Progress, ProofReport
from acl.proof_plan import BUDGET
from acl.proof_worker import PolicyText, ProofJob
from acl.records import Proof, ProofState

WORKERS: Final = 2
BATCH: Final = 100
_QUEUED: Final = 2
_NICE: Final = 10
"""Whoever activates waits for the gate; nobody waits for what goes on behind it."""

OnProgress: TypeAlias = Callable[[Progress], None]
OnMismatch: TypeAlias = Callable[[Counterexample], Awaitable[None]]


class ProofError(AclError):
    """The proof could not be carried out, so nothing is proved."""


def noted(report: ProofReport, now: datetime) -> Proof:
    """Return what is kept of a proof."""
    state = ProofState.PROVED if report.complete or report.plan.everything else ProofState.SAMPLED
    if report.wrong:
        state = ProofState.REFUTED
    return Proof(
        state=state,
        pairs=report.plan.total,
        done=report.stop,
        mismatch="; ".join(map(str, report.counterexamples[:3]))[:4000],
        updated_at=now,
    )


async def job_for(  # noqa: PLR0913 - each is a part of what is proved
    proposed: PolicyText,
    schema: str,
    labels: Iterable[Label],
    *,
    at: datetime,
    current: PolicyText | None = None,
    compartments: frozenset[str] = frozenset(),
    budget: int = BUDGET,
) -> ProofJob:
    """Return what the processes are given.

    Args:
        proposed: the policy to prove.
        schema: the content of labels.toml.
        labels: the distinct labels of live documents.
        at: the moment for which time-limited roles are decided.
        current: the policy in effect.
        compartments: those that subjects have beyond those of the labels.
        budget: how many pairs the gate may hold.
    """
    live = tuple(labels)
    return ProofJob(
        proposed=proposed,
        schema=schema,
        labels=await asyncio.to_thread(lambda: tuple(proof_worker.packed(live))),
        at=at,
        current=current,
        compartments=compartments,
        budget=budget,
    )


async def prove(
    job: ProofJob, *, on_progress: OnProgress | None = None, workers: int = WORKERS
) -> ProofReport:
    """Compare every pair of the gate; stop at the first batch that holds a mismatch.

    Raises:
        ProofError: a process ended, or the job cannot be read; nothing is proved.
    """
    async with _processes(job, workers, nice=0) as executor:
        report = await _asked(executor, 0)
        end = report.plan.gate
        if on_progress:
            on_progress(report.progress)
        async with aclosing(_batches(executor, 0, end, workers)) as batches:
            async for batch in batches:
                report = report.with_batch(batch)
                if on_progress:
                    on_progress(report.progress)
                if report.wrong:
                    break
        return report


class BackgroundProof:
    """The full proof that goes on after the gate.

    `report` says how far it is; its `stop` is where a later one can begin. It is run once, in a
    task of the caller's, and ended by cancelling that task.
    """

    def __init__(
        self,
        job: ProofJob,
        *,
        start: int,
        on_mismatch: OnMismatch,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Prepare to compare the pairs of `job` from `start` on; `on_mismatch` is awaited."""
        self._job, self._start = job, start
        self._on_mismatch, self._on_progress = on_mismatch, on_progress
        self.report: ProofReport | None = None

    @property
    def progress(self) -> Progress | None:
        """How far the proof is, or nothing before it has begun."""
        return self.report.progress if self.report else None

    async def run(self) -> ProofReport:
        """Compare all pairs, one process long; mismatches do not end it.

        Raises:
            ProofError: the process ended or the job cannot be read; `report` says how far it was.
        """
        async with _processes(self._job, 1, nice=_NICE) as executor:
            report = self.report = await _asked(executor, self._start)
            end = report.plan.total
            async with aclosing(_batches(executor, self._start, end, 1)) as batches:
                async for batch in batches:
                    report = await self._told(report, batch)
            return report

    async def _told(self, report: ProofReport, batch: Batch) -> ProofReport:
        for one in batch.shown:
            await self._on_mismatch(one)
        self.report = report.with_batch(batch)
        if self._on_progress:
            self._on_progress(self.report.progress)
        return self.report


@asynccontextmanager
async def _processes(job: ProofJob, workers: int, *, nice: int) -> AsyncIterator[Executor]:
    executor = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=proof_worker.begin,
        initargs=(job, nice),
    )
    try:
        yield executor
    except BrokenProcessPool as error:
        raise ProofError("a process of the proof ended before its answer") from error
    finally:
        # The batches that run are small; what has not begun never will.
        executor.shutdown(wait=False, cancel_futures=True)


async def _asked(executor: Executor, start: int) -> ProofReport:
    # A process is started by what is first asked of it, and that takes longer than a loop may.
    future = await asyncio.to_thread(executor.submit, proof_worker.begun, start)
    try:
        return await asyncio.wrap_future(future)
    except AclError as error:
        raise ProofError(f"the proof cannot begin: {error}") from error


async def _batches(executor: Executor, start: int, end: int, workers: int) -> AsyncGenerator[Batch]:
    """Yield the batches in order, with a few under way."""
    under_way: list[Future[Batch]] = []
    ranges = ((first, min(first + BATCH, end)) for first in range(start, end, BATCH))
    for first, stop in ranges:
        submit = asyncio.to_thread(executor.submit, proof_worker.compared, first, stop)
        under_way.append(await submit)
        if len(under_way) > workers * _QUEUED:
            yield await asyncio.wrap_future(under_way.pop(0))
    for future in under_way:
        yield await asyncio.wrap_future(future)
