"""Bounds: nothing that a policy says can hold the service, whoever asks.

The laws of this file:

1. A pattern stands in the policy itself, as a text or in a column, and an engine can match it in
   one pass over the text. One that is computed, or comes with the asker, is refused.
2. `%` is a remainder of numbers: beside a text it would format, to any length.
3. The patterns of links, where a role definition is matched by patterns, are held to law 1 too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from acl.algebra.partial import operands
from acl.errors import Refusal
from acl.labels import AttributeType
from acl.language.casbin_adapter import Row
from acl.language.model_file import MODEL_FILE
from acl.language.patterns import PatternError, require_bounded
from acl.language.terms import AllOf, AnyPart, Negation, Rule, Term, walk
from acl.policy.policy import Policy
from acl.policy.row_values import POLICY_FILE

_PATTERNED: Final = frozenset(
    {"regexMatch", "keyMatch2", "keyMatch3", "keyMatch4", "keyMatch5", "keyGet2", "keyGet3",
     "globMatch"}
)  # fmt: skip


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


def _refused(policy: Policy, term: Term, place: _Place) -> Iterator[Refusal]:
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
        case ast.Call(func=ast.Name(id=name)):
            return name == "len"
        case ast.Name(id=name):
            attribute = name.partition(".")[2]
            declared = policy.schema.subject.get(attribute)
            numeric = declared is not None and declared.type is AttributeType.INTEGER
            return attribute == "clearance" or numeric
        case _:
            return False


def _line(row: Row) -> str:
    return f"{POLICY_FILE} line {row.number}"
