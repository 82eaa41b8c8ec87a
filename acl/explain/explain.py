"""Why a subject may or may not do something with one document, in terms of the policy's own lines.

The laws of this file:

1. An explanation is computed from the same residuals as the filter, evaluated on one label, so it
   cannot tell another story than the decision.
2. A subject who is not permitted is told one obstacle: the first thing that would have to change.
3. Each rule comes with the path on which it reaches the subject: from a name of theirs through
   roles to the name in the rule.

It names rules and attributes of this one document; who may ask for it is decided by the caller.
What would change the answer is the business of `acl.explain.changes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from acl.algebra.outcome import Outcome
from acl.decision import RuleId, guard
from acl.labels import Label
from acl.language.casbin_adapter import Effect, Row
from acl.language.terms import Rule, Term
from acl.policy.compiler import Examined, examine
from acl.policy.decide import decide, request_of
from acl.policy.names import path_to
from acl.policy.policy import Policy
from acl.predicate import holds
from acl.subject import Subject


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
        path: from a name of the subject, through roles, to the name in the rule; empty if the rule
            reaches the subject in another way.
    """

    rule: RuleId
    text: str
    effect: str
    status: Status
    conditions: tuple[ConditionLine, ...]
    path: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[ConditionLine, ...]:
        """The conditions that do not hold."""
        return tuple(one for one in self.conditions if one.status is not Status.HOLDS)


class Hindrance(StrEnum):
    """What can stand between a subject and a document, in the order in which it is told."""

    TENANT = "the document belongs to another tenant"
    DENIED = "a rule denies it"
    RAISES = "a rule cannot be evaluated for this document, which denies it"
    CONDITION = "the nearest rule asks for more"
    NO_RULE = "no rule that allows it is addressed to the subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """The first thing that stands between a subject and a document.

    Attributes:
        subject: whose obstacle it is; an agent's counts as well as the subject's.
        hindrance: of which kind.
        rule: the rule that denies, raises, or comes nearest to allowing it.
        condition: the first of its conditions that does not hold.
    """

    subject: str
    hindrance: Hindrance
    rule: RuleLine | None = None
    condition: ConditionLine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one subject may or may not do something with one document.

    Attributes:
        subject: whose rights these are.
        allowed: what the policy and the guards decide for this subject alone.
        same_tenant: the guard that no rule can lift.
        rules: every rule addressed to the subject, those that hold first, then the nearest.
        label: what the document is labelled with.
        own_obstacle: what stands between the document and this subject alone, if anything does.
        actors: the same for each agent that acts for the subject.
    """

    subject: str
    allowed: bool
    same_tenant: bool
    rules: tuple[RuleLine, ...]
    label: Label
    own_obstacle: Obstacle | None
    actors: tuple[Explanation, ...] = ()

    @property
    def permitted(self) -> bool:
        """Whether the subject, through all of its actors, is allowed."""
        return self.allowed and all(one.permitted for one in self.actors)

    @property
    def deciding(self) -> tuple[RuleLine, ...]:
        """The rules that hold and count: those that allow, or if it is denied those that deny."""
        counts = "allow" if self.allowed else "deny"
        return tuple(
            rule for rule in self.rules if (rule.status, rule.effect) == (Status.HOLDS, counts)
        )

    @property
    def obstacle(self) -> Obstacle | None:
        """The first obstacle of the subject, or else of an agent; nothing if it is permitted."""
        all_of_them = (self.own_obstacle, *(one.obstacle for one in self.actors))
        return next((one for one in all_of_them if one is not None), None)


def explain(
    policy: Policy, subject: Subject, action: str, label: Label, at: datetime
) -> Explanation:
    """Explain one decision.

    Raises:
        RequestError: an attribute of the subject cannot be decided upon.
    """
    alone = replace(subject, actors=())
    decision = decide(policy, alone, action, at)
    examined = examine(policy, request_of(policy, alone, action, at), at)  # law 1
    lines = map(_Asked(policy, alone, label, at, examined).line, examined.rows)
    rules = tuple(sorted(lines, key=lambda line: len(line.missing)))
    allowed = holds(decision.condition, label)
    same_tenant = holds(guard(policy.schema, subject.tenant), label)
    return Explanation(
        subject=subject.id,
        allowed=allowed,
        same_tenant=same_tenant,
        rules=rules,
        label=label,
        own_obstacle=None
        if allowed
        else _obstacle(policy, subject, rules, same_tenant=same_tenant),
        actors=tuple(explain(policy, actor, action, label, at) for actor in subject.actors),
    )


def _obstacle(
    policy: Policy, subject: Subject, rules: Sequence[RuleLine], *, same_tenant: bool
) -> Obstacle:
    if not same_tenant:
        return Obstacle(subject=subject.id, hindrance=Hindrance.TENANT)
    allowing = [rule for rule in rules if rule.effect == "allow"]
    denying = () if policy.effect is Effect.ALLOW_OVERRIDE else rules
    for hindrance, hindering in (
        (Hindrance.DENIED, (rule for rule in denying if _is(rule, "deny", Status.HOLDS))),
        (Hindrance.RAISES, _raising(rules, allowing)),
        (Hindrance.CONDITION, iter(allowing)),
    ):
        rule = next(hindering, None)
        if rule is not None:
            condition = next(iter(rule.missing), None)
            # law 2
            return Obstacle(subject=subject.id, hindrance=hindrance, rule=rule, condition=condition)
    return Obstacle(subject=subject.id, hindrance=Hindrance.NO_RULE)


def _is(rule: RuleLine, effect: str, status: Status) -> bool:
    return (rule.effect, rule.status) == (effect, status)


def _raising(rules: Sequence[RuleLine], allowing: Sequence[RuleLine]) -> Iterator[RuleLine]:
    """Yield the rules that raise, where one that allows would hold: then those are in the way."""
    if any(rule.status is Status.HOLDS for rule in allowing):
        yield from (rule for rule in rules if rule.status is Status.RAISES)


@dataclass(frozen=True, slots=True)
class _Asked:
    policy: Policy
    subject: Subject
    label: Label
    at: datetime
    examined: Examined

    def line(self, row: Row) -> RuleLine:
        policy, named = self.policy, self.policy.named(row)
        return RuleLine(
            rule=row.id,
            text=", ".join((row.kind, *row.values)),
            effect=policy.effect_of(row),
            status=self._status(policy.term, row),
            conditions=tuple(
                ConditionLine(_text(text, term, named), self._status(term, row))
                for text, term in policy.conjuncts
            ),
            path=path_to(policy, self.subject, row, self.at),  # law 3
        )

    def _status(self, term: Term, row: Row) -> Status:
        return _status(self.examined.outcome(term, row), self.label)


def _text(text: str, term: Term, named: Mapping[str, str]) -> str:
    return named[term.column] if isinstance(term, Rule) else text


def _status(outcome: Outcome, label: Label) -> Status:
    if holds(outcome.true, label):
        return Status.HOLDS
    return Status.FAILS if holds(outcome.false, label) else Status.RAISES
