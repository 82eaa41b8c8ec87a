"""The simplifications one by one; that none changes an answer is a property test."""

from __future__ import annotations

import pytest

from acl.algebra.conditions import _merged_once, _union, all_of, any_of
from acl.predicate import (
    ALWAYS,
    NEVER,
    And,
    AnyOf,
    AtMost,
    Condition,
    MoreThan,
    NoneOf,
    NotUnder,
    Or,
    Predicate,
    Present,
    Under,
)

A, B = AnyOf("owner", frozenset({"a"})), AnyOf("owner", frozenset({"b"}))
AB = AnyOf("owner", frozenset({"a", "b"}))
LOW, HIGH = AtMost("level", 1), MoreThan("level", 5)
OPEN, STATE = AnyOf("open", frozenset({1})), AnyOf("state", frozenset({"x"}))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([A, B], AB),
        ([A, A], A),
        ([AtMost("level", 1), AtMost("level", 3)], AtMost("level", 3)),
        ([MoreThan("level", 1), MoreThan("level", 3)], MoreThan("level", 1)),
        (
            [Under("place", frozenset({"/a/"})), Under("place", frozenset({"/a/b/", "/c/"}))],
            Under("place", frozenset({"/a/", "/c/"})),
        ),
        ([And(frozenset({A, LOW})), And(frozenset({B, LOW}))], And(frozenset({AB, LOW}))),
        ([A, And(frozenset({A, LOW}))], A),
        ([A, NoneOf("owner", frozenset({"a"}))], Present("owner")),
        ([AtMost("level", 5), MoreThan("level", 3)], Present("level")),
        ([LOW, HIGH], Or(frozenset({LOW, HIGH}))),
        (
            [Under("place", frozenset({"/a/"})), NotUnder("place", frozenset({"/a/"}))],
            Present("place"),
        ),
        ([Present("owner"), A, B], Present("owner")),
        ([And(frozenset({A, LOW})), And(frozenset({A, OPEN}))], None),
        ([A, ALWAYS], ALWAYS),
        ([A, NEVER], A),
        ([], NEVER),
        (
            [And(frozenset({A, LOW})), And(frozenset({A, LOW, OPEN, STATE})), HIGH],
            Or(frozenset({And(frozenset({A, LOW})), HIGH})),
        ),
    ],
)
def test_alternatives_are_merged(parts: list[Condition], expected: Condition | None) -> None:
    if expected is None:
        expected = And(frozenset({A, Or(frozenset({LOW, OPEN}))}))
    assert any_of(*parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([AtMost("level", 1), AtMost("level", 3)], AtMost("level", 1)),
        ([MoreThan("level", 1), MoreThan("level", 3)], MoreThan("level", 3)),
        (
            [NoneOf("owner", frozenset({"a"})), NoneOf("owner", frozenset({"b"}))],
            NoneOf("owner", frozenset({"a", "b"})),
        ),
        (
            [NotUnder("place", frozenset({"/a/b/"})), NotUnder("place", frozenset({"/a/"}))],
            NotUnder("place", frozenset({"/a/"})),
        ),
        ([A, Present("owner")], A),
        ([A, Present("state")], And(frozenset({A, Present("state")}))),
        ([A, Or(frozenset({A, LOW}))], A),
        ([NoneOf("owner", frozenset({"a"})), Or(frozenset({A, LOW}))], None),
        ([And(frozenset({A, LOW})), OPEN], And(frozenset({A, LOW, OPEN}))),
        ([A, NEVER], NEVER),
        ([A, ALWAYS], A),
        ([], ALWAYS),
    ],
)
def test_conjunctions_are_merged(parts: list[Condition], expected: Condition | None) -> None:
    if expected is None:
        expected = And(frozenset({NoneOf("owner", frozenset({"a"})), LOW}))
    assert all_of(*parts) == expected


def test_what_cannot_be_merged_is_a_fault_of_the_code() -> None:
    with pytest.raises(AssertionError, match="Present is not mergeable"):
        _union([Present("owner"), Present("owner")])


def test_branches_that_merging_shows_to_contradict_themselves_are_gone() -> None:
    neither = NoneOf("owner", frozenset({"a", "b"}))
    # `any_of` would have pulled out what the branches have in common.
    unfactored = Or(frozenset({And(frozenset({neither, LOW})), And(frozenset({neither, OPEN}))}))
    parts: set[Predicate] = {And(frozenset({one, unfactored})) for one in (A, B)}
    assert _merged_once(parts) == set()
