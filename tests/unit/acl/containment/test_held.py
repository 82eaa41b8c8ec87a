"""A right is held where some label can meet its condition, or not at all."""

from __future__ import annotations

import pytest

from acl.containment.search import MAX_DEPTH, is_held
from acl.decision import Denied, DenyReason, Permitted
from acl.predicate import And, AnyOf, AtMost, Labelled, MoreThan, Or, Predicate
from tests.unit.acl.default_policy import SCHEMA


def permitted(predicate: Predicate) -> Permitted:
    return Permitted(predicate=predicate, rules=(), policy_digest="")


def test_who_is_denied_holds_nothing() -> None:
    assert not is_held(Denied(reason=DenyReason.NO_RULE, policy_digest=""), SCHEMA)


@pytest.mark.parametrize(
    ("predicate", "held"),
    [
        (Labelled(), True),
        (AtMost("classification", 0), True),
        (AtMost("classification", -1), False),
        (And(frozenset({AtMost("classification", 1), MoreThan("classification", 1)})), False),
        (
            And(frozenset({AnyOf("tenant", frozenset({"a"})), AnyOf("tenant", frozenset({"b"}))})),
            False,
        ),
    ],
)
def test_a_right_is_held_where_a_label_can_meet_its_condition(
    predicate: Predicate, *, held: bool
) -> None:
    assert is_held(permitted(predicate), SCHEMA) is held


def test_what_cannot_be_decided_is_not_held() -> None:
    deep: Predicate = AtMost("classification", 2)
    for level in range(MAX_DEPTH):
        other = AnyOf("owner", frozenset({f"user:u{level}"}))
        deep = (And if level % 2 else Or)(frozenset({deep, other}))

    assert not is_held(permitted(deep), SCHEMA)
