"""Predicates: what they hold for, their duals, and the ones that do not exist."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from acl.labels import Label
from acl.predicate import (
    ALWAYS,
    NEVER,
    Absent,
    And,
    AnyOf,
    AtMost,
    Condition,
    Labelled,
    Leaf,
    MoreThan,
    NoneOf,
    NotShaped,
    NotSubsetOf,
    NotUnder,
    Or,
    Predicate,
    Present,
    Shape,
    Shaped,
    SubsetOf,
    Under,
    Wildcard,
    dual,
    holds,
    leaf_holds,
)
from tests.unit.acl.small_policies import label

OWNER = AnyOf("owner", frozenset({"ada"}))
PAIRS: list[tuple[Leaf, Leaf]] = [
    (OWNER, NoneOf("owner", frozenset({"ada"}))),
    (SubsetOf("tags", frozenset({"x"})), NotSubsetOf("tags", frozenset({"x"}))),
    (AtMost("level", 3), MoreThan("level", 3)),
    (Under("place", frozenset({"/a/"})), NotUnder("place", frozenset({"/a/"}))),
    (Shaped("place", Shape(("", "a"))), NotShaped("place", Shape(("", "a")))),
]


@pytest.mark.parametrize(("leaf", "opposite"), PAIRS)
def test_every_leaf_has_a_dual_that_leads_back(leaf: Leaf, opposite: Leaf) -> None:
    assert dual(leaf) == opposite
    assert dual(opposite) == leaf


def test_what_every_label_has_has_no_opposite() -> None:
    assert dual(Labelled()) is NEVER
    assert dual(Present("owner")) == Absent("owner")
    assert dual(Absent("owner")) == Present("owner")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (OWNER, True),
        (NoneOf("owner", frozenset({"ada"})), False),
        (NoneOf("owner", frozenset({"ben"})), True),
        (AnyOf("tags", frozenset({"x", "y"})), True),
        (NoneOf("tags", frozenset({"y"})), True),
        (AnyOf("open", frozenset({1})), True),
        (SubsetOf("tags", frozenset({"x", "y"})), True),
        (SubsetOf("tags", frozenset()), False),
        (NotSubsetOf("tags", frozenset()), True),
        (AtMost("level", 1), True),
        (AtMost("level", 0), False),
        (MoreThan("level", 0), True),
        (MoreThan("level", 1), False),
        (Under("place", frozenset({"/a/", "/z/"})), True),
        (NotUnder("place", frozenset({"/z/"})), True),
        (Shaped("place", Shape(("", "a", "b"))), True),
        (NotShaped("place", Shape(("", "a", "b"))), False),
        (Present("owner"), True),
        (Labelled(), True),
        (And(frozenset({OWNER, AtMost("level", 1)})), True),
        (And(frozenset({OWNER, AtMost("level", 0)})), False),
        (Or(frozenset({OWNER, AtMost("level", 0)})), True),
        (ALWAYS, True),
        (NEVER, False),
    ],
)
def test_a_condition_holds_for_a_label(condition: Condition, expected: bool) -> None:  # noqa: FBT001
    assert holds(condition, label()) is expected


def test_what_is_there_is_not_absent() -> None:
    assert not leaf_holds(Absent("readers"), frozenset({"user:ada"}))


@pytest.mark.parametrize("leaf", [leaf for pair in PAIRS for leaf in pair])
def test_a_missing_attribute_satisfies_neither_a_leaf_nor_its_dual(leaf: Leaf) -> None:
    assert not isinstance(leaf, Labelled)
    # The schema lets only some attributes be missing; the law is about all of them.
    bare = Label({name: value for name, value in label().values.items() if name != leaf.attribute})

    assert not holds(leaf, bare)


@pytest.mark.parametrize(
    ("shape", "matching", "other"),
    [
        (Shape(("", Wildcard.SOME)), ["/a", "/.a"], ["/", "/a/b", "a", "/a/"]),
        (Shape(("", Wildcard.VISIBLE)), ["/a"], ["/", "/.a", "/a/b"]),
        (Shape(("", "a"), tail=True), ["/a/", "/a/b", "/a/b/c"], ["/a", "/ab/", ""]),
        (Shape(("", Wildcard.SOME, "c")), ["/b/c"], ["/b/d", "//c", "/b/c/"]),
    ],
)
def test_a_shape_counts_segments(shape: Shape, matching: list[str], other: list[str]) -> None:
    assert all(shape.matches(path) for path in matching)
    assert not any(shape.matches(path) for path in other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AnyOf("owner", frozenset()),
        lambda: NoneOf("owner", frozenset()),
        lambda: Under("place", frozenset()),
        lambda: NotUnder("place", frozenset()),
        lambda: And(frozenset()),
        lambda: Or(frozenset({OWNER})),
    ],
)
def test_vacuous_predicates_do_not_exist(make: Callable[[], Predicate]) -> None:
    with pytest.raises(ValueError, match=r"does not exist|needs two parts"):
        make()
