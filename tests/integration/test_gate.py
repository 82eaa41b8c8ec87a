"""Nothing takes effect on a label that was not proved, whenever it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from acl.policy.decide import decide
from acl.proof.worker import ProofJob
from acl.records import ProofState, RefutedRevisionError, StalePolicyError, UnknownRevisionError
from acl.subject import Subject
from retrieval.policy.edits import ELSEWHERE, Edit, RefutedError
from retrieval.policy.gate import Gate, LabelsKeepChangingError, OnProgress, Passage
from retrieval.rights.authority import OPERATOR
from tests.builders import last_event
from tests.integration.proving import (
    ANOTHER,
    MORE,
    ROWS,
    Office,
    office,
    to_everybody,
    to_new,
    without_guard,
)
from tests.integration.world import NOW

T = TypeVar("T")

pytestmark = pytest.mark.asyncio(loop_scope="session")

EDITING = tuple(
    f"p, role:{role}, acme, /*, {right}, True, allow"
    for role, right in (
        ("editor", "policy:edit"),
        ("editor", "policy:activate"),
        ("editor", "document:read"),
    )
)
TESS = Subject(id="user:tess", tenant="acme", clearance=3, groups=frozenset({"role:editor"}))


class Meanwhile(Gate):
    """A gate at which a document comes whenever a proof has just ended."""

    def __init__(self, made: Office, times: int) -> None:
        super().__init__(made.records)
        self._made, self._left = made, times

    async def through(
        self,
        job: ProofJob,
        number: int,
        activate: Callable[[Passage], Awaitable[T]],
        *,
        expected: int,
        on_progress: OnProgress | None = None,
    ) -> T:
        async def late(passage: Passage) -> T:
            if self._left:
                self._left -= 1
                await self._made.document(f"late-{self._left}", owner="user:new")
            return await activate(passage)

        return await super().through(job, number, late, expected=expected, on_progress=on_progress)


@pytest_asyncio.fixture(name="made", loop_scope="session")
async def _made(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as made:
        yield made


async def test_a_label_that_comes_after_the_proof_is_proved_before_it_takes_effect(
    made: Office,
) -> None:
    await made.document("a")
    made.desk._gate = Meanwhile(made, 3)
    number = await made.propose(MORE)

    assert await made.activate(number) == number

    assert len(await made.records.catalog.distinct_labels()) == 4
    assert (await made.records.standing.read()).policy == number


async def test_what_differs_on_such_a_label_alone_does_not_take_effect(made: Office) -> None:
    await made.document("a")
    number = await made.propose(MORE)
    made.desk._gate, made.desk.decider = Meanwhile(made, 1), to_new

    with pytest.raises(RefutedError, match="user:new"):
        await made.activate(number)

    assert (await made.records.standing.read()).policy == 1
    proof = await made.records.policies.proof(number)
    assert proof is not None
    assert proof.state is ProofState.REFUTED


async def test_labels_that_keep_coming_end_in_a_clear_refusal(made: Office) -> None:
    made.desk._gate = Meanwhile(made, 99)
    number = await made.propose(MORE)

    with pytest.raises(LabelsKeepChangingError, match="labels keep changing"):
        await made.activate(number)

    assert (await made.records.standing.read()).policy == 1


async def test_a_fault_shows_before_there_is_a_document(made: Office) -> None:
    number = await made.propose(MORE)
    made.desk.decider = to_everybody

    with pytest.raises(RefutedError, match="user:stranger"):
        await made.activate(number)

    made.desk.decider = decide
    later = await made.propose(ANOTHER)
    activated = await made.desk.activate(OPERATOR, later, expected=1, now=NOW)
    assert str(activated.proof.plan).startswith("no documents; proved on ")
    proof = await made.records.policies.proof(later)
    assert proof is not None
    assert (proof.state, proof.labels) == (ProofState.SAMPLED, 0)


async def test_a_refusal_shows_no_label_of_another_tenant(tmp_path: Path) -> None:
    async with office(tmp_path, rows=(*ROWS, *EDITING)) as made:
        await made.document("a")
        await made.document("merger", tenant="globex", path="/globex/merger", owner="user:gus")
        added = Edit(add=("p, role:q, acme, /acme/q/*, document:read, True, allow",))
        found = await made.desk.propose(TESS, added, expected=1, reason="", now=NOW)
        made.desk.decider = without_guard

        with pytest.raises(RefutedError) as told:
            await made.desk.activate(TESS, found.revision, expected=1, now=NOW)

        said = " ".join((*told.value.shown, str(told.value)))
        assert "globex" not in said
        assert told.value.shown == (ELSEWHERE,)
        assert "globex" not in str((await last_event(made.records)).detail)
        proof = await made.records.policies.proof(found.revision)
        assert proof is not None
        assert any("globex" in one.text for one in proof.mismatches)


async def test_who_waits_for_another_proof_finds_out_before_proving(made: Office) -> None:
    first, second = await made.propose(MORE), await made.propose(ANOTHER)

    outcomes = await asyncio.gather(
        made.activate(first), made.activate(second), return_exceptions=True
    )

    stale = [isinstance(one, StalePolicyError) for one in outcomes]
    assert sorted(stale) == [False, True]
    lost = (first, second)[stale.index(True)]
    assert await made.records.policies.proof(lost) is None


async def test_the_whole_plan_of_the_revision_in_effect_is_proved_on_demand(made: Office) -> None:
    await made.document("a")

    found = await made.desk.prove(1, NOW)

    assert (found.state, found.labels, found.mismatches) == (ProofState.PROVED, 1, ())
    assert await made.records.policies.proof(1) == found
    assert not (await made.records.standing.read()).refuted
    with pytest.raises(UnknownRevisionError):
        await made.desk.prove(9, NOW)


async def test_what_it_finds_refutes_the_revision_in_effect_at_once(made: Office) -> None:
    await made.document("a")
    made.desk.decider = to_everybody

    found = await made.desk.prove(1, NOW)

    assert found.state is ProofState.REFUTED
    assert found.mismatches
    assert (await made.records.standing.read()).refuted
    # A later proof that finds nothing takes nothing back.
    made.desk.decider = decide
    assert (await made.desk.prove(1, NOW)).state is ProofState.REFUTED


async def test_to_prove_a_mere_proposal_changes_nothing_but_what_is_known_of_it(
    made: Office,
) -> None:
    number = await made.propose(MORE)
    before = await made.records.standing.read()
    made.desk.decider = to_everybody

    assert (await made.desk.prove(number, NOW)).state is ProofState.REFUTED

    assert (await made.records.standing.read()).same_rights(before)
    made.desk.decider = decide
    with pytest.raises(RefutedRevisionError):
        await made.activate(number)


async def test_labels_that_come_meanwhile_make_no_sample_a_whole_proof(made: Office) -> None:
    await made.document("a")
    made.desk._gate = Meanwhile(made, 1)
    number = await made.propose(MORE)

    await made.activate(number)

    proof = await made.records.policies.proof(number)
    assert proof is not None
    assert (proof.state, proof.labels) == (ProofState.SAMPLED, 2)
