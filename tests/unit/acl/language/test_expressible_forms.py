"""Forms that people write and that have a filter: each means what Casbin says, on every label."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from acl.labels import Label
from tests.unit.acl.small_policies import ROW, allows, label, policy, refused

LABELS = [
    label(owner=owner, level=level, tags=tags, open=is_open, place=place)
    for owner, level, tags, is_open, place in product(
        ("ada", "ben", None), (1, 2), ([], ["x"], ["x", "y"]), (True, False), ("/a/b", "/c")
    )
]
ASKERS = [
    {"sub": {"name": name, "level": level, "tags": tags, "staff": True}, "act": "read"}
    for name, level, tags in product(("ada", "root"), (1, 3), ([], ["x"], ["x", "z"]))
]


def seen(matcher: str, *rows: tuple[str, ...]) -> list[tuple[Label, Any]]:
    """Return whom it lets see what, after Casbin said the same."""
    made = policy(matcher, *rows)
    return [(one, asker) for one in LABELS for asker in ASKERS if allows(made, one, asker)]


@pytest.mark.parametrize(
    ("form", "same"),
    [
        (
            'r.sub.name in (r.obj.owner, "root")',
            '(r.obj.owner == r.sub.name || r.sub.name == "root") && r.obj.owner != "nobody"',
        ),
        (
            'r.sub.name not in ["root", r.obj.owner, r.obj.tenant]',
            '!(r.obj.owner == r.sub.name || r.sub.name == "root")',
        ),
        ("!(r.sub.name in [r.obj.owner])", "r.obj.owner != r.sub.name"),
        ("r.sub.level in (r.obj.level, 3)", "r.obj.level == r.sub.level || r.sub.level == 3"),
        (
            "subset_of(r.sub.tags, r.obj.tags)",
            '(!("x" in r.sub.tags) || "x" in r.obj.tags) && !("z" in r.sub.tags)',
        ),
        ('subset_of(["x", "y"], r.obj.tags)', '"x" in r.obj.tags && "y" in r.obj.tags'),
        ('!subset_of(["x", "y"], r.obj.tags)', '!("x" in r.obj.tags) || !("y" in r.obj.tags)'),
        ("subset_of([], r.obj.tags)", "r.obj.open || !r.obj.open"),
        ("(r.obj.level > 1) == False", "r.obj.level <= 1"),
        ("(r.obj.level > 1) != True", "r.obj.level <= 1"),
        ("False == (r.obj.level > 1)", "r.obj.level <= 1"),
        ("(r.obj.level > 1) == True", "r.obj.level > 1"),
        ("True != (r.obj.level > 1 && r.obj.open)", "!(r.obj.level > 1 && r.obj.open)"),
        ("((r.obj.level > 1) == False) == False", "r.obj.level > 1"),
        ("(!r.obj.open) == False", "r.obj.open"),
        ("keyMatch(r.obj.place, '/a/*') == False", "!keyMatch(r.obj.place, '/a/*')"),
        ("(r.obj.open || r.sub.level > 2) == True", "r.obj.open || r.sub.level > 2"),
        ("(r.sub.level > 2) == False && r.obj.open", "r.sub.level <= 2 && r.obj.open"),
        ("keyMatch5(r.obj.place, '/a/*')", "keyMatch3(r.obj.place, '/a/*')"),
    ],
)
def test_a_form_means_the_longer_one(form: str, same: str) -> None:
    assert seen(form) == seen(same) != []


def test_a_row_s_condition_can_be_compared_with_false() -> None:
    rows = [("p", "ada", "r.obj.level > 1", "read")]

    assert seen("eval(p.val) == False", *rows) == seen("r.obj.level <= 1") != []


def test_a_list_is_evaluated_before_it_is_searched() -> None:
    """The root asker, too, is denied where the owner is missing: Python reads the list first."""
    found = seen('r.sub.name in ("root", r.obj.owner)')

    assert any(asker["sub"]["name"] == "root" for _, asker in found)
    assert all("owner" in one.values for one, _ in found)


@pytest.mark.parametrize(
    ("matcher", "reason"),
    [
        ("r.obj.owner in (r.obj.tenant, 'x')", "compares two attributes of the resource"),
        ("r.sub.name in (r.obj.tags, 'x')", "`tags` is a set"),
        ("subset_of(r.sub.tags, r.obj.owner)", "`owner` is not a set"),
        ("(r.obj.level > 1) == r.obj.open", "compares two attributes of the resource"),
        ("(r.obj.level + 1) == True", "computes with an attribute of the resource"),
        ("(r.obj.level > 1) == r.sub.staff", "computes with an attribute of the resource"),
        ("subset_of('ab', r.obj.tags)", "raises for every document, by its types"),
    ],
)
def test_what_has_no_filter_is_still_refused(matcher: str, reason: str) -> None:
    assert reason in refused(matcher, ROW)
