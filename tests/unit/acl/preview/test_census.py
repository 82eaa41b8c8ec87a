"""Counting over many labels says what evaluating each of them says."""

from __future__ import annotations

import random

import numpy as np
import pytest

from acl.predicate import (
    ALWAYS,
    NEVER,
    AnyOf,
    AtMost,
    MoreThan,
    NotUnder,
    Predicate,
    SubsetOf,
    Under,
    holds,
)
from acl.preview.census import Census
from tests.conformance import corpus

NUMBER = 300


def world(seed: int) -> tuple[random.Random, Census]:
    rng = random.Random(seed)
    return rng, Census([corpus.SCHEMA.parse(corpus.raw_label(rng)) for _ in range(NUMBER)])


def said(census: Census, predicate: Predicate) -> list[bool]:
    return [holds(predicate, label) for label in census.labels]


def test_a_mask_says_what_holds_says_for_every_label() -> None:
    chosen = tried = 0
    for seed in range(8):
        rng, census = world(seed)
        for _ in range(250):
            predicate = corpus.predicate(rng, depth=rng.randint(0, 3))
            mask = census.mask(predicate).tolist()
            assert mask == said(census, predicate), predicate
            chosen, tried = chosen + sum(mask), tried + len(mask)
    assert 0.05 < chosen / tried < 0.95


@pytest.mark.parametrize(
    "predicate",
    [
        # Leaves on attributes of another type, and bounds beyond what a label can hold.
        Under("weight", frozenset({"a"})),
        NotUnder("readers", frozenset({"a"})),
        AtMost("owner", 1),
        MoreThan("readers", 1),
        AtMost("weight", 10**30),
        MoreThan("weight", -(10**30)),
        AtMost("archived", 0),
        AnyOf("archived", frozenset({1})),
        AnyOf("weight", frozenset({True})),
        SubsetOf("owner", frozenset({"a", "A"})),
        Under("place", frozenset({""})),
        Under("place", frozenset({"\U0010ffff", "a\U0010ffff", "é"})),
        Under("absent", frozenset({"a"})),
        AnyOf("absent", frozenset({"a"})),
    ],
)
def test_odd_leaves_say_the_same(predicate: Predicate) -> None:
    _, census = world(11)

    assert census.mask(predicate).tolist() == said(census, predicate)


def test_constants_and_no_labels_at_all() -> None:
    _, census = world(3)

    assert census.mask(ALWAYS).all()
    assert not census.mask(NEVER).any()
    empty = Census([])
    assert empty.mask(Under("place", frozenset({"a"}))).tolist() == []
    assert empty.count(empty.mask(ALWAYS)) == 0


def test_documents_are_counted_not_labels() -> None:
    _, one = world(5)
    census = Census(one.labels, list(range(NUMBER)))
    mask = np.zeros(NUMBER, dtype=np.bool_)
    mask[[2, 7]] = True

    assert census.count(mask) == 9
    with pytest.raises(ValueError, match="one count for each label"):
        Census(one.labels, [1])


def test_leaves_are_forgotten_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acl.preview.census._KEPT_LABELS", NUMBER)
    _, census = world(9)
    for bound in range(6):
        predicate = AtMost("weight", bound)
        assert census.mask(predicate).tolist() == said(census, predicate)
    assert len(census._kept) <= 2
