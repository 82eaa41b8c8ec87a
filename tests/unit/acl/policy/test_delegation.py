"""A tenant's editor changes their tenant alone, and gives nobody what they do not hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest

from acl.labels import LabelSchema
from acl.language.casbin_adapter import RoleMatching
from acl.policy.delegation import Overreach
from acl.policy.policy import load
from acl.subject import Subject
from tests.unit.acl.default_policy import MODEL, NOW, SCHEMA
from tests.unit.acl.policy.delegation_stories import (
    ALLOWING,
    BASE,
    FAILS,
    GIVES,
    HR,
    NO_OWNERS,
    PLAIN,
    RANKED,
    STORIES,
    TEMP,
    Story,
    asked,
    policy,
    rule,
    told,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_stories(story: Story) -> None:
    found = story.told()

    assert story.refused in found
    assert bool(found) is bool(story.refused), found


def test_no_two_stories_are_the_same() -> None:
    assert len({story.name for story in STORIES}) == len(STORIES)


def test_what_goes_too_far_is_a_label_on_which_it_does() -> None:
    row = "p, group:x, acme, /acme/*, document:read, True, allow"
    found = asked(policy(*BASE), policy(*BASE, row))

    assert isinstance(found, Overreach)
    assert (found.action, found.at) == ("document:read", NOW)
    assert not str(found.label.values["path"]).startswith(("/acme/finance/", "/acme/legal/"))


def test_a_moment_that_goes_too_far_is_told() -> None:
    found = asked(policy(*TEMP), policy(*TEMP, HR.format("user:editor", "True", "allow")))

    assert isinstance(found, Overreach)
    assert found.at == datetime(2026, 6, 2, tzinfo=UTC)


def test_rows_of_others_keep_their_places_and_own_rows_may_stand_anywhere() -> None:
    moved = policy(*BASE[:7], BASE[8], BASE[7], *BASE[9:])

    assert "rows of others may not change places" in told(asked(policy(*BASE), moved))
    assert asked(policy(*BASE), policy(BASE[3], *BASE[:3], *BASE[4:])) == ()


def test_rules_whose_order_counts_stay_in_their_order() -> None:
    old = policy(*BASE, model=ALLOWING)
    moved = policy(*BASE[:3], BASE[4], BASE[3], *BASE[5:], model=ALLOWING)

    assert "rules may not change places" in told(asked(old, moved))


def test_model_and_schema_and_matching_are_the_administrator_s() -> None:
    other = LabelSchema.from_toml(
        "\n".join(f'[label.{name}]\ntype = "{one.type}"' for name, one in SCHEMA.attributes.items())
    )
    old, bare = policy(*BASE), policy(*BASE[:9], model=PLAIN)
    matched = load(PLAIN, bare.rows, SCHEMA, matching={"g": RoleMatching(domains="keyMatch")})

    assert "`model`" in told(asked(old, policy(*BASE, model=MODEL + "\n")))
    assert "`schema`" in told(asked(old, policy(*BASE, schema=other)))
    assert "`matching`" in told(asked(bare, matched))
    admin = Subject(id="user:admin", tenant="acme")
    assert asked(old, policy(*BASE, model=MODEL + "\n"), admin) == ()


def test_where_names_are_patterns_nothing_is_delegated() -> None:
    matching = {"g": RoleMatching(domains="keyMatch")}
    old, new = (
        load(PLAIN, policy(*rows, model=PLAIN).rows, SCHEMA, matching=matching)
        for rows in (BASE[:9], (*BASE[:9], GIVES))
    )

    assert "where names are patterns" in told(asked(old, new))


SMALL: Final = """
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


@pytest.mark.parametrize(
    "line", ["p, user:ben, document:read, False, allow", "g, user:ben, user:editor"]
)
def test_a_model_without_a_tenant_s_column_cannot_be_delegated(line: str) -> None:
    base = "p, user:editor, policy:edit, True, allow"
    found = asked(policy(base, model=SMALL), policy(base, line, model=SMALL))

    assert "no tenant, so they cannot be delegated" in told(found)


def test_without_any_rule_a_matcher_of_columns_alone_decides_itself() -> None:
    model = MODEL.replace(" && eval(p.when)", "")
    row = "p, user:editor, acme, /acme/*, policy:edit, True, allow"

    assert "the matcher alone decides" in told(asked(policy(row, model=model), policy(model=model)))


@pytest.mark.parametrize("steps", [1, 100, 500])
def test_what_cannot_be_decided_is_refused(steps: int) -> None:
    found = asked(policy(*BASE), policy(*BASE, GIVES), steps=steps)

    assert "too much to decide; make the change smaller" in told(found)


OPTIONAL: Final = LabelSchema.from_toml(
    "".join(
        f'[label.{name}]\ntype = "{one.type}"\nrequired = {str(name != "owner").lower()}\n'
        for name, one in SCHEMA.attributes.items()
    )
)
CLEARED: Final = " && r.obj.classification <= 3"


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ((), ("r.obj.owner == r.sub.id",), ""),
        (("r.obj.owner == r.sub.id",), (), ""),
        (("r.obj.owner == r.sub.id",), (), "hr"),
        ((), ('r.obj.owner == "user:x"',), "hr"),
        ((), ("r.obj.classification <= 2 || r.obj.owner == r.sub.id",), ""),
    ],
)
def test_a_row_can_fail_for_what_a_label_lacks(
    old: tuple[str, ...], new: tuple[str, ...], refused: str
) -> None:
    """It gives by going, since it had ended decisions, and takes by coming."""
    lines = [tuple(rule(f"{one}{CLEARED}", path=refused or "legal") for one in (*old, *new))]
    base = tuple(line.replace("True", "r.obj.classification <= 3") for line in NO_OWNERS)
    before, after = (
        policy(*base, *(lines[0] if one else ()), schema=OPTIONAL) for one in (old, new)
    )

    assert (FAILS in told(asked(before, after))) is bool(refused)


@pytest.mark.parametrize(("turns", "refused"), [(190, False), (210, True)])
def test_rules_that_could_be_too_many_for_an_asker_are_not_delegated(
    turns: int, *, refused: bool
) -> None:
    rules = [
        f"p, {place + 10}, group:g, acme, /acme/finance/*, document:tag, True, {effect}"
        for place, effect in zip(range(turns), ("allow", "deny") * turns, strict=False)
    ]
    base = ("p, 1, user:editor, acme, /acme/*, policy:edit, True, allow", *rules)
    old, new = policy(*base, model=RANKED), policy(*base[:-1], model=RANKED)

    assert ("in turns too often" in told(asked(old, new))) is refused
