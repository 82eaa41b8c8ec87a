"""What Casbin would swallow in silence is refused by line."""

from __future__ import annotations

import pytest

from acl.admission.admission import read_csv
from acl.errors import PolicyError
from tests.unit.acl.default_policy import MODEL, policy

RULE = "p, group:everyone, *, /*, document:read, True, allow\n"
PRIORITIES = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = priority, sub, path, eft
[policy_effect]
e = priority(p.eft) || deny
[matchers]
m = r.sub == p.sub && keyMatch(r.obj.path, p.path)
"""


def refused(rows: str, model: str = MODEL) -> list[str]:
    with pytest.raises(PolicyError) as error:
        policy(rows, model)
    return [str(one) for one in error.value.refusals]


def test_fields_with_commas_stand_in_quotes() -> None:
    (row,) = read_csv('# a comment\n\np, "any_of(a, b)", x == "y"\n')

    assert row.number == 3
    assert row.values == ("any_of(a, b)", 'x == "y"')


def test_an_unbalanced_quote_is_refused_by_line() -> None:
    assert refused(RULE + 'p, "a\n') == [
        "policy.csv line 2: `row`: is not comma-separated text with balanced quotes"
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (RULE.replace("allow", "Deny"), "line 1, column `eft`: `Deny`: is neither"),
        (RULE.replace("group:everyone", ""), "line 1, column `sub`: ``: is empty"),
        (RULE.replace("group:everyone", "user:a\u200bda"), "holds a control or invisible"),
        (RULE.replace("group:everyone", "user:e\u0301va"), "is not in normal form"),
        (RULE + RULE, "line 2: `p`: repeats line 1"),
        ("# nothing\n", "policy.csv: `p`: has no rule"),
        (RULE + "g, user:eve, , acme, _, _\n", "line 2, column `role`: ``: is empty"),
        (
            RULE.replace("document:read", "document:raed"),
            "`act`: `document:raed`: is not an action",
        ),
        (RULE.replace("document:read", "document:ingest"), "`document:ingest`: is not an action"),
        (
            RULE.replace("True", "r.sub.age > 3"),
            "line 1, column `when`: `r.sub.age`: a subject has only id, tenant",
        ),
        (RULE.replace("True", "r.act.kind == r.act"), "`r.act.kind`: is no attribute"),
        (RULE.replace("True", "r.sub == r.sub.id"), "with attributes; write `r.sub.id`"),
    ],
)
def test_a_row_that_says_something_else_than_it_reads_is_refused(rows: str, reason: str) -> None:
    (found,) = refused(rows)

    assert reason in found


def test_priorities_are_numbers_without_ties() -> None:
    rows = "p, 1, user:ada, /a/*, allow\np, 1, user:ada, /b/*, deny\n"

    (tie,) = refused(rows, PRIORITIES)
    assert "line 2, column `priority`: `1`: ties with line 1" in tie
    words = "p, first, user:ada, /a/*, allow\np, second, user:ada, /b/*, deny\n"
    assert all("is not a whole number" in one for one in refused(words, PRIORITIES))
    assert policy("p, 1, user:ada, /a/*, allow\np, 2, user:ada, /b/*, deny\n", PRIORITIES).rules
    same = "p, 1, user:ada, /a/*, allow\np, 1, user:ada, /b/*, allow\n"
    assert policy(same, PRIORITIES).rules  # whichever comes first


@pytest.mark.parametrize(
    "compared", ["p.sub == p.path", "p.sub != r.sub", "keyMatch(r.sub, p.sub)"]
)
def test_rules_that_can_match_together_may_not_tie(compared: str) -> None:
    rows = "p, 1, user:ada, /a/*, allow\np, 1, user:eve, /a/*, deny\n"
    assert policy(rows, PRIORITIES).rules  # nobody is both
    model = PRIORITIES.replace("r.sub == p.sub", compared)
    assert any("ties with line 1" in one for one in refused(rows, model))


@pytest.mark.parametrize(
    ("matcher", "action", "passes"),
    [
        ("keyMatch(r.act, p.act) && r.obj.classification < 2", "document:*", True),
        ("keyMatch(r.act, p.act) && r.obj.classification < 2", "documents:*", False),
        ("r.obj.classification < 2 && r.act == p.act", "document:tag", True),
        ("r.obj.classification < 2 && r.act == p.act", "document:tga", False),
        ('(r.act == p.act || p.act == "any") && r.obj.classification < 2', "any", True),
        # Nothing in the matcher decides on the action alone: it must be named in full.
        ("r.act == p.act || r.obj.classification < 2", "any", False),
        ("r.act == p.act || r.obj.classification < 2", "policy:read", True),
    ],
)
def test_a_rule_that_no_action_can_meet_is_refused(
    matcher: str, action: str, *, passes: bool
) -> None:
    model = (
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, act\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n"
        f"[matchers]\nm = {matcher}\n"
    )
    rows = f"p, user:ada, {action}\n"

    if passes:
        assert policy(rows, model).rules
    else:
        assert "is not an action" in refused(rows, model)[0]


def test_a_model_without_actions_needs_none() -> None:
    model = PRIORITIES.replace("r = sub, obj, act", "r = sub, obj")

    assert policy("p, 1, user:ada, /a/*, allow\n", model).rules


def test_the_policy_that_comes_with_the_project_is_admitted() -> None:
    assert policy().rules
