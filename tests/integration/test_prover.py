"""The proof in processes of its own: what it says, how it stops, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from acl.proof.proof import Progress
from acl.proof.worker import PolicyText, ProofJob, packed
from retrieval.policy.gate import ProofError, prove
from tests.unit.acl.company_policy import ROWS
from tests.unit.acl.default_policy import FOLDER, MODEL, NOW, READ, label
from tests.unit.acl.proof.test_proof import everything

SCHEMA_TEXT = (FOLDER / "labels.toml").read_text()
FEW = (
    f"p, group:everyone, *, /*, {READ}, r.obj.owner == r.sub.id, allow\n"
    f"p, role:z, acme, /acme/*, {READ}, True, allow\n"
)
ROOT = Path(__file__).resolve().parents[2]


def job(*, budget: int = 400, schema: str = SCHEMA_TEXT, rows: str = ROWS) -> ProofJob:
    live = [label(), label(owner="user:eve", path="/acme/engineering/x", compartments=[])]
    return ProofJob(
        proposed=PolicyText(MODEL, rows),
        schema=schema,
        labels=tuple(packed(live)),
        at=NOW,
        budget=budget,
    )


def children() -> set[int]:
    """Return the processes that this one started and that have not ended."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            command = (entry / "cmdline").read_bytes() if state != "Z" else b""
            if int(parent) == os.getpid() and b"spawn_main" in command:
                found.add(int(entry.name))
    return found


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def test_the_gate_is_proved_with_progress() -> None:
    seen: list[Progress] = []
    gate = await prove(job(), on_progress=seen.append)

    assert gate.holds
    assert gate.stop == gate.plan.gate == 400
    assert 0 < gate.allowed < 400
    assert [one.compared for one in seen] == [0, 100, 200, 300, 400]
    assert {one.of for one in seen} == {400}
    await until(lambda: not children())


async def test_a_mismatch_ends_the_gate() -> None:
    gate = await prove(replace(job(), decider=everything), workers=1)

    assert not gate.holds
    assert gate.stop < gate.plan.gate
    assert gate.counterexamples[0].compiled


async def test_the_whole_plan_is_proved_when_that_is_asked_for() -> None:
    few = job(rows=FEW, budget=100)
    seen: list[Progress] = []
    gate, whole = await prove(few), await prove(few, whole=True, on_progress=seen.append)

    assert (gate.holds, gate.is_whole) == (True, False)
    assert whole.is_whole
    assert whole.stop == whole.plan.whole > whole.plan.gate == gate.stop
    assert {one.of for one in seen} == {whole.plan.whole}
    await until(lambda: not children())


async def test_a_proof_that_is_cancelled_leaves_no_process_behind() -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(prove(job(budget=10**6), on_progress=lambda _: begun.set()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not children())


async def test_a_process_that_ends_proves_nothing() -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(prove(job(budget=10**6), on_progress=lambda _: begun.set()))
    await begun.wait()
    for child in children():
        os.kill(child, 9)
    with pytest.raises(ProofError, match="ended before its answer"):
        await task
    await until(lambda: not children())


async def test_a_job_that_cannot_be_read_proves_nothing() -> None:
    with pytest.raises(ProofError, match=r"cannot begin: labels\.toml declares no attribute"):
        await prove(job(schema=""))


PARENT = """
import asyncio, sys
from tests.integration.test_prover import job
from retrieval.policy.gate import prove

async def main():
    await prove(job(budget=10**6), on_progress=lambda one: print("begun", flush=True))

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert parent.stdout is not None
    with parent, parent.stdout as said:
        assert said.readline() == "begun\n"
        mine = _children_of(parent.pid)
        parent.kill()
    assert mine
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{one}/cmdline").exists() for one in mine):
        assert time.monotonic() < deadline, "a process of the proof outlived its parent"
        time.sleep(0.05)


def _children_of(parent: int) -> list[int]:
    path = Path(f"/proc/{parent}/task/{parent}/children")
    threads = Path(f"/proc/{parent}/task").iterdir() if path.exists() else ()
    return [int(one) for thread in threads for one in (thread / "children").read_text().split()]
