"""Why a subject may or may not do something with one document, in terms of the policy's own lines.

An explanation is computed from the same residuals as the filter, evaluated on one label, so it
cannot tell another story than the decision. It names rules and attributes of this one document;
who may ask for it is decided by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from acl.casbin_door import Row
from acl.compiler import Examined, examine
from acl.decide import decide, request_of
from acl.decision import Permitted, RuleId
from acl.guards import guard
from acl.labels import Label
from acl.outcome import Outcome
from acl.policy import Policy
from acl.predicate import Condition, Constant, holds
from acl.subject import Subject
from acl.terms import Rule, Term


class Status(StrEnum):
    """What a rule, a condition or a guard comes to for one document."""

    HOLDS = "holds"
    FAILS = "fails"
    RAISES = "raises"


@dataclass(frozen=True, slots=True)
class ConditionLine:
    """One condition of a rule, as its author wrote it, and what it comes to."""

    text: str
    status: Status


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule that is addressed to the subject and the action.

    Attributes:
        rule: which row.
        text: the row as it stands in the policy.
        effect: `allow` or `deny`.
        status: whether the whole rule holds for the document.
        conditions: its parts in the order of the matcher.
    """

    rule: RuleId
    text: str
    effect: str
    status: Status
    conditions: tuple[ConditionLine, ...]

    @property
    def missing(self) -> tuple[ConditionLine, ...]:
        """The conditions that do not hold."""
        return tuple(one for one in self.conditions if one.status is not Status.HOLDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one subject may or may not do something with one document.

    Attributes:
        subject: whose rights these are.
        allowed: what the policy and the guards decide for this subject alone.
        same_tenant: the guard that no rule can lift.
        rules: every rule addressed to the subject, those that hold first, then the nearest.
        actors: the same for each agent that acts for the subject.
    """

    subject: str
    allowed: bool
    same_tenant: bool
    rules: tuple[RuleLine, ...]
    actors: tuple[Explanation, ...] = ()

    @property
    def permitted(self) -> bool:
        """Whether the subject, through all of its actors, is allowed."""
        return self.allowed and all(one.permitted for one in self.actors)

    @property
    def deciding(self) -> tuple[RuleLine, ...]:
        """The rules that hold: those that deny if any does, otherwise those that allow."""
        holding = [rule for rule in self.rules if rule.status is Status.HOLDS]
        denying = tuple(rule for rule in holding if rule.effect == "deny")
        return denying or tuple(rule for rule in holding if rule.effect == "allow")


def explain(
    policy: Policy, subject: Subject, action: str, label: Label, at: datetime
) -> Explanation:
    """Explain one decision.

    Raises:
        RequestError: an attribute of the subject cannot be decided upon.
    """
    alone = Subject(
        id=subject.id,
        tenant=subject.tenant,
        clearance=subject.clearance,
        compartments=subject.compartments,
        groups=subject.groups,
    )
    decision = decide(policy, alone, action, at)
    examined = examine(policy, request_of(policy, alone, action, at), at)
    lines = [_line(policy, row, label, examined) for row in examined.rows]
    return Explanation(
        subject=subject.id,
        allowed=isinstance(decision, Permitted) and holds(decision.predicate, label),
        same_tenant=_holds(guard(policy.schema, subject.tenant), label),
        rules=tuple(sorted(lines, key=lambda line: len(line.missing))),
        actors=tuple(explain(policy, actor, action, label, at) for actor in subject.actors),
    )


def _line(policy: Policy, row: Row, label: Label, examined: Examined) -> RuleLine:
    named = policy.named(row)
    conditions = tuple(
        ConditionLine(_text(text, term, named), _status(examined.outcome(term, row), label))
        for text, term in policy.conjuncts
    )
    return RuleLine(
        rule=RuleId(row.kind, row.number),
        text=", ".join((row.kind, *row.values)),
        effect=policy.effect_of(row),
        status=_status(examined.outcome(policy.term, row), label),
        conditions=conditions,
    )


def _text(text: str, term: Term, named: Mapping[str, str]) -> str:
    return named[term.column] if isinstance(term, Rule) else text


def _status(outcome: Outcome, label: Label) -> Status:
    if _holds(outcome.true, label):
        return Status.HOLDS
    return Status.FAILS if _holds(outcome.false, label) else Status.RAISES


def _holds(condition: Condition, label: Label) -> bool:
    if isinstance(condition, Constant):
        return bool(condition.value)
    return holds(condition, label)
