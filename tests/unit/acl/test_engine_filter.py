"""The filter as it goes to an engine is never empty and never too large."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from acl.engine.filter import MAX_CONDITIONS, labelled, to_filter
from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition, size
from acl.errors import FilterTooLargeError
from acl.predicate import AnyOf, AtMost, MoreThan, Or
from tests.unit.acl.small_policies import SCHEMA


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Filter, "without a positive condition"),
        (lambda: Filter(must_not=(MatchAny("a", (1,)),)), "without a positive condition"),
        (lambda: Range("a"), "without a bound matches everything"),
        (lambda: MatchAny("a", ()), "on no value does not exist"),
        (lambda: MatchAny("a", (1, "b")), "all texts or all integers"),
        (lambda: MatchAny("a", (True,)), "all texts or all integers"),
    ],
)
def test_what_an_engine_reads_as_everything_cannot_be_built(
    make: Callable[[], WireCondition], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        make()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (["filter", [], [], []], "without a positive condition"),
        (["filter", [], [], [["any", "a", ["x"]]]], "without a positive condition"),
        (["filter", [["filter", [], [], []]], [], []], "without a positive condition"),
        (["filter", [["range", "a", None, None]], [], []], "without a bound"),
        (["filter", [["any", "a", []]], [], []], "on no value does not exist"),
        (["filter", [["any", "a", [1, "b"]]], [], []], "all texts or all integers"),
        (["filter", [["any", "a", [True]]], [], []], "got `bool`"),
        (["filter", [["except", "a", [1]]], [], []], "got `int`"),
        (["filter", [["any", "a", ["x"], 1]], [], []], "at most length"),
        (["filter", [["prefix", "a", "x"]], [], []], "Invalid value 'prefix'"),
    ],
)
def test_what_cannot_be_built_cannot_arrive(raw: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        msgspec.msgpack.decode(msgspec.msgpack.encode(raw), type=Filter)


def test_a_filter_is_a_value() -> None:
    made = to_filter(AnyOf("owner", frozenset({"ada"})), SCHEMA)
    again = to_filter(AnyOf("owner", frozenset({"ada"})), SCHEMA)

    assert made == again
    assert {made: 1}[again] == 1
    assert len({MatchAny("a", ("x",)), MatchExcept("a", ("x",)), MatchAny("a", ("x",))}) == 2
    with pytest.raises(AttributeError):
        made.must = ()  # type: ignore[misc]


def test_a_filter_begins_with_the_labels_own_guards() -> None:
    made = to_filter(AnyOf("owner", frozenset({"ada"})), SCHEMA)

    assert made.must[:2] == labelled(SCHEMA)
    assert made.must[2] == MatchAny("label.value.owner", ("ada",))
    assert size(made) == 3
    assert size(Filter(must=(made,), must_not=(MatchExcept("a", ()),))) == 4


def test_a_filter_above_the_limit_is_refused() -> None:
    branches = [AnyOf("owner", frozenset({str(number)})) for number in range(MAX_CONDITIONS)]

    with pytest.raises(FilterTooLargeError, match="more than 1000 conditions"):
        to_filter(Or(frozenset(branches)), SCHEMA)
    assert size(to_filter(Or(frozenset(branches[:-2])), SCHEMA)) == MAX_CONDITIONS


def test_bounds_beyond_every_label_stay_where_a_double_is_exact() -> None:
    low = to_filter(MoreThan("level", -(2**80)), SCHEMA).must[2]
    high = to_filter(AtMost("level", 2**80), SCHEMA).must[2]

    assert low == Range("label.value.level", gte=-(2**53))
    assert high == Range("label.value.level", lte=2**53)


def test_booleans_are_matched_as_integers_and_kinds_apart() -> None:
    assert to_filter(AnyOf("open", frozenset({True})), SCHEMA).must[2] == MatchAny(
        "label.value.open", (1,)
    )
    mixed = to_filter(AnyOf("owner", frozenset({"a", 3})), SCHEMA).must[2]
    assert mixed == Filter(
        should=(MatchAny("label.value.owner", ("a",)), MatchAny("label.value.owner", (3,)))
    )
