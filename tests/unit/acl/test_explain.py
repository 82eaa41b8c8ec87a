"""Explanations tell the story of the decision, in the policy's own lines."""

from __future__ import annotations

from dataclasses import replace

from acl.explain import Status, explain
from acl.subject import Subject
from tests.unit.acl.default_policy import ADA, EVE, NOW, READ, label, policy


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


def test_each_actor_is_explained_by_itself() -> None:
    agent = Subject(id="agent:helper", tenant="acme")
    told = explain(policy(), replace(ADA, actors=(agent,)), READ, label(), NOW)

    assert told.allowed
    assert [one.subject for one in told.actors] == ["agent:helper"]
    assert not told.actors[0].allowed
    assert not told.permitted


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
    told = explain(policy("p, group:everyone, document:read\n", model), ADA, READ, label(), NOW)

    assert [rule.status for rule in told.rules] == [Status.RAISES]
    assert [line.status for line in told.rules[0].conditions] == [Status.HOLDS, Status.RAISES]
