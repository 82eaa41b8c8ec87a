"""How many names a row asks for, and whether having more can make it fail."""

from __future__ import annotations

import pytest

from acl.labels import LabelSchema
from acl.policy.asking import IN_DOUBT, UNBOUNDED, Asked, asked_by, may_deny, may_raise
from acl.policy.policy import Policy
from tests.unit.acl.default_policy import MODEL, SCHEMA
from tests.unit.acl.editing import policy

ROW = "p, group:x, acme, /acme/hr/*, document:read, {}, {}"


def read(when: str, effect: str = "allow", model: str = MODEL) -> Policy:
    return policy(ROW.format('"' + when.replace('"', '""') + '"', effect), model=model)


def asked(when: str, model: str = MODEL) -> Asked:
    one = read(when, model=model)
    return asked_by(one, one.rules[0])


@pytest.mark.parametrize(
    ("when", "names"),
    [
        ("True", 0),
        ("r.obj.classification <= r.sub.clearance", 0),
        ("r.obj.owner == r.sub.id", 1),
        ("r.sub.id in r.obj.readers", 1),
        ("any_of(r.obj.readers, r.sub.groups)", 1),
        ("any_of(r.obj.readers, r.sub.groups) && r.obj.owner == r.sub.id", 2),
        ("any_of(r.obj.readers, r.sub.groups) || r.obj.owner == r.sub.id", 1),
        ("!(!any_of(r.obj.readers, r.sub.groups) || !(r.obj.owner in r.sub.groups))", 2),
        ('"group:n" in r.sub.groups', 1),
        ('!("group:n" not in r.sub.groups)', 1),
        ('any_of(["group:n"], r.sub.groups)', 1),
        ('r.sub.id == "user:x"', 1),
        ('g(r.sub.id, "role:n", r.sub.tenant)', 1),
        ('g(r.sub.id, r.obj.owner, "acme")', 1),
    ],
)
def test_names_that_are_needed_at_once_are_counted(when: str, names: int) -> None:
    assert asked(when) == Asked(names)


@pytest.mark.parametrize(
    "when",
    [
        "!any_of(r.obj.readers, r.sub.groups)",
        "r.obj.owner not in r.sub.groups",
        "!subset_of(r.obj.readers, r.sub.groups)",
        '"group:n" not in r.sub.groups',
        '!any_of(r.sub.groups, ["group:n"])',
        '!g(r.sub.id, "role:n", r.sub.tenant)',
        '!g(r.sub.id, r.obj.owner, "acme")',
    ],
)
def test_more_names_can_make_it_fail(when: str) -> None:
    assert asked(when) == Asked(against=True)


@pytest.mark.parametrize("when", ["r.obj.owner != r.sub.id", 'r.sub.id != "user:x"'])
def test_it_can_hold_for_all_but_one(when: str) -> None:
    assert asked(when) == Asked(others=True)


@pytest.mark.parametrize(
    "when",
    [
        "subset_of(r.obj.readers, r.sub.groups)",
        "r.obj.owner in [r.sub.id]",
        "r.obj.path == r.sub.id",
        'keyMatch(r.sub.id, "agent:*")',
        "any_of(r.sub.groups, r.sub.principals)",
        "any_of(r.sub.groups, [r.sub.id])",
        "r.sub.id in r.sub.groups",
        'r.sub.id < "user:n"',
        'g("user:ben", r.sub.id, r.sub.tenant)',
        "g(r.obj.owner, r.sub.groups, r.sub.tenant)",
        "g(r.sub.id, r.sub.id, r.obj.tenant)",
        "r.obj.owner in r.sub.id",
    ],
)
def test_in_doubt_it_asks_for_more_than_is_tried(when: str) -> None:
    assert asked(when).names >= UNBOUNDED


@pytest.mark.parametrize(
    ("addressed", "plain"),
    [
        ("p.sub in r.sub.groups", True),
        ("p.sub == r.sub.id", True),
        ("g(r.sub.id, p.sub, r.sub.tenant)", True),
        ("keyMatch(r.sub.id, p.sub)", False),
        ("p.sub not in r.sub.groups", False),
        ('g(p.sub, "role:n", r.sub.tenant)', False),
        ("!(p.sub in r.sub.groups)", False),
        ("(g(r.sub.id, p.sub, r.sub.tenant) && p.sub in p.path)", False),
    ],
)
def test_whom_a_row_is_addressed_to_is_not_asked_for(addressed: str, *, plain: bool) -> None:
    model = MODEL.replace("(g(r.sub.id, p.sub, r.sub.tenant) || p.sub in r.sub.groups)", addressed)

    assert asked("True", model=model) == (Asked() if plain else IN_DOUBT)


OPTIONAL = LabelSchema.from_toml(
    "".join(
        f'[label.{name}]\ntype = "{one.type}"\nrequired = {str(name != "owner").lower()}\n'
        for name, one in SCHEMA.attributes.items()
    )
)


@pytest.mark.parametrize(
    ("when", "raises"),
    [
        ("r.obj.owner == r.sub.id", False),
        ("r.obj.classification <= r.sub.clearance", False),
        ("r.obj.classification <= r.sub.tenant", True),
        ("keyMatch(r.obj.path, r.sub.tenant)", True),
        ("r.sub.id in r.obj.readers", False),
        ("r.obj.owner in r.sub.id", True),
        ("r.obj.owner in r.sub.groups", False),
        ("r.obj.owner in [r.sub.id]", True),
        ("g(r.obj.owner, r.sub.id, r.sub.tenant)", True),
    ],
)
def test_a_row_may_raise_for_what_an_asker_has(when: str, *, raises: bool) -> None:
    one = read(when)

    assert may_raise(one, one.rules[0]) is raises
    assert may_deny(one, one.rules[0]) is raises


def test_a_row_may_raise_for_what_a_label_lacks() -> None:
    row = ROW.format('"r.obj.owner == ""user:x"""', "allow")
    one = policy(row, schema=OPTIONAL)

    assert may_raise(one, one.rules[0])
    asking = policy(ROW.format("r.obj.owner == r.sub.id", "allow"), schema=OPTIONAL)
    assert asked_by(asking, asking.rules[0]) == IN_DOUBT


@pytest.mark.parametrize(
    ("when", "effect", "denies"),
    [
        ("True", "allow", False),
        ("True", "deny", True),
        ("5", "allow", True),
        ("1 < 2", "allow", True),
        ("r.sub.clearance > 1", "allow", True),
    ],
)
def test_a_row_can_take_away(when: str, effect: str, *, denies: bool) -> None:
    one = read(when, effect)

    assert may_deny(one, one.rules[0]) is denies
