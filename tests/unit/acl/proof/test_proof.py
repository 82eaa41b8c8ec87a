"""The proof compares, counts, shows what differs, and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from acl.admission.admission import read_csv
from acl.decision import Decision, Denied, DenyReason, Permitted
from acl.errors import FilterTooLargeError
from acl.labels import Label
from acl.language.casbin_adapter import Row
from acl.policy.decide import decide
from acl.policy.policy import Policy, load
from acl.predicate import AnyOf, Labelled
from acl.proof.plan import ProofPlan, plan_for
from acl.proof.proof import MAX_SHOWN, Batch, Decider, Proof, ProofReport, enforced_request
from acl.subject import Subject
from tests.unit.acl import default_policy
from tests.unit.acl import small_policies as small
from tests.unit.acl.company_policy import policy
from tests.unit.acl.default_policy import ADA, MODEL, NOW, READ, SCHEMA, label

LIVE = (
    label(),
    label(owner="user:eve", path="/acme/engineering/x", compartments=[], readers=[]),
    label(tenant="beta", path="/beta/x", owner="user:ada"),
)


def everything(_: Policy, __: Subject, ___: str, ____: datetime) -> Decision:
    return Permitted(predicate=Labelled(), rules=(), policy_digest="")


def nothing(_: Policy, __: Subject, ___: str, ____: datetime) -> Decision:
    return Denied(reason=DenyReason.NO_RULE, policy_digest="")


def without_guard(made: Policy, subject: Subject, action: str, at: datetime) -> Decision:
    decision = decide(made, subject, action, at)
    if isinstance(decision, Denied):
        return decision
    predicate = AnyOf("tenant", frozenset({"acme", "beta"}))
    return Permitted(predicate=predicate, rules=(), policy_digest="")


def too_large(_: Policy, __: Subject, ___: str, ____: datetime) -> Decision:
    raise FilterTooLargeError("the filter is too large")


def proof(
    made: Policy | None = None, live: Sequence[Label] = LIVE, decider: Decider = decide
) -> Proof:
    under = made or policy()
    return Proof(under, plan_for([under], live, budget=1500), NOW, decider=decider)


def last(one: Proof, step: int = 200) -> ProofReport:
    report = one.begun()
    while report.stop < report.plan.gate:
        stop = min(report.stop + step, report.plan.gate)
        report = report.with_batch(one.batch(report.stop, stop))
    return report


def test_the_policy_that_comes_with_the_project_is_proved() -> None:
    report = last(proof(default_policy.policy()))

    assert report.holds
    # Every role and every live label stands in the gate, however small its budget.
    assert report.stop == report.plan.gate > max(1500, report.plan.roles)
    assert 20 < report.allowed < report.stop - 100
    assert report.counterexamples == ()
    assert not report.is_whole


@pytest.mark.parametrize("decider", [everything, nothing, without_guard])
def test_a_wrong_decision_is_found_and_shown(decider: Decider) -> None:
    report = last(proof(decider=decider))

    assert not report.holds
    assert report.wrong >= len(report.counterexamples) > 0
    assert len(report.counterexamples) <= MAX_SHOWN
    for one in report.counterexamples:
        assert one.compiled is not one.casbin
        assert one.casbin is (decider is nothing)
        assert "Casbin" in str(one)


HELD = (
    "p, group:everyone, *, /*, document:read, True, allow\n"
    "p, group:everyone, *, /acme/held/*, document:read, True, deny\n"
)


@pytest.mark.parametrize(
    ("decider", "path", "said"),
    [
        (everything, "/acme/held/x", ("allows by policy.csv line 1 (`p, group:everyone, *, /*, "
         "document:read, True, allow`), Casbin denies by policy.csv line 2")),
        (nothing, "/acme/x", "the filter denies by no rule, Casbin allows by policy.csv line 1"),
        (without_guard, "/beta/x", "Casbin denies by the guard of the tenant"),
    ],
)  # fmt: skip
def test_a_counterexample_names_the_rule_of_each_side(
    decider: Decider, path: str, said: str
) -> None:
    carried = label(path=path, tenant=path.split("/")[1], owner="user:ada", readers=[])
    plan = ProofPlan([ADA], [READ], [carried])
    held = default_policy.policy(HELD)
    shown = Proof(held, plan, NOW, decider=decider).batch(0, plan.summary.gate).shown
    (told,) = {str(one) for one in shown if one.label == carried and one.profile == ADA}

    assert told.startswith("user:ada of acme, in ")
    assert "asks for document:read of a document with " in told
    assert "owner user:ada" in told
    assert "readers none" in told
    assert said in told


def test_a_counterexample_about_two_tenants_is_of_neither() -> None:
    theirs = label(owner=ADA.id, path="/beta/merger", tenant="beta")
    mine = label(owner="user:boss", readers=[], compartments=[], path="/acme/merger")
    plan = ProofPlan([ADA], [READ], [theirs, mine])
    own, other = Proof(policy(), plan, NOW, decider=everything).batch(0, 9).shown

    assert (other.tenant, own.tenant) == ("", "acme")
    assert "/beta/merger" in str(other)


def test_a_filter_that_cannot_be_made_differs_where_casbin_allows() -> None:
    report = last(proof(decider=too_large))

    assert report.wrong == report.allowed > 0
    assert report.counterexamples[0].error == "the filter is too large"
    assert "(the filter is too large)" in str(report.counterexamples[0])


def test_a_filter_beyond_the_size_that_is_sent_cannot_be_made() -> None:
    rules = (
        f'r.obj.classification == {one % 4} && r.obj.owner == "user:u{one}" && '
        f'r.obj.path != "/p{one}"'
        for one in range(400)
    )
    rows = [
        Row(number, "p", ("group:everyone", "*", "/*", READ, rule, "allow"))
        for number, rule in enumerate(rules, 1)
    ]
    plan = ProofPlan([ADA], [READ], [label(owner="user:u2", compartments=[])])
    (shown,) = Proof(load(MODEL, rows, SCHEMA), plan, NOW).batch(0, 1).shown

    assert "conditions" in shown.error
    assert shown.casbin


def test_any_range_of_indexes_gives_the_same_in_any_proof() -> None:
    whole, parts = last(proof()), last(proof(), 37)

    assert parts == whole
    again = proof()
    last(again)
    assert again.batch(300, 700) == proof().batch(300, 700)


def test_a_gap_is_not_reported_as_compared() -> None:
    report = proof().begun()

    with pytest.raises(ValueError, match="begins at 5, not at 0"):
        report.with_batch(Batch(start=5, stop=9))
    assert not report.holds


def test_what_casbin_raises_denies_on_both_roads() -> None:
    made = small.policy("r.obj.weight > 3 && r.act == p.act", ("p", "ada", "x", READ))
    live = [small.label(), small.label(weight=None), small.label(weight=1)]
    report = last(proof(made, live))

    assert report.holds
    assert 0 < report.allowed < report.stop
    # The same with a decision that lets a missing weight pass.
    assert last(proof(made, live, everything)).wrong > 0


def test_a_column_that_stands_by_itself_is_an_attribute() -> None:
    made = small.policy(
        "g2(r.item, p.val) && r.act == p.act", ("p", "ada", "/i", READ), roles="g = _, _\ng2 = _, _"
    )
    one = small.label()
    request = enforced_request(made, {"sub": "user:x", "act": READ}, one)

    assert request is not None
    assert request[2] == "/i"
    assert isinstance(request[1], dict)
    assert last(proof(made, [one, small.label(item="/j")])).holds


def test_a_label_without_such_an_attribute_cannot_be_asked_about() -> None:
    made = load(
        "[request_definition]\nr = sub, owner, act\n[policy_definition]\np = sub, act\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n"
        "[matchers]\nm = r.owner == r.sub && r.act == p.act\n",
        read_csv(f"p, x, {READ}\n"),
        small.SCHEMA,
        resource=frozenset({"owner"}),
    )
    bare = small.label(owner=None)

    assert enforced_request(made, {"sub": "user:x", "act": READ}, bare) is None
    assert last(proof(made, [bare, small.label(owner="user:stranger")])).holds


def test_decisions_are_forgotten_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acl.proof.proof._KEPT", 2)
    one = proof()

    assert one.batch(0, 50).wrong == 0
    assert len(one._kept) == 2


def test_the_tenant_is_compared_although_no_rule_names_it() -> None:
    mine = label(owner=ADA.id, path="/x/y")
    theirs = label(owner=ADA.id, path="/x/y", tenant="beta")
    plan = ProofPlan([ADA], [READ], [mine, theirs])

    assert Proof(policy(), plan, NOW).batch(0, 2) == Batch(start=0, stop=2, allowed=1)
    assert Proof(policy(), plan, NOW, decider=without_guard).batch(0, 2).wrong == 1
