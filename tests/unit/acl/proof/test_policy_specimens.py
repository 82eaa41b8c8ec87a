"""Labels that the texts of a policy call for, whether or not a document carries them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from acl.admission.admission import read_csv
from acl.decision import Decision
from acl.labels import MAX_TEXT
from acl.policy.decide import decide
from acl.policy.policy import Policy, load
from acl.policy.profiles import profiles
from acl.proof.labels import EMPTY_TENANTS, Specimens, tenants_named
from acl.proof.plan import actions_of, plan_for
from acl.proof.proof import Decider, Proof
from acl.subject import Subject
from tests.unit.acl import small_policies as small
from tests.unit.acl.company_policy import policy
from tests.unit.acl.default_policy import MODEL, NOW, READ, SCHEMA, label


def called(*policies: Policy, compartments: frozenset[str] = frozenset()) -> Specimens:
    subjects = profiles(
        policies,
        tenants=tenants_named(policies),
        clearances=(0, 3),
        compartments=compartments,
    )
    return Specimens(policies, subjects, actions_of(policies), compartments=compartments)


def without(text: str) -> Decider:
    """Return a compiler that loses every row that holds `text`."""

    def losing(made: Policy, subject: Subject, action: str, at: datetime) -> Decision:
        rows = [row for row in made.rows if text not in row.values]
        return decide(load(made.model.text, rows, made.schema), subject, action, at)

    return losing


@pytest.mark.parametrize("lost", ["deny", "role:auditor", "group:legal"])
def test_a_row_that_is_lost_shows_without_a_single_document(lost: str) -> None:
    plan = plan_for([policy()], [], budget=3000)
    proof = Proof(policy(), plan, NOW, decider=without(lost))

    assert any(proof.batch(start, start + 500).wrong for start in range(0, 1500, 500))
    assert not any(
        Proof(policy(), plan, NOW).batch(start, start + 500).wrong for start in range(0, 1500, 500)
    )


def test_each_row_has_seeds_on_its_path_and_beside_with_whom_it_names() -> None:
    rows = f"p, role:z, acme, /acme/z/*, {READ}, r.obj.owner == r.sub.id, allow\n"
    seeds = called(policy(rows), compartments=frozenset({"falcon"})).seeds(10**6)

    assert {one.role.profile.groups for one in seeds} == {frozenset({"role:z"})}
    assert {one.role.profile.tenant for one in seeds} == {"acme"}
    assert {one.role.action for one in seeds} == {READ}
    labels = [one.label.values for one in seeds]
    assert {one["path"] for one in labels} == {"/acme/z/other", "/acme/zother"}
    assert {one["classification"] for one in labels} == {0, 1, 2, 3}
    assert {one["compartments"] for one in labels} == {frozenset(), frozenset({"falcon"})}
    assert {"role:z", "user:stranger", "group:everyone"} <= {one["owner"] for one in labels}
    assert frozenset({"role:z"}) in {one["readers"] for one in labels}


def test_a_row_for_everybody_is_tried_on_strangers_in_a_tenant_that_none_names() -> None:
    rows = f"p, group:everyone, *, /*, {READ}, r.obj.owner == r.sub.id, allow\n"
    seeds = called(policy(rows)).seeds(10**6)

    assert {one.role.profile.id for one in seeds} == {"user:stranger"}
    assert {one.role.profile.tenant for one in seeds} == {"unnamed"}
    assert any(one.label.values["owner"] == "user:stranger" for one in seeds)


def test_a_few_seeds_of_each_row_come_before_many_of_one() -> None:
    rows = "".join(
        f"p, role:r{one}, acme, /acme/{one}/*, {READ}, True, allow\n" for one in range(9)
    )
    seeds = called(policy(rows)).seeds(18)

    assert len(seeds) == 18
    named = {name for one in seeds for name in one.role.profile.groups}
    assert named == {f"role:r{one}" for one in range(9)}


def test_rows_that_both_policies_have_count_once() -> None:
    assert len(called(policy(), policy()).seeds(10**6)) == len(called(policy()).seeds(10**6))


def test_labels_join_every_path_level_and_name() -> None:
    labels = called(policy()).labels(1000)

    assert len(labels) == 1000
    assert {one.values["tenant"] for one in labels} == {"acme", "unnamed"}
    assert {"/acme/legal/other", "/acme/legalother"} <= {one.values["path"] for one in labels}
    assert called(policy()).labels(0) == ()


def test_tenants_are_those_of_rows_some_of_many_and_one_more() -> None:
    def rows(names: Sequence[str]) -> list[Policy]:
        return [policy("".join(f"p, role:x, {one}, /*, {READ}, True, allow\n" for one in names))]

    assert tenants_named(rows(["acme", "*"])) == ("acme", "unnamed")
    assert tenants_named(rows(["unnamed", "b"])) == ("b", "unnamed", "unnamed-2")
    many = tenants_named(rows([f"t{one}" for one in range(50)]))
    assert len(many) == EMPTY_TENANTS + 1


def test_another_model_calls_for_labels_of_its_own() -> None:
    made = small.policy("keyMatch(r.act, p.act) && r.obj.open", ("p", "ada", "x", "document:*"))
    seeds = called(made).seeds(100)

    assert {one.role.action for one in seeds} == {"document:*", READ}
    assert all(one.label.values["tenant"] == "unnamed" for one in seeds)
    assert called(made).labels(100)


def test_a_policy_without_rules_calls_for_nothing() -> None:
    nothing = load(MODEL, read_csv("g, user:eve, role:z, acme, _, _\n"), SCHEMA)

    assert called(nothing).seeds(100) == ()
    assert label().values


def test_what_cannot_be_a_label_is_left_out() -> None:
    rows = f"p, role:z, acme, /{'x' * (MAX_TEXT - 3)}/*, {READ}, True, allow\n"
    long = called(policy(rows))

    assert long.seeds(100) == ()
    assert long.labels(100) == ()
