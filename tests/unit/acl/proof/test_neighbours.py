"""Labels across every boundary that a policy mentions."""

from __future__ import annotations

import random

from acl.errors import LabelError
from acl.labels import Label
from acl.policy.profiles import profiles
from acl.proof.labels import NOBODY, Boundaries, key, neighbours
from tests.conformance import corpus
from tests.unit.acl import small_policies as small
from tests.unit.acl.company_policy import policy
from tests.unit.acl.default_policy import label

EVERY = 10_000


def boundaries() -> Boundaries:
    subjects = profiles(
        [policy()], tenants=["acme", "beta"], clearances=(0, 3), compartments=frozenset({"board"})
    )
    return Boundaries.of([policy()], subjects)


def values(found: tuple[Label, ...], attribute: str) -> set[object]:
    return {one.values.get(attribute) for one in found}


def test_each_attribute_is_crossed_on_both_sides() -> None:
    origin = label(path="/acme/finance/q/plan.md")
    found = neighbours(origin, boundaries(), limit=EVERY)

    assert values(found, "classification") == {0, 1, 2, 3}
    assert values(found, "tenant") == {"acme", "beta"}
    assert values(found, "owner") >= {"user:eve", "group:legal", "user:stranger", NOBODY}
    assert values(found, "path") >= {
        "/acme/finance", "/acme/finance/other", "/acme/financeother", "/acme", "/acme/other",
        "/acme/finance/q", "/acme/finance/q/plan.mdother", "/acme/finance/q/plan.md/other",
        "/acme/finance/q/other", "/acme/board/other", "/other",
    }  # fmt: skip
    assert values(found, "readers") >= {
        frozenset[str](), frozenset({"group:finance", "group:legal"}),
        frozenset({"group:finance", "group:everyone"}),
    }  # fmt: skip
    assert values(found, "compartments") >= {frozenset[str](), frozenset({"finance", "board"})}


def test_a_neighbour_differs_in_one_attribute_and_stands_once() -> None:
    origin = label()
    found = neighbours(origin, boundaries(), limit=EVERY)

    for one in found:
        assert len(one.values.items() ^ origin.values.items()) == 2, one
    assert len({key(one) for one in found}) == len(found)


def test_how_many_and_where_from_is_the_callers_choice() -> None:
    every = neighbours(label(), boundaries(), limit=EVERY)

    assert neighbours(label(), boundaries(), limit=3) == every[:3]
    assert neighbours(label(), boundaries(), limit=0) == ()
    turned = neighbours(label(), boundaries(), limit=3, start=7)
    assert len(turned) == 3
    assert turned != every[:3]
    round_trip = neighbours(label(), boundaries(), limit=EVERY, start=7)
    assert {key(one) for one in round_trip} == {key(one) for one in every}


def test_optional_attributes_go_and_come() -> None:
    made = small.policy(
        'r.obj.weight > 7 && r.obj.owner == "ada" && r.obj.expires < 100 '
        "&& keyMatch2(r.obj.place, p.val)",
        ("p", "ada", "/a/:id/*", "read"),
    )
    across = Boundaries.of([made], ())
    found = neighbours(small.label(), across, limit=EVERY)

    assert None in values(found, "owner")
    assert values(found, "weight") >= {None, 4, 6, 7, 8, -7}
    assert values(found, "expires") >= {None, 99, 100, 101}
    assert values(found, "open") == {True, False}
    assert "/a/other/other" in values(found, "place")
    bare = small.label(owner=None, weight=None, expires=None)
    assert values(neighbours(bare, across, limit=EVERY), "owner") >= {None, "ada", NOBODY}


def test_whatever_the_label_a_neighbour_is_a_label_of_the_schema() -> None:
    rng = random.Random(7)
    schema = corpus.SCHEMA
    across = Boundaries(
        schema,
        dict.fromkeys(schema.attributes, ("a", "", " ", 2**53 - 1, 2**60, 0, "x//y")),
    )
    tried = 0
    for _ in range(40):
        origin = schema.parse(corpus.raw_label(rng))
        for one in neighbours(origin, across, limit=EVERY):
            tried += 1
            try:
                assert schema.parse(one.as_json()) == one
            except LabelError as error:
                raise AssertionError(one) from error
    assert tried > 400
