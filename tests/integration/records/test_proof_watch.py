"""A proof that another revision overtakes stops where it has come to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

from acl.records import Proof, ProofState, Records
from retrieval.policy_desk import PolicyDesk
from retrieval.proof_watch import ProofWatch
from tests.integration.records.samples import NOW, in_effect

BEGUN = Proof(state=ProofState.SAMPLED, pairs=10, done=3, mismatch="", updated_at=NOW)


class SlowWatch(ProofWatch):
    """A watch whose proof notes one step, and then takes for ever."""

    async def prove(self, revision: int, proof: Proof) -> Proof:
        await self._note(revision, replace(proof, state=ProofState.RUNNING, done=7))
        await asyncio.Event().wait()
        return proof


async def test_a_proof_that_is_overtaken_keeps_its_progress(records: Records) -> None:
    await in_effect(records, "a")
    await records.policies.note_proof(1, BEGUN)
    watch = SlowWatch(records, cast("PolicyDesk", None), clock=lambda: NOW)

    proving = asyncio.create_task(watch._until_replaced(1, BEGUN))
    while (noted := await records.policies.proof(1)) is None or noted.done != 7:
        await asyncio.sleep(0.01)
    await in_effect(records, "b")
    await asyncio.wait_for(proving, 30)

    assert await records.policies.proof(1) == replace(BEGUN, state=ProofState.STOPPED, done=7)
