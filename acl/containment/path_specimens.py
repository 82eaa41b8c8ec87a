"""Paths that stand for all paths, as far as some leaves can tell (laws of `specimens`).

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

from acl.containment.budget import Budget, UndecidedError
from acl.labels import Attribute, AttributeType
from acl.predicate import (
    AnyOf,
    Leaf,
    NoneOf,
    NotShaped,
    NotSubsetOf,
    NotUnder,
    Shaped,
    SubsetOf,
    Under,
    Wildcard,
)


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


def asks_of_segments(leaf: Leaf) -> bool:
    """Say whether a leaf looks into a text instead of comparing the whole."""
    return isinstance(leaf, Under | NotUnder | Shaped | NotShaped)


def paths(attribute: Attribute, leaves: Sequence[Leaf], budget: Budget) -> Iterator[str]:
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
