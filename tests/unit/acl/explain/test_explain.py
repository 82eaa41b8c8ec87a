"""Explanations tell the story of the decision, in the policy's own lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from acl.explain.explain import Hindrance, Status, explain
from acl.subject import Subject
from tests.unit.acl.default_policy import (
    ADA,
    EVE,
    MODEL,
    NOW,
    READ,
    ROWS,
    label,
    policy,
    unadmitted,
)


def test_it_names_the_rules_that_allow() -> None:
    told = explain(policy(), ADA, READ, label(), NOW)

    assert told.permitted
    assert told.same_tenant
    assert [rule.effect for rule in told.deciding] == ["allow", "allow"]
    assert "group:finance, acme, /acme/finance/*" in told.deciding[-1].text


def test_it_names_the_rule_that_denies() -> None:
    paper = label(
        compartments=[], readers=["user:eve"], path="/acme/engineering/x", owner="user:bob"
    )
    told = explain(policy(), EVE, READ, paper, NOW)

    assert not told.permitted
    assert [rule.effect for rule in told.deciding] == ["deny"]


def test_it_names_what_is_missing_nearest_first() -> None:
    told = explain(policy(), replace(ADA, clearance=1), READ, label(), NOW)

    assert not told.permitted
    assert told.deciding == ()
    nearest = told.rules[0]
    assert [line.text for line in nearest.missing] == ["r.obj.classification <= r.sub.clearance"]
    assert all(
        len(one.missing) <= len(other.missing)
        for one, other in zip(told.rules, told.rules[1:], strict=False)
    )


def test_a_rule_s_own_condition_is_shown_as_written() -> None:
    told = explain(policy(), ADA, READ, label(owner="user:bob", readers=[]), NOW)
    texts = [line.text for rule in told.rules for line in rule.conditions]

    assert "r.obj.owner == r.sub.id" in texts
    assert not any(text.startswith("eval") for text in texts)


def test_another_tenant_shows_as_the_guard_that_fails() -> None:
    told = explain(policy(), ADA, READ, label(tenant="globex"), NOW)

    assert not told.same_tenant
    assert not told.permitted
    assert told.obstacle is not None
    assert told.obstacle.hindrance is Hindrance.TENANT
    assert told.obstacle.rule is None


def test_each_actor_is_explained_by_itself() -> None:
    agent = Subject(id="agent:helper", tenant="acme")
    told = explain(policy(), replace(ADA, actors=(agent,)), READ, label(), NOW)

    assert told.allowed
    assert [one.subject for one in told.actors] == ["agent:helper"]
    assert not told.actors[0].allowed
    assert not told.permitted
    assert told.own_obstacle is None
    assert told.obstacle is not None
    assert told.obstacle.subject == "agent:helper"


def test_what_raises_is_told() -> None:
    model = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = p.sub in r.sub.groups && any_of(r.obj.readers, r.sub.clearance)
"""
    told = explain(unadmitted("p, group:everyone, document:read\n", model), ADA, READ, label(), NOW)

    assert [rule.status for rule in told.rules] == [Status.RAISES]
    assert told.obstacle is not None
    assert told.obstacle.hindrance is Hindrance.CONDITION
    assert [line.status for line in told.rules[0].conditions] == [Status.HOLDS, Status.RAISES]


def test_a_rule_comes_with_the_way_on_which_it_reaches_the_subject() -> None:
    rows = ROWS + "g, role:boss, role:auditor, acme, _, _\ng, user:ann, role:boss, acme, _, _\n"
    ann = replace(ADA, id="user:ann")
    told = explain(policy(rows), ann, READ, label(), NOW)
    ways = {rule.text.split(", ")[1]: rule.path for rule in told.rules}

    assert ways["role:auditor"] == ("user:ann", "role:boss", "role:auditor")
    assert ways["group:finance"] == ("group:finance",)
    assert ways["group:everyone"] == ("group:everyone",)
    assert told.label == label()


def test_a_way_that_is_over_is_no_way() -> None:
    sam = replace(ADA, id="user:sam", groups=frozenset())
    paths = [
        {rule.path for rule in explain(policy(), sam, READ, label(), at).rules}
        for at in (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
    ]

    assert ("user:sam", "role:auditor") in paths[0]
    assert ("user:sam", "role:auditor") not in paths[1]


NAMELESS = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = act, eft
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.act == p.act && r.obj.owner == r.sub.id
"""


def test_a_rule_that_names_nobody_comes_without_a_way() -> None:
    told = explain(policy("p, document:read, allow\n", NAMELESS), ADA, READ, label(), NOW)

    assert [rule.path for rule in told.rules] == [()]
    assert told.obstacle is not None
    assert told.obstacle.hindrance is Hindrance.CONDITION


def test_the_obstacle_is_the_rule_that_denies() -> None:
    paper = label(compartments=[], readers=["user:eve"], path="/acme/engineering/x")
    told = explain(policy(), EVE, READ, paper, NOW).obstacle

    assert told is not None
    assert told.subject == "user:eve"
    assert told.hindrance is Hindrance.DENIED
    assert told.rule is not None
    assert told.rule.effect == "deny"
    assert told.rule.path == ("user:eve", "role:contractor")
    assert told.condition is None


def test_the_obstacle_is_what_the_nearest_rule_asks_for() -> None:
    told = explain(policy(), replace(ADA, clearance=1), READ, label(), NOW).obstacle

    assert told is not None
    assert told.hindrance is Hindrance.CONDITION
    assert told.condition is not None
    assert told.condition.text == "r.obj.classification <= r.sub.clearance"


def test_the_obstacle_is_that_there_is_no_rule() -> None:
    row = "p, group:legal, acme, /*, document:read, True, allow\n"
    told = explain(policy(row), ADA, READ, label(), NOW).obstacle

    assert told is not None
    assert told.hindrance is Hindrance.NO_RULE


def test_what_raises_stands_in_the_way_of_what_holds() -> None:
    guarded = '(p.eft == "allow" || any_of(r.obj.readers, r.sub.id)) && eval(p.when)'
    model = MODEL.replace("eval(p.when)", guarded)
    rows = ROWS + "p, group:everyone, acme, /*, document:read, True, deny\n"
    told = explain(unadmitted(rows, model), ADA, READ, label(), NOW).obstacle

    assert told is not None
    assert told.hindrance is Hindrance.RAISES
    assert told.condition is not None
    assert told.condition.status is Status.RAISES


def test_where_nothing_denies_a_rule_called_deny_is_no_obstacle() -> None:
    model = MODEL.replace(" && !some(where (p.eft == deny))", "")
    rows = "p, group:finance, acme, /*, document:read, True, deny\n" + ROWS
    allowed = explain(policy(rows, model), ADA, READ, label(), NOW)
    denied = explain(policy(rows, model), replace(ADA, clearance=1), READ, label(), NOW)

    assert allowed.obstacle is None
    assert {rule.effect for rule in allowed.deciding} == {"allow"}
    assert denied.obstacle is not None
    assert denied.obstacle.hindrance is Hindrance.CONDITION
