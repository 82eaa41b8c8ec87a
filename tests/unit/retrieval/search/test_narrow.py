from __future__ import annotations

import pytest

from acl.engine.wire import Filter, MatchAny, MatchExcept, Range
from acl.labels import MAX_INTEGER
from retrieval.search.narrow import (
    MAX_CONDITIONS,
    MAX_VALUES,
    Narrowing,
    NarrowingError,
    Operator,
    narrow,
)
from tests.conformance.corpus import SCHEMA


def test_no_condition_is_no_filter() -> None:
    assert narrow([], SCHEMA) is None


def test_conditions_are_joined_under_must_on_metadata_keys_alone() -> None:
    compiled = narrow(
        [
            Narrowing("language", Operator.EQ, "de"),
            Narrowing("topics", Operator.NIN, ["tax", "law"]),
            Narrowing("draft", Operator.NE, True),
            Narrowing("pages", Operator.GT, 3),
            Narrowing("written", Operator.LT, "1970-01-01T00:00:10Z"),
        ],
        SCHEMA,
    )

    assert compiled == Filter(
        must=(
            MatchAny("meta.language", ("de",)),
            Filter(
                must=(MatchExcept("meta.topics", ()),),
                must_not=(MatchAny("meta.topics", ("tax", "law")),),
            ),
            Filter(
                must=(Range("meta.draft", gte=-MAX_INTEGER),),
                must_not=(MatchAny("meta.draft", (1,)),),
            ),
            Range("meta.pages", gte=4),
            Range("meta.written", lte=9),
        )
    )


REFUSALS: dict[str, tuple[Narrowing, str]] = {
    "undeclared": (Narrowing("colour", Operator.EQ, "red"), "is not a key to narrow by"),
    "a label's attribute": (Narrowing("tenant", Operator.EQ, "a"), "is not a key to narrow by"),
    "reserved": (Narrowing("label.complete", Operator.EQ, 1), "is not a key to narrow by"),
    "a path": (Narrowing("meta.language", Operator.EQ, "de"), "is not a key to narrow by"),
    "empty": (Narrowing("", Operator.EQ, "de"), "is not a key to narrow by"),
    "number for text": (Narrowing("language", Operator.EQ, 3), "expected text"),
    "list for text": (Narrowing("language", Operator.EQ, ["de"]), "expected text"),
    "null": (Narrowing("language", Operator.EQ, None), "expected text"),
    "control": (Narrowing("language", Operator.EQ, "d\0"), "control"),
    "number in set": (Narrowing("topics", Operator.IN, [1]), "expected text"),
    "boolean for integer": (Narrowing("pages", Operator.EQ, True), "expected an integer"),
    "beyond": (Narrowing("pages", Operator.LT, 2**60), "beyond"),
    "text for boolean": (Narrowing("draft", Operator.EQ, "true"), "expected true or false"),
    "no zone": (Narrowing("written", Operator.GT, "2026-01-01T00:00:00"), "with a zone"),
    "order of texts": (Narrowing("language", Operator.GT, "a"), "needs an integer"),
    "order of booleans": (Narrowing("draft", Operator.LTE, True), "needs an integer"),
    "in without a list": (Narrowing("language", Operator.IN, "de"), "expects a list"),
    "in nothing": (Narrowing("language", Operator.IN, []), "one value or more"),
    "not in nothing": (Narrowing("language", Operator.NIN, ()), "one value or more"),
}


@pytest.mark.parametrize(("narrowing", "message"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_narrowed_by_is_refused_by_its_place(
    narrowing: Narrowing, message: str
) -> None:
    with pytest.raises(NarrowingError, match=message) as caught:
        narrow([Narrowing("language", Operator.EQ, "de"), narrowing], SCHEMA)
    assert (caught.value.place, caught.value.key) == (1, narrowing.key)
    assert caught.value.unknown is (narrowing.key not in SCHEMA.metadata)
    assert str(caught.value) == f"`narrowing[1].{narrowing.key}`: {caught.value.reason}"


def test_a_label_s_attribute_reads_like_one_that_nobody_declared() -> None:
    texts = set()
    for key in ("tenant", "nonsense"):
        with pytest.raises(NarrowingError) as caught:
            narrow([Narrowing(key, Operator.EQ, "x")], SCHEMA)
        texts.add(caught.value.reason)
    assert len(texts) == 1


def test_the_limits_hold() -> None:
    one = Narrowing("language", Operator.EQ, "de")
    many = Narrowing("language", Operator.IN, [str(number) for number in range(MAX_VALUES)])

    assert narrow([one] * MAX_CONDITIONS, SCHEMA)
    assert narrow([many], SCHEMA)
    with pytest.raises(NarrowingError, match="more than 100 conditions"):
        narrow([one] * (MAX_CONDITIONS + 1), SCHEMA)
    with pytest.raises(NarrowingError, match="more than 1000 values in all") as caught:
        narrow([one, many], SCHEMA)
    assert (caught.value.place, caught.value.unknown) == (1, False)


def test_a_refusal_says_which_condition_and_which_part_of_it() -> None:
    good = Narrowing("language", Operator.EQ, "de")
    for bad, unknown in (
        (Narrowing("nonsense", Operator.EQ, "x"), True),
        (Narrowing("pages", Operator.EQ, True), False),
    ):
        with pytest.raises(NarrowingError) as caught:
            narrow([good, good, bad], SCHEMA)
        assert (caught.value.place, caught.value.unknown) == (2, unknown)
