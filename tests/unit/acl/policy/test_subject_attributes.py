"""Attributes of subjects that `labels.toml` declares, in rules: equal to Casbin, or refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from acl.admission.admission import admit, read_csv
from acl.decision import Permitted
from acl.errors import LabelError, PolicyError
from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import decide, request_of
from acl.policy.declared import _addresses
from acl.policy.policy import Policy, load
from acl.policy.profiles import profiles
from acl.predicate import holds
from acl.subject import Attributes, Subject
from tests.unit.acl.default_policy import FOLDER, MODEL, NOW, READ, ROWS

SHARED = Path(__file__).parents[5] / "shared" / "cases" / "policies"
DECLARED = """
[subject.department]
type = "keyword"
[subject.skills]
type = "keyword_set"
[subject.grade]
type = "integer"
levels = ["junior", "senior", "lead"]
[subject.remote]
type = "boolean"
[subject.hired]
type = "datetime"
"""
SCHEMA = LabelSchema.from_toml((FOLDER / "labels.toml").read_text() + DECLARED)
PARTS = (
    'r.sub.department == "north"', 'r.sub.department in ["north", "south"]',
    "r.obj.owner == r.sub.department", "keyMatch(r.sub.department, r.sub.tenant)",
    "any_of(r.obj.readers, r.sub.skills)", '"x" in r.sub.skills',
    "subset_of(r.obj.compartments, r.sub.skills)", "r.sub.grade >= 1",
    "r.obj.classification <= r.sub.grade", "r.sub.remote", "r.sub.remote == False",
    "r.sub.hired < 1700000000", "r.sub.grade > r.sub.clearance", "r.sub.id == r.obj.owner", "True",
)  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "department": ["north", "south", "acme", "user:ada"],
    "skills": [[], ["x"], ["x", "user:ada"], ["board"]],
    "grade": ["junior", 1, "lead"],
    "remote": [True, False],
    "hired": [1, "2025-01-01T00:00:00Z"],
}


def condition(rng: random.Random) -> str:
    parts = [rng.choice(("", "!")) + f"({rng.choice(PARTS)})" for _ in range(rng.randint(1, 3))]
    return rng.choice((" && ", " || ")).join(parts)


def somebody(rng: random.Random) -> Subject:
    raw = {name: rng.choice(values) for name, values in VALUES.items() if rng.random() < 0.95}
    attributes = Attributes(SCHEMA.of_subject(raw))
    return Subject(id="user:ada", tenant="acme", clearance=2, attributes=attributes)


def label(rng: random.Random) -> Label:
    return SCHEMA.parse(
        {
            "tenant": "acme",
            "owner": rng.choice(["user:ada", "north", "user:bob"]),
            "classification": rng.randint(0, 3),
            "compartments": rng.choice([[], ["board"]]),
            "readers": rng.choice([[], ["x"], ["user:ada"]]),
            "path": "/acme/a.md",
        }
    )


def admitted(rows: str) -> Policy:
    policy = load(MODEL, read_csv(rows), SCHEMA)
    admit(policy)
    return policy


def line(when: str, effect: str = "allow") -> str:
    quoted = when.replace('"', '""')
    return f'p, group:everyone, acme, /*, document:read, "{quoted}", {effect}\n'


def test_conditions_on_declared_attributes_equal_enforce() -> None:
    rng, answers = random.Random(7), {True: 0, False: 0}
    for _ in range(150):
        other = line(condition(rng), rng.choice(("allow", "deny"))).replace("/*", "/acme/*")
        policy = load(MODEL, read_csv(line(condition(rng)) + other), SCHEMA)
        oracle = Oracle(policy.model, policy.rows, at=NOW)
        subject = somebody(rng)
        request = request_of(policy, subject, READ, NOW)
        decision = decide(policy, subject, READ, NOW)
        for one in (label(rng) for _ in range(6)):
            try:
                expected = oracle.enforce(request["sub"], one.as_json(), READ)
            except Exception:  # noqa: BLE001 - what raises is denied
                expected = False
            permitted = isinstance(decision, Permitted) and holds(decision.predicate, one)
            assert permitted == expected, (policy.rows, subject, one)
            answers[expected] += 1
    assert min(answers.values()) > 50, answers


def test_one_that_is_not_known_of_a_subject_denies_like_a_missing_label_attribute() -> None:
    policy = admitted(line('r.sub.department != "north"'))
    subject = Subject(id="user:ada", tenant="acme", attributes=Attributes({"department": "south"}))
    assert isinstance(decide(policy, subject, READ, NOW), Permitted)
    assert not isinstance(
        decide(policy, Subject(id="user:ada", tenant="acme"), READ, NOW), Permitted
    )


def test_one_that_is_not_declared_is_refused_at_its_line_and_column() -> None:
    with pytest.raises(PolicyError) as error:
        admitted(ROWS + line('r.sub.departement == "north"'))
    (refusal,) = error.value.refusals
    assert (refusal.where, refusal.column) == (f"policy.csv line {ROWS.count(chr(10)) + 1}", "when")
    assert refusal.operator == "r.sub.departement"
    assert "department, grade, hired, remote, skills" in refusal.reason
    assert "[subject.departement]" in refusal.reason


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/cases/policies is absent")
def test_the_given_case_is_refused_where_it_stands_and_accepted_once_declared() -> None:
    row = 'p, group:sales, acme, /crm/*, document:read, "r.sub.department == ""north""", allow\n'
    assert row.strip().replace('"', "") in (SHARED / "cases.toml").read_text().replace(
        "\\", ""
    ).replace('"', "")
    policy = load(
        MODEL, read_csv(ROWS + row), LabelSchema.from_toml((FOLDER / "labels.toml").read_text())
    )
    with pytest.raises(
        PolicyError, match=r"policy\.csv line \d+, column `when`: `r.sub.department`"
    ):
        admit(policy)
    assert admitted(ROWS + row)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"age": 3}, "`age`: is not declared"),
        ({"grade": "boss"}, "`grade`: expected one of"),
        ({"remote": "yes"}, "`remote`: expected true or false"),
        ({"skills": "x"}, "`skills`: expected a list"),
    ],
)
def test_a_value_is_typed_where_a_subject_is_made(raw: dict[str, object], fault: str) -> None:
    with pytest.raises(LabelError, match=fault):
        SCHEMA.of_subject(raw)


def test_the_declaration_is_part_of_what_a_policy_is() -> None:
    plain = LabelSchema.from_toml((FOLDER / "labels.toml").read_text())
    assert plain.digest == SCHEMA.digest  # the stored points stay as they are
    assert load(MODEL, read_csv(ROWS), plain).digest != load(MODEL, read_csv(ROWS), SCHEMA).digest


def test_attributes_are_values() -> None:
    one = Attributes({"b": frozenset({"y", "x"}), "a": 1})
    assert one == Attributes({"a": 1, "b": frozenset({"x", "y"})})
    assert hash(one) == hash(Attributes({"a": 1, "b": frozenset({"x", "y"})}))
    assert one.as_json() == {"a": 1, "b": ["x", "y"]}
    assert Attributes.from_json(one.as_json()) == one
    assert (len(one), repr(Attributes())) == (2, "Attributes({})")


def test_profiles_stand_with_what_rules_ask_for_and_without() -> None:
    policy = admitted(
        line('r.sub.department == "north"')
        + line('r.sub.department in ["south"] && "x" in r.sub.skills').replace("/*", "/acme/*")
        + line("r.sub.grade >= 1 && r.sub.remote").replace("/*", "/acme/hr/*")
    )
    made = profiles([policy], tenants=["acme"], clearances=(0, 3), compartments=frozenset())
    known = {one.attributes for one in made}
    assert Attributes() in known
    assert {"north", "south"} == {one["department"] for one in known if one}
    assert frozenset({"x"}) in {one["skills"] for one in known if one}
    assert all(isinstance(SCHEMA.of_subject(one.as_json()), dict) for one in known)
    plain = load(MODEL, read_csv(ROWS), SCHEMA)
    stranger = profiles([plain], tenants=["acme"], clearances=(0,), compartments=frozenset())
    assert {one.attributes for one in stranger} == {Attributes()}


def test_a_text_that_is_no_network_has_no_address() -> None:
    assert list(_addresses(["10.0.0.0/8", "home", "192.0.2.7"])) == ["10.0.0.0", "192.0.2.7"]
