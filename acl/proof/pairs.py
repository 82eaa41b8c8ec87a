"""What a proof compares: a role and a label; and how a few of many are chosen evenly.

The law of this file: a choice depends on numbers alone, so that every process chooses the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Final

from acl.labels import Label
from acl.subject import Subject

CLASSIFICATION: Final = "classification"
COMPARTMENTS: Final = "compartments"
_GOLDEN: Final = 0.6180339887


@dataclass(frozen=True, slots=True)
class Role:
    """A profile and an action: what one filter is compiled for."""

    profile: Subject
    action: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A role and a label on which the two roads are compared."""

    role: Role
    label: Label


def coprime(every: int) -> int:
    """Return a step that visits each of `every` places once and spreads the first of them."""
    step = max(1, round(every * _GOLDEN))
    while gcd(step, every) > 1:
        step += 1
    return step


def spread(every: int, limit: int) -> Iterator[int]:
    """Yield up to `limit` of `every` places, each once, the first of them spread evenly."""
    step = coprime(every)
    return (index * step % every for index in range(min(every, limit)))
