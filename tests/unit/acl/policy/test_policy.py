"""A policy loads as a whole or is refused with every place that cannot be enforced."""

from __future__ import annotations

from typing import Any

import pytest

from acl.errors import PolicyError
from acl.language.casbin_adapter import RoleMatching, Row
from acl.policy.policy import load
from tests.unit.acl.small_policies import (
    ALLOW,
    BOTH,
    ROW,
    SCHEMA,
    decided,
    model,
    policy,
    refusals,
    refused,
)

TIMED = "g = _, _, (_, _)"
OPEN = ("_", "_")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[request_definition\nr = sub", "model.conf: `model`: Casbin cannot read the model"),
        ("[request_definition]\nr = sub, obj\n", "model.conf: `model`: [policy_definition]"),
        (model(effect="some(where (p.eft == deny))"), "is not an effect that Casbin knows"),
        (model(effect="!some(where (p.eft == deny))"), "permits what no rule denies"),
        (model(roles="g = _"), "`g`: links two names, and at most one domain"),
        (model(roles="g = _, _, _, _"), "`g`: links two names, and at most one domain"),
        (model(roles=f"{TIMED}\ng2 = _, _"), "Casbin ignores plain role definitions beside"),
    ],
)
def test_a_model_that_cannot_be_enforced_is_refused(text: str, reason: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(text, (), SCHEMA)

    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "place", "reason"),
    [
        ([("p", "a", "b")], "policy.csv line 1", "has 2 columns, the model defines 3"),
        ([ROW, ("p9", "a")], "policy.csv line 2", "is not defined by the model"),
        ([("g", "a", "b")], "policy.csv line 1", "has 2 columns, the model defines 4"),
        ([("g", "a", "b", "soon", "_")], "policy.csv line 1", "a window is `_` or a moment"),
        (
            [("g", "a", "b", *OPEN), ("g", "a", "b", *OPEN)],
            "policy.csv line 2",
            "Casbin keeps the last window only",
        ),
    ],
)
def test_a_row_that_cannot_be_enforced_is_named(
    rows: list[tuple[str, ...]], place: str, reason: str
) -> None:
    (found,) = refusals("r.obj.open", *rows, roles=TIMED)

    assert found.where == place
    assert reason in found.reason


@pytest.mark.parametrize(
    ("matching", "roles", "reason"),
    [
        ({"g": RoleMatching("keyMatch")}, TIMED, "a time window and a matching function exclude"),
        ({"g2": RoleMatching("keyMatch")}, "g = _, _", "`g2`: is no role definition"),
        ({"g": RoleMatching("ipMatch")}, "g = _, _", "`ipMatch`: is not a matching function"),
        ({"g": RoleMatching(None, "own")}, "g = _, _, _", "`own`: is not a matching function"),
    ],
)
def test_matching_functions_are_casbins_own(
    matching: dict[str, RoleMatching], roles: str, reason: str
) -> None:
    assert reason in refused("r.obj.open", matching=matching, roles=roles)


def test_a_suffix_without_definitions_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        load(model(), (), SCHEMA, suffix="7")

    assert [one.operator for one in caught.value.refusals] == ["r7", "p7", "m7"]


def test_a_second_set_of_definitions_decides_by_itself() -> None:
    text = (
        "[request_definition]\nr = sub, obj, act\nr2 = sub, obj\n"
        "[policy_definition]\np = sub\np2 = sub, rule, eft\n"
        f"[policy_effect]\ne = {ALLOW}\n"
        "[matchers]\nm = r.sub == p.sub\nm2 = r2.sub.name == p2.sub && eval(p2.rule)\n"
    )
    rows = [Row(1, "p", ("x",)), Row(2, "p2", ("ada", "r2.obj.open", "allow"))]
    made = load(text, rows, SCHEMA, suffix="2")

    assert [row.number for row in made.rules] == [2]
    assert made.effect_of(made.rules[0]) == "allow"
    assert made.schema is SCHEMA
    assert decided(made, {"sub": {"name": "ada"}}) != decided(made, {"sub": {"name": "ben"}})


def test_every_refused_row_is_named_at_once() -> None:
    rows = [("p", "ada", text, "read") for text in ("a &&", "r.obj.open", "r.obj.no == 1", "a &&")]
    found = refusals("eval(p.val)", *rows)

    assert [(one.where, one.column) for one in found] == [
        ("policy.csv line 1", "val"),
        ("policy.csv line 3", "val"),
        ("policy.csv line 4", "val"),
    ]


def test_an_operand_without_a_filter_form_is_named_with_its_row() -> None:
    rows = [("p", "ada", pattern, "read") for pattern in ("/a/*", "/a*", "/b/*")]
    (found,) = refusals("keyMatch(r.obj.place, p.val)", *rows)

    assert found.where == "policy.csv line 2"
    assert found.operator == "keyMatch"


def test_rows_that_casbin_cannot_order_are_refused() -> None:
    cycle = [("p", "a", "x", "read"), ("g", "a", "b"), ("g", "b", "a")]
    found = refused("r.obj.open", *cycle, effect="subjectPriority(p.eft) || deny", roles="g = _, _")

    assert "Casbin cannot order the rows" in found


def test_priorities_order_the_rows() -> None:
    rows = [("p", "30", "c"), ("p", "2", "a"), ("p", "10", "b")]
    made = policy(
        "r.obj.open && r.sub.name == p.sub",
        *rows,
        columns="priority, sub",
        effect="priority(p.eft) || deny",
    )

    assert [made.named(row)["p_sub"] for row in made.rules] == ["a", "b", "c"]
    assert made.effect_of(made.rules[0]) == "allow"


def digest(**changed: Any) -> str:
    parts: dict[str, Any] = {"roles": "g = _, _", **changed}
    matcher = parts.pop("matcher", "r.obj.open")
    rows = parts.pop("rows", [ROW, ("g", "a", "b")])
    return policy(matcher, *rows, **parts).digest


def test_the_digest_covers_everything_that_decides() -> None:
    assert digest() == digest()
    others = {
        digest(matcher="!r.obj.open"),
        digest(rows=[ROW]),
        digest(rows=[ROW, ("g", "a", "c")]),
        digest(rows=[("g", "a", "b"), ROW]),
        digest(matching={"g": RoleMatching("keyMatch")}),
        digest(effect=BOTH, columns="sub, val, act, eft", rows=[(*ROW, "allow"), ("g", "a", "b")]),
    }
    assert len(others) == 6
    assert digest() not in others


def test_moments_at_which_roles_change_are_sorted() -> None:
    windows = [("2027-01-01 00:00:00", "2028-01-01 00:00:00"), ("_", "2026-01-01 00:00:00")]
    rows = [("g", f"n{number}", "b", *window) for number, window in enumerate(windows)]
    made = policy("r.obj.open", ROW, *rows, roles=TIMED)

    assert [moment.year for moment in made.boundaries] == [2026, 2027, 2028]
