"""Literals: the name of a level and the text of a moment stand for the number that a label holds.

The laws of this file:

1. A text is read as what it is compared with: beside a number with levels it is the name of one,
   beside a date it is a moment. One that is neither is refused, with what could stand there.
2. Casbin is given the numbers and names. Its text differs from the author's in nothing else, so
   that the compiler and the oracle read the same.
3. In messages a literal looks as its author wrote it.
4. `present(r.obj.x)` and `absent(r.obj.x)` ask by name: to Casbin, reading what is missing raises.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from acl.labels import Attribute, AttributeType
from acl.language.expression import ExpressionError, as_casbin_reads, for_casbin
from acl.language.fragment import Names
from acl.language.roles import TIME_FORMAT
from acl.language.terms import PRESENCE

_MOMENT: Final = "a moment is written `2026-01-31 17:00:00` (UTC) or `2026-01-31T17:00:00+01:00`"


class Spoken(int):
    """A number that its author wrote as a text (law 3)."""

    text: str

    @classmethod
    def of(cls, number: int, text: str) -> Spoken:
        """Return `number`, shown as `text`."""
        spoken = cls(number)
        spoken.text = text
        return spoken

    def __repr__(self) -> str:
        return f'"{self.text}"'


def read_literals(tree: ast.expr, names: Names, text: str) -> tuple[ast.expr, str]:
    """Return the tree of `text` with numbers for texts, and the text for Casbin.

    Raises:
        ExpressionError: a text is neither a level nor a moment where one is due (law 1).
    """
    numbers = dict(_spoken(tree, names))
    spelt: dict[ast.expr, str] = {node: str(int(number)) for node, number in numbers.items()}
    asked = {node: _by_name(node) for node in _presence(tree)}
    spelt |= {node: ", ".join(map(ast.unparse, pair)) for node, pair in asked.items()}
    if not spelt:
        return tree, for_casbin(text)
    casbin_text = for_casbin(_casbin_text(text, spelt))
    known = {node: pair for node, pair in asked.items() if not names.touches(node)}
    return _Reading(numbers, known).visit(tree), casbin_text


def _presence(tree: ast.expr) -> Iterator[ast.Attribute]:
    """Yield the attributes of which only the presence is asked."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=function), args=[ast.Attribute() as attribute]):
                if function in PRESENCE:
                    yield attribute
            case _:
                pass


def _by_name(node: ast.Attribute) -> tuple[ast.expr, ast.Constant]:
    """Return the record and the name: what is missing can be named, and cannot be read (law 4)."""
    return node.value, ast.Constant(value=node.attr)


def _spoken(tree: ast.expr, names: Names) -> Iterator[tuple[ast.Constant, Spoken]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        operands = (node.left, *node.comparators)
        for left, right in pairwise(operands):
            for read, other in ((left, right), (right, left)):
                attribute = names.typed(read)
                if attribute is not None:
                    yield from _beside(attribute, other)


def _beside(attribute: Attribute, node: ast.expr) -> Iterator[tuple[ast.Constant, Spoken]]:
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                yield from _beside(attribute, part)
        case ast.Constant(value=str() as text):
            number = _number(attribute, text)
            if number is not None:
                yield node, Spoken.of(number, text)
        case _:
            pass


def _number(attribute: Attribute, text: str) -> int | None:
    if attribute.levels:
        return _level(attribute, text)
    return _moment(text) if attribute.type is AttributeType.DATETIME else None


def _level(attribute: Attribute, text: str) -> int:
    if text in attribute.levels:
        return attribute.levels.index(text)
    named = ", ".join(f'"{level}"' for level in attribute.levels)
    reason = f"is no level of `{attribute.name}`; write one of {named}"
    if text.isdigit():
        reason += ", or the number without quotes"
    raise ExpressionError(f'"{text}"', reason)


def _moment(text: str) -> int:
    try:
        moment = datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
        return int(moment.timestamp())
    except ValueError:
        pass
    try:
        parsed = Attribute(name="moment", type=AttributeType.DATETIME).parse(text)
    except ValueError as error:
        raise ExpressionError(f'"{text}"', f"is no moment in whole seconds; {_MOMENT}") from error
    return int(parsed) if isinstance(parsed, int) else 0


class _Reading(ast.NodeTransformer):
    def __init__(
        self,
        numbers: Mapping[ast.Constant, Spoken],
        asked: Mapping[ast.Attribute, tuple[ast.expr, ast.Constant]],
    ) -> None:
        self._numbers, self._asked = numbers, asked

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        number = self._numbers.get(node)
        return node if number is None else ast.copy_location(ast.Constant(value=number), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node.args:
            case [ast.Attribute() as attribute] if attribute in self._asked:
                return ast.Call(func=node.func, args=list(self._asked[attribute]), keywords=[])
            case _:
                return self.generic_visit(node)


def _casbin_text(text: str, spelt: Mapping[ast.expr, str]) -> str:
    """Put texts in the places of nodes, from the last place to the first (law 2)."""
    content = as_casbin_reads(text).encode()
    for node in sorted(spelt, key=lambda one: one.col_offset, reverse=True):
        end = node.end_col_offset or node.col_offset
        content = content[: node.col_offset] + spelt[node].encode() + content[end:]
    return content.decode()
