"""Which pairs are compared, and in which order."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from acl.actions import Action
from acl.labels import Label
from acl.proof.labels import Pair, Role, key
from acl.proof.plan import ProofPlan, actions_of, generated_of, plan_for
from acl.subject import Subject
from tests.unit.acl import small_policies as small
from tests.unit.acl.company_policy import policy
from tests.unit.acl.default_policy import READ, SCHEMA, label
from tests.unit.acl.proof.test_neighbours import boundaries


def subjects(*tenants: str, each: int = 3) -> list[Subject]:
    return [
        Subject(id=f"user:u{number}", tenant=tenant) for tenant in tenants for number in range(each)
    ]


def labels(tenant: str, number: int, folder: str = "live") -> list[Label]:
    return [label(tenant=tenant, path=f"/{folder}/{one}") for one in range(number)]


def named(pair: Pair) -> tuple[str, str, str, object, object]:
    profile, values = pair.role.profile, pair.label.values
    return profile.id, profile.tenant, pair.role.action, values["tenant"], values["path"]


def test_within_the_budget_every_pair_is_compared_once() -> None:
    plan = ProofPlan(subjects("acme"), ["a", "b"], labels("acme", 5), labels("acme", 7, "near"))

    assert plan.summary.everything
    assert plan.summary.pairs == plan.summary.gate == 6 * 12
    found = [named(one) for one in plan.pairs(0, 10**9)]
    wanted = product(
        [f"user:u{one}" for one in range(3)], ["acme"], ["a", "b"], ["acme"],
        [*(f"/live/{one}" for one in range(5)), *(f"/near/{one}" for one in range(7))],
    )  # fmt: skip
    assert sorted(found) == sorted(wanted)
    assert (
        str(plan.summary) == "all 72 pairs of 6 roles, 5 labels of documents and 7 generated ones"
    )


@pytest.mark.parametrize(("each", "live"), [(3, 40), (60, 9), (20, 20)])
def test_beyond_it_each_role_and_each_live_label_stands_in_the_sample(each: int, live: int) -> None:
    plan = ProofPlan(
        subjects("acme", "beta", each=each),
        ["a"],
        [*labels("acme", live), *labels("beta", 3)],
        labels("acme", 50, "near"),
        budget=280,
    )
    gate = list(plan.pairs(0, plan.summary.gate))

    assert not plan.summary.everything
    assert len(gate) == plan.summary.gate == 280
    assert {one.role.profile for one in gate} == set(subjects("acme", "beta", each=each))
    stood = {key(one.label) for one in gate}
    assert stood >= {key(one) for one in [*labels("acme", live), *labels("beta", 3)]}
    crossed = {one.role for one in gate if one.role.profile.tenant != one.label.values["tenant"]}
    assert crossed == {one.role for one in gate}
    assert "each role and each label" in str(plan.summary)


def test_a_sample_grows_where_there_is_more_than_the_budget_to_stand_in_it() -> None:
    plan = ProofPlan(subjects("acme"), ["a"], labels("acme", 90), budget=10)

    assert plan.summary.gate == 90
    assert len({key(one.label) for one in plan.pairs(0, 90)}) == 90


def test_an_index_is_the_same_pair_whoever_asks() -> None:
    first, again = (
        ProofPlan(
            subjects("acme", "beta"), ["a"], [*labels("acme", 20), *labels("beta", 4)], budget=30
        )
        for _ in range(2)
    )

    assert [again.pair(one) for one in range(30)] == [first.pair(one) for one in range(30)]


@pytest.mark.parametrize("budget", [10, 90, 10**6])
def test_behind_the_gate_the_plan_has_every_other_pair_once(budget: int) -> None:
    live = [*labels("acme", 6), *labels("beta", 4)]
    near = labels("acme", 9, "near")
    plan = ProofPlan(subjects("acme", "beta"), ["a", "b"], live, near, budget=budget)
    found = [named(one) for one in plan.pairs(0, 10**9)]

    assert len(found) == len(set(found)) == plan.summary.pairs == plan.summary.whole
    # Six roles of each tenant meet its own labels, and one of the other tenant.
    assert len(found) == 6 * (15 + 1) + 6 * (4 + 1)


def test_a_gate_sees_neighbours_of_late_labels_as_of_early_ones() -> None:
    near = labels("acme", 600, "near")
    plan = ProofPlan(subjects("acme"), ["a"], labels("acme", 10), near, budget=110)
    met = {key(one.label) for one in plan.pairs(0, plan.summary.gate)}

    places = [number for number, one in enumerate(near) if key(one) in met]
    assert len(places) == 100
    assert max(stop - start for start, stop in pairwise([0, *places, 600])) < 20


def test_what_rows_call_for_stands_first() -> None:
    (one,) = subjects("acme", each=1)
    seeds = [Pair(Role(one, "a"), label(path=f"/seed/{number}")) for number in range(5)]
    plan = ProofPlan(subjects("acme"), ["a"], labels("acme", 40), seeds=seeds, budget=60)

    assert list(plan.pairs(0, 5)) == seeds
    assert plan.summary.gate == 60
    assert {key(one.label) for one in plan.pairs(5, 45)} == {key(one) for one in labels("acme", 40)}


def test_a_role_meets_one_label_of_each_other_tenant() -> None:
    plan = ProofPlan(subjects("acme"), ["a"], [*labels("acme", 4), *labels("beta", 6)])
    found = [named(one) for one in plan.pairs(0, plan.summary.gate)]

    assert sum(one[3] == "beta" for one in found) == 3


def test_without_labels_there_is_nothing_to_compare() -> None:
    plan = ProofPlan(subjects("acme"), ["a"], [], budget=-1)

    assert (plan.summary.pairs, plan.summary.gate) == (0, 0)
    assert list(plan.pairs(0, 5)) == []


def test_without_documents_a_policy_is_proved_on_what_it_calls_for() -> None:
    plan = plan_for([policy()], [], budget=900)

    assert (plan.summary.live, plan.summary.gate) == (0, 900)
    assert str(plan.summary).startswith(
        f"no documents; proved on {plan.summary.generated} generated labels: 900 of "
    )
    assert {one.label.values["tenant"] for one in plan.pairs(0, 900)} >= {"acme", "unnamed"}


def test_a_tenant_without_documents_is_looked_at_beside_one_with_them() -> None:
    plan = plan_for([policy()], [label(tenant="beta", path="/beta/x")], budget=900)

    met = {one.label.values["tenant"] for one in plan.pairs(0, 900)}
    asking = {one.role.profile.tenant for one in plan.pairs(0, 900)}
    assert met == asking == {"acme", "beta", "unnamed"}


def test_labels_that_came_meanwhile_are_proved_alone() -> None:
    plan = plan_for([policy()], [label()], alone=True)

    assert (plan.summary.live, plan.summary.generated) == (1, 0)
    assert plan.summary.everything
    assert plan.summary.pairs == plan.summary.roles


def test_neighbours_of_all_labels_share_the_limit() -> None:
    live = [label(), label(owner="user:eve"), label(classification="public")]
    few = generated_of(live, boundaries(), limit=30)
    one_each = generated_of(live, boundaries(), limit=1)

    assert 25 <= len(few) <= 30
    assert len(one_each) == 3
    keys = {key(one) for one in few}
    assert len(keys) == len(few)
    assert keys.isdisjoint({key(one) for one in live})
    assert generated_of([], boundaries(), limit=30) == ()


def test_the_actions_are_those_that_rules_name_and_reading() -> None:
    rows = "p, group:everyone, *, /*, document:tag, True, allow\n"
    assert actions_of([policy(rows)]) == (READ, "document:tag")

    wide = small.policy("keyMatch(r.act, p.act) && r.obj.open", ("p", "ada", "x", "document:*"))
    assert set(actions_of([wide])) == {*Action, "document:*"}
    without = small.policy("r.obj.open", ("p", "x"), columns="val")
    assert actions_of([without]) == (READ,)


def test_a_plan_is_made_of_what_the_policies_and_the_labels_know() -> None:
    live = [label(), label(tenant="beta", compartments=["secret"])]
    plan = plan_for([policy()], live, budget=500)
    profiles = {one.role.profile for one in plan.pairs(0, plan.summary.gate)}

    assert {one.tenant for one in profiles} >= {"acme", "beta"}
    assert {one.compartments for one in profiles} == {
        frozenset[str](), frozenset({"finance", "secret"}),
    }  # fmt: skip
    assert {one.clearance for one in profiles} == {0, 3}
    assert plan.summary.live == 2
    assert plan.summary.generated > 20
    assert SCHEMA.attributes["classification"].levels


def test_levels_without_names_are_those_that_occur() -> None:
    made = small.policy("r.obj.open", ("p", "ada", "x", "read"))
    plan = plan_for([made], [small.label()])

    assert {one.role.profile.clearance for one in plan.pairs(0, 9)} == {0}
