"""Predicates over labels: frozen values without a Not.

The laws of this file:

1. Every leaf has a dual, and a leaf and its dual both need the attribute to be present. A missing
   attribute therefore satisfies neither a rule nor its opposite. `Present` and `Absent` alone are
   duals that ask for just that.
2. `And` and `Or` of nothing, and leaves over nothing, do not exist: vacuous truth is how filters
   leak.
3. `Labelled` is the only predicate that every complete label satisfies. It is a node of its own,
   so that "may read everything" is visible in explanations and in the audit.
4. `dual`, `holds` and the engine's `to_filter` are one `match` each, closed by `assert_never`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias, assert_never

from acl.labels import Label, LabelValue

Scalar: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The attribute's value, or one element of its set, is among `values`."""

    attribute: str
    values: frozenset[Scalar]

    def __post_init__(self) -> None:
        _not_empty(self.values)


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The attribute is present and neither its value nor any element is among `values`."""

    attribute: str
    values: frozenset[Scalar]

    def __post_init__(self) -> None:
        _not_empty(self.values)


@dataclass(frozen=True, slots=True)
class SubsetOf:
    """Every element of the attribute's set is among `values`, which may be empty."""

    attribute: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class NotSubsetOf:
    """The set is present and some element of it is not among `values`."""

    attribute: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class AtMost:
    """The number, or how many elements the set has, is present and not greater than `bound`."""

    attribute: str
    bound: int


@dataclass(frozen=True, slots=True)
class MoreThan:
    """The number, or how many elements the set has, is present and greater than `bound`."""

    attribute: str
    bound: int


@dataclass(frozen=True, slots=True)
class Under:
    """The path begins with one of `prefixes`, none of which is empty."""

    attribute: str
    prefixes: frozenset[str]

    def __post_init__(self) -> None:
        _not_empty(self.prefixes)


@dataclass(frozen=True, slots=True)
class NotUnder:
    """The path is present and begins with none of `prefixes`."""

    attribute: str
    prefixes: frozenset[str]

    def __post_init__(self) -> None:
        _not_empty(self.prefixes)


class Wildcard(Enum):
    """A segment that is not spelt out in a shape."""

    SOME = "+"
    """One character or more."""
    VISIBLE = "~"
    """One character or more, the first of which is not a dot."""


Segment: TypeAlias = str | Wildcard


@dataclass(frozen=True, slots=True)
class Shape:
    """A path cut at `/`: what each segment is, and whether anything may follow.

    With `tail`, at least one more segment follows the listed ones, and it may be empty.
    """

    segments: tuple[Segment, ...]
    tail: bool = False

    def matches(self, path: str) -> bool:
        """Say whether `path` has this shape."""
        parts = path.split("/")
        depth = len(self.segments)
        if len(parts) <= depth if self.tail else len(parts) != depth:
            return False
        return all(_fits(want, part) for want, part in zip(self.segments, parts, strict=False))


def _fits(want: Segment, part: str) -> bool:
    match want:
        case str():
            return part == want
        case Wildcard.SOME:
            return part != ""
        case Wildcard.VISIBLE:
            return part != "" and not part.startswith(".")
        case _:
            assert_never(want)


@dataclass(frozen=True, slots=True)
class Shaped:
    """The path has this shape."""

    attribute: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class NotShaped:
    """The path is present and has another shape."""

    attribute: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Present:
    """The attribute is present."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The attribute is missing; only a rule that asks for just that makes this."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """Every complete label: the explicit node for "all", under the guards (law 3)."""


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds."""

    parts: frozenset[Predicate]

    def __post_init__(self) -> None:
        _two_or_more(self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """One part or more holds."""

    parts: frozenset[Predicate]

    def __post_init__(self) -> None:
        _two_or_more(self.parts)


Leaf: TypeAlias = (
    AnyOf
    | NoneOf
    | SubsetOf
    | NotSubsetOf
    | AtMost
    | MoreThan
    | Under
    | NotUnder
    | Shaped
    | NotShaped
    | Present
    | Absent
    | Labelled
)
Predicate: TypeAlias = Leaf | And | Or


class Constant(Enum):
    """What a condition becomes when no label can change it."""

    NEVER = 0
    ALWAYS = 1


NEVER: Final = Constant.NEVER
ALWAYS: Final = Constant.ALWAYS

Condition: TypeAlias = Predicate | Constant


def dual(leaf: Leaf) -> Condition:
    """Return the condition that holds for exactly the labels that have the attribute and fail.

    `Present` and `Absent` are the opposites of each other for every label.
    """
    match leaf:
        case AnyOf(attribute, values):
            return NoneOf(attribute, values)
        case NoneOf(attribute, values):
            return AnyOf(attribute, values)
        case SubsetOf(attribute, texts):
            return NotSubsetOf(attribute, texts)
        case NotSubsetOf(attribute, texts):
            return SubsetOf(attribute, texts)
        case AtMost(attribute, bound):
            return MoreThan(attribute, bound)
        case MoreThan(attribute, bound):
            return AtMost(attribute, bound)
        case Under(attribute, prefixes):
            return NotUnder(attribute, prefixes)
        case NotUnder(attribute, prefixes):
            return Under(attribute, prefixes)
        case Shaped(attribute, shape):
            return NotShaped(attribute, shape)
        case NotShaped(attribute, shape):
            return Shaped(attribute, shape)
        case Present(attribute):
            return Absent(attribute)
        case Absent(attribute):
            return Present(attribute)
        case Labelled():
            return NEVER
        case _:
            assert_never(leaf)  # law 4


def holds(condition: Condition, label: Label) -> bool:
    """Evaluate `condition` on a complete label; the recheck of every hit."""
    match condition:
        case And(parts):
            return all(holds(part, label) for part in parts)
        case Or(parts):
            return any(holds(part, label) for part in parts)
        case Labelled():
            return True
        case Constant():
            return condition is ALWAYS
        case Absent(attribute):
            return attribute not in label.values
        case _:
            value = label.values.get(condition.attribute)
            return value is not None and leaf_holds(condition, value)  # law 1


def leaf_holds(leaf: Leaf, value: LabelValue) -> bool:
    """Say whether a leaf holds for the value that its attribute has."""
    match leaf:
        case AnyOf(_, values):
            return not values.isdisjoint(_elements(value))
        case NoneOf(_, values):
            return values.isdisjoint(_elements(value))
        case SubsetOf(_, texts):
            return _elements(value) <= texts
        case NotSubsetOf(_, texts):
            return not _elements(value) <= texts
        case AtMost(_, bound):
            return not isinstance(value, str) and _count(value) <= bound
        case MoreThan(_, bound):
            return not isinstance(value, str) and _count(value) > bound
        case Under(_, prefixes):
            return isinstance(value, str) and value.startswith(tuple(prefixes))
        case NotUnder(_, prefixes):
            return isinstance(value, str) and not value.startswith(tuple(prefixes))
        case Shaped(_, shape):
            return isinstance(value, str) and shape.matches(value)
        case NotShaped(_, shape):
            return isinstance(value, str) and not shape.matches(value)
        case Present() | Labelled():
            return True
        case Absent():
            return False
        case _:
            assert_never(leaf)


def _count(value: int | frozenset[str]) -> int:
    return len(value) if isinstance(value, frozenset) else value


def _elements(value: LabelValue) -> frozenset[Scalar]:
    return frozenset(value) if isinstance(value, frozenset) else frozenset({value})


def _not_empty(values: frozenset[Scalar] | frozenset[str]) -> None:
    if not values:
        raise ValueError("a leaf over no value does not exist")  # law 2


def _two_or_more(parts: frozenset[Predicate]) -> None:
    if len(parts) < 2:  # noqa: PLR2004 - one part is the part itself
        raise ValueError("a connective needs two parts or more")  # law 2
