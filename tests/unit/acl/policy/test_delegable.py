"""Which rows a tenant's editor may touch at all."""

from __future__ import annotations

import pytest

from acl.labels import LabelSchema
from acl.language.casbin_adapter import RoleMatching
from acl.language.terms import Rule
from acl.policy.delegable import _unprovable
from acl.policy.policy import load
from tests.unit.acl.default_policy import MODEL, SCHEMA
from tests.unit.acl.editing import (
    ALLOWING,
    BASE,
    GIVES,
    HR,
    NO_OWNERS,
    NOWHERE,
    OWNED,
    PLAIN,
    adding,
    asked,
    overreach,
    policy,
    refused,
    without,
)


@pytest.mark.parametrize("when", ["True", *NOWHERE])
def test_who_administers_is_not_delegated_even_under_a_condition_no_label_meets(when: str) -> None:
    row = f"p, user:editor, acme, /acme/finance/*, policy:administer, {when}, allow"
    own = "only an administrator says who administers the policy"

    assert own in refused(adding(row))
    assert own in refused(without(row.replace("editor", "other"),
                                  base=(*BASE, row.replace("editor", "other"))))  # fmt: skip


def test_an_action_s_pattern_that_administering_fits_is_not_delegated() -> None:
    model = MODEL.replace("r.act == p.act", "keyMatch(r.act, p.act)")
    row = "p, user:editor, acme, /acme/finance/*, {}, True, allow"
    old = policy(*BASE, model=model)

    for action in ("policy:*", "*", "policy:administer"):
        told = refused(asked(old, policy(*BASE, row.format(action), model=model)))
        assert "`policy:administer`" in told
    overreach(asked(old, policy(*BASE, row.format("document:r*"), model=model)))


def test_a_model_that_compares_no_action_leaves_what_a_row_means_in_doubt() -> None:
    model = MODEL.replace("r.act == p.act", '(r.act == p.act || r.sub.id == "user:nobody")')
    old = policy(*BASE, model=model)

    for action in ("anything", "policy:administer"):
        row = f"p, group:x, acme, /acme/finance/*, {action}, True, allow"
        assert "`policy:administer`" in refused(asked(old, policy(*BASE, row, model=model)))


def test_rows_of_others_stay_as_they_are() -> None:
    own = "is not a row of the editor's own tenant"

    assert own in refused(adding("p, group:x, *, /acme/finance/*, document:read, True, allow"))
    assert own in refused(adding("g, user:eve, role:auditor, globex, _, _"))
    assert "column `domain`" in refused(adding("g, user:eve, role:auditor, globex, _, _"))
    assert own in refused(without(BASE[7]))
    assert own in refused(without(BASE[8]))
    moved = (*BASE[:7], BASE[8], BASE[7], *BASE[9:])
    assert "rows of others may not change places" in refused(asked(policy(*BASE), policy(*moved)))


def test_own_rows_may_stand_anywhere() -> None:
    assert asked(policy(*BASE), policy(BASE[3], *BASE[:3], *BASE[4:])) == ()


def test_model_and_schema_and_matching_are_the_administrator_s() -> None:
    other = LabelSchema.from_toml(
        "\n".join(f'[label.{name}]\ntype = "{one.type}"' for name, one in SCHEMA.attributes.items())
    )
    old = policy(*BASE)

    assert "`model`" in refused(asked(old, policy(*BASE, model=MODEL + "\n")))
    assert "`schema`" in refused(asked(old, policy(*BASE, schema=other)))
    plain = MODEL.replace("g = _, _, _, (_, _)", "g = _, _, _")
    bare = policy(*BASE[:9], model=plain)
    matched = load(plain, bare.rows, SCHEMA, matching={"g": RoleMatching(domains="keyMatch")})
    assert "`matching`" in refused(asked(bare, matched))


def test_a_model_without_a_tenant_s_column_cannot_be_delegated() -> None:
    model = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, act, when, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub.id, p.sub) && r.act == p.act && eval(p.when)
"""
    base = ("p, user:editor, policy:edit, True, allow",)
    old = policy(*base, model=model)
    for line in ("p, user:ben, document:read, False, allow", "g, user:ben, user:editor"):
        told = refused(asked(old, policy(*base, line, model=model)))
        assert "no tenant, so they cannot be delegated" in told


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("r.sub.clearance == 1", "tests the asker alone"),
        ('"""board"" in r.sub.compartments || True"', "tests the asker alone"),
        ('"!any_of(r.obj.readers, r.sub.principals)"', "is denied"),
        ("r.obj.owner not in r.sub.groups", "is denied"),
        ("r.obj.classification <= r.sub.clearance - 1", "is computed from the asker"),
    ],
)
def test_a_delegated_rule_asks_nothing_that_profiles_cannot_answer(when: str, reason: str) -> None:
    line = f"p, group:x, acme, /acme/finance/*, document:read, {when}, allow"

    told = refused(adding(line))
    assert reason in told
    assert "column `when`" in told
    assert reason in refused(without(line, base=(*BASE, line)))


@pytest.mark.parametrize(
    "when",
    [
        "r.obj.owner == r.sub.id",
        "r.obj.owner != r.sub.id",
        '"any_of(r.obj.readers, r.sub.principals) && !(r.obj.owner == ""user:bob"")"',
        "r.obj.classification == r.sub.clearance",
        "(r.obj.classification <= 1 || r.obj.owner == r.sub.id) && 1 < 2",
    ],
)
def test_a_delegated_rule_compares_the_document_with_the_asker(when: str) -> None:
    assert adding(f"p, group:x, acme, /acme/finance/*, document:read, {when}, allow") == ()


@pytest.mark.parametrize(
    "row",
    [
        "p, barred, acme, /acme/hr/*, document:read, True, deny",
        "p, User:Ada, acme, /acme/finance/*, document:read, True, allow",
        "p, *, acme, /acme/finance/*, document:read, True, allow",
        "g, mid, role:barred, acme, _, _",
        "g, user:ben, barred, acme, _, _",
        "g, user:ben, user:editor, acme, _, _",
    ],
)
def test_rows_name_principals(row: str) -> None:
    assert "`role:`" in refused(adding(row))
    assert "`role:`" in refused(without(row, base=(*BASE, row)))


@pytest.mark.parametrize(
    ("when", "row"),
    [
        ('"!any_of(r.obj.readers, r.sub.principals)"', "deny"),
        ("r.obj.owner not in r.sub.groups", "allow"),
        ('"!(""group:n"" in r.sub.groups)"', "allow"),
        ('"!any_of(r.sub.groups, [""group:n""])"', "allow"),
        ('"subset_of(r.obj.readers, r.sub.groups)"', "allow"),
        (
            f'"any_of(r.obj.readers, r.sub.groups) && {OWNED} && ""group:n"" in r.sub.groups"',
            "allow",
        ),
        ('"!g(r.sub.id, ""role:n"", r.sub.tenant)"', "allow"),
        ('"!g(r.sub.id, r.obj.owner, ""acme"")"', "allow"),
    ],
)
def test_beside_rows_that_ask_too_much_nothing_like_them_is_delegated(when: str, row: str) -> None:
    base = (*BASE, HR.format("group:everyone", when, row))
    told = "asks so much of the asker's names"

    assert told in refused(adding(GIVES, base=base))
    assert told in refused(adding("g, user:ben, group:legal, acme, _, _", base=base))
    tags = "p, user:editor, acme, /acme/*, document:tag, True, allow"
    assert adding(GIVES.replace("read", "tag"), base=(*base, tags)) == ()
    elsewhere = (*BASE, base[-1].replace("acme", "globex"))
    assert adding(GIVES, base=elsewhere) == ()


@pytest.mark.parametrize(
    "when",
    [
        "r.obj.owner != r.sub.id",
        'r.sub.id != "user:ben"'.replace('"', '""').join('""'),
        '"""group:n"" in r.sub.groups"',
        '"any_of(r.sub.groups, [""group:n""])"',
        '"g(r.sub.id, ""role:n"", r.sub.tenant)"',
        f'"any_of(r.obj.readers, r.sub.groups) && {OWNED}"',
    ],
)
def test_rows_that_ask_for_a_name_or_two_may_stand_beside_a_change(when: str) -> None:
    assert adding(GIVES, base=(*BASE, HR.format("group:everyone", when, "allow"))) == ()


def test_a_delegated_row_asks_for_one_name_at_a_time() -> None:
    both = f'"any_of(r.obj.readers, r.sub.groups) && {OWNED}"'

    assert "more of the asker's names at once" in refused(adding(GIVES.replace("True", both)))
    either = both.replace("&&", "||")
    assert adding(GIVES.replace("True", either)) == ()


@pytest.mark.parametrize(
    "when",
    [
        '"r.obj.owner in r.sub.compartments"',
        '"any_of(r.obj.readers, r.sub.compartments)"',
        '"any_of(r.obj.compartments, r.sub.groups)"',
    ],
)
def test_compartments_are_compared_with_compartments(when: str) -> None:
    told = "compartments are compared with compartments"

    assert told in refused(adding(GIVES.replace("True", when)))
    own = '"any_of(r.obj.compartments, r.sub.compartments)"'
    assert adding(GIVES.replace("True", own)) == ()


def test_links_that_say_which_rule_comes_first_are_not_delegated() -> None:
    model = MODEL.replace(
        "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
        "subjectPriority(p.eft) || deny",
    )
    old, link = policy(*NO_OWNERS, model=model), "g, user:ben, group:legal, acme, _, _"

    told = refused(asked(old, policy(*NO_OWNERS, link, model=model)))
    assert "links decide which rule comes first" in told


def test_rules_whose_order_counts_stay_in_their_order() -> None:
    old = policy(*BASE, model=ALLOWING)
    moved = policy(*BASE[:3], BASE[4], BASE[3], *BASE[5:], model=ALLOWING)

    assert "rules may not change places" in refused(asked(old, moved))


def test_where_names_are_patterns_nothing_is_delegated() -> None:
    plain = policy(*BASE[:9], model=PLAIN)
    matching = {"g": RoleMatching(domains="keyMatch")}
    old = load(PLAIN, plain.rows, SCHEMA, matching=matching)
    new = load(PLAIN, policy(*BASE[:9], GIVES, model=PLAIN).rows, SCHEMA, matching=matching)

    assert "where names are patterns" in refused(asked(old, new))


def test_a_model_that_keeps_no_row_to_its_tenant_cannot_be_delegated() -> None:
    model = MODEL.replace("keyMatch(r.sub.tenant, p.tenant)", 'p.tenant != ""')
    old = policy(*BASE, model=model)

    told = refused(asked(old, policy(*BASE, GIVES, model=model)))
    assert "does not keep such a row to its tenant" in told


def test_links_that_rules_ask_of_documents_are_not_delegated() -> None:
    owned = (
        'p, group:everyone, *, /*, document:read, "g(r.obj.owner, ""role:open"", ""acme"")", allow'
    )
    link = "g, user:ben, role:open, acme, _, _"

    told = "rules ask for such links of documents too"
    assert told in refused(adding(link, base=(*BASE, owned)))
    assert told in refused(without(link, base=(*BASE, owned, link)))
    assert adding(GIVES, base=(*BASE, owned)) == ()


def test_a_rule_column_holds_no_rule() -> None:
    with pytest.raises(AssertionError, match="holds no `eval`"):
        list(_unprovable(Rule("p_when"), negated=False))
