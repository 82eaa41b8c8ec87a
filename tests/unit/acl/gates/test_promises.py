"""What is promised of a policy, for every asker and every label: kept, broken, or open."""

from __future__ import annotations

import pytest

from acl.admission.admission import read_csv
from acl.containment.search import escapee
from acl.gates.promises import Verdict, condition_on_labels, never, no_new_access
from acl.labels import LabelSchema
from acl.language.casbin_adapter import RoleMatching
from acl.language.expression import ExpressionError
from acl.policy.policy import Policy, load
from acl.predicate import MoreThan
from tests.unit.acl.default_policy import MODEL, NOW, ROWS, SCHEMA, policy

GUESTS = "p, group:guests, {}, /*, document:read, r.obj.classification >= 2, deny\n"
CONTRACTORS = 'classification >= 2 && keyMatch(path, "/acme/engineering/*")'
SHIPPED = policy()


def asked(known: Policy, who: str, condition: str) -> Verdict:
    return never(known, who, condition_on_labels(condition, known), NOW)


def told(verdict: Verdict) -> str:
    if verdict.kept:
        return "kept"
    return "broken" if verdict.witness else f"open: {verdict.reason}"


def test_a_condition_is_about_the_label_with_level_names_or_numbers() -> None:
    for text in ("classification >= 2", 'r.obj.classification > "internal"'):
        found = condition_on_labels(text, SHIPPED)
        assert escapee(found, MoreThan("classification", 1), SCHEMA) is None
        assert escapee(MoreThan("classification", 1), found, SCHEMA) is None


@pytest.mark.parametrize(
    "text",
    [
        "r.sub.clearance >= 2",
        "classification >= 2 && r.sub.id == owner",
        "p.sub == owner",
        "g(owner, 'role:x', tenant)",
        "eval(p.when)",
        "classification >=",
        "secret == 1",
        'classification == "secret"',
    ],
)
def test_a_condition_about_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        condition_on_labels(text, SHIPPED)


@pytest.mark.parametrize(
    ("rows", "who", "condition", "outcome"),
    [
        ("", "group:guests", "classification >= 2", "broken"),
        (GUESTS.format("*"), "group:guests", "classification >= 2", "kept"),
        (GUESTS.format("*"), "group:guests", "classification >= 1", "broken"),
        # Of another tenant nothing is said.
        (GUESTS.format("acme"), "group:guests", "classification >= 2", "broken"),
        (GUESTS.format("acme"), "acme/group:guests", "classification >= 2", "kept"),
        (GUESTS.format("acme"), "globex/group:guests", "classification >= 2", "broken"),
        ("", "acme/role:contractor", CONTRACTORS, "kept"),
        ("", "acme/user:eve", CONTRACTORS, "open"),
        ("", "user:bob", 'path == "/acme/legal/x"', "broken"),
        ("", "group:everyone", 'tenant == "acme" && tenant == "globex"', "kept"),
    ],
)
def test_never(rows: str, who: str, condition: str, outcome: str) -> None:
    assert told(asked(policy(ROWS + rows), who, condition)).startswith(outcome)


def test_a_witness_names_the_line() -> None:
    witness = asked(policy(ROWS), "group:guests", "classification >= 2").witness
    assert witness is not None
    assert "group:guests" in witness.asker.groups
    assert witness.asker.clearance >= 2
    assert all(rule.startswith("policy.csv line ") for rule in witness.rules)


AUDITOR = "p, role:auditor, acme, /acme/finance/*, document:read, r.obj.classification <= {}, allow"
EVE = "g, user:eve, role:contractor, acme, _, _\n"
CHANGES = {
    "nothing": (ROWS, ROWS, "kept"),
    "a deny more": (ROWS, ROWS + GUESTS.format("*"), "kept"),
    "a deny less": (ROWS + GUESTS.format("*"), ROWS, "broken"),
    "a row within another": (
        ROWS,
        ROWS + "p, group:finance, acme, /acme/finance/a/*, document:read, True, allow\n",
        "kept",
    ),
    "a row beyond": (
        ROWS,
        ROWS + "p, group:finance, acme, /acme/*, document:read, True, allow\n",
        "broken",
    ),
    "a level less": (ROWS, ROWS.replace(AUDITOR.format(2), AUDITOR.format(1)), "kept"),
    "a level more": (
        ROWS,
        ROWS.replace(
            AUDITOR.format(2), AUDITOR.format(3).replace("r.obj.classification <= 3", "True")
        ),
        "broken",
    ),
    "a ban's link less": (ROWS, ROWS.replace(EVE, ""), "broken"),
    "a role's link more": (
        ROWS,
        ROWS + "g, user:tom, group:finance, acme, _, _\n",
        "broken",
    ),
    "a role's link less": (
        ROWS + "g, user:tom, group:finance, acme, _, _\n",
        ROWS,
        "kept",
    ),
    "a role's link later": (
        ROWS,
        ROWS + "g, user:tom, group:finance, acme, 2030-01-01 00:00:00, _\n",
        "broken",
    ),
    "a tenant less": (
        ROWS,
        ROWS.replace("role:steward, *, /*, document:tag", "role:steward, acme, /*, document:tag"),
        "kept",
    ),
    "another right": (
        ROWS,
        ROWS + "p, role:auditor, *, /*, policy:administer, True, allow\n",
        "broken",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_no_new_access(name: str) -> None:
    before, after, outcome = CHANGES[name]
    assert told(no_new_access(policy(before), policy(after), NOW)).startswith(outcome)


@pytest.mark.parametrize(
    ("text", "other", "outcome"),
    [
        ("classification <= r.sub.clearance", "classification < r.sub.clearance", "kept"),
        ("classification < r.sub.clearance", "classification <= r.sub.clearance", "broken"),
        ("&& !some(where (p.eft == deny))", "", "broken"),
    ],
)
def test_no_new_access_by_another_model(text: str, other: str, outcome: str) -> None:
    assert "r.obj.classification <= r.sub.clearance" in MODEL
    first = MODEL if text in MODEL else MODEL.replace("<= r.sub.clearance", "< r.sub.clearance")
    before, after = policy(model=first), policy(model=first.replace(text, other))
    assert told(no_new_access(before, after, NOW)).startswith(outcome)


def test_other_labels_cannot_be_compared() -> None:
    text = '[label.tenant]\ntype = "keyword"\n'
    other = load(RBAC, read_csv("p, user:a, document:read\n"), LabelSchema.from_toml(text))
    with pytest.raises(Exception, match="other labels"):
        no_new_access(SHIPPED, other, NOW)


RBAC = """[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.act == p.act
"""
SMALL = LabelSchema.from_toml(
    """[label.tenant]
type = "keyword"
[label.owner]
type = "keyword"
[label.review]
type = "integer"
required = false
[subject.team]
type = "keyword"
"""
)


def small(rows: str, model: str = RBAC, schema: LabelSchema = SMALL) -> Policy:
    return load(model, read_csv(rows), schema)


READERS = "p, role:reader, document:read\n"


def test_a_model_that_compares_names() -> None:
    before = small(READERS + "g, user:ann, role:reader\n")
    assert told(no_new_access(before, before, NOW)) == "kept"
    fewer = small(READERS + "p, user:x, audit:read\n")
    assert told(no_new_access(before, fewer, NOW)).startswith("broken")
    assert told(asked(before, "user:ann", 'owner == "user:bob"')) == "broken"
    assert told(asked(before, "user:bob", 'owner == "user:bob"')) == "kept"
    assert told(asked(before, "group:any", 'owner == "user:bob"')) == "broken"


def test_what_a_label_lacks_and_an_asker_lacks() -> None:
    model = RBAC.replace("g(r.sub, p.sub)", "r.sub.team == p.sub && r.obj.review > 3")
    rows = "p, sales, document:read\np, legal, document:read\n"
    before = small(rows, model)
    assert told(no_new_access(before, before, NOW)) == "kept"
    assert told(asked(before, "user:ann", "review > 1")) == "broken"
    assert told(asked(before, "group:any", "review > 1")) == "broken"
    assert told(asked(before, "user:ann", "review <= 3")) == "kept"
    later = small(rows, model.replace("> 3", "> 2"))
    assert told(no_new_access(later, before, NOW)) == "kept"
    assert told(no_new_access(before, later, NOW)) == "broken"


def test_what_is_too_much_is_open() -> None:
    before, after, _ = CHANGES["a row within another"]
    found = no_new_access(policy(before), policy(after), NOW, steps=10)
    assert told(found).startswith("open: `document:read` in acme: this is too much to decide")


def test_attributes_of_labels_are_not_taken_for_unknowns() -> None:
    schema = LabelSchema.from_toml(
        '[label.tenant]\ntype = "keyword"\n[label.unknown_0]\ntype = "keyword"\n'
    )
    model = RBAC.replace("g(r.sub, p.sub)", "r.obj.unknown_0 == r.sub")
    known = small("p, x, document:read\n", model, schema)
    assert told(no_new_access(known, known, NOW)) == "kept"
    assert told(asked(known, "user:ann", 'unknown_0 == "user:bob"')) == "kept"
    assert told(asked(known, "group:any", 'unknown_0 == "user:bob"')) == "broken"


@pytest.mark.parametrize(
    "text",
    [
        "r.obj.owner in [r.sub.id, 'user:boss']",
        "r.obj.review > r.sub.clearance + 1",
        "'group:law' in r.sub.groups",
        "r.obj.owner == 'user:boss' && ('x' + r.sub.id) in r.sub.groups",
    ],
)
def test_parts_of_every_form_stand_for_themselves(text: str) -> None:
    model = RBAC.replace("g(r.sub, p.sub)", f"r.sub.id != p.sub && {text}")
    known = small(READERS, model)
    assert told(no_new_access(known, known, NOW)) == "kept"
    fewer = small(READERS, model.replace("&& r.act", '&& r.obj.owner != "user:x" && r.act'))
    assert told(no_new_access(known, fewer, NOW)) == "kept"


def test_a_matcher_without_rows() -> None:
    model = RBAC.replace("g(r.sub, p.sub) && r.act == p.act", 'r.act == "document:read"')
    before, after = small("", model), small("", model.replace(":read", ":tag"))
    assert told(no_new_access(before, before, NOW)) == "kept"
    assert told(no_new_access(before, after, NOW)) == "broken"


def test_documents_can_have_roles() -> None:
    model = RBAC.replace("g = _, _", "g = _, _\ng2 = _, _").replace(
        "&& r.act", "&& g2(r.obj.owner, 'team') && r.act"
    )
    rows = READERS + "g, user:ann, role:reader\ng2, user:ann, team\n"
    before, after = small(rows, model), small(rows + "g2, user:bob, team\n", model)
    assert told(no_new_access(before, before, NOW)) == "kept"
    assert told(no_new_access(after, before, NOW)) == "kept"
    assert told(no_new_access(before, after, NOW)).startswith("broken")
    with pytest.raises(ExpressionError, match="not about the label alone"):
        condition_on_labels("g2(owner, 'team')", before)


def test_rules_that_take_turns_too_often_are_open() -> None:
    model = RBAC.replace("some(where (p.eft == allow))", "priority(p.eft) || deny").replace(
        "p = sub, act", "p = sub, act, eft"
    )
    rows = "".join(
        f"p, role:r{number}, document:read, {'allow' if number % 2 else 'deny'}\n"
        for number in range(220)
    )
    known = small(rows, model)
    assert "turns" in no_new_access(known, known, NOW).reason


def test_names_that_are_patterns() -> None:
    known = load(
        RBAC,
        read_csv(READERS + "g, user:*, role:reader\n"),
        SMALL,
        matching={"g": RoleMatching(names="keyMatch", domains=None)},
    )
    assert told(no_new_access(known, known, NOW)) == "kept"


def test_tenants_beside_the_named_ones() -> None:
    odd = "p, group:law, a*, /*, document:read, True, allow\n"
    assert told(no_new_access(policy(ROWS + odd), policy(ROWS + odd), NOW)) == "kept"
    assert told(no_new_access(SHIPPED, policy(ROWS + odd), NOW)) == "broken"
    elsewhere = "p, group:law, elsewhere, /*, document:read, True, allow\n"
    both = policy(ROWS + elsewhere)
    assert told(no_new_access(both, SHIPPED, NOW)) == "kept"
    assert told(asked(both, "group:law", 'tenant == "elsewhere"')) == "broken"
