"""What an expression comes to, for every label at once: true, false, or an error.

Casbin evaluates from left to right and stops early; an attribute that a label lacks raises, and
kills the whole decision. An outcome therefore carries three conditions, for true, for false and
for defined, and these laws, each a property test:

1. True and false exclude each other, and defined is where one of them holds.
2. A label for which the expression is not defined raises.

Defined could be computed from the other two, but it is mostly far shorter than they are, such as
"the attribute is present", and it stands in front of every later row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from acl.algebra.conditions import all_of, any_of
from acl.labels import Attribute
from acl.predicate import ALWAYS, NEVER, Condition, Leaf, Present, dual

_KEPT: Final = 32_768
"""Rows of a policy join the same few conditions for one subject after the other."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an expression is true and where it is false.

    Attributes:
        true: the labels for which the expression is true.
        false: the labels for which it is false.
        defined: the labels for which it does not raise.
    """

    true: Condition
    false: Condition
    defined: Condition = ALWAYS

    @property
    def total(self) -> bool:
        """Whether the expression raises for no label."""
        return self.defined is ALWAYS

    def __invert__(self) -> Outcome:
        return Outcome(self.false, self.true, self.defined)

    def then(self, other: Outcome) -> Outcome:
        """Return `self and other`, where `other` counts only if `self` is true."""
        # Most conditions of most rows are constants; this keeps ten thousand rows fast.
        if self.true is NEVER or other is TRUE:
            return self
        if self is TRUE:
            return other
        return _remembered(self, other)

    def _then(self, other: Outcome) -> Outcome:
        later = other.false if self.total else all_of(self.true, other.false)
        defined = self.defined
        if not other.total:
            defined = all_of(defined, any_of(self.false, other.defined))
        return Outcome(all_of(self.true, other.true), any_of(self.false, later), defined)

    def otherwise(self, other: Outcome) -> Outcome:
        """Return `self or other`, where `other` counts only if `self` is false."""
        if self.false is NEVER or other is FALSE:
            return self
        return other if self is FALSE else ~(~self).then(~other)


_remembered: Final = lru_cache(_KEPT)(Outcome._then)  # noqa: SLF001 - its own module

TRUE: Final = Outcome(ALWAYS, NEVER)
FALSE: Final = Outcome(NEVER, ALWAYS)
RAISES: Final = Outcome(NEVER, NEVER, NEVER)


def constant(value: bool) -> Outcome:  # noqa: FBT001 - it is the value
    """Return the outcome of a known boolean."""
    return TRUE if value else FALSE


def of_leaf(leaf: Leaf, attribute: Attribute) -> Outcome:
    """Return where a leaf holds and where its dual does; a label without the attribute raises."""
    defined = ALWAYS if attribute.required else Present(attribute.name)  # law 2
    # What reads a missing attribute raises; only `absent` asks without reading.
    false = NEVER if isinstance(leaf, Present) else dual(leaf)
    return Outcome(leaf, false, defined)  # law 1
