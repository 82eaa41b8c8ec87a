"""The filter as it goes to an engine: frozen, engine-neutral, and never empty.

The laws of this file:

1. An empty filter, and a filter whose clauses are all empty, cannot be built: Qdrant reads them as
   "everything" (design rule R2).
2. A filter holds a positive condition, because `must_not` alone also passes points that lack the
   field (rule R3).
3. A filter that comes from another process is built by the same constructors: msgspec calls
   `__post_init__` for each condition that it decodes, the innermost first.

Each engine adapter renders these few shapes into its own classes, and nothing else becomes a
filter.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct


class _Condition(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of what a filter is made of: it travels as a list, its tag first."""


class MatchAny(_Condition, frozen=True, tag="any"):
    """The value at `key`, or one element of the array there, is among `values`."""

    key: str
    values: tuple[str | int, ...]

    def __post_init__(self) -> None:  # law 3
        _uniform(self.values)


class MatchExcept(_Condition, frozen=True, tag="except"):
    """The value at `key`, or one element of the array there, is not among `values`.

    Only ever used under `must_not`, where it reads "no element is outside `values`".
    """

    key: str
    values: tuple[str, ...]


class Range(_Condition, frozen=True, tag="range"):
    """The number at `key` lies between the bounds, both inclusive; at least one is given."""

    key: str
    gte: int | None = None
    lte: int | None = None

    def __post_init__(self) -> None:
        if self.gte is None and self.lte is None:
            raise ValueError("a range without a bound matches everything")


class Filter(_Condition, frozen=True, tag="filter"):
    """Conditions joined as Qdrant joins them: all of must, one of should, none of must_not."""

    must: tuple[WireCondition, ...] = ()
    should: tuple[WireCondition, ...] = ()
    must_not: tuple[WireCondition, ...] = ()

    def __post_init__(self) -> None:
        if not self.must and not self.should:  # laws 1 and 2
            raise ValueError("a filter without a positive condition does not exist")


WireCondition: TypeAlias = MatchAny | MatchExcept | Range | Filter


def size(filter_: Filter) -> int:
    """Count the leaf conditions of a filter."""
    parts = (*filter_.must, *filter_.should, *filter_.must_not)
    return sum(size(part) if isinstance(part, Filter) else 1 for part in parts)


def _uniform(values: tuple[str | int, ...]) -> None:
    if not values:
        raise ValueError("a match on no value does not exist")
    if len({type(value) for value in values}) != 1 or isinstance(values[0], bool):
        raise ValueError("the values of a match are all texts or all integers")
