"""Labels are compared one by one, wholly, and again when what they rest on changed."""

from __future__ import annotations

from acl.labels import Label
from acl.proof.label_plan import NEIGHBOURS, LabelPlan, Surroundings, surroundings_of
from acl.proof.neighbours import key
from acl.proof.proof import Proof
from tests.unit.acl import small_policies as small
from tests.unit.acl.company_policy import policy
from tests.unit.acl.default_policy import NOW, SCHEMA, label

LIVE = (
    label(),
    label(path="/acme/engineering/x", compartments=["falcon"], readers=["user:eve"]),
    label(tenant="beta", path="/beta/x", compartments=["secret"]),
)


def plan(*labels: Label) -> LabelPlan:
    return LabelPlan([policy()], labels, surroundings_of(LIVE, SCHEMA))


def test_a_label_stands_with_its_neighbours_before_every_role_of_its_tenant() -> None:
    found, start = plan(*LIVE), 0
    assert len(found.summary.ends) == found.summary.live == 3
    for one, end in zip(LIVE, found.summary.ends, strict=True):
        pairs = list(found.pairs(start, end))
        labels, roles = {key(each.label) for each in pairs}, {each.role for each in pairs}
        assert len(pairs) == len(labels) * len(roles)
        assert key(one) in labels
        assert len(labels) == NEIGHBOURS + 1
        assert {role.profile.tenant for role in roles} == {one.values["tenant"]}
        start = end
    assert list(found.pairs(start, start + 10)) == []
    assert found.summary.pairs == found.summary.gate == start
    assert found.summary.everything


def test_what_a_label_is_compared_with_does_not_depend_on_the_others() -> None:
    alone = plan(LIVE[0])
    assert list(alone.pairs(0, 10**6)) == list(plan(*LIVE).pairs(0, alone.summary.pairs))


def test_other_levels_or_compartments_of_the_tenant_ask_for_the_proof_again() -> None:
    before = surroundings_of(LIVE, SCHEMA)
    same = surroundings_of((*LIVE, label(owner="user:new")), SCHEMA)
    more = surroundings_of((*LIVE, label(compartments=["new"])), SCHEMA)

    assert same == before
    assert set(before["acme"].compartments) == {"falcon", "finance"}
    assert more["beta"] == before["beta"]
    assert more["acme"].digest("acme", SCHEMA) != before["acme"].digest("acme", SCHEMA)
    assert before["acme"].digest("acme", SCHEMA) != before["acme"].digest("beta", SCHEMA)
    bare = Surroundings(clearances=(), compartments=())
    assert bare.digest("t", SCHEMA) != bare.digest("t", small.SCHEMA)


def test_labels_under_the_shipped_rules_are_proved() -> None:
    found = Proof(policy(), plan(LIVE[0]), NOW).batch(0, 300)
    assert found.wrong == 0
    assert found.allowed > 0
