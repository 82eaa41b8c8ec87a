"""Specimens: for one attribute, values that stand for all values as far as some leaves can tell.

The laws of this file:

1. Whatever value a label can have, some specimen satisfies the same of the given leaves. So what
   holds for every specimen holds for every label.
2. Every specimen is itself a value that a label can have.
3. Where the specimens are too many to list, or might be too long to be values, an error says so;
   nothing is left out in silence.

Cut at `/`, a path is a row of segments, and a leaf asks of each segment whether it is a given text,
begins with one, is empty, or is hidden. A character that no leaf mentions stands for all that the
leaves do not tell apart. It is a plain letter, so that no normal form joins it to its neighbours,
and no text that a leaf mentions goes on as it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeAlias, assert_never

from acl.errors import Budget, UndecidedError
from acl.labels import MAX_INTEGER, MAX_TEXT, Attribute, AttributeType, LabelValue
from acl.predicate import (
    AnyOf,
    AtMost,
    Leaf,
    MoreThan,
    NoneOf,
    NotShaped,
    NotSubsetOf,
    NotUnder,
    Shaped,
    SubsetOf,
    Under,
    Wildcard,
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
    if attribute.type is AttributeType.PATH or any(map(_asks_of_segments, leaves)):
        found = set(_paths(attribute, leaves, budget))
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


@dataclass(frozen=True, slots=True)
class _Begins:
    """A segment that begins with `text`."""

    text: str


_Step: TypeAlias = str | Wildcard | _Begins


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What a leaf says of a path: its first segments, and whether anything may follow them."""

    steps: tuple[_Step, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class _Reached:
    """What a beginning of a path has come to; paths that agree in this are told apart by no leaf.

    Attributes:
        live: positions of the patterns that fit so far, those included that end just here.
        past: positions of the open patterns that ended before.
        closed: whether an empty segment ended the path, so that nothing may follow.
    """

    live: frozenset[int]
    past: frozenset[int] = frozenset()
    closed: bool = False


def _asks_of_segments(leaf: Leaf) -> bool:
    """Say whether a leaf looks into a text instead of comparing the whole."""
    return isinstance(leaf, Under | NotUnder | Shaped | NotShaped)


def _paths(attribute: Attribute, leaves: Sequence[Leaf], budget: Budget) -> Iterator[str]:
    """Yield texts of which those that are values stand for all.

    Raises:
        UndecidedError: there are too many.
    """
    patterns = tuple(dict.fromkeys(chain.from_iterable(map(_patterns, leaves))))
    return _Paths(attribute, patterns, budget).walk()


def _patterns(leaf: Leaf) -> Iterator[_Pattern]:
    match leaf:
        case AnyOf(_, values) | NoneOf(_, values) | SubsetOf(_, values) | NotSubsetOf(_, values):
            texts = (one for one in values if isinstance(one, str))
            yield from (_Pattern(tuple(text.split("/")), open=False) for text in texts)
        case Under(_, prefixes) | NotUnder(_, prefixes):
            for prefix in prefixes:
                *head, last = prefix.split("/")
                yield _Pattern((*head, _Begins(last)), open=True)
        case Shaped(_, shape) | NotShaped(_, shape):
            tail = (_Begins(""),) if shape.tail else ()
            yield _Pattern((*shape.segments, *tail), open=shape.tail)
        case _:
            pass


_LETTERS: Final = range(0x4E00, 0x9FA6)
"""Letters that no normal form changes or joins, for when the plain ones are all mentioned."""


@dataclass(slots=True)
class _Paths:
    """Walks all paths that some patterns tell apart, a segment at a time."""

    attribute: Attribute
    patterns: Sequence[_Pattern]
    budget: Budget
    fresh: str = field(init=False)

    def __post_init__(self) -> None:
        steps = chain.from_iterable(pattern.steps for pattern in self.patterns)
        taken = set("".join(map(_spelt, steps)))
        letters = chain("xyzabcdefghijklmnopqrstuvw0123456789", map(chr, _LETTERS))
        fresh = next((one for one in letters if one not in taken), None)
        if fresh is None:
            raise UndecidedError("the paths mention every letter that there is")
        self.fresh = fresh

    def walk(self) -> Iterator[str]:
        """Yield one path or more for each thing that a path can come to."""
        depth = 1 + max((len(pattern.steps) for pattern in self.patterns), default=0)
        level = {_Reached(frozenset(range(len(self.patterns)))): ""}
        for place in range(depth):
            following: dict[_Reached, str] = {}
            for reached, path in level.items():
                for segment, state in self._onwards(reached, place):
                    longer = f"{path}/{segment}" if place else segment
                    yield longer
                    known = following.get(state, longer)
                    following[state] = min(known, longer, key=lambda one: (len(one), one))
            level = {state: path for state, path in following.items() if not state.closed}

    def _onwards(self, reached: _Reached, place: int) -> Iterator[tuple[str, _Reached]]:
        """Yield a segment of each sort that the fitting patterns tell apart, and what it leads to.

        A text that two sorts share leads to one thing.
        """
        by_step: dict[_Step, list[int]] = {}
        for position in reached.live:
            steps = self.patterns[position].steps
            if place < len(steps):
                by_step.setdefault(steps[place], []).append(position)
        unspelt = [step for step in by_step if not isinstance(step, str)]
        segments = self._segments(by_step)
        self.budget.spend(len(segments) * (1 + len(unspelt)) + len(reached.live))
        for segment in segments:
            fitting = set(by_step.get(segment, ()))
            for step in unspelt:
                if _fits(step, segment):
                    fitting.update(by_step[step])
            yield segment, self._reached(reached, place, segment, fitting)

    def _segments(self, steps: Iterable[_Step]) -> list[str]:
        found = dict.fromkeys((self.fresh, "", f".{self.fresh}"))
        for step in steps:
            text = _spelt(step)
            found[text] = None
            if isinstance(step, _Begins):
                found[f"{text}{self.fresh}"] = None
        return list(found)

    def _reached(self, before: _Reached, place: int, segment: str, fitting: set[int]) -> _Reached:
        ended = {
            one
            for one in fitting
            if self.patterns[one].open and len(self.patterns[one].steps) == place + 1
        }
        doubled = segment == "" and place > 0 and self.attribute.type is AttributeType.PATH
        return _Reached(frozenset(fitting - ended), before.past | ended, doubled)


def _fits(step: Wildcard | _Begins, segment: str) -> bool:
    match step:
        case _Begins(text):
            return segment.startswith(text)
        case Wildcard.SOME:
            return segment != ""
        case Wildcard.VISIBLE:
            return segment != "" and not segment.startswith(".")
        case _:
            assert_never(step)


def _spelt(step: _Step) -> str:
    match step:
        case str():
            return step
        case _Begins(text):
            return text
        case Wildcard():
            return ""
        case _:
            assert_never(step)
