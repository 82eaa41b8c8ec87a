"""Sparse scores that do not depend on how an index lies on disk.

Qdrant sums a passage's terms in float32, in an order that follows the index: terms are numbered
in the order in which some document first brought them, and that document may be hidden. Sums of
three terms or more then differ in the last bit, before and after hidden documents are added or
segments rebuilt. A sum of two does not: addition is commutative, only not associative. So the
candidates' terms are scored in pairs, and the pairs are summed here, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.index.engine import Candidate

TOLERANCE: Final = 1e-4
"""How far, relatively, the engine's own sums can lie from the exact ones."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A part of a question's sparse vector."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


def pairs(terms: Terms) -> Iterator[Terms]:
    """Yield the terms by two, in the order of their indices."""
    ordered = sorted(zip(terms.indices, terms.values, strict=True))
    for start in range(0, len(ordered), 2):
        indices, values = zip(*ordered[start : start + 2], strict=True)
        yield Terms(indices, values)


def resummed(
    candidates: Sequence[Candidate], parts: Sequence[Sequence[Candidate]]
) -> list[Candidate]:
    """Return `candidates` with the exact sum of their scores in `parts`, best first."""
    scores: dict[str, list[float]] = {one.id: [] for one in candidates}
    for part in parts:
        for one in part:
            scores[one.id].append(one.score)
    summed = [Candidate(one.id, math.fsum(scores[one.id]), one.payload) for one in candidates]
    return sorted(summed, key=lambda one: (-one.score, one.id))
