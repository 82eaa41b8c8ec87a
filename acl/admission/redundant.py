"""Rules that change nothing beside the others: no decision, for anybody who is tried, on any label.

The laws of this file:

1. A rule is only told where the policy decides alike with it and without it, on all labels that
   there can be (`acl.containment`), for each subject that stands for a role and may meet the rule,
   alone and with what the rule names held beside it. What is too much to decide changes something.
2. Nothing is told where the moment of a request, a pattern on names, or a function on the asker
   decides: more than the subjects that are tried would matter. Links are tried at each moment at
   which one begins or ends.
3. One policy costs a bounded number of steps. The rules that are reached later are not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import product
from typing import Final

from acl.actions import Action
from acl.admission.columns import Columns
from acl.admission.row_values import tenants_in
from acl.algebra.outcome import FALSE
from acl.containment.search import escapee_of
from acl.decision import guard
from acl.errors import AclError, Budget, UndecidedError
from acl.labels import CLASSIFICATION, MAX_INTEGER
from acl.language.casbin_adapter import Effect, Row
from acl.policy.compiler import Residual, condition_of, examine, residuals
from acl.policy.decide import request_of
from acl.policy.moment import MOMENT_COLUMNS
from acl.policy.names import Meanings, expressed, texts_of
from acl.policy.policy import Policy
from acl.policy.profiles import profiles
from acl.predicate import Condition
from acl.subject import MAX_GROUPS, Subject, is_identity

STEPS: Final = 400_000
"""How long conditions are compared, for all rules of a policy together."""

ASKED: Final = 4000
"""Requests that are tried, for all rules of a policy together."""

DENIES_NOTHING: Final = "changes nothing: no line allows what it denies"
COMES_LATE: Final = "changes nothing: a line that goes first decides, or none allows what it denies"
BESIDE_OTHERS: Final = "changes nothing beside the other lines"

_MOMENTS: Final = 9
_ELSEWHERE: Final = "elsewhere"
_HELD: Final = ("group:", "role:")


class Redundant:
    """Finds the rules of one policy that change nothing."""

    def __init__(self, policy: Policy, columns: Columns) -> None:
        """Begin with nothing found out."""
        self._policy, self._columns = policy, columns
        self._steps, self._asked = Budget(STEPS), 0

    def reason(self, row: Row) -> str:
        """Return why a rule changes nothing, or `""` if it does or that is not known."""
        if len(self._policy.rules) == 1 or not self._is_plain(row):
            return ""
        beside: set[int] | None = None
        try:
            for left, fence in self._met(row):
                if self._changes(row, left, fence):
                    return ""
                covering = self._covering(row, left)
                beside = covering if beside is None else beside & covering
        except AclError:  # law 1: also an `UndecidedError`
            return ""
        return "" if beside is None else self._said(row, beside)

    def _said(self, row: Row, beside: set[int]) -> str:
        if beside:
            return f"changes nothing beside line {min(beside)}"
        if self._policy.effect_of(row) != "deny":
            return BESIDE_OTHERS
        ordered = self._policy.effect in {Effect.PRIORITY, Effect.SUBJECT_PRIORITY}
        return COMES_LATE if ordered else DENIES_NOTHING

    def _is_plain(self, row: Row) -> bool:  # law 2
        policy, row_of = self._policy, self._policy.named(row)
        rules = (row_of[one] for one in self._columns.rule_columns)
        return (
            not policy.matching
            and MOMENT_COLUMNS.isdisjoint(policy.names.request[1])
            and len(policy.boundaries) < _MOMENTS
            and all(map(self._columns.asks_plainly, (None, *rules)))
        )

    def _met(self, row: Row) -> Iterator[tuple[list[Residual], Condition]]:
        """Yield what all rules leave over for each request that may meet a rule."""
        actions = sorted(self._meanings.of(row) & set(Action))
        for subject, action, at in product(self._standing(row), actions, self._moments):
            self._asked += 1
            if self._asked > ASKED:
                raise UndecidedError("too many requests")  # law 3
            request = request_of(self._policy, subject, action, at)
            if examine(self._policy, request, at).outcome(self._policy.term, row) != FALSE:
                yield (
                    residuals(self._policy, request, at),
                    guard(self._policy.schema, subject.tenant),
                )

    def _changes(self, row: Row, left: Sequence[Residual], fence: Condition) -> bool:
        others = [rest for rest in left if rest.row.number != row.number]
        without = condition_of(self._policy, others, fence)
        whole = condition_of(self._policy, left, fence)
        return whole != without and (self._beyond(whole, without) or self._beyond(without, whole))

    def _covering(self, row: Row, left: Iterable[Residual]) -> set[int]:
        """Return the lines of the same effect that hold wherever a rule holds."""
        listed = list(left)
        mine = next(rest for rest in listed if rest.row.number == row.number)
        alike = (rest for rest in listed if rest is not mine and rest.effect == mine.effect)
        return {
            rest.row.number
            for rest in alike
            if rest.outcome.true == mine.outcome.true
            or not self._beyond(mine.outcome.true, rest.outcome.true)
        }

    def _beyond(self, inner: Condition, outer: Condition) -> bool:
        schema = self._policy.schema
        return escapee_of([inner], [outer], schema, budget=self._steps) is not None

    def _standing(self, row: Row) -> Iterator[Subject]:
        """Yield who may meet a rule: those that it names first, then others who hold its names."""
        names = frozenset(filter(is_identity, texts_of(self._policy, row)))
        held = frozenset(one for one in names if one.startswith(_HELD))
        near = [one for one in self._profiles if not names.isdisjoint(one.principals)]
        yield from near
        for who in (None, *sorted(names - held)):
            for one in self._profiles:
                yield replace(one, id=who or one.id, groups=one.groups | held)
        yield from self._profiles

    @cached_property
    def _profiles(self) -> tuple[Subject, ...]:
        named = {value for _, _, value in tenants_in(self._policy, self._columns)}
        attribute = self._policy.schema.attributes.get(CLASSIFICATION)
        levels = tuple(range(len(attribute.levels))) if attribute is not None else ()
        return profiles(
            (self._policy,),
            tenants={*named, _ELSEWHERE},
            clearances=levels or (0, MAX_INTEGER),
            compartments=frozenset([_ELSEWHERE, *sorted(expressed(self._policy))][:MAX_GROUPS]),
        )

    @cached_property
    def _moments(self) -> tuple[datetime, ...]:
        past, moment = datetime.min.replace(tzinfo=UTC), timedelta(microseconds=1)
        turns = (one + after for one in self._policy.boundaries for after in (moment * 0, moment))
        return (past, *turns)

    @cached_property
    def _meanings(self) -> Meanings:
        return Meanings(self._policy)
