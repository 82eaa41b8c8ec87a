"""Value types: what a comparison compares, so that none stands that is never true, or always.

The laws of this file:

1. Both sides are typed: attributes of the label and of the asker as they are declared, literals and
   the columns of a row by what stands there.
2. What can never be true, and what always is, is refused where it stands: in a row that allows or
   denies, in the matcher, and under `!` alike.
3. In doubt nothing is said: what has no type may be anything.
4. A condition is true or false. A number, a text or a list by itself is none.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

from acl.actions import Action
from acl.errors import Refusal
from acl.labels import MAX_INTEGER, MAX_SET, Attribute, AttributeType
from acl.language.expression import source
from acl.language.fragment import Names
from acl.language.model_file import MODEL_FILE
from acl.language.terms import PATH_FUNCTIONS, PRESENCE, Rule, walk
from acl.policy.decide import ACTION_COLUMNS
from acl.policy.policy import Policy

_KINDS: Final[Mapping[AttributeType, str]] = {
    AttributeType.KEYWORD: "a text",
    AttributeType.PATH: "a text",
    AttributeType.KEYWORD_SET: "a set of texts",
    AttributeType.INTEGER: "a number",
    AttributeType.DATETIME: "a moment",
    AttributeType.BOOLEAN: "true or false",
}
_SYMBOLS: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_ORDER: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NUMBERS: Final = (AttributeType.INTEGER, AttributeType.DATETIME)
_PATH: Final = "path"
_NEVER: Final = "can never be true: "
_ALWAYS: Final = "is always true: "

_Row: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Literal:
    """A value that stands in an expression or in a column, and how its author wrote it."""

    value: object
    text: str


_Operand: TypeAlias = Attribute | _Literal


@dataclass(frozen=True, slots=True)
class _Fault:
    text: str
    reason: str
    column: str = ""


def ill_typed(policy: Policy) -> Iterator[Refusal]:
    """Yield every comparison and condition that can never be true, or always is (law 2)."""
    matcher = policy.tree(policy.model.matchers[f"m{policy.suffix}"])
    shared = _Types(policy.names)
    for fault in shared.faults(matcher):
        yield Refusal(MODEL_FILE, fault.text, fault.reason)
    rules = sorted({part.column for part in walk(policy.term) if isinstance(part, Rule)})
    trees = {text: policy.tree(text) for text in policy.rule_terms}
    faulty = {text: tuple(shared.faults(tree)) for text, tree in trees.items()}
    of_columns = _Columns(policy.names, matcher)
    for row in policy.rules:
        named, where = policy.named(row), f"policy.csv line {row.number}"
        for fault in of_columns.faults(named):
            yield Refusal(where, fault.text, fault.reason, _plain(fault.column))
        for column in rules:
            own = _Columns(policy.names, trees[named[column]])
            for fault in (*faulty[named[column]], *own.faults(named)):
                yield Refusal(where, fault.text, fault.reason, _plain(column))


def _plain(column: str) -> str:
    return column.partition("_")[2]


class _Columns:
    """The comparisons with a column of the row that an expression cannot be true without.

    Under `||` a column may stand beside something that it fits for other rows alone.
    """

    def __init__(self, names: Names, tree: ast.expr) -> None:
        self._names = names
        self._read = [
            (node, columns) for node in _needed(tree) if (columns := _columns(node, names))
        ]
        self._known: dict[tuple[int, tuple[str, ...]], tuple[_Fault, ...]] = {}

    def faults(self, row: _Row) -> Iterator[_Fault]:
        for place, (node, columns) in enumerate(self._read):
            key = place, tuple(row[column] for column in columns)
            if key not in self._known:
                reasons = _Types(self._names, row).compared(node)
                self._known[key] = tuple(
                    _Fault(source(node), reason, columns[0]) for reason in reasons
                )
            yield from self._known[key]


def _needed(node: ast.expr) -> Iterator[ast.Compare]:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            for value in values:
                yield from _needed(value)
        case ast.Compare() | ast.UnaryOp(op=ast.Not(), operand=ast.Compare()):
            yield from (part for part in ast.walk(node) if isinstance(part, ast.Compare))
        case _:
            pass


def _columns(node: ast.expr, names: Names) -> tuple[str, ...]:
    read = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return tuple(sorted(read & names.columns))


class _Types:
    """Types of the operands of one expression, for one row or, without one, for every row."""

    def __init__(self, names: Names, row: _Row | None = None) -> None:
        self._names, self._row = names, row

    def faults(self, tree: ast.expr) -> Iterator[_Fault]:
        """Yield what is wrong whatever the row."""
        yield from self._conditions(tree)
        for node in ast.walk(tree):
            match node:
                case ast.Compare() if not _columns(node, self._names):
                    yield from (_Fault(source(node), reason) for reason in self.compared(node))
                case ast.Call(func=ast.Name(id=function), args=asked) if function in PRESENCE:
                    attribute = self._names.typed(_read(asked))
                    if attribute is not None and attribute.required:
                        said = _ALWAYS if function == "present" else _NEVER
                        yield _Fault(source(node), f"{said}`{attribute.name}` is never missing")
                case ast.Call(func=ast.Name(id=name), args=args) if name in self._names.roles:
                    yield from self._no_names(args)
                case ast.Call(func=ast.Name(id=function), args=[first, second]):
                    reason = self._called(function, first, second)
                    if reason:
                        yield _Fault(source(node), reason)
                case _:
                    pass

    def _no_names(self, arguments: Iterable[ast.expr]) -> Iterator[_Fault]:
        """Yield what a role definition cannot look for: anything but a name."""
        others = {_KINDS[one] for one in (AttributeType.KEYWORD_SET, AttributeType.INTEGER)}
        for argument in arguments:
            kind = self._kind(argument)
            if kind in others | {"a list"}:
                yield _Fault(source(argument), f"is {kind}, not the name of a role")

    # Conditions (law 4).

    def _conditions(self, node: ast.expr) -> Iterator[_Fault]:
        match node:
            case ast.BoolOp(values=values):
                for value in values:
                    yield from self._conditions(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield from self._conditions(operand)
            case _:
                kind = self._kind(node)
                if kind and kind != _KINDS[AttributeType.BOOLEAN]:
                    yield _Fault(source(node), f"is {kind}, not true or false")

    def _kind(self, node: ast.expr) -> str:
        """Return what a node is in words, or nothing where it is not known."""
        match node:
            case ast.BinOp():
                return _KINDS[AttributeType.INTEGER]
            case ast.List() | ast.Tuple():
                return "a list"
            case ast.Call(func=ast.Name(id=name)) if name.startswith("keyGet"):
                return _KINDS[AttributeType.KEYWORD]
            case ast.Name(id=name) if name in self._names.columns:
                return f"{_KINDS[AttributeType.KEYWORD]} of the row"
            case _:
                operand = self._operand(node)
                return "" if operand is None else _kind(operand)

    def _operand(self, node: ast.expr) -> _Operand | None:
        match node:
            case ast.Constant(value=value):
                return _Literal(value, source(node))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return _Literal(-value, source(node))
            case ast.Name(id=name) if name in self._names.columns:
                return None if self._row is None else _Literal(self._row[name], self._row[name])
            case ast.Name(id=name) if name in self._names.known:
                return _ACTION if _plain(name) in ACTION_COLUMNS and self._row is None else None
            case ast.Call(func=ast.Name(id="size"), args=[counted]):
                return _SIZE if self._names.typed(counted) is not None else None
            case _:
                return self._names.typed(node)

    # Comparisons (laws 1 to 3).

    def compared(self, node: ast.Compare) -> Iterator[str]:
        """Yield why parts of a comparison are never true, or always."""
        for (left, right), sign in zip(
            pairwise((node.left, *node.comparators)), node.ops, strict=True
        ):
            reason = self._pair(left, sign, right)
            if reason:
                yield reason

    def _pair(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> str:
        if not any(isinstance(one, ast.Name) for side in (left, right) for one in ast.walk(side)):
            return ""  # A constant such as `1 == 1` is what it reads.
        if ast.dump(left) == ast.dump(right):
            return "compares a value with itself"
        match sign:
            case ast.In() | ast.NotIn() if self._is_part(right):
                return f"asks for a part of the text `{source(right)}`; write `==`, or a list"
            case ast.In() | ast.NotIn():
                return _said(self._absent(left, right), positive=isinstance(sign, ast.In))
            case ast.Eq() | ast.NotEq():
                one, other = self._operand(left), self._operand(right)
                return _said(_unequal(one, other), positive=isinstance(sign, ast.Eq))
            case _:
                symbol = _SYMBOLS[type(sign)]
                return _ordered(self._operand(left), symbol, self._operand(right))

    def _absent(self, left: ast.expr, right: ast.expr) -> str:
        """Return why `left` can never be in `right`, or why one entry of it is in vain."""
        if isinstance(right, ast.List | ast.Tuple):
            if not right.elts:
                return "the list is empty"
            one = self._operand(left)
            reasons = (_unequal(one, self._operand(entry)) for entry in right.elts)
            return next(filter(None, reasons), "")
        holder = self._operand(right)
        if isinstance(holder, Attribute) and holder.type is AttributeType.KEYWORD_SET:
            return _unequal(_element(holder), self._operand(left))
        return "" if holder is None else f"`{source(right)}` is {_kind(holder)}, no list"

    def _is_part(self, node: ast.expr) -> bool:
        """Say whether `in` would look for a part of a text."""
        if isinstance(node, ast.Name) and node.id in self._names.columns:
            return True
        operand = self._operand(node)
        return operand is not None and _kind(operand) == _KINDS[AttributeType.KEYWORD]

    # Functions.

    def _called(self, function: str, first: ast.expr, second: ast.expr) -> str:
        if function in {"any_of", "subset_of"}:
            return self._sets(function, first, second)
        pattern, text = self._operand(second), self._operand(first)
        if function not in PATH_FUNCTIONS or not isinstance(text, Attribute):
            return ""
        for operand in (text, pattern):
            if operand is not None and _kind(operand) != _KINDS[AttributeType.KEYWORD]:
                return f"{_NEVER}{_shown(operand)} is {_kind(operand)}, not a text"
        return ""

    def _sets(self, function: str, first: ast.expr, second: ast.expr) -> str:
        for one, other in ((first, second), (second, first)):
            operand = self._operand(one)
            if operand is not None and _kind(operand) != _KINDS[AttributeType.KEYWORD_SET]:
                return f"{_NEVER}{_shown(operand)} is {_kind(operand)}, not a list; write `in`"
            if isinstance(one, ast.List | ast.Tuple):
                if not one.elts and function == "any_of":
                    return f"{_NEVER}the list is empty"
                element = self._operand(other)
                if isinstance(element, Attribute):
                    reasons = (
                        _unequal(_element(element), self._operand(entry)) for entry in one.elts
                    )
                    reason = next(filter(None, reasons), "")
                    return reason and f"{_NEVER}{reason}"
        return ""


def _read(arguments: list[ast.expr]) -> ast.expr:
    """Return what `present` asks about; of the asker it is given a record and a name."""
    match arguments:
        case [record, ast.Constant(value=str() as name)]:
            return ast.Attribute(value=record, attr=name, ctx=ast.Load())
        case _:
            return arguments[0]


_SIZE: Final = Attribute(name="size", type=AttributeType.INTEGER)
"""How many elements a set has."""

_ACTION: Final = Attribute(name="action", type=AttributeType.KEYWORD)
_NAMES: Final = frozenset({"id", "tenant"})
"""What is asked for by name, and so is no path."""


def _element(attribute: Attribute) -> Attribute:
    """Return the type of one entry of a set."""
    return Attribute(name=attribute.name, type=AttributeType.KEYWORD)


def _said(reason: str, *, positive: bool) -> str:
    return reason and f"{_NEVER if positive else _ALWAYS}{reason}"


def _shown(operand: _Operand) -> str:
    return f"`{operand.name if isinstance(operand, Attribute) else operand.text}`"


def _kind(operand: _Operand) -> str:
    if isinstance(operand, Attribute):
        return _KINDS[operand.type]
    match operand.value:
        case bool():
            return _KINDS[AttributeType.BOOLEAN]
        case int() | float():
            return _KINDS[AttributeType.INTEGER]
        case _:
            return _KINDS[AttributeType.KEYWORD]


def _unequal(one: _Operand | None, other: _Operand | None) -> str:
    """Return why two operands can never be equal, or nothing."""
    match one, other:
        case (Attribute() as left, Attribute() as right):
            return _apart(left, right)
        case (Attribute() as attribute, _Literal() as literal):
            return _never(attribute, literal)
        case (_Literal() as literal, Attribute() as attribute):
            return _never(attribute, literal)
        case _:
            return ""  # law 3


def _apart(left: Attribute, right: Attribute) -> str:
    kinds = _KINDS[left.type], _KINDS[right.type]
    if kinds[0] != kinds[1]:
        hint = "; write `in`" if AttributeType.KEYWORD_SET in {left.type, right.type} else ""
        return f"`{left.name}` is {kinds[0]}, `{right.name}` is {kinds[1]}{hint}"
    for path, name in ((left, right), (right, left)):
        if _is_location(path) and name.name in _NAMES:
            return f"`{path.name}` is a path, `{name.name}` is a name"
    return ""


def _never(attribute: Attribute, literal: _Literal) -> str:
    """Return why no value of an attribute equals a literal, or nothing."""
    name, value = attribute.name, literal.value
    match attribute.type:
        case AttributeType.KEYWORD | AttributeType.PATH:
            if not isinstance(value, str):
                return f"`{name}` holds text, {_shown(literal)} is {_kind(literal)}"
            return _not_a_text(attribute, value)
        case AttributeType.INTEGER | AttributeType.DATETIME:
            return _not_a_number(attribute, literal)
        case AttributeType.BOOLEAN:
            told = f"`{name}` is true or false, {_shown(literal)} is {_kind(literal)}"
            return "" if value in (0, 1) else f"{told}; write True or False"
        case AttributeType.KEYWORD_SET:
            return f"`{name}` is a set of texts; write `in`, any_of or subset_of"
        case _:
            assert_never(attribute.type)


def _not_a_text(attribute: Attribute, value: str) -> str:
    try:
        kept = attribute.parse(value)
    except ValueError as error:
        return f"`{value}` {error}"
    if kept != value:
        return f"`{value}` is not in normal form (NFC)"
    if attribute == _ACTION and value not in set(Action):
        return f"`{value}` is not an action, such as {Action.DOCUMENT_READ}"
    return _slashless(value) if _is_location(attribute) else ""


def _is_location(attribute: Attribute) -> bool:
    """Say whether this is the path that says where a document lies, which ingest writes."""
    return attribute.name == _PATH and attribute.type is AttributeType.PATH


def _slashless(text: str) -> str:
    if not text.startswith("/"):
        return f'a path begins with a slash; write "/{text}"'
    if text.endswith("*"):
        return f'a star is no wildcard here; write keyMatch(r.obj.path, "{text}")'
    return ""


def _not_a_number(attribute: Attribute, literal: _Literal) -> str:
    name, value = attribute.name, literal.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        told = f"`{name}` is {_KINDS[attribute.type]}, {_shown(literal)} is {_kind(literal)}"
        digits = isinstance(value, str) and value.lstrip("-").isdigit()
        return f"{told}; write {value} without quotes" if digits else told
    lowest, highest = _bounds(attribute)
    if value != int(max(-MAX_INTEGER, min(MAX_INTEGER, value))):
        return f"`{name}` is a whole number"
    return "" if lowest <= value <= highest else _levels(attribute)


def _bounds(attribute: Attribute) -> tuple[int, int]:
    if attribute is _SIZE:
        return 0, MAX_SET
    return (0, len(attribute.levels) - 1) if attribute.levels else (-MAX_INTEGER, MAX_INTEGER)


def _levels(attribute: Attribute) -> str:
    lowest, highest = _bounds(attribute)
    named = f" ({', '.join(attribute.levels)})" if attribute.levels else ""
    return f"`{attribute.name}` goes from {lowest} to {highest}{named}"


def _ordered(left: _Operand | None, symbol: str, right: _Operand | None) -> str:
    if isinstance(left, _Literal):
        left, symbol, right = right, _MIRRORED[symbol], left
    if left is None or right is None or not isinstance(left, Attribute):
        return ""  # law 3
    for operand in (left, right):
        if _kind(operand) not in {_KINDS[kind] for kind in _NUMBERS}:
            return f"{_NEVER}{_shown(operand)} is {_kind(operand)}, which has no order here"
    if isinstance(right, Attribute):
        reason = _apart(left, right)
        return reason and f"{_NEVER}{reason}"
    assert isinstance(right.value, int | float)
    return _limit(left, symbol, right.value)


def _limit(attribute: Attribute, symbol: str, value: float) -> str:
    """Say whether a limit lets every value of an attribute through, or none."""
    answers = {_ORDER[symbol](bound, value) for bound in _bounds(attribute)}
    if len(answers) > 1:
        return ""
    return f"{_ALWAYS if answers.pop() else _NEVER}{_levels(attribute)}"
