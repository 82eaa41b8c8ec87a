"""A rule that changes nothing beside others is told, and no rule is that changes a decision."""

from __future__ import annotations

import random
from itertools import product
from typing import Final

import pytest

from acl.admission import redundant
from acl.admission.cautions import cautions_of
from acl.admission.reading import read_policy
from acl.admission.redundant import BESIDE_OTHERS, COMES_LATE, DENIES_NOTHING
from acl.language.casbin_adapter import Row
from acl.policy.decide import decide
from acl.policy.policy import Policy
from acl.predicate import holds
from acl.subject import Subject
from tests.unit.acl.default_policy import MODEL, NOW, READ, SCHEMA, label

PRIORITY: Final = MODEL.replace(
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))", "priority(p.eft) || deny"
)
LINKS: Final = "g, user:zoe, role:contractor, acme, _, _\ng, group:staff, role:reader, acme, _, _\n"
ALLOW: Final = "p, group:staff, acme, /acme/*, document:read, True, allow\n"
NARROW: Final = ALLOW.replace("/acme/*", "/acme/hr/*")
DENY: Final = "p, group:staff, acme, /acme/*, document:read, True, deny\n"
LEVELS: Final = (
    "p, group:staff, acme, /acme/*, document:read, r.obj.classification <= 1, allow\n"
    "p, group:staff, acme, /acme/*, document:read, r.obj.classification >= 2, allow\n"
)


def told(rows: str, model: str = MODEL) -> dict[int, str]:
    """Return why lines change nothing, by their number."""
    found = cautions_of(read_policy(model, rows, SCHEMA))
    reasons = {int(one.where.rpartition(" ")[2]): one.reason for one in found}
    return {line: said for line, said in reasons.items() if said.startswith("changes nothing")}


@pytest.mark.parametrize(
    ("rows", "model", "lines"),
    [
        (ALLOW, MODEL, {}),
        (ALLOW + NARROW, MODEL, {2: "changes nothing beside line 1"}),
        (ALLOW + NARROW.replace("True", "r.sub.clearance > 1"), MODEL, {2: "beside line 1"}),
        (ALLOW + NARROW.replace("read", "tag"), MODEL, {}),
        (ALLOW + NARROW.replace("group:staff", "group:hr"), MODEL, {}),
        (ALLOW + NARROW.replace("group:staff", "group:hr").replace("allow", "deny"), MODEL, {}),
        (DENY + ALLOW.replace("read", "tag"), MODEL, {1: DENIES_NOTHING}),
        (DENY + ALLOW, MODEL, {2: BESIDE_OTHERS}),
        (DENY + ALLOW, PRIORITY, {2: BESIDE_OTHERS}),
        (ALLOW + DENY, PRIORITY, {2: COMES_LATE}),
        (LEVELS + NARROW, MODEL, {3: BESIDE_OTHERS}),
        (ALLOW + NARROW.replace("True", "\"regexMatch(r.sub.id, 'user:.*')\""), MODEL, {}),
    ],
)  # fmt: skip
def test_what_changes_nothing_is_told(rows: str, model: str, lines: dict[int, str]) -> None:
    found = told(rows, model)
    assert found.keys() == lines.keys()
    assert all(lines[line] in said for line, said in found.items())


def test_what_is_too_much_to_try_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redundant, "ASKED", 1)
    assert told(ALLOW + NARROW) == {}


def test_whoever_sees_some_lines_alone_is_told_nothing() -> None:
    found = read_policy(MODEL, ALLOW + NARROW, SCHEMA)
    assert cautions_of(found, whole=False) == ()


def _without(policy: Policy, line: int) -> Policy:
    rows: list[Row] = [row for row in policy.rows if row.number != line]
    return policy.with_rows(rows)


def _random_rows(chance: random.Random) -> str:
    conditions = ("True", "r.obj.owner == r.sub.id", "r.obj.classification <= 1")
    rows = [
        f"p, {chance.choice(('group:staff', 'role:reader', 'user:zoe', 'group:hr'))}, "
        f"{chance.choice(('acme', '*'))}, {chance.choice(('/acme/*', '/acme/hr/*', '/*'))}, "
        f"{READ}, {chance.choice(conditions)}, {chance.choice(('allow', 'allow', 'deny'))}\n"
        for _ in range(chance.randint(2, 6))
    ]
    return LINKS + "".join(dict.fromkeys(rows))


def test_no_line_that_is_told_changes_a_decision() -> None:
    chance, tried = random.Random(3), 0
    people = [
        Subject(id=who, tenant=tenant, clearance=level, groups=frozenset(held))
        for who, tenant, level, held in product(
            ("user:zoe", "user:max"),
            ("acme", "globex"),
            (0, 2),
            ((), ("group:staff",), ("group:hr",), ("group:staff", "group:hr"), ("role:reader",)),
        )
    ]
    labels = [
        label(
            tenant=tenant,
            path=f"/{tenant}/{folder}/x",
            classification=level,
            owner=owner,
            compartments=[],
        )
        for tenant, folder, level, owner in product(
            ("acme", "globex"), ("hr", "it"), ("public", "confidential"), ("user:zoe", "user:ann")
        )
    ]
    for model in (MODEL, PRIORITY):
        for _ in range(12):
            rows = _random_rows(chance)
            whole = read_policy(model, rows, SCHEMA)
            for line in list(told(rows, model))[:2]:
                less = _without(whole, line)
                tried += 1
                for one in people:
                    new, old = (decide(each, one, READ, NOW).condition for each in (whole, less))
                    assert [holds(new, on) for on in labels] == [holds(old, on) for on in labels], (
                        rows,
                        line,
                        one,
                    )
    assert tried > 10
