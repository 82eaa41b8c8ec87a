"""Neighbours: labels that differ from a live one in one attribute, across a policy's boundaries.

The laws of this file:

1. A neighbour is a complete label of the schema, and differs from its origin in one attribute.
2. The values come from the texts and numbers of the policies and from the subjects that stand for
   their roles, never from what the compiler made of them: a condition that the compiler lost would
   take its boundary with it.
3. The same label and boundaries give the same neighbours; how many is bounded by the caller, and
   where the choice begins is too, so that many labels together cover what one cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from acl.decision import TENANT
from acl.errors import LabelError
from acl.labels import Attribute, AttributeType, Label, LabelSchema, LabelValue
from acl.policy.names import mentions_of
from acl.policy.policy import Policy
from acl.subject import EVERYONE, Subject

NOBODY: Final = "user:nobody-is-called-this"
_OTHER: Final = "other"
_VARIABLE: Final = re.compile(r":[^/]+|\{[^/]*\}")

Value: TypeAlias = LabelValue | None
LabelKey: TypeAlias = frozenset[tuple[str, LabelValue]]


@dataclass(frozen=True, slots=True)
class Boundaries:
    """What the values of each attribute are compared with, in a fixed order.

    Attributes:
        schema: declares the attributes.
        values: per attribute, values on either side of each boundary; of a set, its elements.
    """

    schema: LabelSchema
    values: Mapping[str, tuple[str | int, ...]]

    @classmethod
    def of(cls, policies: Sequence[Policy], subjects: Iterable[Subject]) -> Boundaries:
        """Collect what `policies` mention and what `subjects` have; there is one policy or more."""
        schema, known = policies[0].schema, [mentions_of(policy) for policy in policies]
        asking = tuple(subjects)
        words = {text for one in known for text in one.texts} | _words(asking)
        numbers = {number for one in known for number in one.numbers}
        numbers |= {one.clearance for one in asking}
        tenants = tuple(sorted({one.tenant for one in asking}))
        values = {
            name: tenants if name == TENANT else _across(attribute, words, numbers)
            for name, attribute in schema.attributes.items()
        }
        return cls(schema, values)


def key(label: Label) -> LabelKey:
    """Return what two labels share if and only if they are equal."""
    return frozenset(label.values.items())


def neighbours(
    label: Label, boundaries: Boundaries, *, limit: int, start: int = 0
) -> tuple[Label, ...]:
    """Return up to `limit` neighbours, each once.

    Args:
        label: the origin.
        boundaries: what to cross.
        limit: how many at most.
        start: where in the list of all changes to begin; it goes on at the front.
    """
    changes = [
        (name, value)
        for name, attribute in boundaries.schema.attributes.items()
        for value in _changes(attribute, label.values.get(name), boundaries.values[name])
    ]
    found: dict[LabelKey, Label] = {key(label): label}
    for step in range(len(changes)):
        if len(found) > limit:
            break
        name, value = changes[(start + step) % len(changes)]
        changed = _changed(label, boundaries.schema, name, value)
        if changed is not None:
            found.setdefault(key(changed), changed)
    return tuple(found.values())[1:]


def _changed(label: Label, schema: LabelSchema, name: str, value: Value) -> Label | None:
    try:
        return schema.parse({**label.values, name: value})
    except LabelError:
        return None


def _changes(
    attribute: Attribute, mine: LabelValue | None, values: Sequence[str | int]
) -> Iterator[Value]:
    """Yield the values to try instead of `mine`; nothing stands for a missing attribute."""
    if mine is not None and not attribute.required:
        yield None
    match attribute.type:
        case AttributeType.KEYWORD_SET:
            yield from _sets(mine if isinstance(mine, frozenset) else frozenset(), values)
        case AttributeType.INTEGER | AttributeType.DATETIME:
            yield from _numbers({mine} if isinstance(mine, int) else set())
            yield from values
        case AttributeType.PATH:
            yield from _around(mine) if isinstance(mine, str) else ()
            yield from values
        case AttributeType.KEYWORD:
            yield from values
        case AttributeType.BOOLEAN:
            yield from (value for value in (True, False) if value is not mine)
        case _:
            assert_never(attribute.type)


def _sets(mine: frozenset[str], values: Sequence[str | int]) -> Iterator[LabelValue]:
    """Yield the set with one element fewer, with one more, and empty."""
    yield frozenset()
    for one in sorted(mine):
        yield mine - {one}
    for value in values:
        if isinstance(value, str) and value not in mine:
            yield mine | {value}


def _words(subjects: Iterable[Subject]) -> set[str]:
    found = {EVERYONE, NOBODY}
    for one in subjects:
        found |= {one.id, *one.groups, *one.compartments}
    return found


def _across(attribute: Attribute, words: set[str], numbers: set[int]) -> tuple[str | int, ...]:
    match attribute.type:
        case AttributeType.INTEGER | AttributeType.DATETIME:
            return tuple(_numbers(numbers))
        case AttributeType.PATH:
            paths = {path for word in sorted(words) if "/" in word for path in _paths(word)}
            return tuple(sorted(paths))
        case AttributeType.KEYWORD | AttributeType.KEYWORD_SET:
            return tuple(sorted(words))
        case AttributeType.BOOLEAN:
            return ()
        case _:
            assert_never(attribute.type)


def _numbers(numbers: Iterable[int]) -> list[int]:
    return sorted({number + step for number in numbers for step in (-1, 0, 1)})


def _paths(pattern: str) -> Iterator[str]:
    """Yield paths that a pattern matches, and paths that it just fails to match."""
    spelt = _VARIABLE.sub(_OTHER, pattern)
    yield spelt.replace("*", _OTHER)
    yield from _around(spelt.partition("*")[0])


def inside_and_beside(pattern: str) -> Iterator[str]:
    """Yield a path that a pattern matches and one that it just fails to match; else nothing."""
    if "/" in pattern:
        spelt = _VARIABLE.sub(_OTHER, pattern)
        yield spelt.replace("*", _OTHER)
        yield f"{spelt.partition('*')[0].rstrip('/')}{_OTHER}"


def _around(path: str) -> Iterator[str]:
    """Yield the path without its last slash, its child, its namesake, its parent and a sibling."""
    bare = path.rstrip("/")
    parent = bare.rpartition("/")[0]
    yield from (bare, f"{bare}/{_OTHER}", f"{bare}{_OTHER}", parent, f"{parent}/{_OTHER}")
