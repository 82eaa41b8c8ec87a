"""A tenant's editor changes their tenant alone, and gives nobody what they do not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest

from acl.admission import read_csv
from acl.casbin_door import RoleMatching
from acl.delegable import _unprovable
from acl.delegation import STEPS, Overreach, Verdict, may_activate, may_propose
from acl.labels import LabelSchema
from acl.policy import Policy, load
from acl.profiles import profiles
from acl.subject import Subject
from acl.terms import Rule
from tests.unit.acl.default_policy import MODEL, NOW, SCHEMA

COMPARTMENTS: Final = frozenset({"board"})
EDITOR: Final = Subject(id="user:editor", tenant="acme", clearance=3, compartments=COMPARTMENTS)
BASE: Final = (
    "p, user:admin, *, /*, policy:administer, True, allow",
    "p, user:editor, acme, /acme/*, policy:edit, True, allow",
    "p, user:editor, acme, /acme/*, policy:activate, r.obj.classification <= 1, allow",
    "p, user:editor, acme, /acme/finance/*, document:read, True, allow",
    "p, user:editor, acme, /acme/legal/*, document:read, True, allow",
    "p, group:legal, acme, /acme/legal/*, document:read, True, allow",
    "p, role:auditor, acme, /acme/hr/*, document:read, True, allow",
    "p, group:staff, globex, /globex/*, document:read, True, allow",
    "p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow",
    "g, user:sam, role:auditor, globex, _, _",
)


def policy(*lines: str, model: str = MODEL, schema: LabelSchema = SCHEMA) -> Policy:
    return load(model, read_csv("\n".join(lines)), schema)


def asked(
    old: Policy,
    new: Policy,
    editor: Subject = EDITOR,
    *,
    activate: bool = False,
    steps: int = STEPS,
) -> Verdict:
    everybody = profiles(
        [old, new], tenants=["acme", "globex"], clearances=(0, 1, 2, 3), compartments=COMPARTMENTS
    )
    question = may_activate if activate else may_propose
    return question(old, new, editor, profiles=everybody, at=NOW, steps=steps)


def adding(
    *lines: str,
    base: Sequence[str] = BASE,
    editor: Subject = EDITOR,
    activate: bool = False,
    steps: int = STEPS,
) -> Verdict:
    old, new = policy(*base), policy(*base, *lines)
    return asked(old, new, editor, activate=activate, steps=steps)


def without(line: str, base: Sequence[str] = BASE, editor: Subject = EDITOR) -> Verdict:
    assert line in base
    return asked(policy(*base), policy(*(one for one in base if one != line)), editor)


def overreach(verdict: Verdict) -> Overreach:
    assert isinstance(verdict, Overreach), verdict
    return verdict


def refused(verdict: Verdict) -> str:
    assert not isinstance(verdict, Overreach), verdict
    return "\n".join(map(str, verdict))


GIVES: Final = "p, group:x, acme, /acme/finance/q/*, document:read, True, allow"


def test_who_administers_the_policy_may_change_anything() -> None:
    admin = Subject(id="user:admin", tenant="acme")

    assert adding("p, user:eve, *, /*, policy:administer, True, allow", editor=admin) == ()
    assert asked(policy(*BASE), policy(*BASE, model=MODEL + "\n"), admin) == ()


def test_who_has_no_right_may_change_nothing() -> None:
    stranger = Subject(id="user:eve", tenant="acme")

    assert "`policy:edit`: the editor does not hold this right" in refused(
        adding(GIVES, editor=stranger)
    )
    assert "`policy:edit`" in refused(adding(GIVES, editor=replace(EDITOR, tenant="globex")))


def test_an_editor_s_agent_needs_the_right_too() -> None:
    agent = Subject(id="agent:helper", tenant="acme")

    assert "`policy:edit`" in refused(adding(GIVES, editor=replace(EDITOR, actors=(agent,))))


def test_an_editor_gives_what_they_hold() -> None:
    assert adding(GIVES) == ()
    assert adding("g, user:sam, group:legal, acme, _, _") == ()
    assert asked(policy(*BASE), policy(*BASE)) == ()


def test_nobody_gains_what_the_editor_does_not_hold() -> None:
    found = overreach(adding("p, group:x, acme, /acme/*, document:read, True, allow"))

    assert found.sentence == (
        "`group:x` would gain `document:read` where the editor does not hold it themself"
    )
    assert found.profile.groups == {"group:x"}
    assert found.action == "document:read"
    assert found.at == NOW
    assert not str(found.label.values["path"]).startswith(("/acme/finance/", "/acme/legal/"))
    assert "does not hold" in overreach(adding("g, user:ben, role:auditor, acme, _, _")).sentence
    tagging = GIVES.replace("document:read", "document:tag")
    assert "gain `document:tag`" in overreach(adding(tagging)).sentence


def test_nobody_is_cleared_higher_than_the_editor() -> None:
    found = overreach(adding(GIVES, editor=replace(EDITOR, clearance=1)))

    assert found.label.values["classification"] == 2
    assert "where the editor may not change the policy" in found.sentence


def test_an_editor_cannot_widen_their_own_region() -> None:
    row = "p, user:editor, acme, /*, policy:edit, True, allow"
    assert "gain `policy:edit`" in overreach(adding(row)).sentence


NOWHERE: Final = (
    "r.obj.classification < 0",
    '"r.obj.tenant == ""zz"""',
    "r.obj.classification > 1 && r.obj.classification < 1",
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


@pytest.mark.parametrize("when", NOWHERE)
def test_a_right_that_holds_for_no_label_is_not_held(when: str) -> None:
    row = "p, user:eve, acme, /*, {}, {}, allow"
    administers, edits = (row.format(one, when) for one in ("policy:administer", "policy:edit"))
    eve = replace(EDITOR, id="user:eve")

    assert "does not hold this right" in refused(
        adding(GIVES, base=(*BASE, administers, edits), editor=eve)
    )


def test_who_is_denied_wherever_they_are_allowed_does_not_administer() -> None:
    base = (
        *BASE,
        "p, group:admins, acme, /acme/*, policy:administer, True, allow",
        "p, user:eve, acme, /*, policy:administer, r.obj.classification >= 0, deny",
    )
    eve = replace(EDITOR, id="user:eve", groups=frozenset({"group:admins"}))

    assert "does not hold this right" in refused(adding(GIVES, base=base, editor=eve))


def test_a_person_and_an_agent_without_a_label_in_common_do_not_administer() -> None:
    base = (
        *BASE,
        "p, user:eve, acme, /acme/finance/*, policy:administer, True, allow",
        "p, agent:helper, acme, /acme/legal/*, policy:administer, True, allow",
    )
    agent = replace(EDITOR, id="agent:helper")

    eve = replace(EDITOR, id="user:eve", actors=(agent,))
    assert "does not hold this right" in refused(adding(GIVES, base=base, editor=eve))


def test_what_is_taken_lies_in_the_region_even_if_the_editor_does_not_hold_it() -> None:
    assert without("p, role:auditor, acme, /acme/hr/*, document:read, True, allow") == ()
    narrow = tuple(line.replace("acme, /acme/*, policy:edit", "acme, /acme/finance/*, policy:edit")
                   for line in BASE)  # fmt: skip
    found = overreach(without(BASE[6], base=narrow))
    assert "would lose `document:read` where the editor may not change" in found.sentence
    assert "/acme/hr/" in str(found.label.values["path"])


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


def test_what_begins_later_counts_today() -> None:
    later = "g, user:ben, role:auditor, acme, 2030-01-01 00:00:00, 2031-01-01 00:00:00"
    found = overreach(adding(later))

    assert found.at > datetime(2030, 1, 1, tzinfo=UTC)
    assert found.sentence.endswith("from 2030-01-01 00:00:00")


def test_what_is_over_counts_no_more() -> None:
    assert adding("g, user:ben, role:auditor, acme, _, 2020-01-01 00:00:00") == ()


def test_a_role_that_ends_reveals_what_a_rule_gives() -> None:
    ends = "g, user:ben, role:barred, acme, _, 2030-01-01 00:00:00"
    barred = "p, role:barred, acme, /acme/hr/*, document:read, True, deny"
    gives = "p, user:ben, acme, /acme/hr/*, document:read, True, allow"
    found = overreach(adding(gives, base=(*BASE, ends, barred)))

    assert found.at >= datetime(2030, 1, 1, tzinfo=UTC)


NO_OWNERS: Final = (*BASE[:8], *BASE[9:])
BARRED: Final = "p, role:barred, acme, /acme/hr/*, document:read, True, deny"


def test_a_deny_that_goes_gives_to_whoever_else_is_allowed() -> None:
    """Alone, nobody who is barred gains: only an auditor who is barred too does."""
    found = overreach(without(BARRED, base=(*NO_OWNERS, BARRED)))

    assert {"role:auditor", "role:barred"} <= found.profile.groups
    assert "gain `document:read`" in found.sentence
    assert "`role:auditor` with `role:barred`" in found.sentence


def test_a_link_that_goes_gives_what_its_role_denied() -> None:
    """Whoever is barred by a link and an auditor by their token."""
    base = (*NO_OWNERS, BARRED, "g, user:ben, role:barred, acme, _, _")
    found = overreach(without(base[-1], base=base))

    assert found.profile.id == "user:ben"
    assert found.profile.groups == {"role:auditor"}


def test_a_deny_that_comes_takes_from_whoever_is_allowed() -> None:
    narrow = tuple(line.replace("acme, /acme/*, policy:edit", "acme, /acme/finance/*, policy:edit")
                   for line in NO_OWNERS)  # fmt: skip

    assert adding(BARRED) == ()
    found = overreach(adding(BARRED, base=narrow))
    assert "lose `document:read`" in found.sentence
    assert {"role:auditor", "role:barred"} <= found.profile.groups


RANKED: Final = MODEL.replace("p = sub,", "p = priority, sub,").replace(
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))", "priority(p.eft) || deny"
)


def test_a_first_rule_overrules_what_denies_somebody_else() -> None:
    base = (
        "p, 10, user:editor, acme, /acme/*, policy:edit, True, allow",
        "p, 30, role:barred, acme, /acme/hr/*, document:read, True, deny",
        "p, 50, group:x, acme, /acme/hr/*, document:read, True, allow",
    )
    first = "p, 20, group:x, acme, /acme/hr/*, document:read, True, allow"
    found = overreach(asked(policy(*base, model=RANKED), policy(*base, first, model=RANKED)))

    assert {"group:x", "role:barred"} <= found.profile.groups


HR: Final = "p, {}, acme, /acme/hr/*, document:read, {}, {}"
OWNED: Final = "r.obj.owner in r.sub.groups"
SHARED: Final = '"any_of(r.obj.readers, r.sub.groups)"'


def test_a_group_that_no_row_names_gains_too() -> None:
    named = ("group:everyone", "group:legal", "role:auditor")
    others = " && ".join(f'r.obj.owner != ""{one}""' for one in named)
    gives = HR.format("group:everyone", f'"{OWNED} && {others}"', "allow")
    found = overreach(adding(gives))

    assert found.profile.groups == {"group:unnamed"}
    assert found.label.values["owner"] == "group:unnamed"
    assert "lose" in overreach(without(gives, (*BASE[:1], BASE[3], EDIT_LEGAL, gives))).sentence


EDIT_LEGAL: Final = "p, user:editor, acme, /acme/legal/*, policy:edit, True, allow"


def test_a_group_that_only_the_editor_is_in_counts_as_named() -> None:
    """The editor may not read what is shared with their group, and would let the group read it."""
    secret = '"any_of(r.obj.readers, r.sub.groups) && !any_of(r.obj.readers, [""group:everyone""])"'
    wall = f"p, user:editor, acme, /acme/*, document:read, {secret}, deny"
    gives = f"p, group:everyone, acme, /acme/legal/*, document:read, {secret}, allow"
    editor = replace(EDITOR, groups=frozenset({"group:deal-x"}))

    base = (*NO_OWNERS[:5], wall)
    assert adding(gives, base=base) == ()
    found = overreach(adding(gives, base=base, editor=editor))
    assert found.label.values["readers"] == {"group:deal-x"}
    assert "group:deal-x" in found.profile.groups


def test_an_unnamed_group_is_tried_in_company() -> None:
    """Whoever is barred gains what is shared with a group of theirs, when they no longer are."""
    distinct = HR.format(
        "role:reader",
        '"any_of(r.obj.readers, r.sub.groups) && !any_of(r.obj.readers, '
        '[""role:reader"", ""role:barred"", ""group:everyone""])"',
        "allow",
    )
    found = overreach(without(BARRED, base=(*NO_OWNERS[:6], distinct, BARRED)))
    assert {"role:barred", "role:reader"} < found.profile.groups


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


def test_a_denial_of_a_role_that_only_links_reach_is_tried_with_whom_they_lead_from() -> None:
    base = (
        *NO_OWNERS[:6],
        HR.format("group:y", "True", "allow"),
        HR.format("barred", "True", "deny"),
        "g, mid, barred, acme, _, _",
        "g, user:ben, mid, acme, _, _",
    )
    link = "g, group:z, role:w, acme, _, _"
    bars = "g, role:w, barred, acme, _, _"
    found = overreach(without(link, base=(*base, link, bars)))

    assert {"group:y", "group:z"} == found.profile.groups
    assert adding(HR.format("group:y", "True", "deny"), base=base) == ()


def test_a_link_to_a_role_whose_row_asks_is_tried_with_the_names_it_asks_for() -> None:
    base = (
        *NO_OWNERS,
        HR.format("role:x", SHARED, "allow"),
        "g, user:editor, role:x, acme, _, _",
    )
    found = overreach(adding("g, user:ben, role:x, acme, _, _", base=base))

    assert found.profile.id == "user:ben"
    assert found.profile.groups


def test_a_role_that_a_link_gives_is_one_of_the_groups_that_other_rows_ask_for() -> None:
    base = (*NO_OWNERS, HR.format("group:y", SHARED, "allow"))
    found = overreach(adding("g, group:z, role:w, acme, _, _", base=base))

    assert found.profile.groups == {"group:y", "group:z"}
    assert "role:w" in found.label.values["readers"]  # type: ignore[operator]


def test_a_link_gives_a_name_that_denials_ask_for() -> None:
    """A denial for one name asks for another that a link gives, and a third is allowed."""
    link = "g, group:z, role:w, acme, _, _"
    base = (
        *NO_OWNERS[:6],
        HR.format("group:y", "True", "allow"),
        HR.format("role:barred", '"any_of(r.obj.readers, r.sub.groups)"', "deny"),
        link,
    )
    found = overreach(without(link, base=base))

    assert found.profile.groups == {"group:y", "group:z", "role:barred"}


def test_a_denial_that_asks_is_tried_with_three_names() -> None:
    deny = HR.format(
        "role:barred",
        '"any_of(r.obj.readers, r.sub.groups) && !any_of(r.obj.readers, '
        '[""role:barred"", ""group:y"", ""group:everyone""])"',
        "deny",
    )
    base = (*NO_OWNERS[:6], HR.format("group:y", "True", "allow"), deny)
    found = overreach(without(deny, base=base))

    assert {"role:barred", "group:y"} < found.profile.groups
    assert "gain `document:read`" in found.sentence


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


def test_a_row_that_spares_an_owner_is_tried_for_that_owner() -> None:
    """Everybody but the owner may read already, so only the owner gains."""
    base = (
        *BASE[:3],
        HR.format("group:everyone", "r.obj.owner != r.sub.id", "allow"),
        HR.format("user:editor", "True", "allow"),
        HR.format("user:editor", '"r.obj.owner == ""user:bob"""', "deny"),
    )
    found = overreach(adding(HR.format("group:x", "True", "allow"), base=base))

    assert found.profile.id == found.label.values["owner"] == "user:bob"


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


def test_what_is_given_for_longer_than_its_giver_holds_it_is_refused() -> None:
    ends = "g, user:editor, role:temp, acme, _, 2026-06-02 00:00:00"
    base = (*NO_OWNERS[:6], HR.format("role:temp", "True", "allow"), ends)
    found = overreach(adding(HR.format("user:editor", "True", "allow"), base=base))

    assert found.sentence == (
        "`user:editor` would gain `document:read` where the editor does not hold it themself"
        " from 2026-06-02 00:00:00"
    )
    assert adding("g, user:ben, role:temp, acme, _, 2026-06-02 00:00:00", base=base) == ()
    longer = "g, user:ben, role:temp, acme, _, 2026-06-03 00:00:00"
    assert overreach(adding(longer, base=base)).at.day == 2
    renewed = (*base[:-1], ends.replace("06-02", "07-01"))
    assert overreach(asked(policy(*base), policy(*renewed))).profile.id == "user:editor"


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


@pytest.mark.parametrize("asking", ["r.obj.owner == r.sub.id", "r.obj.classification <= 2"])
def test_many_rows_are_decided_or_refused_within_bounds(asking: str) -> None:
    rows = [
        f"p, group:n{place}, acme, /acme/finance/*, document:read, {asking}, allow"
        for place in range(1000)
    ]

    assert "too much to decide; make the change smaller" in refused(adding(*rows, base=BASE[:8]))
    assert adding(*rows[:20], base=BASE[:8]) == ()


ALLOWING: Final = MODEL.replace(" && !some(where (p.eft == deny))", "")


def test_without_denials_company_makes_no_difference() -> None:
    old = policy(*BASE, model=ALLOWING)

    assert asked(old, policy(*BASE, GIVES, model=ALLOWING)) == ()
    assert asked(old, policy(*BASE, "g, user:ben, group:legal, acme, _, _", model=ALLOWING)) == ()


def test_activation_rests_on_its_own_right() -> None:
    found = overreach(adding(GIVES, activate=True))
    assert found.label.values["classification"] == 2

    mild = GIVES.replace("True", "r.obj.classification <= 1")
    assert adding(mild, activate=True) == ()
    without_right = tuple(line for line in BASE if "policy:activate" not in line)
    assert "`policy:activate`" in refused(adding(mild, base=without_right, activate=True))


def test_what_cannot_be_decided_is_refused() -> None:
    for steps in (1, 100, 1_000, 10_000):
        assert "too much to decide; make the change smaller" in refused(adding(GIVES, steps=steps))


PLAIN: Final = MODEL.replace("g = _, _, _, (_, _)", "g = _, _, _")


def test_roles_without_windows_are_delegated_too() -> None:
    base = (*BASE[:9], BARRED)
    old = policy(*base, model=PLAIN)

    assert asked(old, policy(*base, "g, user:ben, group:legal, acme", model=PLAIN)) == ()
    found = overreach(asked(old, policy(*base, "g, user:ben, role:auditor, acme", model=PLAIN)))
    assert found.profile.id == "user:ben"


def test_links_that_rules_ask_of_documents_are_not_delegated() -> None:
    owned = (
        'p, group:everyone, *, /*, document:read, "g(r.obj.owner, ""role:open"", ""acme"")", allow'
    )
    link = "g, user:ben, role:open, acme, _, _"

    told = "rules ask for such links of documents too"
    assert told in refused(adding(link, base=(*BASE, owned)))
    assert told in refused(without(link, base=(*BASE, owned, link)))
    assert adding(GIVES, base=(*BASE, owned)) == ()


def test_a_role_of_the_asker_that_the_document_names_is_the_asker_s() -> None:
    held = 'p, group:everyone, *, /*, document:read, "g(r.sub.id, r.obj.owner, ""acme"")", allow'

    found = overreach(adding("g, user:ben, role:open, acme, _, _", base=(*BASE, held)))
    assert found.profile.id == "user:ben"
    assert found.label.values["owner"] == "role:open"


def test_a_request_that_fails_permits_nothing() -> None:
    """What is no condition gives nothing, and whoever it is addressed to gets nothing else."""
    fails = "p, group:x, acme, /acme/hr/*, document:read, r.sub.clearance, allow"
    reads = "p, group:x, acme, /acme/hr/*, document:read, True, allow"

    assert adding(GIVES, base=(*NO_OWNERS, reads, fails)) == ()
    assert adding("g, group:legal, group:x, acme, _, _", base=(*NO_OWNERS, reads, fails)) == ()
    link = "g, group:y, group:x, acme, _, _"
    gives = "p, group:y, acme, /acme/hr/*, document:read, True, allow"
    found = overreach(without(link, base=(*NO_OWNERS, reads, fails, gives, link)))
    assert "gain `document:read`" in found.sentence


def test_what_cannot_be_compared_takes_away_and_is_tried_in_company() -> None:
    raises = "p, group:x, acme, /acme/hr/*, document:read, 1 / 0 == 1, allow"
    found = overreach(without(raises, base=(*NO_OWNERS, raises)))

    assert found.profile.groups == {"group:x", "role:auditor"}
    computed = raises.replace("1 / 0 == 1", "r.obj.owner in r.sub.id")
    assert "or of what can be missing" in refused(adding(computed))


def test_a_policy_may_lose_its_last_rule() -> None:
    assert asked(policy(BASE[1]), policy()) == ()


def test_rows_of_other_definitions_decide_nothing() -> None:
    model = MODEL.replace("[policy_definition]\n", "[policy_definition]\np2 = sub, tenant\n")
    old = policy(*BASE, model=model)

    assert asked(old, policy(*BASE, "p2, group:x, acme", model=model)) == ()


def test_a_rule_column_holds_no_rule() -> None:
    with pytest.raises(AssertionError, match="holds no `eval`"):
        list(_unprovable(Rule("p_when"), negated=False))
