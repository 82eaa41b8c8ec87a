"""The proof beside the service: in processes of their own, so that no question waits for it.

The laws of this file:

1. The event loop does nothing but wait: texts are packed in a thread, in small parts, and pairs are
   compared in child processes that know nothing but `acl`.
2. The gate is proved before a revision takes effect. Label by label the proof goes on afterwards,
   in one process that yields to everything else, and rests between its batches.
3. Whoever cancels gets their processes back: what runs is a small batch, and nothing follows it.
   Children end when the service does, however it ends.
4. A report has no gap: it counts pairs in the order of the plan.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from acl.errors import AclError
from acl.labels import Label
from acl.proof import worker as proof_worker
from acl.proof.plan import BUDGET
from acl.proof.proof import Batch, Progress, ProofReport
from acl.proof.worker import PolicyText, ProofJob

WORKERS: Final = 2
BATCH: Final = 100
_QUEUED: Final = 2
_NICE: Final = 10
"""Whoever activates waits for the gate; nobody waits for what goes on behind it."""
REST_SECONDS: Final = 0.05
"""After each batch of what nobody waits for."""

OnProgress: TypeAlias = Callable[[Progress], None]


class ProofError(AclError):
    """The proof could not be carried out, so nothing is proved."""


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
        report = await _asked(executor, workers)
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


@dataclass(frozen=True, slots=True)
class Step:
    """One batch of a proof label by label.

    Attributes:
        batch: what it came to.
        finished: how many labels, from the first on, have been compared by now.
    """

    batch: Batch
    finished: int


async def prove_each(job: ProofJob, *, rest: float = REST_SECONDS) -> AsyncGenerator[Step]:
    """Compare every pair of a plan label by label; mismatches do not end it.

    Raises:
        ProofError: the process ended, or the job cannot be read.
    """
    async with _processes(job, 1, nice=_NICE) as executor:
        plan = (await _asked(executor, 1)).plan
        for first in range(0, plan.gate, BATCH):
            batch = await _compared(executor, first, min(first + BATCH, plan.gate))
            yield Step(batch, bisect_right(plan.ends, batch.stop))
            await asyncio.sleep(rest)


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
    except (BrokenProcessPool, BrokenPipeError) as error:
        # The pipe breaks when a process ends before it has read what it is to do.
        raise ProofError("a process of the proof ended before its answer") from error
    except OSError as error:
        raise ProofError("no process could be started for the proof") from error
    finally:
        # The batches that run are small; what has not begun never will.
        executor.shutdown(wait=False, cancel_futures=True)


async def _asked(executor: Executor, workers: int) -> ProofReport:
    """Start every process; return the report of a proof that begins.

    Left to itself, a pool starts a process when there is work for it; if another ends meanwhile,
    CPython 3.11 overlooks the new one, waits for it for ever, and the interpreter waits for that.
    """

    def ask() -> list[Future[ProofReport]]:
        return [executor.submit(proof_worker.begun) for _ in range(workers)]

    # To start processes takes longer than a loop may.
    futures = await asyncio.to_thread(ask)
    try:
        return (await asyncio.gather(*map(asyncio.wrap_future, futures)))[0]
    except AclError as error:
        raise ProofError(f"the proof cannot begin: {error}") from error


async def _compared(executor: Executor, start: int, stop: int) -> Batch:
    future = await asyncio.to_thread(executor.submit, proof_worker.compared, start, stop)
    return await asyncio.wrap_future(future)


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
