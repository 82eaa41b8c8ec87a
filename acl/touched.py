"""Whom a change of rows can touch at all: everybody else is decided as before.

The law of this file: a decision rests on the asker's record, on what the role definitions answer
about the asker, and on the rules that are not plainly false for the request, in their order. Where
none of these differs between two policies, neither does the decision. In doubt it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from acl.casbin_door import PatternedRoleGraph, Row
from acl.compiler import residuals
from acl.decide import request_of
from acl.difference import Difference, difference_of
from acl.errors import PolicyError, RequestError
from acl.outcome import Outcome
from acl.policy import Policy, load
from acl.subject import Subject
from acl.trials import Asker, kinds_beyond_askers


class Touched:
    """Whom a change can touch; the two policies share model and schema."""

    def __init__(self, old: Policy, new: Policy) -> None:
        """Compare the rows."""
        self._old, self._new = old, new
        self._denied: dict[tuple[Subject, str, datetime], bool] = {}
        self._rules = _rules_that_differ(old, new)
        self._kinds = [kind for kind in old.model.roles if _of(old, {kind}) != _of(new, {kind})]
        general = kinds_beyond_askers(old) | kinds_beyond_askers(new)
        self._everybody = any(
            kind in general or isinstance(old.graphs[kind], PatternedRoleGraph)
            for kind in self._kinds
        )

    def by(self, asker: Asker, actions: Iterable[str], at: datetime) -> Iterator[str]:
        """Yield those of `actions` about which an asker may be decided otherwise than before."""
        for action in actions:
            beside = asker.beside
            matters = beside is None or self._denied_otherwise(beside, action, at)
            if matters and self._touches(asker.subject, action, at):
                yield action

    def _touches(self, subject: Subject, action: str, at: datetime) -> bool:
        if self._rules is None or self._everybody or self._reaches_others(subject, at):
            return True
        return self._rules.concerns(subject, action, at)

    def _denied_otherwise(self, subject: Subject, action: str, at: datetime) -> bool:
        key = subject, action, at
        if key not in self._denied:
            before, after = (_denials(one, *key) for one in (self._old, self._new))
            self._denied[key] = before is None or before != after
        return self._denied[key]

    def _reaches_others(self, subject: Subject, at: datetime) -> bool:
        return any(
            before.reached(name, domain, at) != after.reached(name, domain, at)
            for before, after in (
                (self._old.graphs[one], self._new.graphs[one]) for one in self._kinds
            )
            for domain in {subject.tenant, "", *before.domains(), *after.domains()}
            for name in subject.principals
        )


def _denials(
    policy: Policy, subject: Subject, action: str, at: datetime
) -> frozenset[Outcome] | None:
    """Return what is left of the rules that deny or that can raise, or nothing if that fails."""
    try:
        left = residuals(policy, request_of(policy, subject, action, at), at)
    except RequestError:
        return None
    return frozenset(one.outcome for one in left if one.effect != "allow" or not one.outcome.total)


def _of(policy: Policy, kinds: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    return [(row.kind, row.values) for row in policy.rows if row.kind in kinds]


def _rules_that_differ(old: Policy, new: Policy) -> Difference | None:
    """Return the rules that differ, links aside, or nothing if that is not all."""
    if not _in_order(old.rules, new.rules):
        return None
    links = [row for row in old.rows if row.kind in old.model.roles]
    rules = [row for row in new.rows if row.kind not in new.model.roles]
    try:
        after = load(
            new.model.text,
            [*rules, *links],
            new.schema,
            matching=new.matching,
            resource=new.names.resource,
            suffix=new.suffix,
        )
    except PolicyError:
        return None
    return difference_of(old, after)


def _in_order(old: Sequence[Row], new: Sequence[Row]) -> bool:
    """Say whether the rules that both have come in the same order, and as often."""
    before, after = [row.values for row in old], [row.values for row in new]
    both = set(before) & set(after)
    return [one for one in before if one in both] == [one for one in after if one in both]
