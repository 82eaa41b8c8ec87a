from __future__ import annotations

from ingest.index.engine import Candidate, pairs, resummed


def test_terms_are_paired_in_the_order_of_their_indices() -> None:
    assert list(pairs((9, 2, 5), (0.9, 0.2, 0.5))) == [([2, 5], [0.2, 0.5]), ([9], [0.9])]
    assert list(pairs((), ())) == []


def test_sums_are_exact_whatever_the_order_of_the_parts() -> None:
    found = [Candidate("b", 1.0, {"k": 1}), Candidate("a", 2.0), Candidate("c", 0.5)]
    parts = [
        [Candidate("a", 1e16), Candidate("b", 0.1)],
        [Candidate("a", 1.0), Candidate("b", 0.2), Candidate("c", 0.3)],
        [Candidate("a", -1e16), Candidate("b", 0.7)],
    ]
    forth, back = resummed(found, parts), resummed(found[::-1], parts[::-1])

    assert forth == back
    assert [(one.id, one.score) for one in forth] == [("a", 1.0), ("b", 1.0), ("c", 0.3)]
    assert forth[1].payload == {"k": 1}
