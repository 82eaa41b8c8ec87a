"""The subjects that stand for every role."""

from __future__ import annotations

import pytest

from acl.admission.admission import read_csv
from acl.language.casbin_adapter import RoleMatching
from acl.policy.names import Mentions, is_named
from acl.policy.policy import Policy, load
from acl.policy.profiles import profiles, stands_for
from acl.subject import EVERYONE, Subject
from tests.unit.acl.company_policy import policy
from tests.unit.acl.default_policy import MODEL, SCHEMA, label

LEVELS = (0, 1, 2, 3)
RULE = "p, group:everyone, *, /*, document:read, {when}, allow\n"


def made(*policies: Policy, tenants: tuple[str, ...] = ("acme",)) -> tuple[Subject, ...]:
    return profiles(
        policies, tenants=tenants, clearances=LEVELS, compartments=frozenset({"finance", "board"})
    )


def names(found: tuple[Subject, ...], tenant: str = "acme") -> set[str]:
    return {name for one in found if one.tenant == tenant for name in stands_for(one)}


def test_every_principal_of_the_default_policy_stands_with_its_extremes() -> None:
    found = made(policy())

    assert names(found) == {
        "user:stranger", "group:finance", "group:engineering", "group:legal", "role:auditor",
        "role:contractor", "user:eve", "user:sam",
    }  # fmt: skip
    of_eve = [one for one in found if one.id == "user:eve"]
    assert [(one.clearance, sorted(one.compartments)) for one in of_eve] == [
        (0, []), (0, ["board", "finance"]), (3, []), (3, ["board", "finance"]),
    ]  # fmt: skip
    assert all(one.id == "user:stranger" for one in found if one.groups)
    assert len(set(found)) == len(found)
    assert made(policy()) == found


def test_a_name_stands_only_where_a_row_that_names_it_can_apply() -> None:
    found = made(policy(), tenants=("beta", "acme", "not a tenant"))

    assert names(found, "beta") == {"user:stranger"}
    assert {one.tenant for one in found} == {"acme", "beta"}
    wide = policy("p, user:ada, a*, /*, document:read, True, allow\n")
    assert "user:ada" in names(made(wide))
    assert "user:ada" not in names(made(wide, tenants=("beta",)), "beta")


@pytest.mark.parametrize(
    ("fence", "everywhere"),
    [
        ("r.sub.tenant == p.tenant", False),
        ("keyMatch(r.sub.tenant, p.tenant) && r.obj.classification < 2", False),
        # After a label was read, a row may have raised already; and this one is no fence at all.
        ("r.obj.classification < 2 && r.sub.tenant == p.tenant", True),
        ("r.sub.tenant != p.tenant", True),
        ("regexMatch(r.sub.tenant, p.path)", True),
        ("(r.sub.tenant == p.tenant || r.sub.clearance > 2)", True),
    ],
)
def test_what_keeps_a_row_out_of_a_tenant(fence: str, *, everywhere: bool) -> None:
    model = MODEL[: MODEL.index("m = ")] + f"m = {fence} && p.sub in r.sub.groups\n"
    row = "p, group:x, acme, (, document:read, True, allow\n"
    loaded = load(model, read_csv(row), SCHEMA)

    assert ("group:x" in names(made(loaded, tenants=("beta",)), "beta")) is everywhere


def test_names_in_texts_of_rules_and_of_the_matcher_stand_too() -> None:
    model = MODEL.replace("m = (", 'm = r.sub.id != "user:matched" && (')
    when = '"any_of(r.obj.readers, [""user:ben"", ""User:Ä"", ""group:two""])"'
    rows = RULE.format(when=when) + "p, nobody, *, /*, document:read, True, allow\n"
    found = made(load(model, read_csv(rows), SCHEMA))

    assert names(found) == {"user:stranger", "user:matched", "user:ben", "group:two"}
    both = [one for one in found if one.id == "user:ben" and one.groups]
    assert both[0].groups == {"group:two"}, "those whom one row names are also held together"


def test_several_policies_give_the_names_of_all_and_labels_add_theirs() -> None:
    other = policy("p, user:new, acme, /*, document:read, True, allow\n")
    known = label(owner="user:owner", readers=["group:readers", EVERYONE, "somebody"])
    found = profiles(
        [policy(), other],
        tenants=["acme", "beta"],
        clearances=(),
        compartments=frozenset(),
        labels=[known],
    )

    assert names(found) >= {"user:eve", "user:new", "user:owner", "group:readers"}
    assert names(found, "beta") == {"user:stranger"}
    assert {(one.clearance, one.compartments) for one in found} == {(0, frozenset())}
    assert not is_named(EVERYONE)


def test_the_stranger_is_named_nowhere() -> None:
    rows = "p, user:stranger, acme, /*, document:read, True, allow\n"
    more = rows + "p, user:stranger-2, acme, /*, document:read, True, allow\n"

    assert "user:stranger-2" in {one.id for one in made(policy(rows))}
    assert "user:stranger-3" in {one.id for one in made(policy(more))}


@pytest.mark.parametrize(
    ("when", "every"),
    [
        ("r.obj.classification <= r.sub.clearance", False),
        ("r.sub.clearance >= r.obj.classification", False),
        ("r.sub.clearance == 1", True),
        ("r.sub.clearance > 1", True),
        ("r.obj.classification == r.sub.clearance", True),
        ("r.obj.classification >= r.sub.clearance", True),
    ],
)
def test_levels_between_stand_where_they_can_matter(when: str, *, every: bool) -> None:
    loaded = policy(RULE.format(when=when))

    assert Mentions(loaded).asks_clearance is every
    assert {one.clearance for one in made(loaded)} == (set(LEVELS) if every else {0, 3})


def test_a_compartment_that_a_rule_names_stands_alone_and_left_out() -> None:
    found = made(policy(RULE.format(when='"""board"" in r.sub.compartments"')))

    assert {one.compartments for one in found} == {
        frozenset[str](), frozenset({"board"}), frozenset({"finance"}),
        frozenset({"board", "finance"}),
    }  # fmt: skip


def test_links_without_a_domain_and_with_patterns_of_domains() -> None:
    model = (
        "[request_definition]\nr = sub, dom, obj, act\n[policy_definition]\np = sub, act\n"
        "[role_definition]\ng = _, _{domain}\n[policy_effect]\ne = some(where (p.eft == allow))\n"
        "[matchers]\nm = g(r.sub, p.sub{asked}) && r.act == p.act && r.obj.classification < 3\n"
    )
    plain = model.format(domain="", asked="")
    rows = "p, role:x, document:read\ng, user:ada, role:x\n"
    assert "user:ada" in names(made(load(plain, read_csv(rows), SCHEMA)))

    from_casbin = model.format(domain=", _", asked=", r.dom")
    rows = "p, role:x, document:read\ng, user:ada, role:y, a*\n"
    exact = load(from_casbin, read_csv(rows), SCHEMA)
    assert "user:ada" not in names(made(exact))
    patterned = load(
        from_casbin, read_csv(rows), SCHEMA, matching={"g": RoleMatching(domains="keyMatch")}
    )
    assert "user:ada" in names(made(patterned))
    assert "user:ada" not in names(made(patterned, tenants=("beta",)), "beta")


def test_rows_of_another_definition_name_nobody_anywhere() -> None:
    model = MODEL.replace("[role_definition]", "p2 = sub\n\n[role_definition]")
    rows = read_csv(RULE.format(when="True") + "p2, user:other\n")
    found = made(load(model, rows, SCHEMA))

    assert names(found) == {"user:stranger"}
