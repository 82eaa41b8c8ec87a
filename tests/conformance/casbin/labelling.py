"""From the values of a resource's columns to a label schema and one label each.

A column that holds a plain value becomes an attribute of its own name. A column that holds records
becomes the attributes of those records; one that some record lacks is optional. A value that is
null, of another type than the attribute's, or not in normal form is never labelled: in production
it would wait in quarantine.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from acl.errors import LabelError, SchemaError
from acl.labels import Attribute, AttributeType, Label, LabelSchema, Prefixes

Raw = Mapping[str, Any]

_MAX_SCHEMAS: Final = 64


@dataclass(frozen=True, slots=True)
class Resource:
    """One combination of the values of the resource's columns, and its label if it has one."""

    values: tuple[Any, ...]
    label: Label | None


def flattened(columns: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return the attributes that the values of the columns stand for."""
    raw: dict[str, Any] = {}
    for column, value in zip(columns, values, strict=True):
        raw.update(value if isinstance(value, dict) else {column: value})
    return raw


def schemas(resources: Sequence[Raw], *, paths: bool) -> Iterator[LabelSchema]:
    """Yield the schemas that fit the values, the likeliest first.

    Args:
        resources: the attributes of every combination.
        paths: whether the policy asks about beginnings or shapes of paths.
    """
    found: dict[str, list[Any]] = {}
    for raw in resources:
        for name, value in raw.items():
            found.setdefault(name, []).append(value)
    choices = [
        [
            Attribute(
                name=name,
                type=kind,
                required=len(values) == len(resources),
                prefixes=Prefixes.CHARACTER if kind is AttributeType.PATH else Prefixes.SEGMENT,
                allow_empty=True,
            )
            for kind in _kinds(values, paths=paths)
        ]
        for name, values in found.items()
        if _declarable(name)
    ]
    for chosen in itertools.islice(itertools.product(*filter(None, choices)), _MAX_SCHEMAS):
        yield LabelSchema({one.name: one for one in chosen})


def _declarable(name: str) -> bool:
    try:
        LabelSchema({name: Attribute(name=name, type=AttributeType.KEYWORD)})
    except SchemaError:
        return False
    return True


def _kinds(values: Iterable[Any], *, paths: bool) -> list[AttributeType]:
    """Return the types that some of the values have, the most frequent first."""
    counted = Counter(kind for value in values for kind in _types(value, paths=paths))
    return [kind for kind, _ in counted.most_common()]


def _types(value: Any, *, paths: bool) -> tuple[AttributeType, ...]:
    match value:
        case bool():
            return (AttributeType.BOOLEAN,)
        case int():
            return (AttributeType.INTEGER,)
        case str():
            texts = (AttributeType.PATH, AttributeType.KEYWORD)
            return texts if paths or "//" not in value else texts[::-1]
        case list() if all(isinstance(one, str) for one in value):
            return (AttributeType.KEYWORD_SET,)
        case _:
            return ()


def resource(values: tuple[Any, ...], raw: Raw, schema: LabelSchema) -> Resource:
    """Return a combination with its label, or without one if the schema refuses it."""
    if any(value is None for value in raw.values()):
        return Resource(values, None)
    try:
        label = schema.parse(raw)
    except LabelError:
        return Resource(values, None)
    same = all(_same(label.values[name], value) for name, value in raw.items())
    return Resource(values, label if same else None)


def _same(parsed: Any, raw: Any) -> bool:
    """Say whether nothing was normalised: Casbin is asked about the raw value."""
    if isinstance(parsed, frozenset):
        return parsed == frozenset(raw)
    return bool(parsed == raw and type(parsed) is type(raw))
