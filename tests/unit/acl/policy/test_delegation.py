"""A tenant's editor changes their tenant alone, and gives nobody what they do not hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from acl.subject import Subject
from tests.unit.acl.default_policy import MODEL, NOW
from tests.unit.acl.editing import (
    BARRED,
    BASE,
    EDITOR,
    GIVES,
    HR,
    NO_OWNERS,
    NOWHERE,
    PLAIN,
    adding,
    asked,
    overreach,
    policy,
    refused,
    without,
)


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


def test_what_begins_later_counts_today() -> None:
    later = "g, user:ben, role:auditor, acme, 2030-01-01 00:00:00, 2031-01-01 00:00:00"
    found = overreach(adding(later))

    assert found.at > datetime(2030, 1, 1, tzinfo=UTC)
    assert found.sentence.endswith("from 2030-01-01 00:00:00")


def test_what_is_over_counts_no_more() -> None:
    assert adding("g, user:ben, role:auditor, acme, _, 2020-01-01 00:00:00") == ()


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


def test_roles_without_windows_are_delegated_too() -> None:
    base = (*BASE[:9], BARRED)
    old = policy(*base, model=PLAIN)

    assert asked(old, policy(*base, "g, user:ben, group:legal, acme", model=PLAIN)) == ()
    found = overreach(asked(old, policy(*base, "g, user:ben, role:auditor, acme", model=PLAIN)))
    assert found.profile.id == "user:ben"


def test_a_policy_may_lose_its_last_rule() -> None:
    assert asked(policy(BASE[1]), policy()) == ()


def test_rows_of_other_definitions_decide_nothing() -> None:
    model = MODEL.replace("[policy_definition]\n", "[policy_definition]\np2 = sub, tenant\n")
    old = policy(*BASE, model=model)

    assert asked(old, policy(*BASE, "p2, group:x, acme", model=model)) == ()
