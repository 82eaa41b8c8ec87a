"""Tests of a policy are run: each is decided by the compiled filter and by Casbin.

The laws of this file:

1. A test holds if the filter and Casbin both decide as it says. Where they differ it fails, and so
   does what cannot be decided.
2. A test that fails says why: which line permitted, what denied, or what was lacking.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.errors import AclError
from acl.explain.explain import Explanation, Hindrance, Obstacle, RuleLine, explain
from acl.labels import Label
from acl.language.rules_file import POLICY_FILE
from acl.policy.decide import decide
from acl.policy.policy import Policy
from acl.predicate import holds
from acl.proof.proof import Decider, PolicyOracle
from acl.subject import Subject

_LONGEST: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test whose asker and label are known.

    Attributes:
        place: of the test.
        permitted: what must come of it.
    """

    place: str
    subject: Subject
    action: str
    label: Label
    at: datetime
    permitted: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that does not hold, and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class Trial:
    """Runs tests of one policy."""

    def __init__(self, policy: Policy, *, decider: Decider = decide) -> None:
        """Have Casbin read the policy anew; `decider` is what is compared with it."""
        self._policy, self._decider = policy, decider
        self._oracle = PolicyOracle(policy)

    def failure(self, case: Case) -> Failure | None:
        """Return why a test fails, or nothing if it holds."""
        try:
            decision = self._decider(self._policy, case.subject, case.action, case.at)
        except AclError as error:
            return Failure(case.place, f"cannot be decided: {error}")
        filtered = holds(decision.condition, case.label)
        request = self._oracle.request(case.subject, case.action, case.at)
        allowed = self._oracle.allows(request, case.label)
        if filtered != allowed:  # law 1
            reason = f"the filter {_said(filtered)} and Casbin {_said(allowed)}, which is an error"
            return Failure(case.place, f"{reason} of this program")
        if filtered == case.permitted:
            return None
        told = explain(self._policy, case.subject, case.action, case.label, case.at)
        return Failure(case.place, reason_of(told))


def _said(permits: bool) -> str:  # noqa: FBT001 - it is the value
    return "permits it" if permits else "denies it"


def reason_of(told: Explanation) -> str:
    """Return in one sentence why a test that expects the opposite fails (law 2)."""
    if told.obstacle is not None:
        return f"expected allow, but {_hindered(told.obstacle)}"
    lines = ", ".join(map(line_of, told.deciding)) or "the matcher alone"
    return f"expected deny, but it is permitted by {lines}"


def _hindered(obstacle: Obstacle) -> str:
    if obstacle.rule is None:
        return str(obstacle.hindrance)
    lacking = obstacle.condition
    if obstacle.hindrance is Hindrance.DENIED or lacking is None:
        return f"{obstacle.hindrance}: {line_of(obstacle.rule)}"
    return f"{obstacle.hindrance}: `{lacking.text[:_LONGEST]}` of {line_of(obstacle.rule)}"


def line_of(rule: RuleLine) -> str:
    """Return where a rule stands, and what it says."""
    return f"{POLICY_FILE} line {rule.rule.row} `{rule.text[:_LONGEST]}`"
