"""What a caller may narrow by: declared metadata, checked by type, inside the policy's filter.

The laws of this file:

1. Only metadata can be named. A label's attribute is as unknown here as a key that is not declared,
   and the refusal reads the same.
2. A document without the attribute, or with an empty one, satisfies neither a condition nor its
   opposite: `ne` and `nin` do not find what has no value.
3. Narrowing can only remove: it becomes one filter, nested beside the policy's under `must`.
4. It is compiled once for a request, and a refusal names the condition: `narrowing[2].language`.
5. At most `MAX_CONDITIONS` conditions and `MAX_VALUES` values in all.
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
from ingest.index.engine import is_whole_number

MAX_CONDITIONS: Final = 100
MAX_VALUES: Final = 1000


class NarrowingError(RequestError):
    """A narrowing condition that cannot be applied.

    Attributes:
        place: which condition, counted from 0.
        key: the caller's own word.
        reason: one sentence.
        unknown: whether the key is at fault, and not the value.
    """

    def __init__(self, place: int, key: str, reason: str, *, unknown: bool = False) -> None:
        super().__init__(f"`narrowing[{place}].{key}`: {reason}")  # law 4
        self.place = place
        self.key = key
        self.reason = reason
        self.unknown = unknown


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
        attribute = schema.metadata.get(condition.key)
        if attribute is None:  # law 1
            reason = "is not a key to narrow by"
            raise NarrowingError(place, condition.key, reason, unknown=True)
        listed = condition.value
        values += len(listed) if isinstance(listed, list | tuple) else 1
        if place >= MAX_CONDITIONS:  # law 5
            raise NarrowingError(place, condition.key, f"more than {MAX_CONDITIONS} conditions")
        if values > MAX_VALUES:
            raise NarrowingError(place, condition.key, f"more than {MAX_VALUES} values in all")
        try:
            compiled.append(_compile(condition, attribute))
        except ValueError as error:
            raise NarrowingError(place, condition.key, str(error)) from error
    return Filter(must=tuple(compiled))  # law 3


def _compile(condition: Narrowing, attribute: Attribute) -> WireCondition:
    key, value = meta_key(condition.key), condition.value
    match condition.op:
        case Operator.EQ:
            return _among(key, attribute, (value,))
        case Operator.NE:
            return _outside(key, attribute, (value,))
        case Operator.IN:
            return _among(key, attribute, _listed(condition))
        case Operator.NIN:
            return _outside(key, attribute, _listed(condition))
        case Operator.GT:
            return Range(key, gte=_number(condition, attribute) + 1)
        case Operator.GTE:
            return Range(key, gte=_number(condition, attribute))
        case Operator.LT:
            return Range(key, lte=_number(condition, attribute) - 1)
        case Operator.LTE:
            return Range(key, lte=_number(condition, attribute))
        case _:
            assert_never(condition.op)


def _among(key: str, attribute: Attribute, raw: Sequence[object]) -> MatchAny:
    return MatchAny(key, tuple(_scalar(attribute, value) for value in raw))


def _outside(key: str, attribute: Attribute, raw: Sequence[object]) -> Filter:
    return Filter(must=(_present(key, attribute),), must_not=(_among(key, attribute, raw),))


def _present(key: str, attribute: Attribute) -> WireCondition:
    """Return the condition that there is a value: one that is outside of nothing (law 2)."""
    if is_whole_number(attribute.type):
        return Range(key, gte=-MAX_INTEGER)
    return MatchExcept(key, ())


def _listed(condition: Narrowing) -> Sequence[object]:
    if not isinstance(condition.value, list | tuple):
        raise ValueError(f"`{condition.op}` expects a list")
    if not condition.value:
        raise ValueError(f"`{condition.op}` expects one value or more")
    return condition.value


def _scalar(attribute: Attribute, raw: object) -> str | int:
    # An element of a set is parsed as the set's parser would parse it.
    parsed = attribute.parse([raw] if attribute.type is AttributeType.KEYWORD_SET else raw)
    if isinstance(parsed, frozenset):
        (element,) = parsed
        return element
    # Booleans are stored as 0 and 1 (acl.engine.payload).
    return int(parsed) if isinstance(parsed, bool) else parsed


def _number(condition: Narrowing, attribute: Attribute) -> int:
    if attribute.type not in _ORDERED:
        raise ValueError(f"`{condition.op}` needs an integer or a moment")
    return int(_scalar(attribute, condition.value))


_ORDERED: Final = frozenset({AttributeType.INTEGER, AttributeType.DATETIME})
