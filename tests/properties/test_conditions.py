"""Joining conditions changes no answer and keeps filters small; outcomes keep their laws."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acl.algebra.conditions import all_of, any_of, settled
from acl.algebra.outcome import FALSE, RAISES, TRUE, Outcome, constant, of_leaf
from acl.decision import Permitted
from acl.engine.filter import to_filter
from acl.engine.wire import size
from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import Row
from acl.policy.compiler import compile_request
from acl.policy.policy import load
from acl.predicate import (
    ALWAYS,
    NEVER,
    Absent,
    And,
    AnyOf,
    Condition,
    Constant,
    Labelled,
    Or,
    Predicate,
    Present,
    dual,
    holds,
)
from tests.conformance import corpus
from tests.properties.worlds import AT

TREES = 3_000


def says(condition: Condition, label: Label) -> bool:
    return condition is ALWAYS if isinstance(condition, Constant) else holds(condition, label)


def leaves(rng: random.Random) -> Condition:
    """Return a leaf over few attributes and values, so that neighbours have much in common."""
    if rng.random() < 0.1:
        special: tuple[Condition, ...] = (ALWAYS, NEVER, Labelled(), Present("owner"))
        return rng.choice(special)
    return corpus.predicate(rng, depth=0)


def joined(rng: random.Random, depth: int) -> tuple[Condition, Any]:
    """Return a condition joined by the code, and the same tree left as it is."""
    if depth == 0 or rng.random() < 0.2:
        leaf = leaves(rng)
        return leaf, leaf
    pairs = [joined(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    plain = [one for _, one in pairs]
    if rng.random() < 0.5:
        return all_of(*(one for one, _ in pairs)), ("all", plain)
    return any_of(*(one for one, _ in pairs)), ("any", plain)


def plainly(tree: Any, label: Label) -> bool:
    if not isinstance(tree, tuple):
        return says(tree, label)
    kind, parts = tree
    answers = [plainly(part, label) for part in parts]
    return all(answers) if kind == "all" else any(answers)


@pytest.fixture(scope="module")
def labels() -> list[Label]:
    rng = random.Random(1)
    return [corpus.labelling(rng).label for _ in range(60)]


def test_joining_changes_no_answer(labels: list[Label]) -> None:
    rng = random.Random(2)
    true = false = 0
    for _ in range(TREES):
        condition, tree = joined(rng, depth=3)
        for label in labels:
            expected = plainly(tree, label)
            assert says(condition, label) == expected, (condition, tree)
            true, false = true + expected, false + (not expected)
    assert true > 20_000
    assert false > 20_000


def test_joining_is_deterministic_and_idempotent() -> None:
    rng = random.Random(3)
    for _ in range(500):
        parts = [leaves(rng) for _ in range(rng.randint(1, 5))]
        shuffled = rng.sample(parts, len(parts))
        for join in (all_of, any_of):
            assert join(*parts) == join(*shuffled)
            assert join(join(*parts), *parts) == join(*parts)


def test_asking_for_presence_is_dropped_where_every_label_has_it(labels: list[Label]) -> None:
    rng = random.Random(4)
    for _ in range(500):
        condition, _ = joined(rng, depth=2)
        if isinstance(condition, Constant):
            continue
        made = settled(condition, corpus.SCHEMA.required)
        assert [says(made, one) for one in labels] == [says(condition, one) for one in labels]
    assert settled(Present("tenant"), frozenset({"tenant"})) is ALWAYS


def test_nothing_joined_is_the_neutral_condition() -> None:
    assert all_of() is ALWAYS
    assert any_of() is NEVER
    assert all_of(NEVER, Labelled()) is NEVER
    assert any_of(ALWAYS, Labelled()) is ALWAYS


def test_what_is_implied_is_dropped() -> None:
    a, b = AnyOf("owner", frozenset({"a"})), AnyOf("tenant", frozenset({"b"}))

    assert any_of(a, all_of(a, b)) == a
    assert all_of(a, any_of(a, b)) == a
    assert any_of(all_of(a, b), all_of(a, dual(b))) in (
        a,
        And(frozenset({a, Present("tenant")})),
    )


WIDE = LabelSchema.from_toml(
    """
[label]
tenant = { type = "keyword" }
owner = { type = "keyword" }
level = { type = "integer" }
place = { type = "path" }
state = { type = "keyword", required = false }
"""
)


def compiled_size(matcher: str, rows: Sequence[tuple[str, ...]], effect: str = "") -> int:
    """Return how many conditions the filter of one asker has."""
    effect = effect or "some(where (p.eft == allow))"
    columns = ", ".join(["sub", "value", "other", "eft"][: len(rows[0])])
    model = (
        f"[request_definition]\nr = sub, obj, act\n[policy_definition]\np = {columns}\n"
        f"[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n"
    )
    numbered = [Row(number, "p", values) for number, values in enumerate(rows, 1)]
    policy = load(model, numbered, WIDE)
    decision = compile_request(policy, {"sub": {"name": "ada", "level": 3}, "act": "read"}, AT)
    assert isinstance(decision, Permitted)
    return size(to_filter(decision.predicate, WIDE))


MANY = 10_000


@pytest.mark.parametrize(
    ("matcher", "rows"),
    [
        ("r.obj.owner == p.value", [("x", f"o{n}") for n in range(MANY)]),
        (
            "r.sub.name == p.sub && r.obj.owner == p.value && r.obj.level <= r.sub.level",
            [(("ada", "ben")[n % 2], f"o{n}") for n in range(MANY)],
        ),
        ("keyMatch(r.obj.place, p.value)", [("x", f"/a/{n}/*") for n in range(MANY)]),
        (
            "r.obj.owner == p.value && r.obj.tenant == p.other",
            [("x", f"o{n}", f"t{n % 3}") for n in range(MANY)],
        ),
        ("r.obj.state == p.value", [("x", f"s{n}") for n in range(MANY)]),
        (
            "r.obj.state == p.value && r.obj.owner == p.other",
            [("x", f"s{n}", f"o{n % 7}") for n in range(MANY // 10)],
        ),
    ],
    ids=["owner", "half are mine", "paths", "two attributes", "optional", "optional first"],
)
def test_ten_thousand_rules_that_differ_in_one_attribute_are_a_few_conditions(
    matcher: str, rows: list[tuple[str, ...]]
) -> None:
    assert compiled_size(matcher, rows) < 20


@pytest.mark.parametrize(
    "effect",
    [
        "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
        "priority(p.eft) || deny",
    ],
)
def test_ten_thousand_rules_that_deny_are_a_few_conditions_too(effect: str) -> None:
    rows = [("x", f"o{number}", "x", "deny") for number in range(MANY)]
    rows.append(("x", "me", "x", "allow"))

    assert compiled_size("r.obj.owner == p.value", rows, effect) < 20


# Outcomes.


def outcomes(rng: random.Random) -> Outcome:
    """Return the outcome of a random expression over leaves that may raise."""
    if rng.random() < 0.15:
        return rng.choice([TRUE, FALSE, RAISES])
    leaf = corpus.predicate(rng, depth=0)
    assert not isinstance(leaf, And | Or)
    if isinstance(leaf, Labelled | Absent):
        return Outcome(leaf, dual(leaf))
    return of_leaf(leaf, corpus.SCHEMA.attributes[leaf.attribute])


def laws(outcome: Outcome, labels: Sequence[Label]) -> None:
    for label in labels:
        true, false = says(outcome.true, label), says(outcome.false, label)
        assert not (true and false), "true and false exclude each other"
        assert says(outcome.defined, label) == (true or false)
        if outcome.total:
            assert true or false, "what is total does not raise"


def answer(outcome: Outcome, label: Label) -> bool | None:
    """Return what the expression comes to; nothing where it raises."""
    if says(outcome.true, label):
        return True
    return False if says(outcome.false, label) else None


@settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(st.randoms(use_true_random=False))
def test_outcomes_follow_pythons_short_circuit(rng: random.Random) -> None:
    labels = [corpus.labelling(rng).label for _ in range(6)]
    one, other = outcomes(rng), outcomes(rng)
    both, either = one.then(other), one.otherwise(other)

    for outcome in (one, other, both, either, ~one, ~both, ~either):
        laws(outcome, labels)
    for label in labels:
        left, right = answer(one, label), answer(other, label)
        assert answer(both, label) == (right if left else left)
        expected = left if left is None or left else right
        assert answer(either, label) == expected
        assert answer(~one, label) == (None if left is None else not left)


def test_a_known_boolean_is_the_same_for_every_label(labels: list[Label]) -> None:
    for value in (True, False):
        laws(constant(value), labels)
        assert all(answer(constant(value), label) is value for label in labels)
    assert all(answer(RAISES, label) is None for label in labels)


def test_every_leaf_and_its_dual_cover_exactly_the_labels_that_have_the_attribute(
    labels: list[Label],
) -> None:
    rng = random.Random(5)
    for _ in range(800):
        leaf: Predicate = corpus.predicate(rng, depth=0)
        assert not isinstance(leaf, And | Or)
        attribute = None if isinstance(leaf, Labelled) else leaf.attribute
        for label in labels:
            either = isinstance(leaf, Present | Absent | Labelled)
            present = either or attribute in label.values
            assert says(leaf, label) + says(dual(leaf), label) == present
