"""Containment against trying every label of a small universe, and against labels at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acl.algebra.conditions import all_of, any_of
from acl.containment.search import escapee, escapee_of
from acl.errors import LabelError
from acl.labels import Label, LabelSchema
from acl.predicate import (
    ALWAYS,
    NEVER,
    And,
    AnyOf,
    AtMost,
    Condition,
    Constant,
    Leaf,
    MoreThan,
    NoneOf,
    NotShaped,
    NotSubsetOf,
    NotUnder,
    Or,
    Present,
    Segment,
    Shape,
    Shaped,
    SubsetOf,
    Under,
    Wildcard,
    holds,
)
from tests.conformance import corpus


def says(condition: Condition, label: Label) -> bool:
    return condition is ALWAYS if isinstance(condition, Constant) else holds(condition, label)


@dataclass(frozen=True)
class Universe:
    """Every label over a few values, and leaves that tell these values apart.

    Attributes:
        schema: of the labels.
        labels: all of them.
        leaf: draws a leaf.
    """

    schema: LabelSchema
    labels: Sequence[Label]
    leaf: Callable[[random.Random], Leaf]


def universe(
    toml: str, values: Mapping[str, Sequence[Any]], leaf: Callable[[random.Random], Leaf]
) -> Universe:
    schema = LabelSchema.from_toml(f"[label]\n{toml}")
    found = []
    for chosen in product(*values.values()):
        try:
            found.append(schema.parse(dict(zip(values, chosen, strict=True))))
        except LabelError:
            continue
    return Universe(schema, found, leaf)


def some(rng: random.Random, values: Sequence[Any], least: int = 1) -> frozenset[Any]:
    return frozenset(rng.sample(values, rng.randint(least, min(3, len(values)))))


NAMES: Final = ("a", "b", "c", "other")
SETS: Final = [
    None,
    *(list(one) for one in chain.from_iterable(combinations(NAMES, n) for n in range(5))),
]


def either(rng: random.Random, one: Leaf, other: Leaf) -> Leaf:
    return one if rng.random() < 0.5 else other


def set_leaf(rng: random.Random) -> Leaf:
    name = rng.choice(["must", "may"])
    values, several = some(rng, NAMES[:3]), some(rng, NAMES[:3], least=0)
    match rng.randrange(5):
        case 0 | 1:
            return either(rng, AnyOf(name, values), NoneOf(name, values))
        case 2 | 3:
            return either(rng, SubsetOf(name, several), NotSubsetOf(name, several))
        case _:
            return Present(name)


def plain_leaf(rng: random.Random) -> Leaf:
    text, number = rng.choice(["who", "whose"]), rng.choice(["level", "weight"])
    names, numbers, flags = some(rng, NAMES[:3]), some(rng, range(-1, 4)), some(rng, [True, False])
    bound = rng.randint(-2, 3)
    match rng.randrange(5):
        case 0:
            return either(rng, AnyOf(text, names), NoneOf(text, names))
        case 1:
            return either(rng, AtMost(number, bound), MoreThan(number, bound))
        case 2:
            return either(rng, AnyOf(number, numbers), NoneOf(number, numbers))
        case 3:
            return either(rng, AnyOf("open", flags), NoneOf("open", flags))
        case _:
            return Present(rng.choice(["who", "whose", "level", "weight", "open", "unheard"]))


TEXTS: Final = [
    "".join(one) for length in range(1, 6) for one in product("a.b/", repeat=length)
] + ["x", "/x", "a/x", "/a/b/.x", "/a/b/x", "a/b/a/x", "/.a/x", "/a/b/c", "ax", "/ax", "abx"]


def path_leaf(rng: random.Random) -> Leaf:
    match rng.randrange(6):
        case 0:
            wanted = some(rng, TEXTS[:400])
            return either(rng, AnyOf("at", wanted), NoneOf("at", wanted))
        case 1 | 2:
            starts = some(rng, [*TEXTS[:40], "a b", "/a/b/", "a/b/", "/a/.", "/.a/"])
            return either(rng, Under("at", starts), NotUnder("at", starts))
        case 3:
            return either(rng, Present("at"), SubsetOf("at", frozenset({"a"})))
        case _:
            choices: tuple[Segment, ...] = ("", "a", "b", ".a", Wildcard.SOME, Wildcard.VISIBLE)
            segments = tuple(rng.choice(choices) for _ in range(rng.randint(1, 4)))
            shape = Shape(segments, tail=rng.random() < 0.5)
            return either(rng, Shaped("at", shape), NotShaped("at", shape))


def universes() -> dict[str, Universe]:
    return {
        "sets": universe(
            'must = { type = "keyword_set" }\nmay = { type = "keyword_set", required = false }',
            {"must": SETS[1:], "may": SETS},
            set_leaf,
        ),
        "plain": universe(
            'who = { type = "keyword" }\nwhose = { type = "keyword", required = false }\n'
            'level = { type = "integer", levels = ["low", "middle", "high"] }\n'
            'weight = { type = "integer", required = false }\n'
            'open = { type = "boolean", required = false }',
            {
                "who": ("a", "b", "c", "other"),
                "whose": (None, "a", "b", "c", "other"),
                "level": range(3),
                "weight": (None, *range(-3, 6)),
                "open": (None, True, False),
            },
            plain_leaf,
        ),
        "paths": universe('at = { type = "path" }', {"at": TEXTS}, path_leaf),
        "paths that may miss": universe(
            'at = { type = "path", required = false }', {"at": [None, *TEXTS]}, path_leaf
        ),
        "texts": universe('at = { type = "keyword" }', {"at": TEXTS}, path_leaf),
    }


UNIVERSES: Final = universes()


def tree(rng: random.Random, leaf: Callable[[random.Random], Leaf], depth: int) -> Condition:
    if depth == 0 or rng.random() < 0.25:
        return rng.choice([ALWAYS, NEVER]) if rng.random() < 0.02 else leaf(rng)
    parts = [tree(rng, leaf, depth - 1) for _ in range(rng.randint(2, 4))]
    plain = frozenset(part for part in parts if not isinstance(part, Constant))
    if rng.random() < 0.4 or len(plain) < 2:
        return rng.choice([all_of, any_of])(*parts)
    # As written: a policy's conditions are simplified, but nothing here depends on it.
    return And(plain) if rng.random() < 0.5 else Or(plain)


@pytest.mark.parametrize("name", UNIVERSES)
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_nothing_escapes_where_nothing_is_found(name: str, rng: random.Random) -> None:
    one = UNIVERSES[name]
    inners = [tree(rng, one.leaf, 2) for _ in range(rng.randint(1, 2))]
    outers = [tree(rng, one.leaf, 2) for _ in range(rng.randint(0, 3))]

    found = escapee_of(inners, outers, one.schema)

    if found is not None:
        assert one.schema.parse(found.values) == found
        assert all(says(inner, found) for inner in inners)
        assert not any(says(outer, found) for outer in outers)
    else:
        escaped = (
            label
            for label in one.labels
            if all(says(inner, label) for inner in inners)
            and not any(says(outer, label) for outer in outers)
        )
        assert next(escaped, None) is None


def test_the_small_universes_decide_both_ways() -> None:
    """A search that found nothing, or something, every time would pass the test above."""
    for one in UNIVERSES.values():
        rng = random.Random(1)
        answers = [
            escapee(tree(rng, one.leaf, 2), tree(rng, one.leaf, 2), one.schema) for _ in range(60)
        ]
        assert 3 < sum(answer is None for answer in answers) < 57


@pytest.fixture(scope="module")
def labels() -> list[Label]:
    rng = random.Random(1)
    return [corpus.labelling(rng).label for _ in range(150)]


def test_no_random_label_escapes_where_nothing_is_found(labels: list[Label]) -> None:
    rng = random.Random(2)
    contained = 0
    for _ in range(150):
        inner, outer = (corpus.predicate(rng, depth=2, sizes=False) for _ in range(2))
        if escapee(all_of(inner, outer), outer, corpus.SCHEMA) is not None:
            raise AssertionError(f"{inner} and {outer}: the second does not contain both")
        if escapee(inner, outer, corpus.SCHEMA) is None:
            contained += 1
            assert not any(says(inner, one) and not says(outer, one) for one in labels)
    assert contained > 1


def test_conditions_joined_in_two_ways_contain_each_other() -> None:
    rng = random.Random(3)
    for _ in range(80):
        parts = [corpus.predicate(rng, depth=1, sizes=False) for _ in range(4)]
        joined, plain = any_of(*parts), Or(frozenset(parts)) if len(set(parts)) > 1 else parts[0]

        assert escapee(joined, plain, corpus.SCHEMA) is None
        assert escapee(plain, joined, corpus.SCHEMA) is None
