"""Decisions for subjects under the policy that comes with the project."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from acl.decision import Denied, DenyReason, Permitted
from acl.errors import PolicyError, RequestError, SchemaError
from acl.labels import Label, LabelSchema
from acl.policy.decide import check_columns, decide, request_of
from acl.policy.policy import Policy, load
from acl.predicate import holds
from acl.subject import Subject
from tests.unit.acl.default_policy import (
    ADA,
    EVE,
    MODEL,
    NOW,
    READ,
    ROWS,
    SCHEMA,
    label,
    policy,
    unadmitted,
)


def may(subject: Subject, what: Label, *, under: Policy, at: datetime = NOW) -> bool:
    decision = decide(under, subject, READ, at)
    return isinstance(decision, Permitted) and holds(decision.predicate, what)


def test_decisions_equal_enforce_on_every_combination() -> None:
    under = policy()
    oracle = under.oracle(NOW)
    allowed = 0
    labels = [
        label(owner=owner, classification=level, compartments=sets, readers=readers, path=path)
        for owner, level, sets, readers, path in product(
            ["user:ada", "user:eve"],
            range(4),
            [[], ["finance"], ["hr", "board"]],
            [[], ["group:everyone"], ["role:contractor"], ["user:ada"]],
            ["/acme/finance/x", "/acme/engineering/y", "/acme/z"],
        )
    ]
    for subject in (ADA, EVE):
        request = request_of(under, subject, READ, NOW)
        for one in labels:
            expected = oracle.enforce(request["sub"], one.as_json(), request["act"])
            assert may(subject, one, under=under) == expected
            allowed += expected

    assert 0.05 < allowed / (2 * len(labels)) < 0.95


def test_another_tenant_is_out_of_reach_whatever_a_rule_says() -> None:
    rows = "p, group:everyone, *, /*, document:read, True, allow\n"
    under = policy(rows)

    assert may(ADA, label(), under=under)
    assert not may(ADA, label(tenant="globex"), under=under)


def test_a_deny_wins() -> None:
    shared = label(
        compartments=[], readers=["user:eve"], path="/acme/engineering/x", owner="user:bob"
    )
    without = "\n".join(line for line in ROWS.splitlines() if "deny" not in line)

    assert not may(EVE, shared, under=policy())
    assert may(EVE, shared, under=policy(without))


def test_a_role_holds_within_its_window_alone() -> None:
    under = policy()
    sam = Subject(id="user:sam", tenant="acme", clearance=2, compartments=frozenset({"finance"}))
    paper = label(readers=[])

    assert may(sam, paper, under=under, at=datetime(2026, 2, 1, tzinfo=UTC))
    assert not may(sam, paper, under=under, at=datetime(2026, 4, 1, tzinfo=UTC))
    assert not may(sam, paper, under=under, at=datetime(2025, 12, 31, tzinfo=UTC))


def test_a_decision_says_until_when_it_holds() -> None:
    decision = decide(policy(), ADA, READ, datetime(2026, 2, 1, tzinfo=UTC))

    assert decision.not_after == datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
    assert decide(policy(), ADA, READ, datetime(2027, 1, 1, tzinfo=UTC)).not_after is None


def test_an_agent_and_its_subject_share_only_what_both_may_read() -> None:
    agent = Subject(id="agent:helper", tenant="acme", clearance=2)
    through = replace(ADA, actors=(agent,))
    for_all = label(readers=["group:everyone"], compartments=[], path="/acme/handbook/x")

    assert may(ADA, label(), under=policy())
    assert not may(through, label(), under=policy())
    assert may(through, for_all, under=policy())


def test_who_no_rule_names_is_denied_before_any_document() -> None:
    decision = decide(policy("p, user:bob, *, /*, document:read, True, allow\n"), ADA, READ, NOW)

    assert decision == Denied(
        reason=DenyReason.NO_RULE, policy_digest=decision.policy_digest, not_after=None
    )
    denied = replace(ADA, actors=(Subject(id="agent:helper", tenant="acme"),))
    only_ada = policy("p, user:ada, *, /*, document:read, True, allow\n")
    assert isinstance(decide(only_ada, denied, READ, NOW), Denied)


def test_a_rule_without_conditions_is_everything_by_name() -> None:
    model = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.act == p.act
"""
    under = policy("p, user:ada, document:read\n", model)
    decision = decide(under, ADA, READ, NOW)

    assert isinstance(decision, Permitted)
    assert not decision.everything
    assert [str(rule) for rule in decision.rules] == ["p:1"]
    assert request_of(under, ADA, READ, NOW) == {"sub": "user:ada", "act": READ}


def test_roles_of_groups_count_and_models_may_ask_for_the_tenant() -> None:
    model = """
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, path, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = p.sub in r.sub.principals && r.dom == p.dom && keyMatch(r.obj.path, p.path) && r.act == p.act
"""
    rows = "p, role:reader, acme, /acme/*, document:read\ng, group:finance, role:reader\n"

    assert may(ADA, label(), under=policy(rows, model))
    assert not may(EVE, label(), under=policy(rows, model))


def test_a_model_that_asks_for_more_than_a_request_has_is_refused() -> None:
    model = MODEL.replace("r = sub, obj, act", "r = sub, obj, act, weather")

    with pytest.raises(PolicyError, match=r"`r\.weather`"):
        policy(model=model)
    check_columns(policy())


def test_a_schema_without_a_tenant_is_refused() -> None:
    schema = LabelSchema({n: a for n, a in SCHEMA.attributes.items() if n != "tenant"})
    under = load(MODEL, policy().rows, schema)

    with pytest.raises(SchemaError, match="`tenant`"):
        decide(under, ADA, READ, NOW)


def test_a_condition_that_is_no_boolean_refuses_the_request() -> None:
    under = unadmitted("p, user:ada, *, /*, document:read, r.sub.clearance, allow\n")

    with pytest.raises(RequestError, match="neither true nor false"):
        decide(under, ADA, READ, NOW)
