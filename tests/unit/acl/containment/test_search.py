"""What escapes is a label, and nothing escapes that could."""

from __future__ import annotations

import pytest

from acl.containment.search import MAX_DEPTH, _Translation, escapee, escapee_of
from acl.containment.specimens import specimens
from acl.errors import Budget, UndecidedError
from acl.labels import MAX_INTEGER, MAX_SET, MAX_TEXT, Attribute, AttributeType, LabelSchema
from acl.predicate import (
    ALWAYS,
    NEVER,
    And,
    AnyOf,
    AtMost,
    Condition,
    Labelled,
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
)

SCHEMA = LabelSchema.from_toml(
    """
[label]
tenant = { type = "keyword" }
level = { type = "integer", levels = ["public", "internal", "secret"] }
tags = { type = "keyword_set" }
place = { type = "path", prefixes = "character" }
owner = { type = "keyword", required = false }
readers = { type = "keyword_set", required = false }
weight = { type = "integer", required = false }
expires = { type = "datetime", required = false }
open = { type = "boolean", required = false }
"""
)


def is_in(attribute: str, *values: str | int) -> AnyOf:
    return AnyOf(attribute, frozenset(values))


def is_not_in(attribute: str, *values: str | int) -> NoneOf:
    return NoneOf(attribute, frozenset(values))


def under(*prefixes: str) -> Under:
    return Under("place", frozenset(prefixes))


def both(*parts: Predicate) -> And:
    return And(frozenset(parts))


def either(*parts: Predicate) -> Or:
    return Or(frozenset(parts))


def none(inner: Condition, outer: Condition = NEVER) -> bool:
    return escapee(inner, outer, SCHEMA) is None


def value(attribute: str, inner: Condition, outer: Condition = NEVER) -> object:
    found = escapee(inner, outer, SCHEMA)
    assert found is not None
    return found.values.get(attribute)


def test_constants_and_labelled_mean_what_they_say() -> None:
    assert none(NEVER)
    assert none(ALWAYS, ALWAYS)
    assert none(ALWAYS, Labelled())
    assert not none(Labelled())
    assert not none(ALWAYS)


def test_an_escapee_is_a_complete_label() -> None:
    found = escapee(is_in("level", 2), is_in("tenant", "other"), SCHEMA)

    assert found is not None
    assert SCHEMA.parse(found.values) == found
    assert found.values["level"] == 2
    assert found.values["tenant"] != "other"


def test_not_is_real_where_an_attribute_may_be_missing() -> None:
    assert value("owner", Labelled(), Present("owner")) is None
    assert value("owner", Labelled(), either(is_in("owner", "a"), is_not_in("owner", "a"))) is None
    assert none(Labelled(), either(is_in("tenant", "a"), is_not_in("tenant", "a")))
    assert none(is_in("owner", "a"), Present("owner"))
    assert value("readers", Labelled(), Present("readers")) is None
    overlap = is_in("readers", "a")
    assert value("readers", Present("readers"), overlap) == frozenset()
    assert value("readers", Labelled(), either(overlap, is_not_in("readers", "a"))) is None


def test_an_attribute_that_no_label_has_is_missing() -> None:
    assert none(is_in("unheard", "a"))
    assert none(Labelled(), Labelled())
    assert not none(Labelled(), Present("unheard"))


def test_levels_have_ends() -> None:
    assert none(MoreThan("level", 2))
    assert none(AtMost("level", -1))
    assert none(Labelled(), AtMost("level", 2))
    assert value("level", MoreThan("level", 0), AtMost("level", 1)) == 2


def test_numbers_have_ends_and_gaps() -> None:
    assert none(MoreThan("weight", MAX_INTEGER))
    assert value("weight", MoreThan("weight", MAX_INTEGER - 1)) == MAX_INTEGER
    assert value("weight", AtMost("weight", -MAX_INTEGER)) == -MAX_INTEGER
    between = both(MoreThan("weight", 3), AtMost("weight", 5))
    assert none(between, is_in("weight", 4, 5))
    assert value("weight", between, is_in("weight", 4)) == 5
    assert value("expires", MoreThan("expires", 7)) == 8


def test_booleans_have_two_values() -> None:
    assert none(both(Present("open"), is_not_in("open", True)), is_in("open", False))
    assert value("open", Present("open"), is_in("open", False)) is True


def test_texts_go_beyond_what_is_mentioned() -> None:
    found = value("owner", is_not_in("owner", "other"), is_in("owner", "other-2", "a"))

    assert isinstance(found, str)
    assert found not in {"other", "other-2", "a"}
    assert none(is_in("owner", "not normal ", "a\x00", ""))


def test_sets_meet_demands_that_can_be_met_together() -> None:
    needs = both(is_in("tags", "a", "b"), is_in("tags", "c"), is_not_in("tags", "a"))

    assert value("tags", needs) == frozenset({"b", "c"})
    assert none(both(needs, SubsetOf("tags", frozenset({"a", "c"}))))
    assert none(both(is_in("tags", "a"), is_not_in("tags", "a")))
    assert none(SubsetOf("tags", frozenset()), is_not_in("tags", "a"))
    assert value("tags", NotSubsetOf("tags", frozenset({"a", "other"}))) == frozenset({"other-2"})
    assert none(is_in("tags", "not normal "))
    assert none(is_in("tags", "a"), Present("tags"))
    assert none(is_in("tags", "a"), NotSubsetOf("tags", frozenset({"b"})))
    assert none(SubsetOf("tags", frozenset({"a"})), SubsetOf("tags", frozenset({"a", "b"})))
    assert value(
        "tags", SubsetOf("tags", frozenset({"a", "b"})), SubsetOf("tags", frozenset({"a"}))
    ) == frozenset({"b"})


def test_a_set_that_would_be_too_large_is_not_decided() -> None:
    demands = [is_in("tags", f"t{number}") for number in range(MAX_SET + 1)]

    with pytest.raises(UndecidedError, match="more elements"):
        escapee(both(*demands), NEVER, SCHEMA, budget=10**9)
    largest = escapee(both(*demands[1:]), NEVER, SCHEMA, budget=10**9)
    assert largest is not None
    assert len(largest.as_json()["tags"]) == MAX_SET


def test_a_leaf_of_another_type_holds_for_nothing() -> None:
    assert none(AtMost("tenant", 3))
    assert none(Under("weight", frozenset({"a"})))
    assert none(Under("tags", frozenset({"a"})))
    assert not none(Labelled(), AtMost("tenant", 3))
    assert not none(Labelled(), NotUnder("tags", frozenset({"a"})))
    assert none(SubsetOf("level", frozenset({"a"})))
    assert value("owner", SubsetOf("owner", frozenset({"a"}))) == "a"


def test_a_prefix_contains_what_begins_with_a_longer_one() -> None:
    assert none(under("/a/b/"), under("/a/"))
    assert value("place", under("/a/"), under("/a/b")) == "/a/x"
    assert none(both(under("/a/"), under("/b/")))
    assert none(both(under("/a/b"), NotUnder("place", frozenset({"/a"}))))
    assert value("place", both(under("/a/b"), is_not_in("place", "/a/b"))) == "/a/bx"


def test_what_no_path_begins_with_contains_nothing() -> None:
    assert none(under("/a//b"))
    assert none(under(" a"))
    assert none(under("e\u0301/"))
    assert value("place", under("a ")) == "a x"


def test_shapes_and_prefixes_are_weighed_against_each_other() -> None:
    some, visible = Wildcard.SOME, Wildcard.VISIBLE
    deep = Shaped("place", Shape(("", "a", some), tail=True))

    assert none(deep, under("/a/"))
    assert value("place", under("/a/"), deep) == "/a/x"
    assert none(both(deep, is_in("place", "/a/b")))
    assert value("place", Shaped("place", Shape((some,))), Shaped("place", Shape((visible,)))) == (
        ".x"
    )
    assert none(Shaped("place", Shape((visible,))), Shaped("place", Shape((some,))))
    assert none(Shaped("place", Shape(("", "a"))), is_in("place", "/a"))
    assert none(Shaped("place", Shape(())))
    assert none(Present("place"), NotShaped("place", Shape(())))


def test_a_keyword_may_hold_slashes_next_to_each_other() -> None:
    empty = Shaped("owner", Shape(("a", "", "b")))

    assert value("owner", empty) == "a//b"
    assert none(Shaped("place", Shape(("a", "", "b"))))
    assert value("owner", Under("owner", frozenset({"a//"}))) == "a//x"


def test_an_empty_text_counts_where_it_is_allowed() -> None:
    for kind in (AttributeType.PATH, AttributeType.KEYWORD, AttributeType.KEYWORD_SET):
        schema = LabelSchema({"it": Attribute(name="it", type=kind, allow_empty=True)})
        found = escapee(is_in("it", ""), NEVER, schema)
        assert found is not None
        assert "" in str(found.values["it"])


def test_what_is_told_by_one_alternative_prunes_the_others() -> None:
    inner = both(
        either(is_in("tenant", "a"), is_in("level", 0)),
        either(is_in("tenant", "b"), is_in("level", 1)),
        either(is_in("tenant", "c"), is_in("level", 2)),
    )

    assert none(inner)
    assert not none(either(inner, both(is_in("tenant", "a"), is_in("level", 1))))


def test_several_conditions_are_weighed_at_once() -> None:
    inners: list[Condition] = [is_in("level", 0, 1), under("/a/")]

    assert escapee_of(inners, [is_in("level", 0), is_in("level", 1)], SCHEMA) is None
    found = escapee_of(inners, [is_in("level", 0), under("/a/b")], SCHEMA)
    assert found is not None
    assert found.values["level"] == 1
    assert escapee_of([], [], SCHEMA) is not None


def test_the_same_question_has_the_same_answer() -> None:
    inner = either(*(is_in("tenant", f"t{number}") for number in range(9)), is_in("tags", "a"))
    answers = {str(value("tenant", inner, is_in("level", 0))) for _ in range(5)}

    assert len(answers) == 1


def test_a_search_that_takes_too_long_is_not_decided() -> None:
    with pytest.raises(UndecidedError, match="too much to decide"):
        escapee(is_in("tenant", "a"), NEVER, SCHEMA, budget=3)
    with pytest.raises(UndecidedError, match="too much to decide"):
        escapee(under(*(f"/{n}/" for n in range(200))), NEVER, SCHEMA, budget=200)


def test_a_condition_that_nests_too_deep_is_not_decided() -> None:
    deep: Predicate = is_in("tenant", "a")
    for number in range(MAX_DEPTH):
        parts = (deep, is_in("owner", str(number)))
        deep = both(*parts) if number % 2 else either(*parts)

    with pytest.raises(UndecidedError, match="nested deeper"):
        escapee(deep, NEVER, SCHEMA)


def test_a_path_that_might_be_too_long_is_not_decided() -> None:
    start = "/" + "a" * (MAX_TEXT - 3) + "/"

    assert value("place", under(start)) == start + "x"
    with pytest.raises(UndecidedError, match="greatest length"):
        escapee(
            both(under(start), Shaped("place", Shape(("", Wildcard.SOME, "bb")))), NEVER, SCHEMA
        )


def test_paths_that_mention_every_letter_are_not_decided() -> None:
    letters = "".join(map(chr, range(0x4E00, 0x9FA6))) + "abcdefghijklmnopqrstuvwxyz0123456789"

    with pytest.raises(UndecidedError, match="every letter"):
        escapee(under(letters), NEVER, SCHEMA)


def test_the_negation_of_a_constant_is_the_other_one() -> None:
    translation = _Translation(SCHEMA, Budget(1))

    assert translation.negated(ALWAYS) is NEVER
    assert translation.negated(NEVER) is ALWAYS


def test_of_a_set_there_are_elements_and_no_specimens() -> None:
    with pytest.raises(AssertionError, match="elements are listed"):
        specimens(SCHEMA.attributes["tags"], [], Budget(1))
