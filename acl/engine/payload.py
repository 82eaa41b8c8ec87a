"""Label to payload, and the names under which the filter finds it again.

The laws of this file:

1. Everything about a label lives under the reserved top-level key `label`, which is replaced as a
   whole, so that a point never carries half of one.
2. Beside it, `document` carries bookkeeping and `meta` what a caller may narrow by. No key of a
   caller can reach `label` (rule R4), because narrowing builds its keys with `meta_key` alone.
3. A path is stored three ways: its value, its beginnings, and tokens that describe its segments
   (`2=reports`, `2+` not empty, `2~` visible, `2.` exists, `#3` three segments).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, assert_never

from acl.labels import AttributeType, Label, LabelSchema, Prefixes
from acl.predicate import Segment, Shape, Wildcard

COMPLETE: Final = "label.complete"
SCHEMA: Final = "label.schema"
PRESENT: Final = "label.present"
DOCUMENT: Final = "document.id"
VERSION: Final = "document.version"


def value_key(attribute: str) -> str:
    """Where the typed value of a label attribute is stored."""
    return f"label.value.{attribute}"


def prefixes_key(attribute: str) -> str:
    """Where the beginnings of a path are stored."""
    return f"label.prefixes.{attribute}"


def shape_key(attribute: str) -> str:
    """Where the segment tokens of a path are stored."""
    return f"label.shape.{attribute}"


def size_key(attribute: str) -> str:
    """Where the number of elements of a set is stored."""
    return f"label.size.{attribute}"


def meta_key(attribute: str) -> str:
    """Where a metadata attribute is stored."""
    return f"meta.{attribute}"  # law 2


def label_payload(label: Label | None, schema: LabelSchema) -> dict[str, Any]:
    """Return the whole `label` object of a point; without a label, one that no filter passes.

    Booleans become 0 and 1, because the embedded engine makes integers of them anyway.
    """
    if label is None:
        return {"complete": 0, "schema": schema.digest, "present": [], "value": {}}  # law 1
    paths = {
        name: (str(value), schema.attributes[name].prefixes)
        for name, value in label.values.items()
        if schema.attributes[name].type is AttributeType.PATH
    }
    return {
        "complete": 1,
        "schema": schema.digest,
        "present": sorted(label.values),
        "value": {name: _stored(value) for name, value in label.values.items()},
        "size": {
            name: len(value) for name, value in label.values.items() if isinstance(value, frozenset)
        },
        "prefixes": {name: sorted(prefixes(*path)) for name, path in paths.items()},
        "shape": {name: sorted(shape_of(path)) for name, (path, _) in paths.items()},  # law 3
    }


def point_payload(
    label: Label | None,
    schema: LabelSchema,
    *,
    document: str,
    version: int,
    meta: Mapping[str, object],
) -> dict[str, Any]:
    """Return the complete payload of a point, label and bookkeeping in one."""
    return {
        "label": label_payload(label, schema),
        "document": {"id": document, "version": version},
        "meta": meta_payload(meta),
    }


def meta_payload(meta: Mapping[str, object]) -> dict[str, object]:
    """Return the `meta` object of a point."""
    return {name: _stored(value) for name, value in meta.items()}


def payload_indexes(schema: LabelSchema) -> dict[str, AttributeType]:
    """Return every key that must be indexed before the first point, with its type."""
    indexes = {
        COMPLETE: AttributeType.INTEGER,
        SCHEMA: AttributeType.KEYWORD,
        PRESENT: AttributeType.KEYWORD_SET,
        DOCUMENT: AttributeType.KEYWORD,
        VERSION: AttributeType.INTEGER,
    }
    for name, attribute in schema.attributes.items():
        indexes[value_key(name)] = attribute.type
        if attribute.type is AttributeType.KEYWORD_SET:
            indexes[size_key(name)] = AttributeType.INTEGER
        if attribute.type is AttributeType.PATH:
            indexes[prefixes_key(name)] = AttributeType.KEYWORD_SET
            indexes[shape_key(name)] = AttributeType.KEYWORD_SET
    indexes |= {meta_key(name): attribute.type for name, attribute in schema.metadata.items()}
    return indexes


def prefixes(path: str, cut: Prefixes) -> Iterator[str]:
    """Yield the beginnings of `path` that `Under` can be asked for."""
    for end in range(1, len(path) + 1):
        if cut is Prefixes.CHARACTER or path[end - 1] == "/":
            yield path[:end]


def shape_of(path: str) -> Iterator[str]:
    """Yield the tokens that describe the segments of `path`."""
    segments = path.split("/")
    yield f"#{len(segments)}"
    for position, segment in enumerate(segments):
        yield f"{position}."
        yield f"{position}={segment}"
        if segment:
            yield f"{position}+"
        if segment and not segment.startswith("."):
            yield f"{position}~"


def shape_tokens(shape: Shape) -> tuple[str, ...]:
    """Return the tokens of which a path of this shape has every one."""
    wanted = [_token(position, segment) for position, segment in enumerate(shape.segments)]
    depth = len(shape.segments)
    return (*wanted, f"{depth}." if shape.tail else f"#{depth}")


def _token(position: int, segment: Segment) -> str:
    match segment:
        case str():
            return f"{position}={segment}"
        case Wildcard():
            return f"{position}{segment.value}"
        case _:
            assert_never(segment)


def _stored(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return sorted(value) if isinstance(value, frozenset) else value
