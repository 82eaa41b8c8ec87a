"""Specimens: for one attribute, values that stand for all values as far as some leaves can tell.

The laws of this file:

1. Whatever value a label can have, some specimen satisfies the same of the given leaves. So what
   holds for every specimen holds for every label.
2. Every specimen is itself a value that a label can have.
3. Where the specimens are too many to list, or might be too long to be values, an error says so;
   nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from acl.containment.budget import Budget, UndecidedError
from acl.containment.path_specimens import asks_of_segments, paths
from acl.labels import MAX_INTEGER, MAX_TEXT, Attribute, AttributeType, LabelValue
from acl.predicate import (
    AnyOf,
    AtMost,
    Leaf,
    MoreThan,
    NoneOf,
    NotSubsetOf,
    SubsetOf,
    leaf_holds,
)

OTHER: Final = "other"


def specimens(
    attribute: Attribute, leaves: Sequence[Leaf], budget: Budget
) -> tuple[LabelValue, ...]:
    """Return values of an attribute that is no set (laws 1 and 2), the plainest first.

    Raises:
        UndecidedError: there are too many, or some might be longer than a value can be.
    """
    match attribute.type:
        case AttributeType.BOOLEAN:
            return (False, True)
        case AttributeType.INTEGER | AttributeType.DATETIME:
            numbers = sorted(_numbers(leaves, _lowest(attribute)), key=lambda one: (abs(one), one))
            return tuple(one for one in numbers if _is_value(attribute, one))
        case AttributeType.KEYWORD | AttributeType.PATH:
            return _texts(attribute, leaves, budget)
        case AttributeType.KEYWORD_SET:
            raise AssertionError("of a set, the elements are listed")
        case _:
            assert_never(attribute.type)


def elements(attribute: Attribute, leaves: Iterable[Leaf]) -> tuple[str, ...]:
    """Return the texts that tell sets apart: those that are mentioned, and one that is not."""
    texts = {one for one in _mentioned(leaves) if _is_value(attribute, one, within=True)}
    return (*sorted(texts), _unmentioned(texts))


def _is_value(attribute: Attribute, value: str | int, *, within: bool = False) -> bool:
    """Say whether a label can hold `value` in just this form, or `within` a set."""
    try:
        parsed = attribute.parse([value] if within else value)
    except ValueError:
        return False
    return parsed == (frozenset({value}) if within else value)


def _lowest(attribute: Attribute) -> int:
    return 0 if attribute.levels else -MAX_INTEGER


def _numbers(leaves: Iterable[Leaf], lowest: int) -> set[int]:
    """Return the numbers at which an answer can change, going up."""
    found = {lowest}
    for leaf in leaves:
        match leaf:
            case AtMost(_, bound) | MoreThan(_, bound):
                found |= {bound, bound + 1}
            case AnyOf(_, values) | NoneOf(_, values):
                whole = {int(one) for one in values if isinstance(one, int)}
                found |= whole | {one + 1 for one in whole}
            case _:
                pass
    return found


def _mentioned(leaves: Iterable[Leaf]) -> set[str]:
    found: set[str] = set()
    for leaf in leaves:
        match leaf:
            case AnyOf(_, values) | NoneOf(_, values):
                found |= {one for one in values if isinstance(one, str)}
            case SubsetOf(_, texts) | NotSubsetOf(_, texts):
                found |= texts
            case _:
                pass
    return found


def _unmentioned(texts: Iterable[str]) -> str:
    taken, name, number = set(texts), OTHER, 1
    while name in taken:
        number += 1
        name = f"{OTHER}-{number}"
    return name


def _texts(attribute: Attribute, leaves: Sequence[Leaf], budget: Budget) -> tuple[str, ...]:
    if attribute.type is AttributeType.PATH or any(map(asks_of_segments, leaves)):
        found = set(paths(attribute, leaves, budget))
        return _proper(attribute, leaves, sorted(found, key=_plainness))
    texts = _mentioned(leaves)
    # An empty text is mentioned, or like any other.
    return tuple(one for one in (_unmentioned(texts), *sorted(texts)) if _is_value(attribute, one))


def _plainness(path: str) -> tuple[bool, int, str]:
    """Sort what looks like a document's path before folders and hidden files."""
    return path.endswith("/") or "/." in path, len(path), path


def _proper(attribute: Attribute, leaves: Sequence[Leaf], texts: Sequence[str]) -> tuple[str, ...]:
    """Return the texts that are values; one that is too long must have a twin among them.

    Raises:
        UndecidedError: it has none, but perhaps there is a shorter one that was not tried.
    """
    proper = tuple(text for text in texts if _is_value(attribute, text))
    lengthy = {_answers(leaves, text) for text in texts if len(text) > MAX_TEXT}
    if lengthy - {_answers(leaves, text) for text in proper if lengthy}:
        raise UndecidedError("a path of the greatest length is compared with another")
    return proper


def _answers(leaves: Sequence[Leaf], text: str) -> tuple[bool, ...]:
    return tuple(leaf_holds(leaf, text) for leaf in leaves)
