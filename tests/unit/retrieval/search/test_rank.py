from __future__ import annotations

import itertools

from ingest.index.engine import Candidate
from retrieval.search.rank import RRF_K, Ranked, alone, fuse, ordered, ranks

A, B, C, D = (
    Candidate(name, score) for name, score in zip("abcd", (3.0, 2.0, 2.0, 1.0), strict=True)
)


def test_the_order_does_not_depend_on_the_order_of_arrival() -> None:
    for arrival in itertools.permutations([A, B, C, D]):
        assert ordered(arrival) == [A, B, C, D]
        assert ranks(arrival) == {"a": 1, "b": 2, "c": 2, "d": 4}
        assert [one.id for one in alone(arrival, limit=3)] == ["a", "b", "c"]


def test_lists_are_fused_by_reciprocal_rank() -> None:
    dense, sparse = [A, B], [Candidate("b", 9.0, {"k": 1}), Candidate("z", 8.0)]
    fused = fuse([dense, sparse], limit=3)

    assert [one.id for one in fused] == ["b", "a", "z"]
    assert fused[0].score == 1 / (RRF_K + 2) + 1 / (RRF_K + 1)
    assert fused[0].payload == {"k": 1}
    assert fuse([dense[::-1], sparse[::-1]], limit=3) == fused


def test_equal_scores_have_an_equal_rank_and_fall_in_the_order_of_ids() -> None:
    fused = fuse([[C, B], []], limit=2)

    assert [(one.id, one.score) for one in fused] == [
        ("b", 1 / (RRF_K + 1)),
        ("c", 1 / (RRF_K + 1)),
    ]
    assert fuse([[], []], limit=2) == []


def test_a_first_score_of_zero_has_the_first_rank() -> None:
    assert ranks([Candidate("a", 0.0), Candidate("b", -1.0)]) == {"a": 1, "b": 2}


def test_a_ranked_passage_knows_its_document() -> None:
    ranked = Ranked("a", 1.0, {"document": {"id": "d", "version": 7}})
    assert (ranked.document, ranked.version) == ("d", 7)
