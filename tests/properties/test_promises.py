"""Promises against brute force: what is kept has no counter-example, and a witness is one.

Policies, changes of them, askers and labels are drawn; Casbin itself decides each pair.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import datetime
from itertools import product

import pytest

from acl.errors import PolicyError
from acl.gates.promises import Verdict, condition_on_labels, never, no_new_access
from acl.labels import Label
from acl.policy.policy import Policy
from acl.predicate import Condition, holds
from acl.proof.proof import PolicyOracle
from acl.subject import Subject
from tests.unit.acl.default_policy import MODEL, NOW, READ, SCHEMA, policy

ROUNDS = int(os.environ.get("STRONGROOM_PROMISES", "10"))

DENY = "some(where (p.eft == allow)) && !some(where (p.eft == deny))"
MODELS = {
    "deny wins": MODEL,
    "allow wins": MODEL.replace(DENY, "some(where (p.eft == allow))"),
    "the first wins": MODEL.replace(DENY, "priority(p.eft) || deny"),
    "below": MODEL.replace("classification <= r.sub", "classification < r.sub"),
}
WHO = ("group:everyone", "group:law", "group:guests", "role:boss", "user:ann")
TENANTS = ("acme", "*")
PATHS = ("/*", "/acme/law/*", "/acme/law/plan", "/acme/*")
WHEN = (
    "True",
    "r.obj.owner == r.sub.id",
    "r.obj.owner in r.sub.principals",
    '"any_of(r.obj.readers, r.sub.principals)"',
    '"!any_of(r.obj.readers, r.sub.groups)"',
    "r.obj.classification >= 2",
    "r.obj.classification <= 1",
    "r.sub.clearance >= 2",
    "'group:law' in r.sub.groups",
    "r.sub.id in r.obj.readers",
    "r.obj.owner == 'user:ann' || r.obj.classification == 0",
)
LINKS = (
    "g, user:ann, role:boss, acme, _, _",
    "g, group:guests, role:boss, acme, _, _",
    "g, role:boss, group:law, acme, _, _",
    "g, user:bob, group:guests, acme, 2026-01-01 00:00:00, 2026-03-01 00:00:00",
)
CONDITIONS = (
    "classification >= 2",
    'classification == "restricted"',
    'keyMatch(path, "/acme/law/*")',
    'owner == "user:ann"',
    'any_of(readers, ["group:law"]) && r.obj.classification > "public"',
)


def row(luck: random.Random) -> str:
    effect = luck.choice(("allow", "allow", "deny"))
    parts = (luck.choice(some) for some in (WHO, TENANTS, PATHS))
    return f"p, {', '.join(parts)}, {READ}, {luck.choice(WHEN)}, {effect}"


def drawn(luck: random.Random) -> list[str]:
    rows = [row(luck) for _ in range(luck.randint(1, 5))]
    return list(dict.fromkeys([*rows, *luck.sample(LINKS, luck.randint(0, 3))]))


def changed(luck: random.Random, lines: list[str]) -> list[str]:
    kept = [one for one in lines if luck.random() > 0.25]
    more = [row(luck)] if luck.random() < 0.4 else []
    more += luck.sample(LINKS, 1) if luck.random() < 0.3 else []
    return list(dict.fromkeys([*kept, *more])) or lines


def loaded(lines: list[str], model: str) -> Policy | None:
    try:
        return policy("\n".join(lines), model)
    except PolicyError:
        return None


def askers() -> Iterator[Subject]:
    groups = [frozenset[str]()] + [frozenset({one}) for one in WHO[1:4]]
    groups.append(frozenset(WHO[1:4]))
    for identity, held, clearance in product(("user:ann", "user:bob", "user:x"), groups, (0, 2, 3)):
        for tenant in ("acme", "globex"):
            yield Subject(id=identity, tenant=tenant, clearance=clearance, groups=held)


def labels() -> Iterator[Label]:
    owners, levels = ("user:ann", "user:x", "group:law"), (0, 1, 2, 3)
    readers: tuple[list[str], ...] = ([], ["group:law"], ["user:ann", "group:guests"])
    for owner, level, read, path in product(
        owners, levels, readers, ("/acme/law/plan", "/acme/law/old", "/x")
    ):
        for tenant in ("acme", "globex"):
            yield SCHEMA.parse(
                {
                    "tenant": tenant,
                    "owner": owner,
                    "classification": level,
                    "compartments": [],
                    "readers": read,
                    "path": path,
                }
            )


ASKERS, LABELS = tuple(askers()), tuple(labels())


def sample(luck: random.Random) -> Iterator[tuple[Subject, Label]]:
    for _ in range(400):
        label, asker = luck.choice(LABELS), luck.choice(ASKERS)
        if asker.tenant == label.values["tenant"]:
            yield asker, label


def allows(oracle: PolicyOracle, asker: Subject, label: Label, at: datetime = NOW) -> bool:
    return oracle.allows(oracle.request(asker, READ, at), label)


def told(verdict: Verdict) -> str:
    return "kept" if verdict.kept else "broken" if verdict.witness else "open"


@pytest.mark.parametrize("name", MODELS)
def test_no_new_access_is_what_it_says(name: str) -> None:
    luck, seen = random.Random(f"new access {name}"), list[str]()
    while len(seen) < ROUNDS:
        lines = drawn(luck)
        other = MODELS[luck.choice(list(MODELS))] if luck.random() < 0.1 else MODELS[name]
        before, after = loaded(lines, MODELS[name]), loaded(changed(luck, lines), other)
        if before is None or after is None:
            continue
        verdict = no_new_access(before, after, NOW)
        seen.append(told(verdict))
        old, new = PolicyOracle(before), PolicyOracle(after)
        witness = verdict.witness
        if witness is not None:
            asked = witness.asker, witness.label, witness.at
            assert witness.action == READ
            assert allows(new, *asked), asked
            assert not allows(old, *asked), asked
        if verdict.kept:
            for asker, label in sample(luck):
                assert not allows(new, asker, label) or allows(old, asker, label), (asker, label)
    assert {"kept", "broken"} <= set(seen)
    assert seen.count("open") <= len(seen) // 4, seen


@pytest.mark.parametrize("name", MODELS)
def test_never_is_what_it_says(name: str) -> None:
    luck, seen = random.Random(f"never {name}"), list[str]()
    while len(seen) < ROUNDS:
        known = loaded(drawn(luck), MODELS[name])
        if known is None:
            continue
        who, condition = luck.choice(WHO), condition_on_labels(luck.choice(CONDITIONS), known)
        seen.append(told(_checked(luck, known, who, condition)))
    # Where no deny counts, hardly anything is out of reach.
    assert "broken" in seen
    assert "kept" in seen or name == "allow wins"
    assert seen.count("open") <= len(seen) // 4, seen


def _checked(luck: random.Random, known: Policy, who: str, condition: Condition) -> Verdict:
    verdict, oracle = never(known, who, condition, NOW), PolicyOracle(known)
    witness = verdict.witness
    if witness is not None:
        assert who in witness.asker.principals
        assert holds(condition, witness.label)
        assert allows(oracle, witness.asker, witness.label, witness.at)
    if verdict.kept:
        for asker, label in sample(luck):
            broken = who in asker.principals and holds(condition, label)
            assert not (broken and allows(oracle, asker, label)), (asker, label)
    return verdict
