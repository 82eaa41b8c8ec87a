"""Plain Python on the asker's side: choices and sums are Casbin's, one of a list is refused."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from acl.admission.reading import read_policy
from acl.decision import Permitted
from acl.errors import PolicyError
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import decide, request_of
from acl.predicate import holds
from acl.subject import Subject
from tests.unit.acl.default_policy import MODEL, NOW, READ, SCHEMA, label

SHARED = Path(__file__).parents[5] / "shared" / "cases" / "policies"


@pytest.mark.parametrize(
    "when",
    [
        'r.sub.clearance >= 2 if "group:sales" in r.sub.groups else r.sub.clearance >= 3',
        'r.obj.classification <= (1 if "group:sales" in r.sub.groups else 3)',
        "r.obj.owner == (r.sub.id if r.sub.clearance > 1 else r.sub.tenant)",
        "r.sub.clearance * 2 - 1 > 3 && r.obj.classification < r.sub.clearance + 1",
        'keyMatch5(r.sub.id + "?x", "user:{a}") && r.sub.clearance > 1',
        'keyGet(r.sub.id, "user:*") == "ada"',
        'keyGet2("/" + r.sub.tenant + "/x", "/:t/x", "t") == r.sub.tenant && r.sub.clearance > 1',
        'keyGet3(r.sub.id, "user:{who}", "who") == "ada"',
        'ipMatch("10.0.0.7", "10.0.0.0/24") && r.sub.clearance > 1',
    ],
)
def test_forms_on_the_asker_equal_enforce(when: str) -> None:
    quoted = when.replace('"', '""')
    rows = f'p, group:everyone, acme, /*, document:read, "{quoted}", allow\n'
    policy, answers = read_policy(MODEL, rows, SCHEMA), set()
    oracle = Oracle(policy.model, policy.rows, at=NOW)
    groups = (frozenset[str](), frozenset({"group:sales"}))
    askers = product(("user:ada", "user:eve"), range(4), groups)
    for (name, clearance, held), level in product(askers, range(4)):
        who = Subject(id=name, tenant="acme", clearance=clearance, groups=held)
        one = label(classification=level, compartments=[], owner="user:ada")
        decision, request = decide(policy, who, READ, NOW), request_of(policy, who, READ, NOW)
        permitted = isinstance(decision, Permitted) and holds(decision.predicate, one)
        assert permitted == oracle.enforce(request["sub"], one.as_json(), READ)
        answers.add(permitted)
    assert answers == {True, False}


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/cases/policies is absent")
def test_the_given_subscript_is_refused_with_a_way_to_say_it() -> None:
    model = (SHARED / "asker-subscript.model.conf").read_text()
    rows = (SHARED / "asker-subscript.policy.csv").read_text()
    with pytest.raises(PolicyError) as error:
        read_policy(model, rows, SCHEMA)
    line = next(n for n, text in enumerate(model.splitlines(), 1) if text.startswith("m ="))
    assert f"model.conf line {line}" in str(error.value)
    assert "`r.sub.groups[0]`: takes one of a list, which has no order" in str(error.value)
