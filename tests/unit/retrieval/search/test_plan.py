from __future__ import annotations

from typing import Any

import pytest

from ingest.index.engine import Plan
from retrieval.search.plan import Chosen, PlanSettings, choose

SETTINGS = PlanSettings(exact_points=100, acorn_share=0.5, acorn_ef=7, hnsw_ef=9)

CASES = {
    (0, 0): Plan.EXACT,
    (100, 10_000): Plan.EXACT,
    (101, 10_000): Plan.ACORN,
    (5000, 10_000): Plan.ACORN,
    (5001, 10_000): Plan.HNSW,
    (10_000, 10_000): Plan.HNSW,
    (101, 101): Plan.HNSW,
}


@pytest.mark.parametrize(("points", "plan"), CASES.items())
def test_the_plan_follows_from_what_is_visible(points: tuple[int, int], plan: Plan) -> None:
    visible, total = points
    chosen = choose(visible=visible, total=total, settings=SETTINGS)

    assert chosen == Chosen(plan, 7 if plan is Plan.ACORN else 9)


def test_small_visible_sets_are_exact_by_default_however_large_the_corpus() -> None:
    for total in (10, 10**9):
        assert choose(visible=10, total=total, settings=PlanSettings()).plan is Plan.EXACT


@pytest.mark.parametrize(
    "wrong", [{"exact_points": -1}, {"acorn_share": 1.1}, {"acorn_ef": 0}, {"hnsw_ef": 0}]
)
def test_settings_outside_their_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="of a plan"):
        PlanSettings(**wrong)
