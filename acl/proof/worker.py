"""A proof in a process of its own: what the process is given, and what it can be asked.

The laws of this file:

1. A process is given texts and bytes, and reads the policy itself: what is proved is what would be
   loaded, and nothing that the asking process holds in memory can be proved by mistake.
2. Every process that is given the same job lays out the same plan.
3. The process ends when the one that started it does, however that ended.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.admission.admission import read_csv
from acl.labels import Label, LabelSchema
from acl.policy.decide import decide
from acl.policy.policy import Policy, load
from acl.proof.plan import BUDGET, plan_for
from acl.proof.proof import Batch, Decider, Proof, ProofReport

_PACKED: Final = 500


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy as it stands in its files: model.conf and policy.csv."""

    model: str
    rules: str

    def load(self, schema: LabelSchema) -> Policy:
        """Read the policy.

        Raises:
            PolicyError: with every place that is refused.
        """
        return load(self.model, read_csv(self.rules), schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofJob:
    """What is to be proved.

    Attributes:
        proposed: the policy that is proved.
        schema: the content of labels.toml.
        labels: the distinct labels of live documents, from `packed`.
        at: the moment for which time-limited roles are decided.
        current: the policy in effect; its roles are compared too.
        budget: how many pairs the gate may hold.
        alone: whether the gate is for the labels alone, without neighbours and specimens.
        decider: what is compared with Casbin; named so that a proof can be seen to fail.
    """

    proposed: PolicyText
    schema: str
    labels: tuple[bytes, ...]
    at: datetime
    current: PolicyText | None = None
    budget: int = BUDGET
    alone: bool = False
    decider: Decider = decide

    def proof(self) -> Proof:
        """Read everything and lay out the plan.

        Raises:
            PolicyError, SchemaError, LabelError: a text cannot be read.
        """
        schema = LabelSchema.from_toml(self.schema)
        proposed = self.proposed.load(schema)
        policies = [self.current.load(schema), proposed] if self.current else [proposed]
        live = [label for part in self.labels for label in _unpacked(part, schema)]
        plan = plan_for(policies, live, budget=self.budget, alone=self.alone)
        return Proof(proposed, plan, self.at, decider=self.decider)


def packed(labels: Sequence[Label]) -> Iterator[bytes]:
    """Yield the labels in small parts, so that whoever packs them can do something in between."""
    for first in range(0, len(labels), _PACKED):
        part = [one.as_json() for one in labels[first : first + _PACKED]]
        yield json.dumps(part).encode()


def _unpacked(part: bytes, schema: LabelSchema) -> list[Label]:
    return [schema.parse(raw) for raw in json.loads(part)]


class _Process:
    """What this process was given."""

    job: ProofJob | None = None
    proof: Proof | None = None


def begin(job: ProofJob, nice: int = 0, leave: Callable[[int], object] = os._exit) -> None:
    """Take the job; the first thing that happens in the process. It leaves when its parent ends."""
    _Process.job = job
    os.nice(nice)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_after, args=(parent.join, leave), daemon=True).start()


def _leave_after(parent_ends: Callable[[], None], leave: Callable[[int], object]) -> None:
    parent_ends()
    # Whoever waited for an answer is gone, and so is whoever would clean up.
    leave(0)


def begun() -> ProofReport:
    """Lay out the plan, and return the report of a proof that begins."""
    return _proof().begun()


def compared(start: int, stop: int) -> Batch:
    """Compare the pairs from `start` up to `stop`."""
    return _proof().batch(start, stop)


def _proof() -> Proof:
    if _Process.proof is None:
        if _Process.job is None:
            raise RuntimeError("the process was given no job")
        _Process.proof = _Process.job.proof()
    return _Process.proof
