"""The proof of the revision in effect, label by label, which goes on while requests are answered.

The laws of this file:

1. Every label that a live document carries is compared under the revision in effect, with its
   neighbours and for every role: those of its beginning and those that come later, wherever the
   activation came from. What was compared is on record, so that nothing is compared again after an
   end, and two processes at it do no harm.
2. A mismatch raises an alarm and suspends every role that it concerns, at once, and before the
   label counts as compared. It does not roll back by itself: that could give back what was revoked.
   An administrator decides. The revision stays refuted, whatever follows.
3. Only the revision in effect suspends. Its proof ends when another takes effect.
4. What fails is logged and tried again, later each time, for as long as the service runs.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from acl.labels import LabelSchema
from acl.proof.counterexample import Suspect
from acl.proof.proof import Batch
from acl.proof.worker import ProofJob, packed
from acl.records import (
    AuditEvent,
    AuditKind,
    Mismatch,
    Outcome,
    Proof,
    ProofState,
    Records,
    Suspension,
)
from retrieval.policy.desk import PolicyDesk
from retrieval.policy.proof_survey import Survey, Waiting, survey
from retrieval.policy.prover import REST_SECONDS, prove_each
from retrieval.rights.threads import in_turn

SERVICE: Final = "service:strongroom"
POLL_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 300.0
LABELS_AT_ONCE: Final = 50
_SURVEY_SHARE: Final = 20
"""While labels keep changing, one part of so many is spent on looking at them again."""
_SHOWN: Final = 3

log = structlog.stdlib.get_logger("strongroom.policy")


class ProofWatch:
    """Carries the proof of the revision in effect on."""

    def __init__(
        self,
        records: Records,
        desk: PolicyDesk,
        *,
        clock: Callable[[], datetime],
        poll: float = POLL_SECONDS,
        rest: float = REST_SECONDS,
    ) -> None:
        """Watch the revisions of `records`.

        Args:
            records: where labels are, and what was compared.
            desk: says what is to be proved of a revision.
            clock: the moment for which time-limited roles are decided.
            poll: seconds between two looks for something to do.
            rest: seconds after each batch.
        """
        self._records = records
        self._desk = desk
        self._clock = clock
        self._poll = poll
        self._rest = rest
        self._seen = (0, -1)
        self._not_before = 0.0

    async def run(self) -> None:
        """Go on until cancelled (law 4)."""
        wait = self._poll
        while True:
            try:
                await self._look()
                wait = self._poll
            except Exception as error:  # noqa: BLE001 - a watch that ends would prove nothing more
                wait = min(LONGEST_SECONDS, wait * 2)
                log.warning("proof_not_finished", error=type(error).__name__, again_in=wait)
            await asyncio.sleep(wait)

    async def prove(self, revision: int) -> Proof:
        """Compare every label that is left of a revision, and return how far its proof has come.

        Raises:
            RecordsError, ProofError: the proof could not be carried out.
        """
        found = await self._surveyed(revision)
        while found.waiting:
            await self._some(found, found.waiting[:LABELS_AT_ONCE])
            found = await self._surveyed(revision)
        await self._note(found)
        return await self._desk.proof(revision, self._clock())

    async def _look(self) -> None:
        """Compare some labels, if any is left under the revision in effect."""
        revision = (await self._records.standing.read()).policy
        now = revision, await self._records.proofs.label_counter()
        if not revision or now == self._seen or self._is_too_early(revision):
            return
        await self._end_of_others(revision)
        found = await self._surveyed(revision)
        while found.waiting and await self._some(found, _some_of(found.waiting)):
            found = await self._surveyed(revision)
        if not found.waiting:
            await self._note(found)
            log.info("proof_finished", revision=revision, labels=found.labels)
            self._seen = revision, found.counter

    def _is_too_early(self, revision: int) -> bool:
        """Say whether labels of the same revision were looked at a moment ago."""
        return self._seen[0] == revision and time.monotonic() < self._not_before

    async def _surveyed(self, revision: int) -> Survey:
        started = time.monotonic()
        job = await self._desk.job(revision, self._clock())
        found = await survey(self._records, LabelSchema.from_toml(job.schema), revision)
        ended = time.monotonic()
        self._not_before = ended + _SURVEY_SHARE * (ended - started)
        return found

    async def _end_of_others(self, revision: int) -> None:
        last = self._seen[0]
        if last == revision:
            return
        await self._records.proofs.forget(before=revision)
        known = await self._records.policies.proof(last) if last else None
        if known is not None and known.done < known.labels:
            stopped = replace(known, state=ProofState.STOPPED, updated_at=self._clock())
            await self._records.policies.note_proof(last, stopped)
        self._seen = revision, -1

    async def _some(self, found: Survey, waiting: Sequence[Waiting]) -> bool:
        """Compare some labels; return whether their revision is still in effect."""
        before, done = (await self._records.standing.read()).policy, 0
        job = await self._job(found, waiting)
        async with aclosing(prove_each(job, rest=self._rest)) as steps:
            async for step in steps:
                if step.batch.wrong:
                    await self._refute(found, step.batch)
                if step.finished > done:
                    records = [one.record for one in waiting[done : step.finished]]
                    await self._records.proofs.add(found.revision, records)
                    done = step.finished
                    await self._note(found, done)
                if (await self._records.standing.read()).policy != before:
                    return False
        return True

    async def _job(self, found: Survey, waiting: Sequence[Waiting]) -> ProofJob:
        job = await self._desk.job(found.revision, self._clock())
        labels = await in_turn(lambda: tuple(packed([one.label for one in waiting])))
        return replace(job, labels=labels, each=tuple(found.surroundings.items()))

    async def _note(self, found: Survey, more: int = 0) -> None:
        done = found.done + more
        state = ProofState.PROVED if done == found.labels else ProofState.RUNNING
        await self._records.policies.note_proof(
            found.revision,
            Proof(state=state, labels=found.labels, done=done, updated_at=self._clock()),
        )

    async def _refute(self, found: Survey, batch: Batch) -> None:
        """Note what differs, and suspend whoever it concerns (law 2)."""
        await self._records.policies.note_proof(
            found.revision,
            Proof(
                state=ProofState.REFUTED,
                labels=found.labels,
                done=found.done,
                updated_at=self._clock(),
                mismatches=tuple(
                    Mismatch(one.tenant, str(one)[:2000]) for one in batch.shown[:_SHOWN]
                ),
            ),
        )
        for suspect in batch.suspects:
            new = await self._suspend(found.revision, suspect)
            log.error(
                "proof_refuted",
                revision=found.revision,
                role=suspect.principal,
                tenant=suspect.tenant,
                suspended=new,
            )

    async def _suspend(self, revision: int, suspect: Suspect) -> bool:
        now, reason = self._clock(), suspect.reason[:2000]
        return await self._records.policies.suspend(
            Suspension(
                tenant=suspect.tenant,
                principal=suspect.principal,
                revision=revision,
                reason=reason,
                since=now,
            ),
            AuditEvent(
                kind=AuditKind.ROLE_SUSPENDED,
                time=now,
                subject=SERVICE,
                outcome=Outcome.DENIED,
                tenant=suspect.tenant,
                policy_revision=revision,
                detail={"role": suspect.principal, "reason": reason},
            ),
        )


def _some_of(waiting: Sequence[Waiting]) -> Sequence[Waiting]:
    """Return some labels from anywhere, so that two processes seldom compare the same ones."""
    if len(waiting) <= LABELS_AT_ONCE:
        return waiting
    first = secrets.randbelow(len(waiting))
    return (*waiting[first:], *waiting[:first])[:LABELS_AT_ONCE]
