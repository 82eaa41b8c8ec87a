"""Decisions are found again by everything that they rest on, and never when they are over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from acl.decision import Denied, Permitted
from acl.subject import Attributes, Channel, Origin, Subject
from retrieval.rights.decisions import Decisions, PolicySnapshot, decision_key
from retrieval.rights.policy_source import read_source

POLICY = Path(__file__).parents[4] / "policy"
READ = "document:read"
NOW = datetime(2026, 2, 1, tzinfo=UTC)
SAM = Subject(id="user:sam", tenant="acme", clearance=1)
WINDOW = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)


@pytest.fixture(scope="module")
def snapshot() -> PolicySnapshot:
    return PolicySnapshot(policy=read_source(POLICY).policy, revision=1)


ASKERS = [
    SAM,
    replace(SAM, id="user:sa"),
    replace(SAM, tenant="acm"),
    replace(SAM, clearance=11),
    replace(SAM, compartments=frozenset({"a"})),
    replace(SAM, compartments=frozenset({"a", "b"})),
    replace(SAM, compartments=frozenset({"ab"})),
    replace(SAM, compartments=frozenset({"group:a"})),
    replace(SAM, groups=frozenset({"group:a"})),
    *(
        replace(SAM, attributes=Attributes({"x": value}))
        for value in (1, True, "1", frozenset("1"))
    ),
    *(replace(SAM, origin=Origin(network=one)) for one in ("10.0.0.1", "http")),
    replace(SAM, origin=Origin(channel=Channel.HTTP)),
    replace(SAM, actors=(Subject(id="agent:a", tenant="acme"),)),
    replace(SAM, actors=(Subject(id="agent:a", tenant="acme", clearance=1),)),
    replace(SAM, actors=(Subject(id="agent:a", tenant="acme"),) * 2),
]


def test_no_two_different_questions_share_a_key() -> None:
    keys = {
        decision_key(digest, subject, action)
        for digest in ("d", "dd")
        for subject in ASKERS
        for action in (READ, "document:tag")
    }

    assert len(keys) == 2 * len(ASKERS) * 2


def test_a_decision_is_taken_once(snapshot: PolicySnapshot) -> None:
    decisions = Decisions()

    first = decisions.decide(snapshot, SAM, READ, NOW)

    assert decisions.decide(snapshot, replace(SAM), READ, NOW + timedelta(days=1)) is first
    assert isinstance(first.decision, Permitted)
    assert len(decisions) == 1


def test_a_decision_ends_before_a_role_does(snapshot: PolicySnapshot) -> None:
    decisions = Decisions()
    first = decisions.decide(snapshot, SAM, READ, NOW)
    assert first.decision.not_after == WINDOW

    assert decisions.decide(snapshot, SAM, READ, WINDOW - timedelta(seconds=1)) is first
    at_the_end = decisions.decide(snapshot, SAM, READ, WINDOW)
    assert at_the_end is not first
    after = decisions.decide(snapshot, SAM, READ, WINDOW + timedelta(seconds=1))
    assert after.permit != first.permit
    assert after.decision.not_after is None


def test_a_decision_is_not_used_for_an_earlier_moment(snapshot: PolicySnapshot) -> None:
    decisions = Decisions()
    after = decisions.decide(snapshot, SAM, READ, WINDOW + timedelta(seconds=1))

    assert decisions.decide(snapshot, SAM, READ, NOW).permit != after.permit


def test_the_oldest_unused_decision_goes_first(snapshot: PolicySnapshot) -> None:
    decisions = Decisions(kept=2)
    first = decisions.decide(snapshot, ASKERS[0], READ, NOW)
    second = decisions.decide(snapshot, ASKERS[1], READ, NOW)
    decisions.decide(snapshot, ASKERS[0], READ, NOW)
    decisions.decide(snapshot, ASKERS[2], READ, NOW)

    assert len(decisions) == 2
    assert decisions.decide(snapshot, ASKERS[0], READ, NOW) is first
    assert decisions.decide(snapshot, ASKERS[1], READ, NOW) is not second


def test_who_is_denied_has_no_filter(snapshot: PolicySnapshot) -> None:
    decided = Decisions().decide(snapshot, SAM, "policy:edit", NOW)

    assert isinstance(decided.decision, Denied)
    assert decided.permit is None


def test_a_right_is_held_where_some_label_can_meet_its_condition(tmp_path: Path) -> None:
    rows = (POLICY / "policy.csv").read_text() + (
        "p, user:eve, acme, /*, directory:edit, "
        "r.obj.classification < 1 && r.obj.classification > 1, allow\n"
    )
    for name in ("model.conf", "labels.toml"):
        (tmp_path / name).write_text((POLICY / name).read_text())
    (tmp_path / "policy.csv").write_text(rows)
    changed = PolicySnapshot(policy=read_source(tmp_path).policy, revision=2)
    decisions, eve = Decisions(), replace(SAM, id="user:eve")

    nowhere = decisions.decide(changed, eve, "directory:edit", NOW)
    assert isinstance(nowhere.decision, Permitted)
    assert not nowhere.held
    assert decisions.decide(changed, eve, READ, NOW).held
    assert not decisions.decide(changed, SAM, "directory:edit", NOW).held
