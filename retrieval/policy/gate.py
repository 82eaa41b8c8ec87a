"""The gate before an activation: what a revision is proved on, up to the moment it takes effect.

The laws of this file:

1. A revision takes effect only if every label that a live document carries in that transaction was
   covered by its proof. Labels that came meanwhile are proved, and it is tried again; a few times.
2. One revision at a time goes through. Whoever waited for another finds out before proving, not
   after, that the revision to be replaced is gone.
3. What a proof came to is on record, whether it was the gate or the whole plan. A revision that was
   refuted stays refuted, also where it is in effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

import structlog

from acl.errors import AclError
from acl.labels import LabelSchema
from acl.proof.proof import ProofReport
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
from retrieval.policy.prover import OnProgress, legible, prove
from retrieval.rights.threads import for_change

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
