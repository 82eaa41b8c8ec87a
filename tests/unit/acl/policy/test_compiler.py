"""How rows become one condition: effects, order, rows that raise, and what is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acl.decision import Denied, DenyReason, Permitted, RuleId
from acl.errors import FilterTooLargeError, RequestError
from acl.language.casbin_adapter import Effect
from acl.policy.compiler import MAX_ALTERNATIONS, _combined, compile_request, residuals
from acl.predicate import NEVER, AnyOf, Labelled
from tests.unit.acl.small_policies import (
    ADA,
    ALLOW,
    AT,
    BOTH,
    PRIORITY,
    allows,
    decided,
    label,
    policy,
)

COLUMNS = "sub, rule, act, eft"
LABELS = tuple(
    label(owner=owner, weight=weight, level=level, open=open_)
    for owner in ("ada", "ben", None)
    for weight in (1, 9, None)
    for level in (0, 3)
    for open_ in (True, False)
)


def rules(*pairs: tuple[str, str]) -> list[tuple[str, ...]]:
    return [("p", "x", rule, "read", effect) for rule, effect in pairs]


@pytest.mark.parametrize("effect", [ALLOW, BOTH, PRIORITY])
@pytest.mark.parametrize(
    "pairs",
    [
        [("r.obj.owner == 'ada'", "allow"), ("r.obj.open", "allow")],
        [("r.obj.open", "allow"), ("r.obj.owner == 'ada'", "allow")],
        [("r.obj.open", "allow"), ("r.obj.owner == 'ada'", "deny")],
        [("r.obj.owner == 'ada'", "deny"), ("r.obj.open", "allow")],
        [("r.obj.owner == 'ada'", "odd"), ("r.obj.open", "allow")],
        [("r.obj.level > 1", "odd"), ("r.obj.open", "allow"), ("r.obj.weight > 5", "odd")],
        [("r.obj.level > 1", "deny"), ("r.obj.open", "allow"), ("r.obj.weight > 5", "deny")],
        [("r.obj.level > 1", "allow"), ("r.obj.open", "deny"), ("True", "allow")],
        [("r.obj.weight > 5", "deny"), ("r.obj.owner == 'ben'", "deny"), ("True", "allow")],
        [("True", "allow"), ("r.obj.weight > 5", "deny"), ("r.obj.open", "deny")],
        [("r.obj.weight > 5", "allow"), ("r.obj.weight <= 5", "allow")],
        [("True", "deny"), ("True", "allow")],
        [("False", "allow"), ("r.obj.open", "allow"), ("r.obj.level > 1", "allow")],
        [("r.obj.open", "deny"), ("r.obj.level > 1", "deny"), ("True", "allow")],
        [("r.obj.open && r.obj.owner == 'ada'", "allow"), ("r.obj.level > 1", "allow")],
    ],
)
def test_rows_are_combined_as_casbin_walks_them(effect: str, pairs: list[tuple[str, str]]) -> None:
    made = policy("eval(p.rule)", *rules(*pairs), columns=COLUMNS, effect=effect)

    for one in LABELS:
        allows(made, one)


def test_the_nearest_subject_decides_under_subject_priority() -> None:
    made = policy(
        "g(r.sub.name, p.sub) && eval(p.rule)",
        ("p", "team", "r.obj.open", "read", "allow"),
        ("p", "ada", "r.obj.level > 1", "read", "deny"),
        ("g", "ada", "team"),
        columns=COLUMNS,
        effect="subjectPriority(p.eft) || deny",
        roles="g = _, _",
    )

    assert [row.values[0] for row in made.rules] == ["ada", "team"]
    assert allows(made, label(level=0))
    assert not allows(made, label(level=3))


def test_a_request_needs_exactly_the_askers_columns() -> None:
    made = policy("r.obj.open")

    requests: list[dict[str, object]] = [
        {"sub": {}},
        {**ADA, "dom": "x"},
        {"subject": {}, "act": "read"},
    ]
    for wrong in requests:
        with pytest.raises(RequestError, match="a request needs exactly: act, sub"):
            compile_request(made, wrong, AT)


def test_a_condition_on_the_asker_is_a_boolean() -> None:
    made = policy("r.sub.name && r.obj.open")

    with pytest.raises(RequestError, match="is neither true nor false"):
        decided(made)


def test_a_decision_names_its_rules_and_its_policy() -> None:
    made = policy(
        "r.sub.name == p.sub && r.obj.owner == p.val && r.act == p.act",
        ("p", "ada", "a", "read"),
        ("p", "ben", "b", "read"),
        ("p", "ada", "c", "read"),
    )
    decision = decided(made)

    assert isinstance(decision, Permitted)
    assert decision.rules == (RuleId("p", 1), RuleId("p", 3))
    assert str(decision.rules[1]) == "p:3"
    assert decision.policy_digest == made.digest
    assert decision.not_after is None
    assert not decision.everything
    assert len(residuals(made, ADA, AT)) == 2


def test_what_holds_for_every_label_is_a_node_of_its_own() -> None:
    decision = decided(policy("r.sub.name == p.sub"))

    assert isinstance(decision, Permitted)
    assert decision.predicate == Labelled()
    assert decision.everything


def test_a_denial_says_whether_a_rule_could_not_be_evaluated() -> None:
    nobody = decided(policy("r.sub.name == 'ben' && r.obj.open"))
    broken = decided(policy("r.sub.nothing == 'x' && r.obj.open"))

    assert isinstance(nobody, Denied)
    assert nobody.reason is DenyReason.NO_RULE
    assert isinstance(broken, Denied)
    assert broken.reason is DenyReason.RULE_RAISES


def test_the_guard_stands_beside_whatever_the_rules_permit() -> None:
    made = policy("r.sub.name == p.sub")
    fence = AnyOf("tenant", frozenset({"acme"}))
    decision = compile_request(made, ADA, AT, guard=fence)

    assert isinstance(decision, Permitted)
    assert decision.predicate == fence
    assert isinstance(compile_request(made, ADA, AT, guard=NEVER), Denied)


def test_a_decision_ends_when_a_role_begins_or_ends() -> None:
    window = ("2026-06-01 00:00:00", "2026-07-01 00:00:00")
    made = policy(
        "g(r.sub.name, p.sub) && r.obj.open",
        ("p", "boss", "x", "read"),
        ("g", "ada", "boss", *window),
        roles="g = _, _, (_, _)",
    )
    june, july = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    second = timedelta(seconds=1)
    seen = [
        (isinstance(decision, Permitted), decision.not_after)
        for at in (june - second, june, june + second, july, july + second)
        for decision in [decided(made, at=at)]
    ]

    assert seen == [(False, june), (False, june), (True, july), (False, july), (False, None)]


def test_without_a_row_the_matcher_is_evaluated_once_and_nothing_empty_gets_in() -> None:
    made = policy("r.sub.name != p.sub && r.obj.open", ("g", "a", "b"), roles="g = _, _")

    assert allows(made, label())
    for empty in (
        {"sub": {"name": ""}, "act": "read"},
        {"sub": {"name": "ada", "groups": ["", "x"]}, "act": "read"},
        {"sub": {"name": "ada"}, "act": ""},
    ):
        assert isinstance(decided(made, empty), Denied)
    ruled = policy("eval(p.val) && r.obj.open", ("g", "a", "b"), roles="g = _, _")
    assert isinstance(decided(ruled), Denied)


def test_rules_that_permit_and_deny_in_turns_too_often_are_refused() -> None:
    turns = [
        (f"r.obj.level == {number}", ("allow", "deny")[number % 2])
        for number in range(MAX_ALTERNATIONS + 1)
    ]
    made = policy("eval(p.rule)", *rules(*turns), columns=COLUMNS, effect=PRIORITY)

    with pytest.raises(FilterTooLargeError, match="in turns more than 200 times"):
        decided(made)


def test_a_default_allow_effect_never_reaches_the_formulas() -> None:
    with pytest.raises(AssertionError, match="refused when the policy is loaded"):
        _combined(Effect.DENY_OVERRIDE, [])
