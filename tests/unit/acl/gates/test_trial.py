"""What tests of a policy come to, and why they fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from acl.decision import Denied, DenyReason
from acl.errors import RequestError
from acl.gates.trial import Case, Trial
from acl.policy.policy import Policy
from tests.unit.acl.default_policy import ADA, EVE, NOW, READ, label, policy

CASE = Case(
    place="tests.toml line 1",
    subject=ADA,
    action=READ,
    label=label(),
    at=NOW,
    permitted=True,
)
TRIAL = Trial(policy())


def reason(case: Case, trial: Trial = TRIAL) -> str:
    failure = trial.failure(case)
    assert failure is not None
    assert str(failure).startswith("tests.toml line 1: ")
    return failure.reason


def test_what_holds_fails_not() -> None:
    assert TRIAL.failure(CASE) is None
    assert TRIAL.failure(replace(CASE, subject=EVE, permitted=False)) is None


def test_what_is_permitted_names_the_lines() -> None:
    told = reason(replace(CASE, permitted=False))
    assert told.startswith("expected deny, but it is permitted by policy.csv line ")
    assert "`p, group:finance, acme, /acme/finance/*" in told


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (replace(CASE, label=label(tenant="globex")), "the document belongs to another tenant"),
        (replace(CASE, action="audit:read"), "no rule that allows it is addressed"),
        (
            replace(CASE, label=label(compartments=["law"])),
            "asks for more: `subset_of(r.obj.compartments, r.sub.compartments)` of policy.csv line",
        ),
        (
            replace(
                CASE,
                subject=replace(EVE, groups=frozenset({"role:contractor", "group:engineering"})),
                label=label(path="/acme/engineering/x", compartments=[]),
            ),
            "a rule denies it: policy.csv line",
        ),
    ],
)
def test_what_is_denied_names_what_is_lacking(case: Case, why: str) -> None:
    assert TRIAL.failure(replace(case, permitted=False)) is None
    told = reason(case)
    assert told.startswith("expected allow, but ")
    assert why in told


def test_a_filter_that_differs_from_casbin_fails_the_test() -> None:
    def nobody(known: Policy, *_: object) -> Denied:
        return Denied(reason=DenyReason.NO_RULE, policy_digest=known.digest)

    told = reason(replace(CASE, permitted=False), Trial(policy(), decider=nobody))
    assert told.startswith("the filter denies it and Casbin permits it")


def test_what_cannot_be_decided_fails() -> None:
    def undecided(*_: object) -> Denied:
        raise RequestError("the subject holds a number that is too large")

    for permitted in (True, False):
        told = reason(replace(CASE, permitted=permitted), Trial(policy(), decider=undecided))
        assert told == "cannot be decided: the subject holds a number that is too large"


def test_a_role_counts_at_its_moment() -> None:
    sam = replace(EVE, id="user:sam", clearance=2, groups=frozenset())
    paper = label(compartments=[], readers=[])
    inside = replace(CASE, subject=sam, label=paper, at=datetime(2026, 2, 1, tzinfo=UTC))
    assert TRIAL.failure(inside) is None
    assert TRIAL.failure(replace(inside, at=NOW, permitted=False)) is None
