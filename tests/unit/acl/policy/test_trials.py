"""On whom a change is tried: with every name that can matter, alone and together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from acl.containment.budget import Budget
from acl.containment.search import STEPS
from acl.policy.trials import Company, Names
from tests.unit.acl.editing import (
    ALLOWING,
    BARRED,
    BASE,
    EDIT_LEGAL,
    EDITOR,
    GIVES,
    HR,
    NO_OWNERS,
    OWNED,
    RANKED,
    SHARED,
    adding,
    asked,
    overreach,
    policy,
    refused,
    without,
)


def test_a_role_that_ends_reveals_what_a_rule_gives() -> None:
    ends = "g, user:ben, role:barred, acme, _, 2030-01-01 00:00:00"
    barred = "p, role:barred, acme, /acme/hr/*, document:read, True, deny"
    gives = "p, user:ben, acme, /acme/hr/*, document:read, True, allow"
    found = overreach(adding(gives, base=(*BASE, ends, barred)))

    assert found.at >= datetime(2030, 1, 1, tzinfo=UTC)


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


def test_a_first_rule_overrules_what_denies_somebody_else() -> None:
    base = (
        "p, 10, user:editor, acme, /acme/*, policy:edit, True, allow",
        "p, 30, role:barred, acme, /acme/hr/*, document:read, True, deny",
        "p, 50, group:x, acme, /acme/hr/*, document:read, True, allow",
    )
    first = "p, 20, group:x, acme, /acme/hr/*, document:read, True, allow"
    found = overreach(asked(policy(*base, model=RANKED), policy(*base, first, model=RANKED)))

    assert {"group:x", "role:barred"} <= found.profile.groups


def test_a_group_that_no_row_names_gains_too() -> None:
    named = ("group:everyone", "group:legal", "role:auditor")
    others = " && ".join(f'r.obj.owner != ""{one}""' for one in named)
    gives = HR.format("group:everyone", f'"{OWNED} && {others}"', "allow")
    found = overreach(adding(gives))

    assert found.profile.groups == {"group:unnamed"}
    assert found.label.values["owner"] == "group:unnamed"
    assert "lose" in overreach(without(gives, (*BASE[:1], BASE[3], EDIT_LEGAL, gives))).sentence


def test_a_group_that_only_the_editor_is_in_counts_as_named() -> None:
    """The editor may not read what is shared with their group, and would let the group read it."""
    secret = '"any_of(r.obj.readers, r.sub.groups) && !any_of(r.obj.readers, [""group:everyone""])"'
    wall = f"p, user:editor, acme, /acme/*, document:read, {secret}, deny"
    gives = f"p, group:everyone, acme, /acme/legal/*, document:read, {secret}, allow"
    editor = replace(EDITOR, groups=frozenset({"group:deal-x"}))

    base = (*NO_OWNERS[:5], wall)
    assert adding(gives, base=base) == ()
    found = overreach(adding(gives, base=base, editor=editor))
    assert found.label.values["readers"] == frozenset({"group:deal-x"})
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


def test_many_rows_are_decided_or_refused_within_bounds() -> None:
    rows = [
        f"p, group:n{place}, acme, /acme/finance/*, document:read, r.obj.owner == r.sub.id, allow"
        for place in range(500)
    ]

    assert "too much to decide; make the change smaller" in refused(adding(*rows, base=BASE[:8]))
    assert adding(*rows[:10], base=BASE[:8]) == ()


def test_without_denials_company_makes_no_difference() -> None:
    old = policy(*BASE, model=ALLOWING)

    assert asked(old, policy(*BASE, GIVES, model=ALLOWING)) == ()
    assert asked(old, policy(*BASE, "g, user:ben, group:legal, acme, _, _", model=ALLOWING)) == ()


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


def test_what_is_no_condition_takes_away_and_is_tried_in_company() -> None:
    row = "p, group:x, acme, /acme/hr/*, document:read, 5, allow"
    found = overreach(without(row, base=(*NO_OWNERS, row)))

    assert found.profile.groups == {"group:x", "role:auditor"}
    assert adding(row, base=NO_OWNERS) == ()


def test_a_denial_of_a_role_that_everybody_reaches_is_everybody_s() -> None:
    base = (
        *NO_OWNERS,
        "p, public, acme, /acme/hr/*, document:read, True, allow",
        "g, group:everyone, public, acme, _, _",
        "p, user:editor, acme, /acme/hr/*, document:read, True, deny",
        BARRED,
    )
    found = overreach(without(BARRED, base=base))

    assert found.profile.groups == {"role:barred"}


def test_what_everybody_reaches_takes_no_names_to_be_tried_with() -> None:
    row = "p, public, acme, /acme/hr/*, document:read, True, allow"
    one, all_ = "g, user:ben, public, acme, _, _", "g, group:everyone, public, acme, _, _"

    def carrying(*lines: str) -> tuple[Names, ...]:
        made = policy(*NO_OWNERS, row, *lines)
        return Company(made, made, EDITOR, Budget(STEPS))._carrying("public")

    assert carrying(one) == (Names({"user:ben"}),)
    assert carrying(one, all_) == (Names(),)


def test_what_cannot_be_compared_takes_away_and_is_tried_in_company() -> None:
    raises = "p, group:x, acme, /acme/hr/*, document:read, 1 / 0 == 1, allow"
    found = overreach(without(raises, base=(*NO_OWNERS, raises)))

    assert found.profile.groups == {"group:x", "role:auditor"}
    computed = raises.replace("1 / 0 == 1", "r.obj.owner in r.sub.id")
    assert "or of what can be missing" in refused(adding(computed))
