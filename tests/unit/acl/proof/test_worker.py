"""What a process of the proof is given, and what it answers."""

from __future__ import annotations

import multiprocessing
import threading

import pytest

from acl.proof import worker as proof_worker
from acl.proof.worker import PolicyText, ProofJob, begin, begun, compared, packed
from tests.unit.acl.company_policy import ROWS
from tests.unit.acl.default_policy import FOLDER, MODEL, NOW, SCHEMA, label
from tests.unit.acl.proof.test_proof import LIVE

SCHEMA_TEXT = (FOLDER / "labels.toml").read_text()


def job(rows: str = ROWS, current: str | None = None) -> ProofJob:
    return ProofJob(
        proposed=PolicyText(MODEL, rows),
        schema=SCHEMA_TEXT,
        labels=tuple(packed(LIVE)),
        at=NOW,
        current=PolicyText(MODEL, current) if current else None,
        budget=300,
    )


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process, as if it were one of the proof's own."""
    monkeypatch.setattr(proof_worker._Process, "job", None)
    monkeypatch.setattr(proof_worker._Process, "proof", None)


@pytest.mark.usefixtures("process")
def test_a_process_lays_out_the_plan_and_compares_ranges_of_it() -> None:
    begin(job())
    report = begun()

    assert report.plan.gate == 300
    assert compared(0, 40).stop == 40
    assert report.with_batch(compared(0, 40)).with_batch(compared(40, 50)).stop == 50
    assert report.wrong == 0


@pytest.mark.usefixtures("process")
def test_a_process_without_a_job_says_so() -> None:
    with pytest.raises(RuntimeError, match="no job"):
        begun()


@pytest.mark.usefixtures("process")
def test_a_process_leaves_when_its_parent_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parent:
        ended = threading.Event()

        def join(self) -> None:
            self.ended.wait()

    left, codes = threading.Event(), list[int]()

    def leave(code: int) -> None:
        codes.append(code)
        left.set()

    monkeypatch.setattr(multiprocessing, "parent_process", Parent)
    begin(job(), leave=leave)
    assert not left.is_set()
    Parent.ended.set()
    assert left.wait(10)
    assert codes == [0]


def test_the_roles_of_the_policy_in_effect_are_compared_too() -> None:
    fewer = ROWS.replace("g, user:eve, role:contractor, acme, _, _\n", "")

    assert job(fewer).proof().plan.summary.roles < job(fewer, ROWS).proof().plan.summary.roles
    assert (
        job(fewer, ROWS).proof().begun().policy_digest == job(fewer).proof().begun().policy_digest
    )


def test_labels_are_packed_in_small_parts_and_read_again() -> None:
    many = [label(path=f"/acme/{number}") for number in range(1201)]
    parts = list(packed(many))

    assert len(parts) == 3
    assert [one for part in parts for one in proof_worker._unpacked(part, SCHEMA)] == many
