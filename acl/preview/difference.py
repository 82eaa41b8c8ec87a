"""Two policies and one subject: what each permits, without doing twice what they share.

The laws of this file:

1. What is told is what `decide` says under each policy.
2. A row that is plainly false for a request contributes to no decision, under any effect, and
   raises for no label. So a subject is decided alike if no row concerns them that only one policy
   has; and for others the rows that both have are evaluated once. This holds as long as everything
   else is the same: the model, the links of roles, the schema, the order of the rows that both
   have; and each policy has rules, none of them twice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from acl.decision import guard
from acl.errors import AclError
from acl.language.casbin_adapter import Row
from acl.policy.compiler import condition_of, residuals
from acl.policy.decide import decide, request_of
from acl.policy.policy import Policy
from acl.predicate import NEVER, Condition
from acl.subject import Subject


@dataclass(frozen=True, slots=True)
class Decided:
    """Which labels a subject is permitted, or why there is no filter for them."""

    condition: Condition
    error: str = ""


class Conditions:
    """What subjects are permitted under one policy, found out once for each."""

    def __init__(self, policy: Policy) -> None:
        """Begin with nothing found out."""
        self.policy = policy
        self._known: dict[tuple[Subject, str, int, int], Decided] = {}

    def of(self, subject: Subject, action: str, at: datetime) -> Decided:
        """Return what `subject` is permitted; between two boundaries of roles it is the same."""
        asked = self._asked(subject, action, at)
        if asked not in self._known:
            self._known[asked] = self._decided(subject, action, at)
        return self._known[asked]

    def keep(self, subject: Subject, action: str, at: datetime, decided: Decided) -> Decided:
        """Remember what was found out elsewhere."""
        return self._known.setdefault(self._asked(subject, action, at), decided)

    def _asked(self, subject: Subject, action: str, at: datetime) -> tuple[Subject, str, int, int]:
        moments = self.policy.boundaries
        return subject, action, bisect_left(moments, at), bisect_right(moments, at)

    def _decided(self, subject: Subject, action: str, at: datetime) -> Decided:
        try:
            decision = decide(self.policy, subject, action, at)
        except AclError as error:
            return Decided(NEVER, str(error))
        return Decided(decision.condition)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two policies that differ in rules alone.

    Attributes:
        after: the second of them.
        removed: the rules that only the first has, as a policy of their own.
        added: those that only the second has.
        places: where each rule stands among those of the first policy.
    """

    before: Policy
    after: Policy
    removed: Policy
    added: Policy
    places: Mapping[tuple[str, ...], int]

    def conditions(
        self, subject: Subject, action: str, at: datetime
    ) -> tuple[Condition, Condition] | None:
        """Return what each policy permits, or nothing if no rule that differs concerns the subject.

        Raises:
            RequestError, FilterTooLargeError: the subject cannot be decided upon.
        """
        removed, added = (
            residuals(side, request_of(side, subject, action, at), at)
            for side in (self.removed, self.added)
        )
        if not removed and not added:
            return None
        new = residuals(self.after, request_of(self.after, subject, action, at), at)
        old = [residual for residual in new if residual.row.values in self.places] + removed
        old.sort(key=lambda residual: self.places[residual.row.values])
        fence = guard(self.after.schema, subject.tenant)
        return condition_of(self.before, old, fence), condition_of(self.after, new, fence)


class Comparison:
    """Two policies, subject by subject."""

    def __init__(self, before: Conditions, after: Conditions) -> None:
        """Find out how much the two share."""
        self._before, self._after = before, after
        self._difference = difference_of(before.policy, after.policy)

    def of(self, subject: Subject, action: str, at: datetime) -> tuple[Decided, Decided] | None:
        """Return what each policy permits, or nothing if that is plainly the same.

        What is found out is kept for the next question.
        """
        asked = subject, action, at
        # Who acts through agents is decided by several requests at once.
        if self._difference is not None and not subject.actors:
            try:
                found = self._difference.conditions(*asked)
            except AclError:
                return self._before.of(*asked), self._after.of(*asked)
            if found is None:  # law 2
                return None
            old, new = map(Decided, found)
            return self._before.keep(*asked, old), self._after.keep(*asked, new)
        return self._before.of(*asked), self._after.of(*asked)


def difference_of(before: Policy, after: Policy) -> Difference | None:
    """Return the rules that differ, or nothing if more than rules may differ."""
    old, new = ([row.values for row in policy.rules] for policy in (before, after))
    places, others = {values: place for place, values in enumerate(old)}, set(new)
    once = len(places) == len(old) and len(others) == len(new)
    if not old or not new or not once or _frame(before) != _frame(after):
        return None
    if [values for values in old if values in others] != [
        values for values in new if values in places
    ]:
        return None
    return Difference(
        before=before,
        after=after,
        removed=_only(before, places.keys() - others),
        added=_only(after, others - places.keys()),
        places=places,
    )


def _frame(policy: Policy) -> tuple[object, ...]:
    links = tuple((row.kind, row.values) for row in _links(policy))
    return policy.model.text, links, policy.matching, policy.schema.digest, policy.suffix


def _links(policy: Policy) -> list[Row]:
    return [row for row in policy.rows if row.kind in policy.model.roles]


def _only(policy: Policy, values: set[tuple[str, ...]]) -> Policy:
    rules = [row for row in policy.rules if row.values in values]
    return policy.with_rows([*rules, *_links(policy)])
