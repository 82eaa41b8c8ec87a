"""Policies without a rule: the matcher decides alone, or is refused."""

from __future__ import annotations

import pytest

from acl.admission.reading import read_policy
from acl.decision import Permitted
from acl.errors import PolicyError
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import decide, request_of
from acl.policy.policy import Policy
from acl.predicate import holds
from acl.proof.plan import plan_for
from acl.subject import Subject
from tests.unit.acl.default_policy import NOW, READ, SCHEMA, label


def without_rules(matcher: str, effect: str = "some(where (p.eft == allow))") -> Policy:
    model = (
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n"
        f"[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n"
    )
    return read_policy(model, "", SCHEMA)


@pytest.mark.parametrize("effect", ["some(where (p.eft == allow))", "priority(p.eft) || deny"])
@pytest.mark.parametrize(
    "matcher",
    [
        "r.sub.id == r.obj.owner",
        'r.sub.id == r.obj.owner || r.sub.clearance > 2 && r.act == "document:read"',
        "subset_of(r.obj.compartments, r.sub.compartments) && !(r.obj.owner in r.sub.groups)",
    ],
)
def test_the_matcher_decides_alone(matcher: str, effect: str) -> None:
    policy = without_rules(matcher, effect)
    oracle = Oracle(policy.model, policy.rows, at=NOW)
    for subject in (
        Subject(id="user:ada", tenant="acme", clearance=3),
        Subject(id="user:eve", tenant="acme", compartments=frozenset({"finance"})),
    ):
        request = request_of(policy, subject, READ, NOW)
        for owner in ("user:ada", "user:eve", "group:everyone"):
            one = label(owner=owner)
            decision = decide(policy, subject, READ, NOW)
            permitted = isinstance(decision, Permitted) and holds(decision.predicate, one)
            assert permitted == oracle.enforce(request["sub"], one.as_json(), READ)
    assert plan_for([policy], [label()])


@pytest.mark.parametrize(
    ("matcher", "read"),
    [
        ("r.sub.id == p.sub && r.act == p.act", "`p.act`, `p.sub`"),
        ("r.sub.id == r.obj.owner || r.sub.id == p.sub", "`p.sub`"),
        ("eval(p.sub)", "`p.sub`"),
    ],
)
def test_one_that_reads_a_column_of_rules_is_refused(matcher: str, read: str) -> None:
    with pytest.raises(PolicyError, match=f"policy.csv: `p`: has no rule, but .* reads {read};"):
        without_rules(matcher)
