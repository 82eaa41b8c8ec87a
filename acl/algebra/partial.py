"""Partial evaluation: a term, for one asker and one row, becomes an outcome over labels.

The laws of this file:

1. What no label changes is computed here and now by Casbin's own evaluator. If it raises, the
   outcome is an error for every label, as `enforce` would raise.
2. Parts are evaluated from left to right, and not at all behind the one that decides.
3. Results are remembered per term and per value of the columns that it reads, so that ten thousand
   rows that name one role ask about that role once.
4. Parts are joined from the last to the first. Where attributes can be missing, what a later part
   needs then stands once, within what the earlier ones need, and not once for each of them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce

from acl.algebra.leaves import outcome_of
from acl.algebra.outcome import FALSE, RAISES, TRUE, Outcome, constant
from acl.errors import RequestError
from acl.language.casbin_adapter import FUNCTIONS, Evaluator, RoleGraph
from acl.language.roles import PlainRoleGraph
from acl.language.terms import (
    AllOf,
    AnyPart,
    Known,
    Negation,
    ResourceHolder,
    ResourceRole,
    RoleInDomain,
    Rule,
    Term,
    Touching,
)
from acl.predicate import NEVER


@dataclass(slots=True)
class Partial:
    """One evaluation of a policy for one asker.

    Attributes:
        names: the asker's side of the request, such as `{"r_sub": {...}, "r_act": "read"}`.
        graphs: the role definitions.
        at: the moment for which time-limited links are decided, in UTC.
        rule: the term of a rule column's text.
    """

    names: Mapping[str, object]
    graphs: Mapping[str, RoleGraph]
    at: datetime
    rule: Callable[[str], Term]
    _row: Mapping[str, str] = field(init=False, default_factory=dict)
    _memo: dict[tuple[Known | Touching, tuple[str, ...]], Outcome] = field(
        init=False, default_factory=dict
    )
    _evaluator: Evaluator = field(init=False)
    _scope: _Scope = field(init=False)

    def __post_init__(self) -> None:
        links = {name: _has_link(graph, self.at) for name, graph in self.graphs.items()}
        self._evaluator = Evaluator({**FUNCTIONS, **links})
        self._scope = _Scope(self._evaluator, self.names)

    def outcome(self, term: Term, row: Mapping[str, str]) -> Outcome:
        """Return where `term` is true and false for labels, given the columns of one row.

        Raises:
            ExpressionError: the asker's values lead to a condition that has no filter form.
            RequestError: a condition on the asker is not a boolean.
        """
        self._row = row
        return self._term(term)

    def _term(self, term: Term) -> Outcome:
        match term:
            case AllOf(parts):
                return self._all(parts)
            case AnyPart(parts):
                return self._any(parts)
            case Negation(part):
                return ~self._term(part)
            case Rule(column):
                return self._term(self.rule(self._row[column]))
            case _:
                return self._remembered(term)

    def _all(self, parts: tuple[Term, ...]) -> Outcome:
        outcomes: list[Outcome] = []
        for part in parts:
            outcomes.append(self._term(part))
            if outcomes[-1].true is NEVER:  # law 2
                break
        return reduce(_before, reversed(outcomes), TRUE)  # law 4

    def _any(self, parts: tuple[Term, ...]) -> Outcome:
        outcomes: list[Outcome] = []
        for part in parts:
            outcomes.append(self._term(part))
            if outcomes[-1].false is NEVER:  # law 2
                break
        return reduce(_instead, reversed(outcomes), FALSE)  # law 4

    def _remembered(self, term: Known | Touching) -> Outcome:
        key = term, tuple(self._row[name] for operand in operands(term) for name in operand.columns)
        known = self._memo.get(key)
        if known is None:
            known = self._memo[key] = self._computed(term)  # law 3
        return known

    def _computed(self, term: Known | Touching) -> Outcome:
        self._scope.update(self._row)
        try:
            values = [
                self._evaluator.value(operand.node, self._scope) for operand in operands(term)
            ]
        except Exception:  # noqa: BLE001 - any error of Casbin denies
            return RAISES  # law 1
        if isinstance(term, Known):
            return _boolean(values[0])
        return outcome_of(term, values, self.graphs, self.at)


def _before(rest: Outcome, first: Outcome) -> Outcome:
    return first.then(rest)


def _instead(rest: Outcome, first: Outcome) -> Outcome:
    return first.otherwise(rest)


class _Scope(dict[str, object]):
    """The names of an evaluation; an attribute of the asker is read once and kept."""

    def __init__(self, evaluator: Evaluator, names: Mapping[str, object]) -> None:
        super().__init__(names)
        self._evaluator = evaluator

    def __missing__(self, name: str) -> object:
        record, _, attribute = name.partition(".")
        if not attribute:
            raise KeyError(name)
        node = ast.Attribute(
            value=ast.Name(id=record, ctx=ast.Load()), attr=attribute, ctx=ast.Load()
        )
        self[name] = self._evaluator.value(node, self)
        return self[name]


def _has_link(graph: RoleGraph, at: datetime) -> Callable[..., bool]:
    """Return the function that the matcher calls; what a name reaches is found out once."""
    reached: dict[tuple[str, str], frozenset[str]] = {}

    def has_link(name: str, role: str, domain: object = "") -> bool:
        where = str(domain)
        if not isinstance(graph, PlainRoleGraph):
            return graph.has_link(name, role, where, at)
        if (name, where) not in reached:
            reached[name, where] = graph.reached(name, where, at)
        return role in reached[name, where]

    return has_link


def _boolean(value: object) -> Outcome:
    if not isinstance(value, bool):
        # Casbin goes on with the value's truth and may raise later; no policy should rely on it.
        raise RequestError("a condition on the subject is neither true nor false")
    return constant(value)


def operands(term: Known | Touching) -> tuple[Known, ...]:
    """Return the asker's side of a term, in the order in which Casbin evaluates it."""
    match term:
        case Known():
            return (term,)
        case ResourceRole(_, _, name, domain) | ResourceHolder(_, _, name, domain):
            return (name, domain) if domain else (name,)
        case RoleInDomain(_, _, name, role):
            return name, role
        case _:
            return (term.operand,)


def evaluated(term: Known | Touching, row: Mapping[str, str]) -> list[object] | None:
    """Return the operands of `term` if the row alone decides them, for the check at load."""
    if any(operand.asks for operand in operands(term)):
        return None
    evaluator = Evaluator(FUNCTIONS)
    try:
        return [evaluator.value(operand.node, row) for operand in operands(term)]
    except Exception:  # noqa: BLE001 - the caller reports that it raises
        return []
