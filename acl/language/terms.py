"""Terms: an expression cut into what the asker's side decides and what a label decides.

`acl.language.fragment` makes them once, when a policy is loaded; `acl.algebra.partial` evaluates
them for each request.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from acl.labels import Attribute

PATH_FUNCTIONS: Final = frozenset(
    {"keyMatch", "keyMatch2", "keyMatch3", "keyMatch4", "keyMatch5", "globMatch"}
)
"""The functions of Casbin that a `Matches` can call."""


PRESENCE: Final = frozenset({"present", "absent"})
"""The functions that a `There` stands for."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An expression that no label changes.

    Attributes:
        node: what Casbin's evaluator is given.
        columns: the columns of the row that it reads.
        asks: whether it also reads the request, and so is unknown when the policy is loaded.
    """

    node: ast.expr
    columns: tuple[str, ...]
    asks: bool


@dataclass(frozen=True, slots=True, eq=False)
class Compare:
    """`<attribute> <operator> <known>`; the operator is one of `== != < <= > >=`."""

    attribute: Attribute
    operator: str
    operand: Known


@dataclass(frozen=True, slots=True, eq=False)
class Among:
    """`<attribute> in <known list>`."""

    attribute: Attribute
    operand: Known


@dataclass(frozen=True, slots=True, eq=False)
class Contains:
    """`<known> in <attribute>`, where the attribute is a set."""

    attribute: Attribute
    operand: Known


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """`any_of(<attribute>, <known list>)`."""

    attribute: Attribute
    operand: Known


@dataclass(frozen=True, slots=True, eq=False)
class Within:
    """`subset_of(<attribute>, <known list>)`."""

    attribute: Attribute
    operand: Known


@dataclass(frozen=True, slots=True, eq=False)
class Covers:
    """`subset_of(<known list>, <attribute>)`, where the attribute is a set."""

    attribute: Attribute
    operand: Known


@dataclass(frozen=True, slots=True, eq=False)
class There:
    """`present(<attribute>)` where `operand` is True, `absent(<attribute>)` where it is False."""

    attribute: Attribute
    operand: Known


@dataclass(frozen=True, slots=True, eq=False)
class Sized:
    """`size(<attribute>) <operator> <known>`, where the attribute is a set."""

    attribute: Attribute
    operator: str
    operand: Known


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """`keyMatch(<attribute>, <known>)` and its kin."""

    attribute: Attribute
    function: str
    operand: Known


@dataclass(frozen=True, slots=True, eq=False)
class ResourceRole:
    """`g2(<attribute>, <known role>[, <known domain>])`: the resource has a role."""

    attribute: Attribute
    graph: str
    role: Known
    domain: Known | None


@dataclass(frozen=True, slots=True, eq=False)
class ResourceHolder:
    """`g2(<known name>, <attribute>[, <known domain>])`: the resource is the role."""

    attribute: Attribute
    graph: str
    name: Known
    domain: Known | None


@dataclass(frozen=True, slots=True, eq=False)
class RoleInDomain:
    """`g(<known name>, <known role>, <attribute>)`: the resource says in which domain."""

    attribute: Attribute
    graph: str
    name: Known
    role: Known


@dataclass(frozen=True, slots=True, eq=False)
class AllOf:
    """Every part, from left to right."""

    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AnyPart:
    """One part or more, from left to right."""

    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Negation:
    """The opposite of a term."""

    part: Term


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """`eval(<column>)`: the condition that each row carries itself."""

    column: str


Touching: TypeAlias = (
    Compare
    | Among
    | Contains
    | Overlaps
    | Within
    | Covers
    | There
    | Sized
    | Matches
    | ResourceRole
    | ResourceHolder
    | RoleInDomain
)
Term: TypeAlias = Known | Touching | AllOf | AnyPart | Negation | Rule


def known_columns(term: Term) -> frozenset[str] | None:
    """Return the columns that a term reads if no label changes it, otherwise nothing."""
    match term:
        case Known(_, columns, _):
            return frozenset(columns)
        case AllOf(parts) | AnyPart(parts):
            read_by = [known_columns(part) for part in parts]
            if any(columns is None for columns in read_by):
                return None
            return frozenset().union(*(columns for columns in read_by if columns is not None))
        case Negation(part):
            return known_columns(part)
        case _:
            return None


def walk(term: Term) -> Iterator[Term]:
    """Yield the term and everything in it."""
    yield term
    match term:
        case AllOf(parts) | AnyPart(parts):
            for part in parts:
                yield from walk(part)
        case Negation(part):
            yield from walk(part)
        case _:
            pass
