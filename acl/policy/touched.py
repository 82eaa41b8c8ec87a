"""Whom a change of rows can touch at all: everybody else is decided as before.

The law of this file: a decision rests on the asker's record, on what the role definitions answer
about the asker, and on the rules that are not plainly false for the request, in their order. Where
none of these differs between two policies, neither does the decision. In doubt it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from acl.containment.budget import Budget
from acl.errors import RequestError
from acl.policy.compiler import residuals
from acl.policy.decide import request_of
from acl.policy.delegable import in_order
from acl.policy.names import Meanings
from acl.policy.opening import groups_of
from acl.policy.policy import Policy
from acl.subject import Subject

_LOOK: Final = 100
"""Steps for looking at one asker's roles, or at one action."""

_GROUP: Final = 25
"""Steps for looking whether rows of one kind are addressed to an asker."""


class Touched:
    """Whom a change can touch that `delegable` admits: its links are about askers alone."""

    def __init__(self, old: Policy, new: Policy, budget: Budget) -> None:
        """Compare the rows."""
        self._old, self._new, self._budget = old, new, budget
        self._sides = _sides(old, new)
        self._kinds = [kind for kind in old.model.roles if _of(old, kind) != _of(new, kind)]
        self._meant = frozenset[str]().union(*map(_meant, self._sides or ()))

    def by(self, subject: Subject, actions: Iterable[str], at: datetime) -> Iterator[str]:
        """Yield those of `actions` about which an asker may be decided otherwise than before."""
        if self._sides is None or self._reaches_others(subject, at):
            yield from actions
            return
        for action in actions:
            if action in self._meant and any(
                self._applies(side, subject, action, at) for side in self._sides
            ):
                yield action

    def _applies(self, side: Policy, subject: Subject, action: str, at: datetime) -> bool:
        """Say whether a rule that only one policy has may be true or raise for an asker."""
        self._budget.spend(_LOOK + _GROUP * len(side.groups))
        try:
            return residuals(side, request_of(side, subject, action, at), at) != []
        except RequestError:
            return True

    def _reaches_others(self, subject: Subject, at: datetime) -> bool:
        self._budget.spend(_LOOK * (1 + len(self._kinds)))
        return any(
            before.reached(name, domain, at) != after.reached(name, domain, at)
            for before, after in (
                (self._old.graphs[one], self._new.graphs[one]) for one in self._kinds
            )
            for domain in {subject.tenant, "", *before.domains(), *after.domains()}
            for name in subject.principals
        )


def _meant(side: Policy) -> frozenset[str]:
    meanings = Meanings(side)
    return frozenset[str]().union(*map(meanings.of, side.rules))


def _of(policy: Policy, kind: str) -> list[tuple[str, ...]]:
    return [row.values for row in policy.rows if row.kind == kind]


def _sides(old: Policy, new: Policy) -> tuple[Policy, ...] | None:
    """Return the rules that only one policy has, or nothing if the order of the others matters."""
    if not old.rules or not new.rules or not in_order(old.rules, new.rules):
        return None
    before, after = ({row.values for row in policy.rules} for policy in (old, new))
    return (*_only(old, before - after), *_only(new, after - before))


def _only(policy: Policy, values: set[tuple[str, ...]]) -> Iterator[Policy]:
    rules = tuple(row for row in policy.rules if row.values in values)
    if rules:
        groups = groups_of(policy.opening, rules, policy.columns)
        yield replace(policy, rules=rules, groups=groups)
