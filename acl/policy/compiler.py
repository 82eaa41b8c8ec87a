"""Partial evaluation: for one asker, action and moment, the rules of a policy leave a residual.

The residual is a condition over labels. It holds for a label if and only if `enforce` permits.
Casbin evaluates the rows in order, stops early, and dies with the first row that raises; the laws
of this file say the same for all labels at once. `T`, `F` and `D` are where a row's matcher is
true, false, and defined (does not raise):

1. allow-override: the first row that matches and permits ends the walk.
   permitted = OR over permitting rows i of (D of every row up to i) AND T_i
2. allow-and-deny: the first denying row that matches ends it, otherwise all rows are evaluated.
   permitted = (D of every row) AND (OR of T over permitting rows) AND (F of every denying row)
3. priority: the first row that matches, permitting or denying, ends it.
   permitted = walk from the last row: permit: T or (F and rest); deny: F and rest; else: D and rest
4. A row whose effect is neither `allow` nor `deny` decides nothing but may raise.
5. Without a row, the matcher is evaluated once with every column as the empty text.
6. The guard stands beside all of it; no rule can lift it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import assert_never

from acl.algebra.conditions import all_of, any_of, settled
from acl.algebra.outcome import FALSE, Outcome
from acl.algebra.partial import Partial
from acl.decision import Decision, Denied, DenyReason, Permitted
from acl.errors import FilterTooLargeError, RequestError
from acl.language.casbin_adapter import Effect, Row
from acl.language.expression import ExpressionError
from acl.language.terms import Rule, Term, walk
from acl.policy.policy import Policy
from acl.predicate import ALWAYS, NEVER, Condition, Labelled

MAX_ALTERNATIONS = 200
"""Permit and deny rows that take turns nest the filter; beyond this it is refused."""


@dataclass(frozen=True, slots=True)
class Residual:
    """What is left of one row for one asker."""

    row: Row
    effect: str
    outcome: Outcome


def compile_request(
    policy: Policy,
    request: Mapping[str, object],
    at: datetime,
    *,
    guard: Condition = ALWAYS,
) -> Decision:
    """Decide, for every label at once, what an asker may do.

    Args:
        policy: the pinned policy.
        request: the asker's columns of the request by name, such as `{"sub": …, "act": …}`.
        at: now, in UTC; decides time-limited roles.
        guard: what no rule can lift.

    Raises:
        RequestError: a column is missing, or its value cannot be decided upon.
        FilterTooLargeError: the rules nest too deep.
    """
    left = residuals(policy, request, at)
    rules = _combined(policy.effect, left) if policy.rules else _empty(policy, request, at)
    condition = _guarded(policy, rules, guard)
    not_after = next((moment for moment in policy.boundaries if moment >= at), None)
    if condition is NEVER:
        raised = any(rest.outcome.defined is NEVER for rest in left)
        reason = DenyReason.RULE_RAISES if raised else DenyReason.NO_RULE
        return Denied(reason=reason, policy_digest=policy.digest, not_after=not_after)
    return Permitted(
        predicate=Labelled() if condition is ALWAYS else condition,
        rules=tuple(rest.row.id for rest in left if rest.outcome.true is not NEVER),
        policy_digest=policy.digest,
        not_after=not_after,
    )


def condition_of(policy: Policy, left: Sequence[Residual], guard: Condition) -> Condition:
    """Return what the residuals of a policy that has rules come to, in the order of its rules.

    Raises:
        FilterTooLargeError: the rules nest too deep.
    """
    return _guarded(policy, _combined(policy.effect, left), guard)


def _guarded(policy: Policy, rules: Condition, guard: Condition) -> Condition:
    return settled(all_of(guard, rules), policy.schema.required)  # law 6


@dataclass(frozen=True, slots=True)
class Examined:
    """The rows that are addressed to one asker, and a way to look into each of them.

    Attributes:
        rows: in order, without those whose matcher fails before it reads a label.
    """

    rows: tuple[Row, ...]
    _policy: Policy
    _partial: Partial

    def outcome(self, term: Term, row: Row) -> Outcome:
        """Return what a part of the matcher comes to under one row."""
        return _outcome(self._partial, term, self._policy.named(row))


def examine(policy: Policy, request: Mapping[str, object], at: datetime) -> Examined:
    """Return the rows that are addressed to an asker, for an explanation."""
    partial = _partial(policy, request, at)
    return Examined(tuple(_candidates(policy, partial)), policy, partial)


def residuals(policy: Policy, request: Mapping[str, object], at: datetime) -> list[Residual]:
    """Return what every row that is not plainly false leaves over, in order."""
    partial = _partial(policy, request, at)
    left: list[Residual] = []
    for row in _candidates(policy, partial):
        outcome = _outcome(partial, policy.term, policy.named(row))
        if outcome != FALSE:
            left.append(Residual(row, policy.effect_of(row), outcome))
    return left


def _candidates(policy: Policy, partial: Partial) -> list[Row]:
    """Return the rows whose matcher does not fail before it reads a label, in order."""
    open_groups = (
        group
        for group in policy.groups
        if _outcome(partial, policy.opening, policy.named(policy.rules[group[0]])) != FALSE
    )
    return [policy.rules[position] for position in sorted(chain.from_iterable(open_groups))]


def _partial(policy: Policy, request: Mapping[str, object], at: datetime) -> Partial:
    prefix, columns = policy.names.request
    wanted = {column for column in columns if column not in policy.names.resource}
    if request.keys() != wanted:
        raise RequestError(f"a request needs exactly: {', '.join(sorted(wanted))}")
    names = {f"{prefix}_{column}": value for column, value in request.items()}
    return Partial(names, policy.graphs, at, policy.rule_terms.__getitem__)


def _outcome(partial: Partial, term: Term, named: Mapping[str, str]) -> Outcome:
    try:
        return partial.outcome(term, named)
    except ExpressionError as error:
        raise RequestError(f"the asker's attributes have no filter form: {error}") from error


def _combined(effect: Effect, rows: Sequence[Residual]) -> Condition:
    match effect:
        case Effect.ALLOW_OVERRIDE:
            return _allow_override(rows)  # law 1
        case Effect.ALLOW_AND_DENY:
            return _allow_and_deny(rows)  # law 2
        case Effect.PRIORITY | Effect.SUBJECT_PRIORITY:
            return _priority(rows)  # law 3
        case Effect.DENY_OVERRIDE:
            raise AssertionError("a default-allow effect is refused when the policy is loaded")
        case _:
            assert_never(effect)


def _allow_override(rows: Sequence[Residual]) -> Condition:
    branches: list[Condition] = []
    permits: list[Condition] = []
    defined: Condition = ALWAYS
    for row in rows:
        if not row.outcome.total:
            branches.append(all_of(defined, any_of(*permits)))
            permits = []
            defined = all_of(defined, row.outcome.defined)
        if row.effect == "allow":
            permits.append(row.outcome.true)
    return any_of(*branches, all_of(defined, any_of(*permits)))


def _allow_and_deny(rows: Sequence[Residual]) -> Condition:
    return all_of(
        any_of(*(row.outcome.true for row in rows if row.effect == "allow")),
        *(row.outcome.false for row in rows if row.effect == "deny"),
        *(row.outcome.defined for row in rows),
    )


def _priority(rows: Sequence[Residual]) -> Condition:
    groups: list[tuple[str, list[Residual]]] = []
    for row in rows:
        joins = groups and groups[-1][0] == row.effect and groups[-1][1][-1].outcome.total
        if joins and row.outcome.total:
            groups[-1][1].append(row)
        else:
            groups.append((row.effect, [row]))
    if len(groups) > MAX_ALTERNATIONS:
        raise FilterTooLargeError(
            f"rules permit and deny in turns more than {MAX_ALTERNATIONS} times"
        )
    rest: Condition = NEVER
    for group in reversed(groups):
        rest = _before(rest, group)
    return rest


def _before(rest: Condition, group: tuple[str, list[Residual]]) -> Condition:
    effect, rows = group
    outcomes = [row.outcome for row in rows]
    if effect == "deny":
        return all_of(rest, *(outcome.false for outcome in outcomes))
    if effect != "allow":  # law 4
        return all_of(rest, *(outcome.defined for outcome in outcomes))
    true = any_of(*(outcome.true for outcome in outcomes))
    if all(outcome.total for outcome in outcomes):
        return any_of(true, rest)
    return any_of(true, all_of(rest, *(outcome.false for outcome in outcomes)))


def _empty(policy: Policy, request: Mapping[str, object], at: datetime) -> Condition:
    """Return what law 5 leaves.

    An asker with an empty value would equal the empty column; such a request is denied.
    """
    if any(isinstance(part, Rule) for part in walk(policy.term)) or _has_empty(request):
        return NEVER
    return _outcome(
        _partial(policy, request, at), policy.term, dict.fromkeys(policy.columns, "")
    ).true


def _has_empty(value: object) -> bool:
    match value:
        case Mapping():
            return any(map(_has_empty, value.values()))
        case list() | tuple():
            return any(map(_has_empty, value))
        case _:
            return value == ""
