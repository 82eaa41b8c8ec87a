"""Bounds: nothing that a policy says can hold the service, whoever asks.

The laws of this file:

1. A pattern stands in the policy itself, as a text or in a column, and an engine can match it in
   one pass over the text. One that is computed, or comes with the asker, is refused.
2. `%` is a remainder of numbers: beside a text it would format, to any length.
3. The patterns of links, where a role definition is matched by patterns, are held to law 1 too.
4. The pattern of a path of the resource is known when the policy is read: one that comes with the
   asker may have no form in the filter. `keyMatch` has one for every name.
5. The filter of one row fits into what an engine is asked, for whoever meets it. What is decided by
   the asker alone adds nothing to it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from itertools import chain
from typing import Final

from acl.algebra.conditions import all_of
from acl.algebra.leaves import outcome_of
from acl.algebra.outcome import TRUE, Outcome, of_leaf
from acl.algebra.partial import evaluated, operands
from acl.engine.filter import MAX_CONDITIONS, to_filter
from acl.errors import FilterTooLargeError, Refusal
from acl.labels import AttributeType
from acl.language.casbin_adapter import Row
from acl.language.matching_file import MATCHING_FILE
from acl.language.model_file import MODEL_FILE
from acl.language.patterns import PatternError, require_bounded
from acl.language.rules_file import POLICY_FILE
from acl.language.terms import (
    AllOf,
    AnyPart,
    Known,
    Matches,
    Negation,
    Rule,
    Term,
    Touching,
    walk,
)
from acl.policy.policy import Policy
from acl.predicate import AnyOf, Constant, Labelled

MAX_LINKS: Final = 200
_PATTERNED: Final = frozenset(
    {"regexMatch", "keyMatch2", "keyMatch3", "keyMatch4", "keyMatch5", "keyGet2", "keyGet3",
     "globMatch"}
)  # fmt: skip


_OF_THE_ASKER: Final = (
    "takes its pattern from a text or a column; one that comes with the asker is not known when "
    "the policy is read, and could have no filter. Compare with `==`, or with `keyMatch`"
)
_FEW: Final = 20
"""So many conditions on a label never grow to a filter that is too large."""

_NO_MOMENT: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an expression stands, and the rows for which it is evaluated."""

    where: str
    column: str
    rows: tuple[Row, ...]

    def refusal(self, operator: str, reason: str) -> Refusal:
        return Refusal(self.where, operator, reason, self.column)


def unbounded(policy: Policy) -> Iterator[Refusal]:
    """Refuse what could take longer than the text is long, where it stands."""
    yield from _refused(policy, policy.term, _Place(MODEL_FILE, "", policy.rules))
    columns = sorted({part.column for part in walk(policy.term) if isinstance(part, Rule)})
    for row in policy.rules:
        named = policy.named(row)
        for column in columns:
            place = _Place(_line(row), column.partition("_")[2], (row,))
            yield from _refused(policy, policy.rule_terms[named[column]], place)
    yield from chain.from_iterable(_links(policy, kind) for kind in policy.matching)
    yield from _sizes(policy)


def _sizes(policy: Policy) -> Iterator[Refusal]:
    """Refuse the matcher or the rows whose filter has too many conditions (law 5)."""
    reason = f"makes a filter of more than {MAX_CONDITIONS} conditions; say it in fewer"
    if any(_too_large(policy, effect, {}) for effect in set(map(policy.effect_of, policy.rules))):
        yield Refusal(MODEL_FILE, "m", reason)
        return
    for row in policy.rules:
        if _too_large(policy, policy.effect_of(row), policy.named(row)):
            yield Refusal(_line(row), row.kind, reason)


def _too_large(policy: Policy, effect: str, row: Mapping[str, str]) -> bool:
    if sum(1 for _ in _touching(policy, policy.term, row)) < _FEW:
        return False
    outcome = _largest(policy, policy.term, row) or TRUE
    decides = outcome.false if effect == "deny" else outcome.true
    condition = all_of(decides, outcome.defined)
    try:
        to_filter(Labelled() if isinstance(condition, Constant) else condition, policy.schema)
    except FilterTooLargeError:
        return True
    return False


def _touching(policy: Policy, term: Term, row: Mapping[str, str]) -> Iterator[Touching]:
    for part in walk(term):
        if isinstance(part, Rule) and row:
            yield from _touching(policy, policy.rule_terms[row[part.column]], row)
        elif isinstance(part, Touching):
            yield part


def _largest(policy: Policy, term: Term, row: Mapping[str, str]) -> Outcome | None:
    """Return what a term comes to for an asker to whom every condition on a label matters."""
    match term:
        case Known():
            return None
        case AllOf(parts):
            left = [one for part in parts if (one := _largest(policy, part, row))]
            return reduce(lambda rest, first: first.then(rest), reversed(left)) if left else None
        case AnyPart(parts):
            opposites = AllOf(tuple(map(Negation, parts)))
            outcome = _largest(policy, opposites, row)
            return None if outcome is None else ~outcome
        case Negation(part):
            outcome = _largest(policy, part, row)
            return None if outcome is None else ~outcome
        case Rule(column):
            return _largest(policy, policy.rule_terms[row[column]], row) if row else None
        case _:
            values = evaluated(term, row)
            if values:
                return outcome_of(term, values, policy.graphs, _NO_MOMENT)
            unknown = frozenset({f"unknown {id(term)}"})
            return of_leaf(AnyOf(term.attribute.name, unknown), term.attribute)


def _refused(policy: Policy, term: Term, place: _Place) -> Iterator[Refusal]:
    for part in walk(term):
        if isinstance(part, Matches) and part.operand.asks and part.function != "keyMatch":
            yield place.refusal(part.function, _OF_THE_ASKER)  # law 4
    for node in _nodes(term):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[_, pattern, *_]) if name in _PATTERNED:
                yield from _pattern(policy, name, pattern, place)
            case ast.BinOp(op=ast.Mod(), left=left) if not _is_number(policy, left):
                yield place.refusal("%", "takes the remainder of a number")  # law 2
            case _:
                pass


def _nodes(term: Term) -> Iterator[ast.AST]:
    """Yield every part of an expression on the asker's side."""
    for part in walk(term):
        if not isinstance(part, AllOf | AnyPart | Negation | Rule):
            for operand in operands(part):
                yield from ast.walk(operand.node)


def _pattern(policy: Policy, name: str, pattern: ast.expr, place: _Place) -> Iterator[Refusal]:
    match pattern:
        case ast.Constant(value=str() as text):
            yield from _text(name, text, place)
        case ast.Name(id=read) if read in policy.columns:
            for row in place.rows:
                there = _Place(_line(row), read.partition("_")[2], (row,))
                yield from _text(name, policy.named(row)[read], there)
        case _:
            yield place.refusal(name, "takes its pattern from a text or a column")


def _text(name: str, text: str, place: _Place) -> Iterator[Refusal]:
    try:
        require_bounded(name, text)
    except PatternError as error:
        yield place.refusal(text[:40], f"as a pattern of `{name}`: {error}")  # law 1


def _links(policy: Policy, kind: str) -> Iterator[Refusal]:
    by = policy.matching[kind]
    links = sum(row.kind == kind for row in policy.rows)
    if by.names and links > MAX_LINKS:
        reason = f"has {links} links; matched by name, at most {MAX_LINKS} are read in time"
        yield Refusal(MATCHING_FILE, kind, reason)
    functions = {"name": by.names, "role": by.names, "domain": by.domains}
    for row in (row for row in policy.rows if row.kind == kind):
        for (column, function), value in zip(functions.items(), row.values, strict=False):
            if function is not None:
                yield from _text(function, value, _Place(_line(row), column, (row,)))  # law 3


def _is_number(policy: Policy, node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float)
        case ast.BinOp(left=left, right=right):
            return _is_number(policy, left) and _is_number(policy, right)
        case ast.UnaryOp(operand=operand):
            return _is_number(policy, operand)
        case ast.Name(id=name):
            attribute = name.partition(".")[2]
            declared = policy.schema.subject.get(attribute)
            numeric = declared is not None and declared.type is AttributeType.INTEGER
            return attribute == "clearance" or numeric
        case _:
            return False


def _line(row: Row) -> str:
    return f"{POLICY_FILE} line {row.number}"
