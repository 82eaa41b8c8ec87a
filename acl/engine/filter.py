"""Predicate to filter, under the rules R1 to R4 of the filter semantics.

The laws of this file:

1. Every filter begins with positive conditions: the label is complete, and it was written under the
   schema that the predicate was typed against.
2. A negative condition stands only beside the positive one that its attribute is present, because
   `must_not` alone also passes points that lack it. That an attribute is missing stands beside the
   completeness of the label.
3. A filter that is too large is refused, never cut.
"""

from __future__ import annotations

from typing import Final, assert_never

from acl.engine.payload import (
    COMPLETE,
    PRESENT,
    SCHEMA,
    prefixes_key,
    shape_key,
    shape_tokens,
    size_key,
    value_key,
)
from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition, size
from acl.errors import FilterTooLargeError
from acl.labels import MAX_INTEGER, AttributeType, LabelSchema
from acl.predicate import (
    Absent,
    And,
    AnyOf,
    AtMost,
    Labelled,
    MoreThan,
    NoneOf,
    NotShaped,
    NotSubsetOf,
    NotUnder,
    Or,
    Predicate,
    Present,
    Scalar,
    Shape,
    Shaped,
    SubsetOf,
    Under,
)

MAX_CONDITIONS: Final = 1000
"""Above this the engine's time explodes (a `should` of 1,000 matches takes 38 ms at 100,000)."""


def to_filter(predicate: Predicate, schema: LabelSchema) -> Filter:
    """Return the filter that passes exactly the complete labels for which `predicate` holds.

    Raises:
        FilterTooLargeError: the filter would hold more than `MAX_CONDITIONS` conditions.
    """
    guard = Filter(must=labelled(schema))
    filter_ = Filter(must=(*guard.must, _condition(predicate, schema)))  # law 1
    if size(filter_) > MAX_CONDITIONS:  # law 3
        raise FilterTooLargeError(f"the filter holds more than {MAX_CONDITIONS} conditions")
    return filter_


def labelled(schema: LabelSchema) -> tuple[WireCondition, ...]:
    """Return the conditions with which every filter begins (rule R3)."""
    return MatchAny(COMPLETE, (1,)), MatchAny(SCHEMA, (schema.digest,))


def _condition(predicate: Predicate, schema: LabelSchema) -> WireCondition:
    match predicate:
        case And(parts):
            return Filter(must=tuple(_condition(part, schema) for part in _ordered(parts)))
        case Or(parts):
            return Filter(should=tuple(_condition(part, schema) for part in _ordered(parts)))
        case AnyOf(attribute, values):
            return _match(value_key(attribute), values)
        case NoneOf(attribute, values):
            return _unless(attribute, _match(value_key(attribute), values))
        case SubsetOf(attribute, texts):
            return _unless(attribute, MatchExcept(value_key(attribute), tuple(sorted(texts))))
        case NotSubsetOf(attribute, texts):
            inside = MatchExcept(value_key(attribute), tuple(sorted(texts)))
            return Filter(must=(_present(attribute), inside))
        case AtMost(attribute, bound):
            return Range(_number_key(attribute, schema), lte=_clamp(bound))
        case MoreThan(attribute, bound):
            return Range(_number_key(attribute, schema), gte=_clamp(bound + 1))
        case Under(attribute, prefixes):
            return MatchAny(prefixes_key(attribute), tuple(sorted(prefixes)))
        case NotUnder(attribute, prefixes):
            return _unless(attribute, MatchAny(prefixes_key(attribute), tuple(sorted(prefixes))))
        case Shaped(attribute, shape):
            return _shaped(attribute, shape)
        case NotShaped(attribute, shape):
            return _unless(attribute, _shaped(attribute, shape))
        case Present(attribute):
            return _present(attribute)
        case Absent(attribute):
            return Filter(must=labelled(schema), must_not=(_present(attribute),))  # law 2
        case Labelled():
            return Filter(must=labelled(schema))
        case _:
            assert_never(predicate)


def _number_key(attribute: str, schema: LabelSchema) -> str:
    declared = schema.attributes.get(attribute)
    is_set = declared is not None and declared.type is AttributeType.KEYWORD_SET
    return size_key(attribute) if is_set else value_key(attribute)


def _present(attribute: str) -> MatchAny:
    return MatchAny(PRESENT, (attribute,))


def _unless(attribute: str, condition: WireCondition) -> Filter:
    return Filter(must=(_present(attribute),), must_not=(condition,))  # law 2


def _shaped(attribute: str, shape: Shape) -> Filter:
    key = shape_key(attribute)
    return Filter(must=tuple(MatchAny(key, (token,)) for token in shape_tokens(shape)))


def _match(key: str, values: frozenset[Scalar]) -> WireCondition:
    texts = tuple(sorted(value for value in values if isinstance(value, str)))
    numbers = tuple(sorted({int(value) for value in values if not isinstance(value, str)}))
    matches = tuple(MatchAny(key, kind) for kind in (texts, numbers) if kind)
    return matches[0] if len(matches) == 1 else Filter(should=matches)


def _clamp(bound: int) -> int:
    """Keep a bound where a double is exact; labels never lie beyond (labels, law 5)."""
    return max(-MAX_INTEGER - 1, min(MAX_INTEGER + 1, bound))


def _ordered(parts: frozenset[Predicate]) -> list[Predicate]:
    """Sort by text, so that the same predicate is the same filter byte for byte."""
    return sorted(parts, key=repr)
