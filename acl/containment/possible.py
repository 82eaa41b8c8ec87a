"""What the value of one attribute can still be, while a search tells more and more about it.

The laws of this file:

1. What is told is kept exactly: a value is still possible if and only if it agrees with everything
   that was told.
2. `says` answers what every possible value answers, and nothing if they disagree. Only what they
   disagree about is told, so that there is always a value left.
3. A missing attribute is one more possibility where the schema allows it. It satisfies no leaf.

Values of most types are listed by their specimens. Sets are too many to list: a set is known by the
elements that it may have, and by groups of elements of each of which it must have one. Demands that
can be met one by one can be met together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

from acl.containment.specimens import elements, specimens
from acl.errors import Budget, UndecidedError
from acl.labels import MAX_SET, Attribute, AttributeType, LabelValue
from acl.predicate import AnyOf, Leaf, NoneOf, NotSubsetOf, Present, SubsetOf, leaf_holds

SetLeaf: TypeAlias = AnyOf | NoneOf | SubsetOf | NotSubsetOf


class Possible(Protocol):
    """What is known of one attribute's value."""

    def told(self, leaf: Leaf, sign: bool) -> Possible:  # noqa: FBT001 - holds or fails
        """Return what is possible when an undecided leaf holds, or when it fails."""
        ...

    def says(self, leaf: Leaf) -> bool | None:
        """Say whether `leaf` holds, if every possible value says the same."""
        ...

    def value(self) -> LabelValue | None:
        """Return one possible value, or nothing where the attribute can be missing.

        Raises:
            UndecidedError: the set that was found has too many elements.
        """
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A value among listed ones.

    Attributes:
        values: the candidates; nothing stands for a missing attribute.
        fitting: for each leaf, the values for which it holds, a bit each.
        left: the values that are still possible, a bit each; never none.
    """

    values: Sequence[LabelValue | None]
    fitting: Mapping[Leaf, int]
    left: int

    def told(self, leaf: Leaf, sign: bool) -> Listed:  # noqa: FBT001 - holds or fails
        """Keep the values that agree."""
        fitting = self.fitting[leaf]
        return replace(self, left=self.left & (fitting if sign else ~fitting))

    def says(self, leaf: Leaf) -> bool | None:
        """Say what all values that are left say."""
        fitting = self.fitting[leaf] & self.left
        if fitting == self.left:
            return True
        return None if fitting else False

    def value(self) -> LabelValue | None:
        """Return the first value that is left."""
        return self.values[_first(self.left)]


@dataclass(frozen=True, slots=True)
class Elements:
    """A set, by its elements; each number is a choice of elements, a bit each.

    Attributes:
        names: the elements that leaves tell apart, and one that stands for all others.
        among: for each leaf on sets, the elements that it names.
        allowed: what the set may hold.
        demands: of each of these the set holds at least one; none is empty, and all are allowed.
        present: whether the attribute is there, if that is known.
    """

    names: Sequence[str]
    among: Mapping[Leaf, int]
    allowed: int
    demands: frozenset[int]
    present: bool | None

    def told(self, leaf: Leaf, sign: bool) -> Elements:  # noqa: FBT001 - holds or fails
        """Keep the sets that agree; a leaf other than presence is only told to hold."""
        known = replace(self, present=sign)
        match leaf:
            case AnyOf():
                return _demanding(known, self.among[leaf])
            case NotSubsetOf():
                return _demanding(known, ~self.among[leaf])
            case NoneOf():
                return _within(known, ~self.among[leaf])
            case SubsetOf():
                return _within(known, self.among[leaf])
            case _:
                return known

    def says(self, leaf: Leaf) -> bool | None:
        """Say whether all sets that are left agree."""
        if self.present is False:
            return False
        answer = self._says(leaf)
        return self.present if answer is True else answer

    def _says(self, leaf: Leaf) -> bool | None:
        match leaf:
            case AnyOf():
                return self._meets(self.among[leaf])
            case NotSubsetOf():
                return self._meets(~self.among[leaf])
            case NoneOf():
                return _NOT[self._meets(self.among[leaf])]
            case SubsetOf():
                return _NOT[self._meets(~self.among[leaf])]
            case Present():
                return True
            case _:
                return False

    def _meets(self, elements: int) -> bool | None:
        """Say whether the set, if it is there, has one of `elements`."""
        if not self.allowed & elements:
            return False
        return any(not demand & ~elements for demand in self.demands) or None

    def value(self) -> LabelValue | None:
        """Return a small set that meets every demand."""
        if not self.present:
            return None
        chosen = 0
        for demand in sorted(self.demands, key=lambda one: (one.bit_count(), one)):
            if not chosen & demand:
                chosen |= demand & -demand
        if chosen.bit_count() > MAX_SET:
            raise UndecidedError("a set would need more elements than it can have")
        return frozenset(name for place, name in enumerate(self.names) if chosen >> place & 1)


def _demanding(known: Elements, elements: int) -> Elements:
    return replace(known, demands=known.demands | {elements & known.allowed})


def _within(known: Elements, elements: int) -> Elements:
    demands = frozenset(demand & elements for demand in known.demands)
    return replace(known, allowed=known.allowed & elements, demands=demands)


def possible(attribute: Attribute, leaves: Sequence[Leaf], budget: Budget) -> Possible:
    """Return what is possible before anything is told.

    Args:
        attribute: whose values these are.
        leaves: everything that will be told or asked.
        budget: how long the listing may take.

    Raises:
        UndecidedError: the values are too many to list.
    """
    if attribute.type is AttributeType.KEYWORD_SET:
        names = elements(attribute, leaves)
        budget.spend(len(names) * len(leaves))
        among: dict[Leaf, int] = {
            leaf: _among(leaf, names) for leaf in leaves if isinstance(leaf, SetLeaf)
        }
        everything = (1 << len(names)) - 1
        return Elements(names, among, everything, frozenset(), attribute.required or None)
    values: list[LabelValue | None] = list(specimens(attribute, leaves, budget))
    if not attribute.required:
        values.append(None)
    budget.spend(len(values) * len(leaves))
    fitting = {leaf: _fitting(leaf, values) for leaf in leaves}
    return Listed(tuple(values), fitting, (1 << len(values)) - 1)


def _among(leaf: SetLeaf, names: Sequence[str]) -> int:
    return _bits(name in leaf.values for name in names)


def _fitting(leaf: Leaf, values: Sequence[LabelValue | None]) -> int:
    return _bits(value is not None and leaf_holds(leaf, value) for value in values)


def _bits(answers: Iterable[bool]) -> int:
    return sum(1 << place for place, answer in enumerate(answers) if answer)


def _first(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


_NOT: Final[Mapping[bool | None, bool | None]] = {True: False, False: True, None: None}
