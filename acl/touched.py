"""Whom a change of rows can touch at all: everybody else is decided as before.

The law of this file: a decision rests on the asker's record, on what the role definitions answer
about the asker, and on the rules that are not plainly false for the request, in their order. Where
none of these differs between two policies, neither does the decision. In doubt it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from acl.casbin_door import PatternedRoleGraph, Row
from acl.compiler import Residual, residuals
from acl.decide import request_of
from acl.errors import RequestError
from acl.outcome import Outcome
from acl.policy import Policy
from acl.subject import Subject
from acl.trials import Asker, kinds_beyond_askers


class Touched:
    """Whom a change can touch; the two policies share model and schema."""

    def __init__(self, old: Policy, new: Policy) -> None:
        """Compare the rows."""
        self._old, self._new = old, new
        self._denied: dict[tuple[Subject, str, datetime], bool] = {}
        self._sides = _sides(old, new)
        self._kinds = [kind for kind in old.model.roles if _of(old, {kind}) != _of(new, {kind})]
        general = kinds_beyond_askers(old) | kinds_beyond_askers(new)
        self._everybody = any(
            kind in general or isinstance(old.graphs[kind], PatternedRoleGraph)
            for kind in self._kinds
        )

    def by(self, asker: Asker, actions: Iterable[str], at: datetime) -> Iterator[str]:
        """Yield those of `actions` about which an asker may be decided otherwise than before."""
        subject, beside = asker.subject, asker.beside
        left = [one for one in actions if beside is None or self._denied_otherwise(beside, one, at)]
        sides = self._sides if left and not self._reaches_others(subject, at) else None
        for action in left:
            if sides is None or any(_left(side, subject, action, at) != [] for side in sides):
                yield action

    def _denied_otherwise(self, subject: Subject, action: str, at: datetime) -> bool:
        key = subject, action, at
        if key not in self._denied:
            self._denied[key] = self._denies_otherwise(*key)
        return self._denied[key]

    def _denies_otherwise(self, subject: Subject, action: str, at: datetime) -> bool:
        if self._sides is None or self._reaches_others(subject, at):
            before, after = (_denials(one, subject, action, at) for one in (self._old, self._new))
            return before is None or before != after
        return any(_denials(side, subject, action, at) != frozenset() for side in self._sides)

    def _reaches_others(self, subject: Subject, at: datetime) -> bool:
        return self._everybody or any(
            before.reached(name, domain, at) != after.reached(name, domain, at)
            for before, after in (
                (self._old.graphs[one], self._new.graphs[one]) for one in self._kinds
            )
            for domain in {subject.tenant, "", *before.domains(), *after.domains()}
            for name in subject.principals
        )


def _left(policy: Policy, subject: Subject, action: str, at: datetime) -> list[Residual] | None:
    """Return the rules that are not plainly false, or nothing if that cannot be said."""
    try:
        return residuals(policy, request_of(policy, subject, action, at), at)
    except RequestError:
        return None


def _denials(
    policy: Policy, subject: Subject, action: str, at: datetime
) -> frozenset[Outcome] | None:
    """Return what is left of the rules that deny or that can raise, or nothing as above."""
    left = _left(policy, subject, action, at)
    if left is None:
        return None
    return frozenset(one.outcome for one in left if one.effect != "allow" or not one.outcome.total)


def _of(policy: Policy, kinds: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    return [(row.kind, row.values) for row in policy.rows if row.kind in kinds]


def _sides(old: Policy, new: Policy) -> tuple[Policy, ...] | None:
    """Return the rules that only one policy has, or nothing if the order of the others matters."""
    if not old.rules or not new.rules or not _in_order(old.rules, new.rules):
        return None
    before, after = ({row.values for row in policy.rules} for policy in (old, new))
    return (*_only(old, before - after), *_only(new, after - before))


def _only(policy: Policy, values: set[tuple[str, ...]]) -> Iterator[Policy]:
    rules = tuple(row for row in policy.rules if row.values in values)
    if rules:
        yield replace(policy, rules=rules, groups=tuple((place,) for place in range(len(rules))))


def _in_order(old: Sequence[Row], new: Sequence[Row]) -> bool:
    """Say whether the rules that both have come in the same order, and as often."""
    before, after = [row.values for row in old], [row.values for row in new]
    both = set(before) & set(after)
    return [one for one in before if one in both] == [one for one in after if one in both]
