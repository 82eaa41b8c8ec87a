"""The full proof of the revision in effect, which goes on while requests are answered.

The laws of this file:

1. What the gate left out is compared afterwards, wherever the activation came from: this process,
   the command line, or one that was killed. It goes on where its record says that it stopped.
2. A mismatch raises an alarm and suspends the roles that it concerns, at once. It does not roll
   back by itself: that could give back what was revoked. An administrator decides.
3. A proof ends when another revision takes effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from acl.errors import AclError
from acl.proof import Counterexample, Progress
from acl.proof_worker import ProofJob
from acl.records import (
    AuditEvent,
    AuditKind,
    Outcome,
    Proof,
    ProofState,
    Records,
    Suspension,
)
from acl.subject import EVERYONE
from retrieval.policy_desk import PolicyDesk
from retrieval.prover import BackgroundProof

SERVICE: Final = "service:strongroom"
POLL_SECONDS: Final = 1.0
_NOTED_EVERY: Final = 2000

log = structlog.stdlib.get_logger("strongroom.policy")


class ProofWatch:
    """Carries unfinished proofs on, one at a time."""

    def __init__(
        self, records: Records, desk: PolicyDesk, *, clock: Callable[[], datetime]
    ) -> None:
        """Watch the revisions of `records`."""
        self._records = records
        self._desk = desk
        self._clock = clock
        self._noted = 0
        self._notes: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Go on until cancelled; what fails is logged, and tried again with the next revision."""
        done = 0
        while True:
            heads = await self._records.standing.read()
            if heads.policy != done:
                await self._finish(heads.policy)
                done = heads.policy
            await asyncio.sleep(POLL_SECONDS)

    async def _finish(self, revision: int) -> None:
        try:
            proof = await self._records.policies.proof(revision)
            if proof is not None and proof.state in {ProofState.SAMPLED, ProofState.RUNNING}:
                await self._until_replaced(revision, proof)
        except AclError as error:
            log.warning("proof_not_finished", revision=revision, error=type(error).__name__)

    async def _until_replaced(self, revision: int, proof: Proof) -> None:
        work = asyncio.create_task(self.prove(revision, proof), name=f"proof of {revision}")
        try:
            while not work.done():
                await asyncio.wait([work], timeout=POLL_SECONDS)
                if (await self._records.standing.read()).policy != revision:
                    await self._stopped(work)
                    await self._give_up(revision)
                    return
            await work
        finally:
            await self._stopped(work)

    async def _stopped(self, work: asyncio.Task[Proof]) -> None:
        """End `work`, and let what it noted on its way arrive."""
        work.cancel()
        await asyncio.gather(work, *self._notes, return_exceptions=True)

    async def _give_up(self, revision: int) -> None:
        """Note that a proof ends where it has come to, so that it can go on from there."""
        reached = await self._records.policies.proof(revision)
        if reached is not None:
            stopped = replace(reached, state=ProofState.STOPPED, updated_at=self._clock())
            await self._note(revision, stopped)

    async def prove(self, revision: int, proof: Proof) -> Proof:
        """Compare what is left of a revision's pairs, and keep the outcome.

        Raises:
            ProofError: the proof could not be carried out.
        """
        job = await self._desk.job(revision, self._clock())
        found = await self._prove(job, revision, proof.done)
        await self._note(revision, found)
        log.info("proof_finished", revision=revision, pairs=found.pairs, state=found.state.value)
        return found

    async def _prove(self, job: ProofJob, revision: int, start: int) -> Proof:
        mismatches: list[str] = []

        async def on_mismatch(found: Counterexample) -> None:
            mismatches.append(str(found))
            await self._alarm(revision, found)

        def on_progress(progress: Progress) -> None:
            done = start + progress.compared
            if done - self._noted < _NOTED_EVERY:
                return
            self._noted = done
            note = self._proof(ProofState.RUNNING, start + progress.of, done, mismatches)
            task = asyncio.create_task(self._note(revision, note))
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

        self._noted = start
        background = BackgroundProof(
            job, start=start, on_mismatch=on_mismatch, on_progress=on_progress
        )
        report = await background.run()
        await asyncio.gather(*self._notes)
        state = ProofState.REFUTED if report.wrong else ProofState.PROVED
        return self._proof(state, report.plan.total, report.stop, mismatches)

    def _proof(self, state: ProofState, pairs: int, done: int, mismatches: list[str]) -> Proof:
        shown = "; ".join(mismatches[:3])[:4000]
        return Proof(state=state, pairs=pairs, done=done, mismatch=shown, updated_at=self._clock())

    async def _note(self, revision: int, proof: Proof) -> None:
        await self._records.policies.note_proof(revision, proof)

    async def _alarm(self, revision: int, found: Counterexample) -> None:
        log.error(
            "proof_refuted", revision=revision, roles=found.roles, tenant=found.profile.tenant
        )
        for principal in found.roles:
            # Whoever nobody names stands for everybody.
            named = principal if found.profile.groups or found.rules else EVERYONE
            await self._suspend(revision, found, named)

    async def _suspend(self, revision: int, found: Counterexample, principal: str) -> None:
        now, reason = self._clock(), str(found)[:2000]
        await self._records.policies.suspend(
            Suspension(
                tenant=found.profile.tenant,
                principal=principal,
                revision=revision,
                reason=reason,
                since=now,
            ),
            AuditEvent(
                kind=AuditKind.ROLE_SUSPENDED,
                time=now,
                subject=SERVICE,
                outcome=Outcome.DENIED,
                tenant=found.profile.tenant,
                policy_revision=revision,
                detail={"role": principal, "reason": reason},
            ),
        )
