"""The proof beside the service: in processes of their own, so that no question waits for it.

The laws of this file:

1. The event loop does nothing but wait: labels are packed in a thread, in small parts, and pairs
   are compared in child processes that know nothing but `acl`.
2. The gate is proved before a revision takes effect. The whole plan is proved when it is asked for,
   in processes that yield to everything else.
3. Whoever cancels gets their processes back: what runs is a small batch, and nothing follows it.
   Children end when the service does, however it ends.
4. A report has no gap: it counts pairs in the order of the plan.
5. A label that cannot be read is readable by no one, under any policy. It is left out, and named in
   the log.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeAlias

import structlog

from acl.errors import AclError, LabelError
from acl.labels import Label, LabelSchema
from acl.proof import worker as proof_worker
from acl.proof.proof import Batch, Progress, ProofReport
from acl.proof.worker import ProofJob
from acl.records import DistinctLabel, Records

WORKERS: Final = 2
BATCH: Final = 100
_QUEUED: Final = 2
_NICE: Final = 10
"""Whoever activates waits for the gate; a whole proof yields to everything else."""

OnProgress: TypeAlias = Callable[[Progress], None]

_LOG = structlog.stdlib.get_logger("strongroom.labels")


class ProofError(AclError):
    """The proof could not be carried out, so nothing is proved."""


async def live_labels(records: Records, schema: LabelSchema) -> tuple[Label, ...]:
    """Return every distinct label of record that can be read (law 5).

    A share that has ended and is still written counts too: it is one more label to compare.

    Raises:
        RecordsError: the records cannot be asked.
    """
    found = await records.catalog.distinct_labels()
    read, unreadable = await asyncio.to_thread(legible, found, schema)
    if unreadable:
        documents = await records.catalog.carrying(unreadable)
        _LOG.error("labels_unreadable", labels=len(unreadable), documents=documents)
    return tuple(read)


def legible(found: Iterable[DistinctLabel], schema: LabelSchema) -> tuple[list[Label], list[str]]:
    """Return the labels that can be read, and the digests of those that cannot."""
    read: list[Label] = []
    unreadable: list[str] = []
    for one in found:
        try:
            read.append(schema.parse(one.label_json))
        except LabelError:
            unreadable.append(one.digest)
    return read, unreadable


async def prove(
    job: ProofJob,
    *,
    whole: bool = False,
    on_progress: OnProgress | None = None,
    workers: int = WORKERS,
) -> ProofReport:
    """Compare every pair of the gate, or of the whole plan; stop at the first batch that differs.

    Raises:
        ProofError: a process ended, or the job cannot be read; nothing is proved.
    """
    told = on_progress or (lambda _: None)
    async with _processes(job, workers, nice=_NICE if whole else 0) as executor:
        report = await _asked(executor, workers)
        end = report.plan.whole if whole else report.plan.gate
        told(Progress(compared=0, of=end))
        async with aclosing(_batches(executor, end, workers)) as batches:
            async for batch in batches:
                report = report.with_batch(batch)
                told(Progress(compared=report.stop, of=end))
                if report.wrong:
                    break
        return report


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


async def _batches(executor: Executor, end: int, workers: int) -> AsyncGenerator[Batch]:
    """Yield the batches in order, with a few under way."""
    under_way: list[Future[Batch]] = []
    for first in range(0, end, BATCH):
        stop = min(first + BATCH, end)
        submit = asyncio.to_thread(executor.submit, proof_worker.compared, first, stop)
        under_way.append(await submit)
        if len(under_way) > workers * _QUEUED:
            yield await asyncio.wrap_future(under_way.pop(0))
    for future in under_way:
        yield await asyncio.wrap_future(future)
