"""The moment of a request in rules: filled by the service, equal to Casbin, and never outlived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acl.admission.reading import read_policy
from acl.decision import Permitted
from acl.errors import PolicyError
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import decide, request_of
from acl.policy.policy import Policy
from acl.predicate import holds
from acl.subject import Subject
from retrieval.rights.decisions import Decisions, PolicySnapshot
from tests.unit.acl.default_policy import READ, SCHEMA, label

MODEL = """[request_definition]
r = sub, obj, act, {column}
[policy_definition]
p = sub, act, when, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = p.sub in r.sub.groups && r.act == p.act && {matcher} && eval(p.when)
"""
ADA = Subject(id="user:ada", tenant="acme", clearance=3)
FRIDAY = datetime(2026, 5, 1, 17, 59, 30, tzinfo=UTC)
CONDITIONS = (
    "r.env.hour >= 8 && r.env.hour < 18", "r.env.weekday <= 5", "r.env.weekday in [6, 7]",
    'r.env.date == "2026-05-01"', 'r.env.time < "12:30"', "r.env.hour < r.sub.clearance",
    'r.env.date != "2026-05-01" || r.obj.owner == r.sub.id', "r.obj.classification < r.env.hour",
)  # fmt: skip


def admitted(when: str, *, column: str = "env", matcher: str = "True") -> Policy:
    quoted = when.replace('"', '""')
    rows = f'p, group:everyone, document:read, "{quoted}", allow\n'
    return read_policy(MODEL.format(column=column, matcher=matcher), rows, SCHEMA)


@pytest.mark.parametrize("when", CONDITIONS)
def test_decisions_at_every_hour_equal_enforce(when: str) -> None:
    policy, answers = admitted(when), set()
    oracle = Oracle(policy.model, policy.rows, at=FRIDAY)
    for step in range(0, 24 * 4 * 4, 3):
        at = FRIDAY + timedelta(minutes=15 * step)
        request, one = request_of(policy, ADA, READ, at), label(classification=step % 4)
        decision = decide(policy, ADA, READ, at)
        permitted = isinstance(decision, Permitted) and holds(decision.predicate, one)
        expected = oracle.enforce(request["sub"], one.as_json(), READ, request["env"])
        assert permitted == expected, at
        answers.add(expected)
        assert decision.not_after is not None
        assert timedelta() < decision.not_after - at <= timedelta(hours=1)
    assert answers == {True, False}


def test_a_decision_ends_with_what_it_may_rest_on() -> None:
    assert decide(admitted("r.env.hour < 18"), ADA, READ, FRIDAY).not_after == datetime(
        2026, 5, 1, 18, tzinfo=UTC
    )
    minute = decide(admitted('r.env.time < "18:00"'), ADA, READ, FRIDAY)
    assert minute.not_after == FRIDAY + timedelta(seconds=30)


def test_what_was_permitted_at_six_is_not_kept_past_six() -> None:
    decisions = Decisions()
    snapshot = PolicySnapshot(policy=admitted("r.env.hour < 18"), revision=1)
    assert decisions.decide(snapshot, ADA, READ, FRIDAY).permits(label())
    later = FRIDAY + timedelta(minutes=1)
    assert not decisions.decide(snapshot, ADA, READ, later).permits(label())


@pytest.mark.parametrize(
    ("when", "matcher", "reason"),
    [
        ("r.env.network == 3", "True", "line 1, column `when`: `r.env.network`: of the moment of"),
        ('r.env == "x"', "True", "`r.env`: is read by its parts, such as `r.env.hour`"),
        ("True", "r.env.zone == 1", "`r.env.zone`: of the moment of a request there is date"),
    ],
)
def test_what_the_moment_does_not_hold(when: str, matcher: str, reason: str) -> None:
    with pytest.raises(PolicyError) as error:
        admitted(when, matcher=matcher)
    assert reason in str(error.value)


def test_another_column_has_no_value() -> None:
    with pytest.raises(PolicyError, match=r"`r.shift`: a request has .* a moment"):
        admitted("True", column="shift")
