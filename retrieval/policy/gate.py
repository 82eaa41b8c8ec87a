"""The gate before an activation: what a revision is proved on, up to the moment it takes effect.

The laws of this file:

1. A revision takes effect only if every label that a live document carries in that transaction was
   covered by its proof. Labels that came meanwhile are proved, and it is tried again; a few times.
2. One revision at a time goes through. A revision that waited for another learns before
   its proof, not after, that the revision to be replaced is gone.
3. What a proof came to is on record, whether it was the gate or the whole plan. A revision that was
   refuted stays refuted, also where it is in effect.
4. The event loop does nothing but wait: labels are packed in a thread, in small parts, and pairs
   are compared in child processes that know nothing but `acl`.
5. The whole plan is proved when it is asked for, in processes that yield to everything else.
6. A proof that is cancelled gives its processes back: what runs is a small batch, and nothing
   follows it. Children end when the service does, however it ends.
7. A report has no gap: it counts pairs in the order of the plan.
8. A label that cannot be read is readable by no one, under any policy. It is left out, and named in
   the log.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

import structlog

from acl.errors import AclError, LabelError
from acl.labels import Label, LabelSchema
from acl.proof import worker as proof_worker
from acl.proof.proof import Batch, Progress, ProofReport
from acl.proof.worker import ProofJob, packed
from acl.records import (
    DistinctLabel,
    Proof,
    ProofState,
    Records,
    StalePolicyError,
    UnprovedLabelsError,
)
from retrieval.policy.edits import RefutedError, mismatches_of
from retrieval.rights.threads import for_change

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
    """Return every distinct label of record that can be read (law 8).

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


T = TypeVar("T")

log = structlog.stdlib.get_logger("strongroom.policy")

ROUNDS: Final = 5
_SHOWN: Final = 3


class LabelsKeepChangingError(AclError):
    """Documents with labels that were not proved kept coming; nothing took effect."""

    def __init__(self) -> None:
        super().__init__("labels keep changing while the revision is proved; try again later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A proof that passed the gate.

    Attributes:
        number: of the revision.
        covered: digests of the labels that it was proved on.
    """

    job: ProofJob
    number: int
    report: ProofReport
    covered: frozenset[str]


class Gate:
    """Proves revisions on the labels of record."""

    def __init__(self, records: Records, *, rounds: int = ROUNDS) -> None:
        """Prove on the labels that `records` hold."""
        self._records = records
        self._rounds = rounds
        self._free = asyncio.Lock()

    async def through(
        self,
        job: ProofJob,
        number: int,
        activate: Callable[[Passage], Awaitable[T]],
        *,
        expected: int,
        on_progress: OnProgress | None = None,
    ) -> T:
        """Prove `job`, revision `number`, and let it take effect by `activate`.

        Raises:
            StalePolicyError: not `expected` is in effect any more.
            RefutedError: the compiled filter and the policy differ.
            LabelsKeepChangingError: labels that were not proved came each time.
            ProofError: the proof could not be carried out.
        """
        async with self._free:
            actual = (await self._records.standing.read()).policy
            if actual != expected:
                raise StalePolicyError(expected=expected, actual=actual)
            passage = await self._proved(job, number, on_progress)
            for _ in range(self._rounds):
                try:
                    return await activate(passage)
                except UnprovedLabelsError as error:
                    passage = await self._with(passage, error.digests)
            raise LabelsKeepChangingError

    async def whole(
        self, job: ProofJob, number: int, *, on_progress: OnProgress | None = None
    ) -> Proof:
        """Prove the whole plan of revision `number`, whether or not it is in effect.

        Raises:
            UnknownRevisionError: there is none of this number.
            ProofError: the proof could not be carried out.
        """
        live = await self._records.catalog.distinct_labels()
        report = await prove(await _on(job, live), whole=True, on_progress=on_progress)
        proof = noted(report, len(live), job.at)
        if report.wrong:
            log.error("policy_refuted", revision=number)
        await self._records.policies.note_proof(number, proof)
        return await self._records.policies.proof(number) or proof  # law 3

    async def _proved(self, job: ProofJob, number: int, on_progress: OnProgress | None) -> Passage:
        live = await self._records.catalog.distinct_labels()
        report = await prove(await _on(job, live), on_progress=on_progress)
        passage = Passage(job=job, number=number, report=report, covered=_digests(live))
        await self._kept(passage, report)
        return passage

    async def _with(self, passage: Passage, digests: Sequence[str]) -> Passage:
        wanted = set(digests)
        live = await self._records.catalog.distinct_labels()
        new = [one for one in live if one.digest in wanted]
        # What is gone again is not proved; should it come back, it is asked for.
        later = replace(passage, covered=passage.covered | _digests(new))
        if new:
            report = await prove(await _on(replace(passage.job, alone=True), new))
            await self._kept(later, report)
        return later

    async def _kept(self, passage: Passage, report: ProofReport) -> None:
        """Keep the outcome; of labels that came later, that they agree changes nothing.

        Raises:
            RefutedError: the filter and the policy differ.
        """
        told = report if report.wrong else passage.report
        note = noted(told, len(passage.covered), passage.job.at)
        await self._records.policies.note_proof(passage.number, note)
        if not report.holds:
            raise RefutedError(report)


def _digests(labels: Iterable[DistinctLabel]) -> frozenset[str]:
    return frozenset(one.digest for one in labels)


def noted(report: ProofReport, labels: int, now: datetime) -> Proof:
    """Return what is kept of a proof: how much was compared, or what differs."""
    passed = ProofState.PROVED if report.is_whole else ProofState.SAMPLED
    return Proof(
        state=ProofState.REFUTED if report.wrong else passed,
        labels=labels,
        updated_at=now,
        mismatches=mismatches_of(report.counterexamples[:_SHOWN]),
    )


async def _on(job: ProofJob, live: Sequence[DistinctLabel]) -> ProofJob:
    def filled() -> ProofJob:
        schema = LabelSchema.from_toml(job.schema)
        read, _ = legible(live, schema)
        return replace(job, labels=tuple(packed(read)))

    return await for_change(filled)
