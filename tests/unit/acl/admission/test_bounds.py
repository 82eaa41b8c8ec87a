"""Nothing that a policy says takes long on any asker."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from acl.admission.reading import read_policy
from acl.errors import PolicyError
from acl.labels import LabelSchema
from acl.policy.decide import decide
from acl.subject import Subject
from tests.unit.acl.default_policy import FOLDER, MODEL, NOW, READ, SCHEMA

SHARED = Path(__file__).parents[5] / "shared" / "cases" / "policies"


def row(when: str, path: str = "/acme/*") -> str:
    quoted = when.replace('"', '""')
    return f'p, group:everyone, acme, {path}, document:read, "{quoted}", allow\n'


HOSTILE = (
    'regexMatch(r.sub.id, "user:([a-z]+[.]?)+@acme.example")',
    'regexMatch(r.sub.id, "user:(a*)*(a*)*(a|aa)*b")',
    'keyMatch2(r.sub.id, "user:(a|aa|a.)*x")',
    'keyMatch3(r.sub.id, "user:(a|aa|a.)*x")',
    'keyMatch4(r.sub.id, "user:(a|aa|a.)*x")',
    'keyMatch5(r.sub.id, "user:(a|aa|a.)*x")',
    'globMatch(r.sub.id, "user:*a*a*b")',
    'keyMatch(r.sub.id, "user:*")',
    'keyGet2(r.sub.id, "user:(a|aa|a.)*x/:id", "id") == "x"',
    'keyGet3(r.sub.id, "user:{x}(a|aa|a.)*x", "x") == "x"',
    'keyGet(r.sub.id, "user:*") == "x"',
)


@pytest.mark.parametrize("when", HOSTILE)
def test_a_hostile_id_is_decided_at_once(when: str) -> None:
    policy = read_policy(MODEL, row(when), SCHEMA)
    decide(policy, Subject(id="user:x", tenant="acme"), READ, NOW)
    for name in ("a" * 45 + "@acme.org", "a" * 191, "a.a-" * 47):
        began = time.thread_time()
        decide(policy, Subject(id=f"user:{name}", tenant="acme"), READ, NOW)
        assert time.thread_time() - began < 0.05


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        (
            'regexMatch(r.sub.id, "(a)(?=b)")',
            "column `when`, position 23: `(a)(?=b)`: as a pattern of",
        ),
        ("regexMatch(r.sub.id, r.sub.tenant)", "`regexMatch`: takes its pattern from a text"),
        ('regexMatch(r.sub.id, "a" + r.sub.tenant)', "takes its pattern from a text or a column"),
        ('globMatch(r.sub.id, "*a*a*a*")', "a glob has at most 3 stars"),
        ("keyMatch2(r.sub.id, p.path)", "line 1, column `path`: `/(?:a)(?!b)`: as a pattern of"),
        ("keyMatch2(r.obj.path, r.sub.id)", "column `when`: `keyMatch2`: takes its pattern from"),
        (
            "r.act == p.act && !globMatch(r.obj.path, p.path + r.sub.id)",
            "not known when the policy",
        ),
        ('r.sub.id == "%9d" % 3', "`%`: takes the remainder of a number"),
        ("r.sub.id == r.sub.tenant % 3", "`%`: takes the remainder of a number"),
        ("(r.sub.id if r.sub.clearance > 1 else 3) % 2 == 1", "takes the remainder of a number"),
    ],
)
def test_what_cannot_be_bounded_is_refused_where_it_stands(when: str, reason: str) -> None:
    path = "/(?:a)(?!b)" if "p.path" in when else "/acme/*"
    with pytest.raises(PolicyError) as error:
        read_policy(MODEL.replace("keyMatch(r.obj.path, p.path)", "True"), row(when, path), SCHEMA)
    assert reason in str(error.value)


@pytest.mark.parametrize("when", ["r.sub.clearance % 2 == 0", "(3 - -1) % 2 == r.sub.clearance"])
def test_a_remainder_of_numbers_is_accepted(when: str) -> None:
    assert read_policy(MODEL, row(when), SCHEMA)


def test_so_is_one_of_a_declared_number() -> None:
    ages = '[subject.age]\ntype = "integer"\n\n[subject.team]\ntype = "keyword"\n\n'
    schema = LabelSchema.from_toml(ages + (FOLDER / "labels.toml").read_text())

    assert read_policy(MODEL, row("r.sub.age % 2 == 0"), schema)
    with pytest.raises(PolicyError, match="takes the remainder of a number"):
        read_policy(MODEL, row('r.sub.team % 2 == "x"'), schema)


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/cases/policies is absent")
def test_the_given_pattern_is_decided_at_once() -> None:
    model = (SHARED / "regex-on-the-asker.model.conf").read_text()
    rows = (SHARED / "regex-on-the-asker.policy.csv").read_text()
    policy = read_policy(model, rows, SCHEMA)
    began = time.thread_time()
    asker = Subject(id=f"user:{'a' * 45}@acme.org", tenant="acme")
    decide(policy, asker, READ, NOW)
    assert time.thread_time() - began < 0.05
