"""From known values to leaves: Python's comparison decides, because Casbin's does."""

from __future__ import annotations

from typing import Any

import pytest

from acl.algebra.leaves import _compared, _never
from acl.decision import Permitted
from acl.errors import RequestError
from acl.language.casbin_adapter import RoleMatching
from acl.language.expression import ExpressionError
from tests.unit.acl.small_policies import ROW, SCHEMA, allows, decided, label, policy, refused

NAN, INFINITE = float("nan"), float("inf")


def asking(value: Any) -> dict[str, Any]:
    return {"sub": {"name": "ada", "value": value}, "act": "read"}


LABELS = (
    label(),
    label(level=0, owner="ben", tags=[], open=False),
    label(level=3, owner="3", tags=["y", "ada"]),
    label(level=-2, owner=None, weight=None),
)


@pytest.mark.parametrize(
    "matcher",
    [
        "r.obj.owner == r.sub.value",
        "r.obj.owner != r.sub.value",
        "r.obj.level == r.sub.value",
        "r.obj.level != r.sub.value",
        "r.obj.level < r.sub.value",
        "r.obj.level <= r.sub.value",
        "r.obj.level > r.sub.value",
        "r.obj.level >= r.sub.value",
        "r.obj.weight >= r.sub.value",
        "r.obj.open == r.sub.value",
        "r.obj.open != r.sub.value",
        "r.obj.owner in r.sub.value",
        "r.obj.level not in r.sub.value",
        "r.sub.value in r.obj.tags",
        "any_of(r.obj.tags, r.sub.value)",
        "!any_of(r.obj.tags, r.sub.value)",
        "subset_of(r.obj.tags, r.sub.value)",
        "!subset_of(r.obj.tags, r.sub.value)",
        "keyMatch(r.item, r.sub.value)",
        "!keyMatch(r.item, r.sub.value)",
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        "ada", "3", "", 0, 1, 3, -2, 1.0, 2.5, -0.5, True, False, None, INFINITE, -INFINITE,
        2**53, -(2**53), 2**70, -(10**400), [], ["ada"], ["x", 3], [1, 0], ["y", "ada", "z"],
        {"ada": 1}, {"x": 1, "y": 2}, [["x"]], [{}], "/i*",
    ],
    ids=repr,
)  # fmt: skip
def test_every_operator_treats_every_value_as_python_does(matcher: str, value: Any) -> None:
    made = policy(matcher)
    substring = isinstance(value, str) and matcher.endswith(" in r.sub.value")
    if substring:
        with pytest.raises(RequestError, match="this is a substring test"):
            decided(made, asking(value))
        return
    for one in LABELS:
        allows(made, one, asking(value))


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_not_a_number_has_no_filter_form(operator: str) -> None:
    made = policy(f"r.obj.level {operator} r.sub.value")

    with pytest.raises(RequestError, match="the operand is not a number"):
        decided(made, asking(NAN))


def test_not_a_number_equals_nothing() -> None:
    assert not allows(policy("r.obj.level == r.sub.value"), label(), asking(NAN))
    assert allows(policy("r.obj.level != r.sub.value"), label(), asking(NAN))


def test_a_comparison_that_always_raises_is_refused_at_load() -> None:
    reason = "raises for every document, by its types"

    assert reason in refused("r.obj.level <= p.val")
    assert reason in refused("any_of(r.obj.tags, p.val)")
    assert reason in refused("subset_of(r.obj.tags, p.val)")
    assert reason in refused("r.obj.owner in 3")
    assert reason in refused("keyMatch(r.item, 3)")
    assert reason in refused("r.obj.level == p.val - 1")
    assert "this is a substring test" in refused("r.obj.owner in 'text'")


GRAPH = (
    ("p", "boss", "shelf", "read"),
    ("g", "ada", "boss"),
    ("g2", "/i", "shelf", "acme"),
    ("g2", "/box", "/i", "acme"),
    ("g2", "ada", "shelf", "best"),
    ("g2", "ada", "ben", "acme"),
)
ROLES = "g = _, _\ng2 = _, _, _"
ITEMS = tuple(label(item=item, owner=item) for item in ("/i", "/box", "shelf", "ada", "ben", "z"))


@pytest.mark.parametrize(
    "matcher",
    [
        "g2(r.item, p.val, 'acme')",
        "!g2(r.item, p.val, 'acme')",
        "g2(r.item, p.val, 'nowhere')",
        "g2(r.obj.owner, 'shelf', r.sub.domain)",
        "g(r.obj.owner, p.sub)",
        "g2(r.sub.name, r.obj.owner, 'acme')",
        "g2(r.sub.name, r.obj.owner, r.sub.domain)",
        "g2(r.sub.name, 'shelf', r.obj.tenant)",
        "g2(r.sub.name, r.sub.name, r.obj.tenant)",
    ],
)
@pytest.mark.parametrize("tenant", ["acme", "best", "none"])
def test_roles_of_resources_are_casbins(matcher: str, tenant: str) -> None:
    made = policy(matcher, *GRAPH, roles=ROLES)
    asked = {"sub": {"name": "ada", "domain": "best"}, "act": "read"}

    for one in ITEMS:
        moved = label(item=one.values["item"], owner=one.values["owner"], tenant=tenant)
        allows(made, moved, asked)


@pytest.mark.parametrize(
    "matcher",
    [
        "g2(r.item, r.sub.value, 'acme')",
        "g2(r.sub.value, r.obj.owner, 'acme')",
        "g2(r.sub.value, 'shelf', r.obj.tenant)",
        "g2('ada', r.sub.value, r.obj.tenant)",
    ],
)
def test_a_role_that_is_no_text_is_refused(matcher: str) -> None:
    made = policy(matcher, *GRAPH, roles=ROLES)

    with pytest.raises(RequestError, match="the name of a role is not a text"):
        decided(made, asking(3))


PATTERNS = (
    ("p", "boss", "shelf", "read"),
    ("p", "boss", "/shelf/*", "read"),
    ("g2", "/books/:id", "shelf"),
    ("g2", "/books/2", "desk"),
    ("g2", "/pens/1", "shelf"),
)


def patterned(matcher: str, *rows: tuple[str, ...], **by: str) -> Any:
    return policy(
        matcher,
        *(rows or PATTERNS),
        roles="g = _, _\ng2 = _, _",
        matching={"g2": RoleMatching(**by)},
    )


def test_patterns_in_a_resources_roles_are_casbins() -> None:
    for matcher in ("g2(r.item, p.val)", "!g2(r.item, p.val)"):
        made = patterned(matcher, names="keyMatch2")
        for item in ("/books/1", "/books/2", "/pens/1", "/pens/2", "shelf", "desk", "/books/1/2"):
            allows(made, label(item=item))


def test_a_name_in_the_graph_answers_for_itself() -> None:
    rows = (
        ("p", "x", "/a*", "read"),
        ("g2", "r2", "/a/b"),
        ("g2", "r1", "*"),
        ("g2", "r2", "*"),
    )
    made = patterned("g2(r.item, p.val)", *rows, names="keyMatch")

    assert not allows(made, label(item="/a/b"))
    assert allows(made, label(item="/a/c"))


def test_a_role_that_leads_back_to_itself_through_a_pattern_is_refused() -> None:
    rows = (("p", "x", "/a/*", "read"), ("g2", "/:x/:y", "/a/*"))

    assert "leads back to itself through a pattern" in refused(
        "g2(r.item, p.val)",
        *rows,
        roles="g = _, _\ng2 = _, _",
        matching={"g2": RoleMatching(names="keyMatch2")},
    )


def test_with_matching_functions_the_resource_stands_first_or_nowhere() -> None:
    holder = patterned("g2(r.sub.name, r.obj.owner)", names="keyMatch2")
    with pytest.raises(RequestError, match="the resource may stand only first"):
        decided(holder)

    made = policy(
        "g(r.sub.name, 'boss', r.obj.tenant)",
        ROW,
        ("g", "ada", "boss", "acme"),
        roles="g = _, _, _",
        matching={"g": RoleMatching(domains="keyMatch")},
    )
    with pytest.raises(RequestError, match="the resource cannot be the domain"):
        decided(made)
    assert isinstance(decided(made, {"sub": {"name": "boss"}, "act": "read"}), Permitted)


def test_domains_may_be_patterns_on_the_askers_side() -> None:
    made = policy(
        "g(r.sub.name, p.sub, r.sub.domain) && r.obj.open",
        ("p", "boss", "x", "read"),
        ("g", "ada", "boss", "*"),
        ("g", "ben", "boss", "acme"),
        roles="g = _, _, _",
        matching={"g": RoleMatching(domains="keyMatch")},
    )
    for name in ("ada", "ben", "boss"):
        for domain in ("acme", "best"):
            allows(made, label(), {"sub": {"name": name, "domain": domain}, "act": "read"})


def test_what_reading_a_term_has_excluded_is_refused_once_more() -> None:
    level, tags = SCHEMA.attributes["level"], SCHEMA.attributes["tags"]

    with pytest.raises(ExpressionError, match="has no form in the filter"):
        _compared(level, "~", 1)
    assert _compared(tags, "==", "x") == _never(tags)
