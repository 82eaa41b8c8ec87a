"""The revision in effect is proved on every label, those that come later included."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from acl.records import Mismatch, Proof, ProofState
from acl.subject import Subject
from retrieval.policy import proof_watch
from retrieval.policy.proof_watch import ProofWatch
from retrieval.policy.prover import ProofError
from tests.integration.proving import MORE, Office, office, to_everybody, to_new
from tests.integration.world import NOW

pytestmark = pytest.mark.asyncio(loop_scope="session")

ZOE = Subject(id="user:zoe", tenant="acme", clearance=1)


def watch_of(made: Office) -> ProofWatch:
    return ProofWatch(made.records, made.desk, clock=lambda: NOW, poll=0.01, rest=0)


@contextlib.asynccontextmanager
async def watched(made: Office) -> AsyncIterator[None]:
    task = asyncio.create_task(watch_of(made).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def proof_of(made: Office, revision: int = 1) -> Proof | None:
    return await made.records.policies.proof(revision)


async def is_proved(made: Office, labels: int, revision: int = 1) -> bool:
    found = await proof_of(made, revision)
    wanted = (ProofState.PROVED, labels, labels)
    return found is not None and (found.state, found.labels, found.done) == wanted


@pytest_asyncio.fixture(name="made", loop_scope="session")
async def _made(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as made:
        yield made


async def test_the_first_revision_and_every_label_that_comes_are_proved(made: Office) -> None:
    await made.document("a")
    async with watched(made):
        await until(lambda: is_proved(made, 1))
        await made.document("b", owner="user:new")
        await until(lambda: is_proved(made, 2))
        number = await made.activate(await made.propose(MORE))
        await until(lambda: is_proved(made, 2, number))
        assert await made.records.proofs.compared(1) == frozenset()
    assert await made.suspended() == set()


async def test_a_fault_that_concerns_everybody_denies_everybody(made: Office) -> None:
    await made.document("a")
    assert await made.permits(ZOE)
    made.desk.decider = to_everybody

    found = await watch_of(made).prove(1)

    assert (found.state, found.done, found.labels) == (ProofState.REFUTED, 1, 1)
    assert await made.suspended() == {("acme", "group:everyone")}
    assert not await made.permits(ZOE)
    globex = Subject(id="user:gus", tenant="globex", clearance=1)
    assert await made.permits(globex)


async def test_a_label_that_comes_later_is_compared_and_its_fault_suspends(made: Office) -> None:
    await made.document("a")
    made.desk.decider = to_new
    async with watched(made):
        await until(lambda: _is_begun(made))
        await made.document("b", owner="user:new")

        async def suspended() -> bool:
            return await made.suspended() >= {("acme", "group:everyone"), ("acme", "role:z")}

        await until(suspended)
    found = await proof_of(made)
    assert found is not None
    assert found.state is ProofState.REFUTED


async def _is_begun(made: Office) -> bool:
    found = await proof_of(made)
    return found is not None and found.done > 0


async def test_what_was_refuted_stays_so_when_everything_else_agrees(made: Office) -> None:
    await made.document("a")
    mismatch = (Mismatch("acme", "user:x reads what Casbin denies"),)
    refuted = Proof(
        state=ProofState.REFUTED, labels=900, done=800, updated_at=NOW, mismatches=mismatch
    )
    await made.records.policies.note_proof(1, refuted)

    found = await watch_of(made).prove(1)

    assert (found.state, found.labels, found.done) == (ProofState.REFUTED, 1, 1)
    assert found.mismatches == mismatch


async def test_a_proof_goes_on_with_exactly_what_is_left(
    made: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        await made.document(name)
    monkeypatch.setattr(proof_watch, "LABELS_AT_ONCE", 1)
    first = asyncio.create_task(watch_of(made).prove(1))
    await until(lambda: _is_begun(made))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    before = await made.records.proofs.compared(1)
    assert 0 < len(before) < 3
    # Labels went and came meanwhile, so that every index moved.
    await made.document("d", owner="user:new")
    await made.document("b", path="/acme/z/elsewhere")

    compared = Counting(made)
    found = await compared.prove(1)

    assert (found.state, found.labels, found.done) == (ProofState.PROVED, 4, 4)
    assert compared.labels == len(await made.records.proofs.compared(1) - before)


class Counting(ProofWatch):
    """A watch that counts the labels it compares."""

    def __init__(self, made: Office) -> None:
        super().__init__(made.records, made.desk, clock=lambda: NOW, rest=0)
        self.labels = 0

    async def _some(self, found: Any, waiting: Any) -> bool:
        self.labels += len(waiting)
        return await super()._some(found, waiting)


async def test_two_at_once_do_no_harm(made: Office) -> None:
    for name in "ab":
        await made.document(name)

    found = await asyncio.gather(watch_of(made).prove(1), watch_of(made).prove(1))

    assert {(one.state, one.labels, one.done) for one in found} == {(ProofState.PROVED, 2, 2)}
    assert len(await made.records.proofs.compared(1)) == 2


async def test_a_new_compartment_asks_for_all_labels_of_its_tenant_again(made: Office) -> None:
    await made.document("a")
    await made.document("g", tenant="globex", path="/globex/g")
    await watch_of(made).prove(1)
    await made.document("b", compartments=["falcon"])

    again = Counting(made)
    await again.prove(1)

    assert again.labels == 2
    assert await is_proved(made, 3)


async def test_proving_a_mere_proposal_suspends_nobody(made: Office) -> None:
    await made.document("a")
    number = await made.propose(MORE)
    before = await made.records.standing.read()
    made.desk.decider = to_everybody

    found = await watch_of(made).prove(number)

    assert found.state is ProofState.REFUTED
    assert await made.suspended() == set()
    assert (await made.records.standing.read()).same_rights(before)
    assert await proof_of(made) is None


async def test_a_proof_ends_when_another_revision_takes_effect(
    made: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        await made.document(name)
    monkeypatch.setattr(proof_watch, "LABELS_AT_ONCE", 1)
    async with watched(made):
        await until(lambda: _is_begun(made))
        number = await made.activate(await made.propose(MORE))
        await until(lambda: is_proved(made, 4, number))
    found = await proof_of(made)
    assert found is not None
    assert found.state in {ProofState.STOPPED, ProofState.PROVED}


async def test_what_fails_is_tried_again(made: Office) -> None:
    await made.document("a")
    failures: list[Exception] = [ProofError("ended"), OSError("no process"), ValueError("other")]

    class Failing(ProofWatch):
        async def _some(self, found: Any, waiting: Any) -> bool:
            if failures:
                raise failures.pop()
            return await super()._some(found, waiting)

    watch = Failing(made.records, made.desk, clock=lambda: NOW, poll=0.01, rest=0)
    task = asyncio.create_task(watch.run())
    await until(lambda: is_proved(made, 1))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert failures == []
