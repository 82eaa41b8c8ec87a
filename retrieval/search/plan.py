"""How the dense leaf is searched, chosen by how many points the asker can see.

A graph search costs about the same however large the corpus is, an exact scan grows with what is
visible, so the crossing point is a number of points and not a share (about 15,000 vectors of 384
float32 numbers; Qdrant's own default of 10,000 KB is 6,600). Below it the exact plan is both the
faster and the only complete one: with a tenth of 100,000 points visible the graph's defaults found
0.72 of the true neighbours, and some questions none. Between it and `acorn_share` the graph is
walked two steps at a time (ACORN), which kept recall where plain filtering lost it, at several
times the price. Above, most neighbours in the graph are visible, and a wide beam does: with 0.4 of
60,000 points visible and more it found 0.999. `python -m bench.recall` measures every share, and
other thresholds with `--sweep`; the crossing points move with the machine.

What the exact plan promises, the graph plans do not: hidden points shape the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.index.engine import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """Where one plan gives way to the next.

    Attributes:
        exact_points: visible points up to which the search is exact.
        acorn_share: visible share of all points up to which the graph is walked with ACORN.
        acorn_ef: beam of the ACORN walk.
        hnsw_ef: beam of the plain graph walk.
    """

    exact_points: int = 15_000
    acorn_share: float = 0.4
    acorn_ef: int = 128
    hnsw_ef: int = 256

    def __post_init__(self) -> None:
        if self.exact_points < 0 or not 0 <= self.acorn_share <= 1:
            raise ValueError("the thresholds of a plan lie outside their range")
        if self.acorn_ef < 1 or self.hnsw_ef < 1:
            raise ValueError("the beam of a plan is not positive")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A plan and the beam it needs; the exact plan has no use for one."""

    plan: Plan
    ef: int


def choose(*, visible: int, total: int, settings: PlanSettings) -> Chosen:
    """Return the plan for `visible` points out of `total`, both of which may be estimates."""
    if visible <= settings.exact_points:
        return Chosen(Plan.EXACT, settings.hnsw_ef)
    if visible <= settings.acorn_share * total:
        return Chosen(Plan.ACORN, settings.acorn_ef)
    return Chosen(Plan.HNSW, settings.hnsw_ef)
