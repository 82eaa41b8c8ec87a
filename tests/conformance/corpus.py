"""Random labels and predicates over one hostile schema: the corpus that every engine answers."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from acl.engine.payload import point_payload
from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition
from acl.labels import MAX_INTEGER, AttributeType, Label, LabelSchema
from acl.predicate import (
    Absent,
    And,
    AnyOf,
    AtMost,
    Labelled,
    MoreThan,
    NoneOf,
    NotShaped,
    NotSubsetOf,
    NotUnder,
    Or,
    Predicate,
    Present,
    Segment,
    Shape,
    Shaped,
    SubsetOf,
    Under,
    Wildcard,
    holds,
)
from ingest.index.engine import Point, Vector

DIMENSION = 8

SCHEMA = LabelSchema.from_toml(
    """
[label]
tenant = { type = "keyword" }
owner = { type = "keyword", required = false }
classification = { type = "integer", levels = ["public", "internal", "secret"] }
weight = { type = "integer", required = false }
compartments = { type = "keyword_set" }
readers = { type = "keyword_set", required = false }
archived = { type = "boolean", required = false }
expires = { type = "datetime", required = false }
place = { type = "path" }
folder = { type = "path", required = false, prefixes = "character" }

[metadata]
language = { type = "keyword", required = false }
topics = { type = "keyword_set", required = false }
pages = { type = "integer", required = false }
draft = { type = "boolean", required = false }
written = { type = "datetime", required = false }
"""
)

# Values that other systems confuse: case, numbers and constants as text, accents, punctuation.
TEXTS = ("a", "A", "1", "true", "null", "é", "a.b", 'q"t', "*", "user:ada", "a b", "[]")
NUMBERS = (-MAX_INTEGER, -7, -1, 0, 1, 2, 3, 10, MAX_INTEGER)
PATHS = ("a", "a/b", "a/b/c", "a/", "b/.hidden", "a/b/", ".a/b", "b/c/d/e", "é/b", "a b/c")
PREFIXES = ("a/", "a/b/", "b/", ".a/", "é/", "x/")
CHARACTERS = ("a", "a/b", "b/.", "a/b/c", ".", "é", "x")
WORDS = ("apple", "pear", "plum", "cherry", "quince", "medlar", "fig", "sloe")

_TYPES = {name: one.type for name, one in SCHEMA.attributes.items()}


@dataclass(frozen=True, slots=True)
class Labelling:
    """A point with the label it was made from."""

    point: Point
    label: Label


def labelling(rng: random.Random) -> Labelling:
    """Return a point with a random complete label."""
    label = SCHEMA.parse(raw_label(rng))
    return Labelling(point(rng, label), label)


def point(
    rng: random.Random,
    label: Label,
    meta: Mapping[str, object] | None = None,
    document: str = "d",
) -> Point:
    """Return a point of `label`."""
    payload = point_payload(label, SCHEMA, document=document, version=1, meta=meta or {})
    text = " ".join(rng.choices(WORDS, k=rng.randint(1, 6)))
    return Point(identity(rng), vector(rng), text, payload)


def broken(rng: random.Random) -> Point:
    """Return a point whose label is not one: its values are there, its guards are not."""
    made = point(rng, SCHEMA.parse(raw_label(rng)))
    payload: dict[str, Any] = dict(made.payload)
    label: dict[str, Any] = dict(payload["label"])
    match rng.randrange(6):
        case 0:
            del payload["label"]
        case 1:
            payload["label"] = label | {"schema": "another"}
        case 2:
            del label["complete"]
            payload["label"] = label
        case 3:
            payload["label"] = label | {"complete": 0}
        case 4:
            payload["label"] = label | {"complete": None, "present": []}
        case _:
            del label["schema"]
            payload["label"] = label
    return Point(made.id, made.dense, made.text, payload)


def identity(rng: random.Random) -> str:
    """Return a random point id."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def vector(rng: random.Random, dimension: int = DIMENSION) -> Vector:
    """Return a random vector of unit length."""
    numbers = np.random.default_rng(rng.getrandbits(32)).normal(size=dimension)
    made: Vector = (numbers / np.linalg.norm(numbers)).astype(np.float32)
    return made


def raw_label(rng: random.Random) -> dict[str, object]:
    """Return the values of a random label; optional ones are there two times in three."""
    wanted = {
        name: _value(rng, name)
        for name, one in SCHEMA.attributes.items()
        if one.required or rng.random() < 2 / 3
    }
    return wanted | {"classification": rng.randrange(3)}


def predicates(rng: random.Random, labels: list[Label], *, number: int) -> list[Predicate]:
    """Return predicates that pass some of `labels` and not all: anything else proves nothing."""
    found: list[Predicate] = []
    while len(found) < number:
        candidate = predicate(rng, depth=3)
        passing = sum(holds(candidate, label) for label in labels)
        if 0 < passing < len(labels):
            found.append(candidate)
    return found


def predicate(rng: random.Random, *, depth: int, sizes: bool = True) -> Predicate:
    """Return a random predicate; half of the connectives are `And`.

    Args:
        rng: draws it.
        depth: of connectives in one another.
        sizes: whether it may ask how many elements a set has.
    """
    if depth == 0 or rng.random() < 0.4:
        return _leaf(rng, sizes=sizes)
    parts = frozenset(
        predicate(rng, depth=depth - 1, sizes=sizes) for _ in range(rng.randint(2, 4))
    )
    if len(parts) < 2:
        return next(iter(parts))
    return And(parts) if rng.random() < 0.5 else Or(parts)


def wire(rng: random.Random, *, depth: int) -> Filter:
    """Return a random wire filter that no predicate need have produced."""

    def some(least: int) -> tuple[WireCondition, ...]:
        return tuple(condition() for _ in range(rng.randint(least, 2)))

    def condition() -> WireCondition:
        if depth > 0 and rng.random() < 0.4:
            return wire(rng, depth=depth - 1)
        name = rng.choice(["tenant", "owner", "readers", "compartments", "weight", "archived"])
        key = f"label.value.{name}"
        match rng.randrange(4):
            case 0 if name in {"weight", "archived"}:
                return MatchAny(key, tuple(rng.sample(NUMBERS, 2)))
            case 1 if name in {"weight", "archived"}:
                return Range(key, gte=rng.choice(NUMBERS), lte=rng.choice((*NUMBERS, None)))
            case 2 if name not in {"weight", "archived"}:
                return MatchExcept(key, tuple(rng.sample(TEXTS, rng.randint(0, 8))))
            case _:
                return MatchAny(key, tuple(rng.sample(TEXTS, 3)))

    return Filter(must=some(1), should=some(0), must_not=some(0))


def _value(rng: random.Random, name: str) -> object:
    match _TYPES[name]:
        case AttributeType.KEYWORD:
            return rng.choice(TEXTS)
        case AttributeType.KEYWORD_SET:
            return rng.sample(TEXTS, rng.choice((0, 1, 1, 2, 4)))
        case AttributeType.INTEGER | AttributeType.DATETIME:
            return rng.choice(NUMBERS)
        case AttributeType.BOOLEAN:
            return rng.random() < 0.5
        case AttributeType.PATH:
            return rng.choice(PATHS)


def _leaf(rng: random.Random, *, sizes: bool) -> Predicate:
    if rng.random() < 0.02:
        return Labelled()
    name = rng.choice(list(_TYPES))
    if rng.random() < 0.08:
        return Present(name) if rng.random() < 0.5 else Absent(name)
    opposite = rng.random() < 0.5
    match _TYPES[name]:
        case AttributeType.KEYWORD:
            texts = frozenset(rng.sample(TEXTS, rng.randint(1, 6)))
            return NoneOf(name, texts) if opposite else AnyOf(name, texts)
        case AttributeType.KEYWORD_SET:
            return _set_leaf(rng, name, opposite=opposite, sizes=sizes)
        case AttributeType.INTEGER | AttributeType.DATETIME:
            return _number_leaf(rng, name, opposite=opposite)
        case AttributeType.BOOLEAN:
            flag = frozenset({rng.random() < 0.5})
            return NoneOf(name, flag) if opposite else AnyOf(name, flag)
        case AttributeType.PATH:
            return _path_leaf(rng, name, opposite=opposite)


def _set_leaf(rng: random.Random, name: str, *, opposite: bool, sizes: bool) -> Predicate:
    if rng.random() < 0.5:
        texts = frozenset(rng.sample(TEXTS, rng.randint(1, 4)))
        return NoneOf(name, texts) if opposite else AnyOf(name, texts)
    if sizes and rng.random() < 0.2:
        most = rng.randint(0, 3)
        return MoreThan(name, most) if opposite else AtMost(name, most)
    several = frozenset(rng.sample(TEXTS, rng.randint(0, 9)))
    return NotSubsetOf(name, several) if opposite else SubsetOf(name, several)


def _number_leaf(rng: random.Random, name: str, *, opposite: bool) -> Predicate:
    if rng.random() < 0.4:
        numbers = frozenset(rng.sample(NUMBERS, rng.randint(1, 4)))
        return NoneOf(name, numbers) if opposite else AnyOf(name, numbers)
    bound = rng.choice(NUMBERS) + rng.choice((-1, 0, 1))
    return MoreThan(name, bound) if opposite else AtMost(name, bound)


def _path_leaf(rng: random.Random, name: str, *, opposite: bool) -> Predicate:
    match rng.randrange(3):
        case 0:
            paths = frozenset(rng.sample(PATHS, rng.randint(1, 3)))
            return NoneOf(name, paths) if opposite else AnyOf(name, paths)
        case 1:
            known = PREFIXES if name == "place" else CHARACTERS
            starts = frozenset(rng.sample(known, rng.randint(1, 3)))
            return NotUnder(name, starts) if opposite else Under(name, starts)
        case _:
            shape = Shape(_segments(rng), tail=rng.random() < 0.5)
            return NotShaped(name, shape) if opposite else Shaped(name, shape)


def _segments(rng: random.Random) -> tuple[Segment, ...]:
    choices: tuple[Segment, ...] = ("a", "b", "c", "", ".a", Wildcard.SOME, Wildcard.VISIBLE)
    return tuple(rng.choice(choices) for _ in range(rng.randint(1, 3)))
