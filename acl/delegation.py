"""Delegation: may this editor make this change to the policy?

The laws of this file:

1. Whoever holds `policy:administer` may make any change.
2. Anybody else needs the right in question, such as `policy:edit`. What its rules leave over is
   their *region*: the labels about whose access they decide. Of the policy they may touch only what
   `acl.delegable` admits: rows of their own tenant.
3. For every profile, action and moment from now on: whatever somebody gains lies in the region,
   and in what the editor holds themself today; whatever somebody loses lies in the region. This
   is decided for all labels that there could be, under the policy in effect before the change.
4. What cannot be decided is refused.

On whom and when a change is tried is the business of `acl.trials`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from acl.actions import Action
from acl.admission import POLICY_FILE
from acl.budget import UndecidedError
from acl.conditions import all_of
from acl.containment import STEPS, escapee_of
from acl.decide import ACTION_COLUMNS, decide
from acl.decision import Decision, Permitted
from acl.delegable import undelegable
from acl.errors import FilterTooLargeError, Refusal, RequestError
from acl.labels import Label
from acl.policy import Policy
from acl.predicate import NEVER, Condition, Constant, holds
from acl.profiles import stands_for
from acl.region import is_held
from acl.subject import Subject
from acl.touched import Touched
from acl.trials import Asker, Calendar, askers


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a question may take before the answer is that it cannot be decided.

    Attributes:
        decisions: for all profiles; each takes about a millisecond at a hundred rules.
        steps: of one comparison.
    """

    decisions: int = 100_000
    steps: int = STEPS


LIMITS: Final = Limits()


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
    limits: Limits = LIMITS,
) -> Verdict:
    """Say what stands against `editor` proposing `new` instead of `old`, if anything does.

    Args:
        old: the policy in effect.
        new: the policy proposed.
        editor: whose rights count.
        profiles: the subjects that stand for every role under both policies, in every tenant.
        at: now.
        limits: how long it may take.

    Raises:
        RequestError, FilterTooLargeError: the editor's own rights cannot be decided upon.
    """
    question = _Question(old, new, editor, Action.POLICY_EDIT, at)
    return question.verdict(profiles, limits)


def may_activate(  # noqa: PLR0913 - each is a part of the question
    old: Policy,
    new: Policy,
    editor: Subject,
    *,
    profiles: Iterable[Subject],
    at: datetime,
    limits: Limits = LIMITS,
) -> Verdict:
    """Say what stands against `editor` letting `new` take effect, if anything does.

    Raises:
        RequestError, FilterTooLargeError: the editor's own rights cannot be decided upon.
    """
    question = _Question(old, new, editor, Action.POLICY_ACTIVATE, at)
    return question.verdict(profiles, limits)


@dataclass(frozen=True, slots=True)
class _Question:
    old: Policy
    new: Policy
    editor: Subject
    right: Action
    at: datetime

    def verdict(self, profiles: Iterable[Subject], limits: Limits) -> Verdict:
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
        trial = _Trial(self, decision.predicate, limits.steps, limits.decisions)
        try:
            everybody = askers(self.old, self.new, profiles, self.editor.tenant)
            return trial.overreach(everybody) or ()
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
    steps: int
    left: int
    _held: dict[str, Condition] = field(default_factory=dict)
    _proved: set[tuple[Condition, Condition, str]] = field(default_factory=set)

    def overreach(self, askers: Iterable[Asker]) -> Overreach | None:
        """Return the first thing that goes too far."""
        old, new, at = self.question.old, self.question.new, self.question.at
        touched, calendar = Touched(old, new), Calendar((old, new), at)
        actions = tuple(_actions(old, new))
        for asker in askers:
            for moment in calendar.moments(asker.subject):
                for action in touched.by(asker, actions, moment):
                    found = self._compared(asker.subject, action, moment)
                    if found is not None:
                        return found
        return None

    def _compared(self, subject: Subject, action: str, moment: datetime) -> Overreach | None:
        both = self.question.old, self.question.new
        self.left -= 1
        if self.left < 0:
            raise UndecidedError("the change is about too many roles and moments; make it smaller")
        before, after = (_condition(one, subject, action, moment) for one in both)
        if before == after or (before, after, action) in self._proved:
            return None
        found = self._found(before, after, action)
        if found is None:
            self._proved.add((before, after, action))
            return None
        what, label = found
        who, when = (
            _who(subject),
            "" if moment == self.question.at else f" from {moment:%Y-%m-%d %H:%M:%S}",
        )
        return Overreach(
            sentence=f"{who} would {what}{when}",
            profile=subject,
            action=action,
            at=moment,
            label=label,
        )

    def _found(self, before: Condition, after: Condition, action: str) -> tuple[str, Label] | None:
        """Return what goes too far, and a label on which it does."""
        schema, held = self.question.old.schema, self._of_editor(action)
        gained = escapee_of([after], [before, all_of(self.region, held)], schema, budget=self.steps)
        if gained is not None:
            beyond = _REGION if not _holds(self.region, gained) else "does not hold it themself"
            return f"gain `{action}` where the editor {beyond}", gained
        lost = escapee_of([before], [after, self.region], schema, budget=self.steps)
        return None if lost is None else (f"lose `{action}` where the editor {_REGION}", lost)

    def _of_editor(self, action: str) -> Condition:
        """Return what the editor holds today, under the policy in effect."""
        if action not in self._held:
            asked = self.question
            self._held[action] = _condition(asked.old, asked.editor, action, asked.at)
        return self._held[action]


_REGION: Final = "may not change the policy"


def _condition(policy: Policy, subject: Subject, action: str, at: datetime) -> Condition:
    """Return where a subject may do something; a request that fails is refused, so nowhere."""
    try:
        decision = decide(policy, subject, action, at)
    except (RequestError, FilterTooLargeError):
        return NEVER
    return decision.predicate if isinstance(decision, Permitted) else NEVER


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
