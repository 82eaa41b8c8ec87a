"""What an expression comes to, for every label at once: true, false, or an error.

Casbin evaluates from left to right and stops early; an attribute that a label lacks raises, and
kills the whole decision. An outcome therefore carries two conditions, for true and for false,
which exclude each other; a label for which neither holds raises. `total` says that this cannot
happen, and makes the formulas short.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from acl.conditions import all_of, any_of
from acl.predicate import ALWAYS, NEVER, Condition


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an expression is true and where it is false.

    Attributes:
        true: the labels for which the expression is true.
        false: the labels for which it is false.
        total: no label raises.
    """

    true: Condition
    false: Condition
    total: bool = True

    @property
    def defined(self) -> Condition:
        """The labels for which the expression does not raise."""
        return ALWAYS if self.total else any_of(self.true, self.false)

    def __invert__(self) -> Outcome:
        return Outcome(self.false, self.true, self.total)

    def then(self, other: Outcome) -> Outcome:
        """Return `self and other`, where `other` counts only if `self` is true."""
        if self.true is NEVER or other is TRUE:
            return self
        if self is TRUE:
            return other
        later = other.false if self.total else all_of(self.true, other.false)
        total = self.total and other.total
        return Outcome(all_of(self.true, other.true), any_of(self.false, later), total)

    def otherwise(self, other: Outcome) -> Outcome:
        """Return `self or other`, where `other` counts only if `self` is false."""
        if self.false is NEVER or other is FALSE:
            return self
        return other if self is FALSE else ~(~self).then(~other)


TRUE: Final = Outcome(ALWAYS, NEVER)
FALSE: Final = Outcome(NEVER, ALWAYS)
RAISES: Final = Outcome(NEVER, NEVER, total=False)


def constant(value: bool) -> Outcome:  # noqa: FBT001 - it is the value
    """Return the outcome of a known boolean."""
    return TRUE if value else FALSE
