"""What a caller may narrow by: declared metadata, checked by type, inside the policy's filter.

The laws of this file:

1. Only metadata can be named. A label's attribute is as unknown here as a key that nobody
   declared, and the refusal reads the same.
2. A document without the attribute, or with an empty one, satisfies neither a condition nor its
   opposite: `ne` and `nin` do not find what has no value.
3. Narrowing can only remove: it becomes one filter, nested beside the policy's under `must`.
4. At most `MAX_CONDITIONS` conditions and `MAX_VALUES` values in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from acl.engine.payload import meta_key
from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition
from acl.errors import RequestError
from acl.labels import MAX_INTEGER, Attribute, AttributeType, LabelSchema

MAX_CONDITIONS: Final = 100
MAX_VALUES: Final = 1000


class NarrowingError(RequestError):
    """A narrowing condition that cannot be applied.

    Attributes:
        key: the caller's own word.
        place: which condition it is, counted from 0.
        unknown: whether the key is to blame, and not the value.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"`{key}`: {reason}")
        self.key = key
        self.reason = reason
        self.place = 0
        self.unknown = False


class Operator(StrEnum):
    """How a condition compares."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NIN = "nin"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"


@dataclass(frozen=True, slots=True)
class Narrowing:
    """One condition as the caller gave it; a list of them is joined by "and".

    On a set, `eq` and `in` ask whether one element is among the values, `ne` and `nin` whether
    none is.
    """

    key: str
    op: Operator
    value: object


def narrow(conditions: Sequence[Narrowing], schema: LabelSchema) -> Filter | None:
    """Return the filter of all `conditions`, or `None` when there are none.

    Raises:
        NarrowingError: unknown key, value of another type, an operator that the type does not
            have, or too many conditions or values.
    """
    if not conditions:
        return None
    values = 0
    compiled: list[WireCondition] = []
    for place, condition in enumerate(conditions):
        listed = condition.value
        values += len(listed) if isinstance(listed, list | tuple) else 1
        try:
            _check_size(condition, place, values)
            compiled.append(_compile(condition, schema))
        except NarrowingError as error:
            error.place, error.unknown = place, condition.key not in schema.metadata
            raise
    return Filter(must=tuple(compiled))


def _check_size(condition: Narrowing, place: int, values: int) -> None:
    """Check how many there are up to this condition (law 4)."""
    if place >= MAX_CONDITIONS:
        raise NarrowingError(condition.key, f"more than {MAX_CONDITIONS} conditions")
    if values > MAX_VALUES:
        raise NarrowingError(condition.key, f"more than {MAX_VALUES} values in all")


def _compile(condition: Narrowing, schema: LabelSchema) -> WireCondition:
    attribute = schema.metadata.get(condition.key)
    if attribute is None:
        raise NarrowingError(condition.key, "is not a key to narrow by")
    match condition.op:
        case Operator.EQ:
            return _among(condition.key, attribute, (condition.value,))
        case Operator.NE:
            return _outside(condition.key, attribute, (condition.value,))
        case Operator.IN:
            return _among(condition.key, attribute, _listed(condition))
        case Operator.NIN:
            return _outside(condition.key, attribute, _listed(condition))
        case Operator.GT:
            return Range(meta_key(condition.key), gte=_number(condition, attribute) + 1)
        case Operator.GTE:
            return Range(meta_key(condition.key), gte=_number(condition, attribute))
        case Operator.LT:
            return Range(meta_key(condition.key), lte=_number(condition, attribute) - 1)
        case Operator.LTE:
            return Range(meta_key(condition.key), lte=_number(condition, attribute))
        case _:
            assert_never(condition.op)


def _among(key: str, attribute: Attribute, raw: Sequence[object]) -> MatchAny:
    return MatchAny(meta_key(key), tuple(_scalar(key, attribute, one) for one in raw))


def _outside(key: str, attribute: Attribute, raw: Sequence[object]) -> Filter:
    return Filter(must=(_present(key, attribute),), must_not=(_among(key, attribute, raw),))


def _present(key: str, attribute: Attribute) -> WireCondition:
    """Return the condition that there is a value: one that is outside of nothing."""
    if attribute.type in _NUMBERS:
        return Range(meta_key(key), gte=-MAX_INTEGER)
    return MatchExcept(meta_key(key), ())


def _listed(condition: Narrowing) -> Sequence[object]:
    if not isinstance(condition.value, list | tuple):
        raise NarrowingError(condition.key, f"`{condition.op}` expects a list")
    if not condition.value:
        raise NarrowingError(condition.key, f"`{condition.op}` expects one value or more")
    return condition.value


def _scalar(key: str, attribute: Attribute, raw: object) -> str | int:
    try:
        # An element of a set is parsed as the set's parser would parse it.
        kind = attribute.type
        parsed = attribute.parse([raw] if kind is AttributeType.KEYWORD_SET else raw)
    except ValueError as error:
        raise NarrowingError(key, str(error)) from error
    if isinstance(parsed, frozenset):
        (element,) = parsed
        return element
    # Booleans are stored as 0 and 1 (acl.engine.payload).
    return int(parsed) if isinstance(parsed, bool) else parsed


def _number(condition: Narrowing, attribute: Attribute) -> int:
    if attribute.type not in _ORDERED:
        raise NarrowingError(condition.key, f"`{condition.op}` needs an integer or a moment")
    value = _scalar(condition.key, attribute, condition.value)
    return int(value)


_ORDERED: Final = frozenset({AttributeType.INTEGER, AttributeType.DATETIME})
_NUMBERS: Final = _ORDERED | {AttributeType.BOOLEAN}
