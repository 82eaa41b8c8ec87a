"""The promise itself: what the filter returns is what `enforce` allows, on random policies.

Seeds are fixed, so that a failure can be run again. `STRONGROOM_DECISIONS` sets how many decisions
are compared; every night it is 3,000,000, and then each run starts from another seed.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conformance.casbin.engines import Engines, Mode
from tests.properties.agreement import Score, compare
from tests.properties.worlds import EFFECTS, PATTERNS, label, world

ORDINARY = 200_000
LABELS = 40
WORLDS_PER_SET_OF_LABELS = 60

OPERATORS = {
    "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or", "not", "chain", "boolean",
    "contains", "any_of", "subset_of", "date", "eval", "g", "g2", "g2 holder", "g of tenant",
    "present", "absent", "size", "in a list of the label", "covered", "truth",
    "time window", "pattern role", "long chain", "unknown effect", *PATTERNS,
}  # fmt: skip


async def score_of(decisions: int, seed: int, engines: Engines) -> Score:
    rng = random.Random(seed)
    score = Score()
    worlds = 0
    labels = [label(rng) for _ in range(LABELS)]
    while score.decisions < decisions and not score.wrong:
        if worlds % WORLDS_PER_SET_OF_LABELS == 0:
            labels = [label(rng) for _ in range(LABELS)]
        await compare(world(rng, whole=True), labels, score, engines)
        worlds += 1
    return score


@pytest.mark.slow
async def test_filters_return_what_casbin_allows(tmp_path: Path) -> None:
    decisions = int(os.environ.get("STRONGROOM_DECISIONS", ORDINARY))
    seed = 20_260_501 if decisions == ORDINARY else time.time_ns()
    engines = Engines(tmp_path, modes=(Mode.EDGE_INDEXED, Mode.EDGE_BARE))
    try:
        score = await score_of(decisions, seed, engines)
    finally:
        await engines.close()

    assert not score.wrong, f"seed {seed}\n{score.wrong[0]}"
    assert score.decisions >= decisions
    # The guard on the guard: an oracle that mostly says one thing would prove nothing.
    assert 0.05 < score.allowed / score.decisions < 0.95
    assert not score.refused, "the generator stays inside the fragment"
    # Rules on many optional attributes can outgrow the limit of a filter; nothing is returned then.
    assert score.refused_requests * LABELS < 0.01 * score.decisions
    for feature in OPERATORS | set(EFFECTS):
        assert score.by_feature[feature, True] > 300, feature
        assert score.by_feature[feature, False] > 300, feature


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(st.randoms(use_true_random=False))
def test_filters_mean_what_casbin_says_and_a_failure_shrinks(rng: random.Random) -> None:
    score = Score()
    asyncio.run(compare(world(rng, whole=True), [label(rng) for _ in range(4)], score))

    assert not score.wrong, str(score.wrong[0])
