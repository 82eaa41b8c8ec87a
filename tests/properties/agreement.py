"""One world, decided three ways: by Casbin, by the evaluator, and by a real engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from acl.decision import Permitted
from acl.engine.filter import to_filter
from acl.errors import AclError, PolicyError
from acl.labels import Label
from acl.language.casbin_adapter import Oracle
from acl.policy.compiler import compile_request
from acl.policy.policy import Policy, load
from acl.predicate import Predicate, holds
from tests.conformance.casbin.engines import Engines
from tests.properties.worlds import AT, SCHEMA, World, resource_columns


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A label that came back, or did not, against Casbin's word."""

    road: str
    world: World
    request: Mapping[str, Any]
    label: Label
    allowed: bool
    predicate: Predicate | None

    def __str__(self) -> str:
        return (
            f"{self.road}: casbin {'allows' if self.allowed else 'denies'}\n{self.world}\n"
            f"{self.request}\n{self.label.as_json()}\n{self.predicate}"
        )


@dataclass(slots=True)
class Score:
    """What was compared, and what went wrong.

    Attributes:
        decisions: requests compared, each on every road.
        allowed: how many of them Casbin allows.
        refused: worlds whose policy the compiler refused, by reason.
        refused_requests: askers for whom no filter was made.
        by_feature: for each operator and effect, allowed and denied decisions.
        wrong: the disagreements.
    """

    decisions: int = 0
    allowed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refused_requests: int = 0
    by_feature: Counter[tuple[str, bool]] = field(default_factory=Counter)
    wrong: list[Disagreement] = field(default_factory=list)


Answers: TypeAlias = tuple[frozenset[int], ...]
"""For each request of a world, the places of the labels that Casbin allows."""


def answers(world: World, labels: Sequence[Label]) -> Answers:
    """Ask Casbin about every request and every label."""
    policy = load(world.model, world.rows, SCHEMA, matching=world.matching)
    oracle = policy.oracle(AT, parse_once=True)
    return tuple(
        frozenset(place for place, one in enumerate(labels) if _enforce(oracle, request, one))
        for request in world.requests
    )


async def compare(
    world: World,
    labels: Sequence[Label],
    score: Score,
    engines: Engines | None = None,
    known: Answers | None = None,
) -> None:
    """Decide every request of `world` about every label and add to `score`."""
    try:
        policy = load(world.model, world.rows, SCHEMA, matching=world.matching)
    except PolicyError as error:
        score.refused[error.refusals[0].reason] += 1
        return
    allowed = answers(world, labels) if known is None else known
    asked: list[_Asked] = []
    for request, places in zip(world.requests, allowed, strict=True):
        try:
            asked.append(_Asked(request, _predicate(policy, request), places))
        except AclError:
            score.refused_requests += 1
    _count(world, labels, asked, score)
    distinct = list(dict.fromkeys(one.predicate for one in asked if one.predicate is not None))
    roads = {"evaluator": [_evaluated(one, labels) for one in distinct]}
    if engines is not None and distinct:
        for mode in engines.modes:
            roads[mode] = await engines.returned(mode, SCHEMA, labels, distinct)
    for road, found in roads.items():
        returned = dict(zip(distinct, found, strict=True))
        _compare(road, world, labels, asked, returned, score)


@dataclass(frozen=True, slots=True)
class _Asked:
    request: Mapping[str, Any]
    predicate: Predicate | None
    allowed: frozenset[int]


def _predicate(policy: Policy, request: Mapping[str, Any]) -> Predicate | None:
    decision = compile_request(policy, request, AT)
    if not isinstance(decision, Permitted):
        return None
    to_filter(decision.predicate, SCHEMA)
    return decision.predicate


def _enforce(oracle: Oracle, request: Mapping[str, Any], label: Label) -> bool:
    columns = {**request, **resource_columns(label)}
    try:
        return oracle.enforce(*(columns[name] for name in ("sub", "dom", "obj", "item", "act")))
    except Exception:  # noqa: BLE001 - whatever Casbin raises, nothing may be returned
        return False


def _evaluated(predicate: Predicate, labels: Sequence[Label]) -> frozenset[int]:
    return frozenset(place for place, one in enumerate(labels) if holds(predicate, one))


def _count(world: World, labels: Sequence[Label], asked: list[_Asked], score: Score) -> None:
    allowed = sum(len(one.allowed) for one in asked)
    decisions = len(asked) * len(labels)
    score.decisions += decisions
    score.allowed += allowed
    for feature in world.features:
        score.by_feature[feature, True] += allowed
        score.by_feature[feature, False] += decisions - allowed


def _compare(  # noqa: PLR0917 - each is one side of the comparison
    road: str,
    world: World,
    labels: Sequence[Label],
    asked: list[_Asked],
    returned: Mapping[Predicate, frozenset[int]],
    score: Score,
) -> None:
    for one in asked:
        got = returned[one.predicate] if one.predicate is not None else frozenset()
        score.wrong += [
            Disagreement(
                road, world, one.request, labels[place], place in one.allowed, one.predicate
            )
            for place in sorted(got ^ one.allowed)
        ]
