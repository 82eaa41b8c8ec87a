"""The corpus as a policy sees it: which documents carry which labels, and where predicates hold.

A document is an id and its label of record, nothing else. The laws of this file:

1. For every label, a mask says what `acl.predicate.holds` says. Nothing is decided here that is
   released: the census counts what a change of policy would change.
2. Documents under one label are decided alike, so each label is looked at once.

Each attribute keeps an inverted index: the places of each value, or of each element of a set. Paths
are kept in order, so that those under a prefix stand side by side.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from acl.labels import CLASSIFICATION, Label, LabelKey, LabelSchema, LabelValue
from acl.predicate import (
    Absent,
    And,
    AnyOf,
    AtMost,
    Condition,
    Constant,
    Labelled,
    Leaf,
    MoreThan,
    NoneOf,
    NotShaped,
    NotSubsetOf,
    NotUnder,
    Or,
    Predicate,
    Present,
    Scalar,
    Shaped,
    SubsetOf,
    Under,
)

Mask: TypeAlias = NDArray[np.bool_]
"""For each label, in order, whether a condition holds for it."""

Packed: TypeAlias = NDArray[np.uint8]
"""The same with eight labels in a byte, in which conditions are joined."""

Places: TypeAlias = NDArray[np.int64]

_KEPT_LABELS: Final = 8 * 64 * 1024 * 1024
"""Labels in all leaves that are remembered, eight to a byte."""

_LAST: Final = "\U0010ffff"
_BEYOND: Final = 2**62


class Census:
    """Labels, and how many documents carry each."""

    def __init__(self, labels: Sequence[Label], counts: Sequence[int] | None = None) -> None:
        """Index `labels`; without `counts`, each is carried by one document."""
        self.labels = tuple(labels)
        self.counts = np.array([1] * len(labels) if counts is None else counts, dtype=np.int64)
        if len(self.counts) != len(self.labels):
            raise ValueError("there is one count for each label")
        self._columns: dict[str, _Column] = {}
        self._kept: dict[Leaf, Packed] = {}

    def mask(self, condition: Condition) -> Mask:
        """Return for which labels `condition` holds."""
        if isinstance(condition, Constant):
            return np.full(len(self.labels), bool(condition.value))
        packed = self._mask(condition)
        return np.unpackbits(packed, count=len(self.labels)).view(np.bool_)

    def count(self, mask: Mask) -> int:
        """Return how many documents carry one of the labels that `mask` chooses."""
        return int(self.counts[mask].sum())

    def _mask(self, predicate: Predicate) -> Packed:
        match predicate:
            case And(parts):
                first, *rest = map(self._mask, parts)
                joined = first.copy()
                for other in rest:
                    joined &= other
                return joined
            case Or(parts):
                first, *rest = map(self._mask, parts)
                joined = first.copy()
                for other in rest:
                    joined |= other
                return joined
            case _:
                return self._leaf(predicate)

    def _leaf(self, leaf: Leaf) -> Packed:
        mask = self._kept.get(leaf)
        if mask is None:
            if len(self._kept) * len(self.labels) > _KEPT_LABELS:
                self._kept.clear()
            mask = self._kept[leaf] = np.packbits(self._computed(leaf))
        return mask

    def _computed(self, leaf: Leaf) -> Mask:
        if isinstance(leaf, Labelled):
            return np.ones(len(self.labels), dtype=np.bool_)
        column = self._column(leaf.attribute)
        match leaf:
            case AnyOf(_, values):
                return column.any_of(values)
            case NoneOf(_, values):
                return column.present & ~column.any_of(values)
            case SubsetOf(_, texts):
                return column.within(texts)
            case NotSubsetOf(_, texts):
                return column.present & ~column.within(texts)
            case AtMost(_, bound):
                return column.is_counted & (column.numbers <= _bounded(bound))
            case MoreThan(_, bound):
                return column.is_counted & (column.numbers > _bounded(bound))
            case Under(_, prefixes):
                return column.under(prefixes)
            case NotUnder(_, prefixes):
                return column.is_text & ~column.under(prefixes)
            case Shaped(_, shape):
                return column.shaped(shape.matches)
            case NotShaped(_, shape):
                return column.is_text & ~column.shaped(shape.matches)
            case Present():
                return column.present
            case Absent():
                return ~column.present
            case _:
                assert_never(leaf)

    def _column(self, attribute: str) -> _Column:
        if attribute not in self._columns:
            values = [label.values.get(attribute) for label in self.labels]
            self._columns[attribute] = _Column(values)
        return self._columns[attribute]


class _Column:
    """One attribute of every label."""

    def __init__(self, values: Sequence[LabelValue | None]) -> None:
        self._size = len(values)
        self.present = _filled(value is not None for value in values)
        self.is_counted = _filled(isinstance(value, int | frozenset) for value in values)
        self.is_text = _filled(isinstance(value, str) for value in values)
        self.numbers = np.array([_count(value) for value in values], dtype=np.int64)
        self._lengths = np.array([len(_elements(value)) for value in values], dtype=np.int64)
        self._places = _inverted(values)
        self._texts = sorted(text for text in set(values) if isinstance(text, str))
        ordered = [self._places[text] for text in self._texts]
        # Where the places of the n-th text begin; those under one prefix are one slice.
        self._starts = np.cumsum([0, *map(len, ordered)])
        self._in_order = np.concatenate([np.empty(0, dtype=np.int64), *ordered])

    def any_of(self, values: Iterable[Scalar]) -> Mask:
        """Return where the value, or an element of it, is among `values`."""
        mask = self._empty()
        for value in values:
            places = self._places.get(value)
            if places is not None:
                mask[places] = True
        return mask

    def within(self, texts: Iterable[Scalar]) -> Mask:
        """Return where the value, or every element of it, is among `texts`."""
        hits = np.zeros(self._size, dtype=np.int64)
        for text in texts:
            places = self._places.get(text)
            if places is not None:
                hits[places] += 1
        every: Mask = hits == self._lengths
        return self.present & every

    def under(self, prefixes: Iterable[str]) -> Mask:
        """Return where the text begins with one of `prefixes`."""
        mask = self._empty()
        for prefix in prefixes:
            first = bisect_left(self._texts, prefix)
            after = bisect_left(self._texts, _following(prefix)) if prefix else len(self._texts)
            mask[self._in_order[self._starts[first] : self._starts[after]]] = True
        return mask

    def shaped(self, matches: Callable[[str], bool]) -> Mask:
        """Return where the text matches."""
        return self.any_of(text for text in self._texts if matches(text))

    def _empty(self) -> Mask:
        return np.zeros(self._size, dtype=np.bool_)


def _filled(values: Iterable[bool]) -> Mask:
    return np.fromiter(values, dtype=np.bool_)


def _count(value: LabelValue | None) -> int:
    match value:
        case frozenset():
            return len(value)
        case int():
            return value
        case _:
            return 0


def _elements(value: LabelValue | None) -> frozenset[Scalar]:
    if value is None:
        return frozenset()
    return frozenset(value) if isinstance(value, frozenset) else frozenset({value})


def _inverted(values: Sequence[LabelValue | None]) -> Mapping[Scalar, Places]:
    places: dict[Scalar, list[int]] = defaultdict(list)
    for place, value in enumerate(values):
        for element in _elements(value):
            places[element].append(place)
    return {element: np.array(found, dtype=np.int64) for element, found in places.items()}


def _following(prefix: str) -> str:
    """Return the first text, in the order of code points, after every text with this prefix."""
    rest = prefix.rstrip(_LAST)
    return f"{rest[:-1]}{chr(ord(rest[-1]) + 1)}" if rest else _LAST * 2048


def _bounded(bound: int) -> int:
    """Keep a bound within the integers of an array; labels stay within ±2^53."""
    return max(-_BEYOND, min(_BEYOND, bound))


class Corpus:
    """Documents by label."""

    def __init__(self, documents: Iterable[tuple[str, Label]], schema: LabelSchema) -> None:
        """Group `documents`, each an id and its label."""
        places: dict[LabelKey, int] = {}
        labels: list[Label] = []
        self._ids: list[list[str]] = []
        self._place: dict[str, int] = {}
        for document, label in documents:
            place = places.setdefault(label.key, len(labels))  # law 2
            if place == len(labels):
                labels.append(label)
                self._ids.append([])
            self._ids[place].append(document)
            self._place[document] = place
        self.census = Census(labels, [len(ids) for ids in self._ids])
        self._levels, self._level_of = _levels(labels, schema)

    def label_of(self, document: str) -> Label | None:
        """Return the label of a document, or nothing if there is no such document."""
        place = self._place.get(document)
        return None if place is None else self.census.labels[place]

    def by_level(self, mask: Mask) -> tuple[tuple[str, int], ...]:
        """Return how many documents of each classification the mask chooses, lowest first."""
        counts = np.bincount(
            self._level_of[mask], weights=self.census.counts[mask], minlength=len(self._levels)
        )
        return tuple(
            (level, int(count)) for level, count in zip(self._levels, counts, strict=True) if count
        )

    def some(self, mask: Mask, limit: int) -> tuple[str, ...]:
        """Return up to `limit` ids of documents that the mask chooses."""
        ids = (one for place in np.flatnonzero(mask)[:limit] for one in self._ids[place])
        return tuple(islice(ids, limit))


def _levels(
    labels: Iterable[Label], schema: LabelSchema
) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the names of the classifications that occur, and which one each label has."""
    attribute, values = (
        schema.attributes.get(CLASSIFICATION),
        [label.values.get(CLASSIFICATION) for label in labels],
    )
    present = sorted({value for value in values if isinstance(value, int)})
    names = [str(attribute.display(value)) if attribute else "" for value in present]
    place = {value: number for number, value in enumerate(present, start=1)}
    chosen = [place[value] if isinstance(value, int) else 0 for value in values]
    return ("", *names), np.array(chosen, dtype=np.int64)
