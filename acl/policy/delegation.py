"""Delegation: may this editor make this change to the policy?

The laws of this file:

1. Whoever holds `policy:administer` may make any change.
2. Anybody else needs the right in question, such as `policy:edit`. What its rules leave over is
   their *region*: the labels about whose access they decide. Of the policy they may touch only what
   `acl.policy.delegable` admits: rows of their own tenant.
3. For every profile, action and moment from now on: whatever somebody gains lies in the region,
   and in what the editor holds themself both today and at that moment; whatever somebody loses
   lies in the region. This is decided for all labels that there could be, under the policy in
   effect before the change.
4. What cannot be decided is refused, and so is what would take too long: all the work of one
   question is taken from one budget.

On whom and when a change is tried is the business of `acl.policy.trials`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from acl.actions import Action
from acl.algebra.conditions import all_of
from acl.containment.budget import Budget, UndecidedError
from acl.containment.search import escapee_of, is_held
from acl.decision import Decision, Permitted
from acl.errors import FilterTooLargeError, Refusal, RequestError
from acl.labels import Label
from acl.policy.admission import POLICY_FILE
from acl.policy.decide import ACTION_COLUMNS, decide
from acl.policy.delegable import undelegable
from acl.policy.policy import Policy
from acl.policy.profiles import stands_for
from acl.policy.touched import Touched
from acl.policy.trials import Calendar, Company
from acl.predicate import NEVER, Condition, Constant, holds
from acl.subject import Subject

STEPS: Final = 4_000_000
"""Steps of one question; a step takes about a microsecond."""

_DECISION: Final = 300
_GROUP: Final = 25
_RULE: Final = 60
"""Steps for a decision, for rows that are addressed to one name, for a row that contributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overreach:
    """What a change would do that its editor has no right to do.

    Attributes:
        sentence: for the editor.
        profile: to whom.
        action: what they could do, or no longer do.
        at: when.
        label: with which documents; there need be none.
    """

    sentence: str
    profile: Subject
    action: str
    at: datetime
    label: Label


Verdict: TypeAlias = tuple[Refusal, ...] | Overreach
"""Nothing if the change may be made; otherwise why it may not."""


def may_propose(  # noqa: PLR0913 - each is a part of the question
    old: Policy,
    new: Policy,
    editor: Subject,
    *,
    profiles: Iterable[Subject],
    at: datetime,
    steps: int = STEPS,
) -> Verdict:
    """Say what stands against `editor` proposing `new` instead of `old`, if anything does.

    Args:
        old: the policy in effect.
        new: the policy proposed.
        editor: whose rights count.
        profiles: the subjects that stand for every role under both policies, in every tenant.
        at: now.
        steps: how long it may take.

    Raises:
        RequestError, FilterTooLargeError: the editor's own rights cannot be decided upon.
    """
    question = _Question(old, new, editor, Action.POLICY_EDIT, at)
    return question.verdict(profiles, Budget(steps))


def may_activate(  # noqa: PLR0913 - each is a part of the question
    old: Policy,
    new: Policy,
    editor: Subject,
    *,
    profiles: Iterable[Subject],
    at: datetime,
    steps: int = STEPS,
) -> Verdict:
    """Say what stands against `editor` letting `new` take effect, if anything does.

    Raises:
        RequestError, FilterTooLargeError: the editor's own rights cannot be decided upon.
    """
    question = _Question(old, new, editor, Action.POLICY_ACTIVATE, at)
    return question.verdict(profiles, Budget(steps))


@dataclass(frozen=True, slots=True)
class _Question:
    old: Policy
    new: Policy
    editor: Subject
    right: Action
    at: datetime

    def verdict(self, profiles: Iterable[Subject], budget: Budget) -> Verdict:
        """Apply the laws in their order."""
        schema = self.old.schema
        if is_held(self._decided(Action.POLICY_ADMINISTER), schema):
            return ()
        decision = self._decided(self.right)
        if not isinstance(decision, Permitted) or not is_held(decision, schema):
            return (self._refusal("the editor does not hold this right"),)
        refusals = undelegable(self.old, self.new, self.editor.tenant)
        if refusals:
            return refusals
        try:
            return _Trial(self, decision.predicate, budget).overreach(profiles) or ()
        except UndecidedError as error:
            return (self._refusal(str(error)),)

    def _decided(self, action: str) -> Decision:
        return decide(self.old, self.editor, action, self.at)

    def _refusal(self, reason: str) -> Refusal:
        return Refusal(POLICY_FILE, self.right, reason)


@dataclass(slots=True)
class _Trial:
    question: _Question
    region: Condition
    budget: Budget
    _held: dict[tuple[str, datetime], Condition] = field(default_factory=dict)
    _proved: set[tuple[Condition, Condition, str, datetime]] = field(default_factory=set)

    def overreach(self, profiles: Iterable[Subject]) -> Overreach | None:
        """Return the first thing that goes too far."""
        old, new, editor = self.question.old, self.question.new, self.question.editor
        company = Company(old, new, editor, self.budget)
        touched, calendar = Touched(old, new, self.budget), Calendar((old, new), self.question.at)
        actions = tuple(_actions(old, new))
        for subject in company.askers(profiles):
            # The editor's rights come and go too, and with them what they can give.
            for moment in calendar.moments(subject, editor, *editor.actors):
                for action in touched.by(subject, actions, moment):
                    found = self._compared(subject, action, moment)
                    if found is not None:
                        return found
        return None

    def _compared(self, subject: Subject, action: str, moment: datetime) -> Overreach | None:
        both = self.question.old, self.question.new
        before, after = (self._condition(one, subject, action, moment) for one in both)
        key = before, after, action, moment
        if before == after or key in self._proved:
            return None
        found = self._found(*key)
        if found is None:
            self._proved.add(key)
            return None
        what, label = found
        when = "" if moment == self.question.at else f" from {moment:%Y-%m-%d %H:%M:%S}"
        return Overreach(
            sentence=f"{_who(subject)} would {what}{when}",
            profile=subject,
            action=action,
            at=moment,
            label=label,
        )

    def _found(
        self, before: Condition, after: Condition, action: str, moment: datetime
    ) -> tuple[str, Label] | None:
        """Return what goes too far, and a label on which it does."""
        schema, held = self.question.old.schema, self._of_editor(action, moment)
        rightful = all_of(self.region, held)
        gained = escapee_of([after], [before, rightful], schema, budget=self.budget)
        if gained is not None:
            beyond = "does not hold it themself" if _holds(self.region, gained) else _REGION
            return f"gain `{action}` where the editor {beyond}", gained
        lost = escapee_of([before], [after, self.region], schema, budget=self.budget)
        return None if lost is None else (f"lose `{action}` where the editor {_REGION}", lost)

    def _of_editor(self, action: str, moment: datetime) -> Condition:
        """Return what the editor holds both today and at a moment, as things stand."""
        if (action, moment) not in self._held:
            old, editor = self.question.old, self.question.editor
            moments = {self.question.at, moment}
            held = [self._condition(old, editor, action, one) for one in sorted(moments)]
            self._held[action, moment] = all_of(*held)
        return self._held[action, moment]

    def _condition(self, policy: Policy, subject: Subject, action: str, at: datetime) -> Condition:
        """Return where a subject may do something; a request that fails is refused: nowhere."""
        self.budget.spend(_DECISION + _GROUP * len(policy.groups))
        try:
            decision = decide(policy, subject, action, at)
        except (RequestError, FilterTooLargeError):
            return NEVER
        if not isinstance(decision, Permitted):
            return NEVER
        self.budget.spend(_RULE * len(decision.rules))
        return decision.predicate


_REGION: Final = "may not change the policy"


def _holds(condition: Condition, label: Label) -> bool:
    return not isinstance(condition, Constant) and holds(condition, label)


def _actions(old: Policy, new: Policy) -> Iterator[str]:
    """Yield every action there is, and whatever else a rule of either policy names as one."""
    named = {
        value
        for policy in (old, new)
        for row in policy.rules
        for column, value in policy.named(row).items()
        if column.partition("_")[2] in ACTION_COLUMNS
    }
    yield from sorted({*Action, *named})


def _who(subject: Subject) -> str:
    return " with ".join(f"`{name}`" for name in stands_for(subject))
