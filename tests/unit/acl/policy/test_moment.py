"""Moment and origin of a request in rules: filled by the service, equal to Casbin, not outlived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from acl.admission.cautions import cautions_of
from acl.admission.reading import read_policy
from acl.decision import Permitted
from acl.errors import PolicyError
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import decide, request_of
from acl.policy.policy import Policy
from acl.policy.profiles import profiles
from acl.predicate import holds
from acl.subject import NOWHERE, Channel, Origin, Subject
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
        ("r.env.place == 3", "True", "line 1, column `when`: `r.env.place`: of a request's `env`"),
        ('r.env == "x"', "True", "`r.env`: is read by its parts, such as `r.env.hour`"),
        ("True", "r.env.zone == 1", "`r.env.zone`: of a request's `env` there is channel, date"),
    ],
)
def test_what_the_moment_does_not_hold(when: str, matcher: str, reason: str) -> None:
    with pytest.raises(PolicyError) as error:
        admitted(when, matcher=matcher)
    assert reason in str(error.value)


def test_who_meets_a_row_that_asks_for_the_moment_is_not_tried() -> None:
    assert cautions_of(admitted("r.env.hour > 30 && r.sub.clearance > 1")) == ()


def test_another_column_has_no_value() -> None:
    with pytest.raises(PolicyError, match=r"`r.shift`: a request has .* a moment"):
        admitted("True", column="shift")


ORIGINS = [
    NOWHERE,
    *(
        Origin(network=network, channel=channel)
        for network, channel in product(
            ("", "10.1.2.3", "127.0.0.1", "2001:db8::1", "192.168.0.7"), (None, *Channel)
        )
    ),
]
OF_ORIGINS = (
    'ipMatch(r.env.network, "10.0.0.0/8")', '!ipMatch(r.env.network, "127.0.0.0/8")',
    'r.env.network == "2001:db8::1"', 'r.env.network in ["10.1.2.3", "192.168.0.7"]',
    'r.env.channel == "http"', 'r.env.channel != "cli"', 'r.env.channel in ["authzen", "scim"]',
    'r.env.channel == "http" || r.obj.owner == r.sub.id', "present(r.env.network)",
    'r.obj.owner == r.sub.id || ipMatch(r.env.network, "10.0.0.0/8")', "absent(r.env.channel)",
    'absent(r.env.network) || ipMatch(r.env.network, "2001:db8::/32")',
)  # fmt: skip


@pytest.mark.parametrize("when", OF_ORIGINS)
def test_decisions_from_everywhere_equal_enforce_and_share_no_cache(when: str) -> None:
    policy, answers, decisions = admitted(when), set(), Decisions()
    snapshot = PolicySnapshot(policy=policy, revision=1)
    oracle = policy.oracle(FRIDAY)
    for origin, owner in product(ORIGINS, ("user:ada", "user:bob")):
        asker, one = ADA.coming_from(origin), label(owner=owner)
        request = request_of(policy, asker, READ, FRIDAY)
        try:
            expected = oracle.enforce(request["sub"], one.as_json(), READ, request["env"])
        except Exception:  # noqa: BLE001 - whatever Casbin raises, it denies
            expected = False
        assert decisions.decide(snapshot, asker, READ, FRIDAY).permits(one) == expected, origin
        answers.add(expected)
    assert answers == {True, False}
    assert {True, False} == {
        decisions.decide(snapshot, one, READ, FRIDAY).permits(label(owner="user:bob"))
        for one in profiles([policy], tenants=["acme"], clearances=(3,), compartments=frozenset())
    }


def test_a_deny_that_cannot_be_evaluated_denies() -> None:
    rows = (
        "p, group:everyone, document:read, True, allow\n"
        'p, group:everyone, document:read, "ipMatch(r.env.network, ""10.0.0.0/8"")", deny\n'
    )
    policy = read_policy(MODEL.format(column="env", matcher="True"), rows, SCHEMA)
    inside, outside = Origin(network="10.0.0.1"), Origin(network="192.168.0.1")
    found = [
        isinstance(decide(policy, ADA.coming_from(origin), READ, FRIDAY), Permitted)
        for origin in (NOWHERE, inside, outside)
    ]
    assert found == [False, False, True]


def test_an_origin_that_no_rule_reads_splits_no_cache() -> None:
    decisions, policy = Decisions(), admitted("r.env.hour < 18")
    snapshot = PolicySnapshot(policy=policy, revision=1)
    found = {id(decisions.decide(snapshot, ADA.coming_from(one), READ, FRIDAY)) for one in ORIGINS}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ('r.env.channel == "mobile"', "`mobile` is no channel; there is http, authzen, scim, cli"),
        ('r.env.channel in ["http", "web"]', "`web` is no channel"),
        ('ipMatch(r.env.network, "10.0.0.0/99")', "`10.0.0.0/99` is neither an address nor a"),
        ('r.env.network == "10.0.0.0/8"', "is a network, no address; write ipMatch("),
        ('r.env.network == "office"', "`office` is no address"),
        ('r.env.network != "2001:DB8::1"', "is never spelt so; write `2001:db8::1`"),
    ],
)
def test_a_value_that_no_origin_has(when: str, reason: str) -> None:
    with pytest.raises(PolicyError) as error:
        admitted(when)
    assert reason in str(error.value)
    assert "column `when`" in str(error.value)


@pytest.mark.parametrize(
    ("matcher", "value", "refused"),
    [
        ("ipMatch(r.env.network, p.net)", "10.0.0.0/8", False),
        ("ipMatch(r.env.network, p.net)", "office", True),
        ('(p.net == "*" || ipMatch(r.env.network, p.net))', "*", False),
        ("r.env.channel == p.net", "mobile", True),
    ],
)
def test_a_column_is_held_to_what_an_origin_can_be(
    matcher: str, value: str, *, refused: bool
) -> None:
    model = MODEL.replace("act, when", "act, net, when").format(column="env", matcher=matcher)
    rows = f"p, group:everyone, document:read, {value}, True, allow\n"
    if not refused:
        read_policy(model, rows, SCHEMA)
        return
    with pytest.raises(PolicyError, match="line 1, column `net`"):
        read_policy(model, rows, SCHEMA)
