"""Every attribute that is kept has one form, through whichever door it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models import (
    InvalidPathException,
    InvalidValueException,
    MutabilityException,
    PatchOp,
    SCIMException,
)

from retrieval.service.scim.forms import (
    GROUPS,
    PATCH,
    USERS,
    Kind,
    member_change,
    read_patch,
    read_resource,
)
from retrieval.service.scim.models import RIGHTS, Group, Member, scim_models

OWN = "00000000-0000-4000-8000-000000000001"
NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False))
OBJECTS = st.dictionaries(st.text(max_size=3), NUMBERS, max_size=2)
LISTS = st.lists(st.one_of(NUMBERS, OBJECTS), min_size=1, max_size=3)
NO_TEXT = st.one_of(NUMBERS, st.booleans(), OBJECTS, LISTS)
NO_TRUTH = st.one_of(
    NUMBERS, OBJECTS, LISTS, st.text().filter(lambda text: text.casefold() not in {"true", "false"})
)
WRONG: list[tuple[Kind, str, st.SearchStrategy[Any]]] = [
    (USERS, "userName", NO_TEXT),
    (USERS, "displayName", NO_TEXT),
    (USERS, "externalId", NO_TEXT),
    (USERS, "active", NO_TRUTH),
    (USERS, f"{RIGHTS}:clearance", NO_TEXT),
    (USERS, f"{RIGHTS}:compartments", LISTS),
    (USERS, RIGHTS, st.one_of(NUMBERS, st.text(), LISTS)),
    (GROUPS, "displayName", NO_TEXT),
    (GROUPS, "externalId", NO_TEXT),
    (GROUPS, "members", st.one_of(LISTS, NUMBERS, st.booleans(), st.text())),
]


def resource(kind: Kind, **said: Any) -> dict[str, Any]:
    return {"schemas": [kind.schema], kind.required: "ada", **said}


def patch(*operations: Any) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(operations)}


def spelled(kind: Kind, name: str, how: str) -> str:
    if how == "upper":
        return name.upper()
    return f"{kind.schema}:{name}" if how == "full" and not name.startswith("urn:") else name


@given(
    wrong=st.sampled_from(WRONG).flatmap(lambda one: one[2].map(lambda v: (one[0], one[1], v))),
    door=st.sampled_from(["whole", "path", "no path"]),
    how=st.sampled_from(["plain", "upper", "full"]),
    op=st.sampled_from(["add", "Replace"]),
)
def test_another_form_is_refused_by_name_in_one_sentence(
    wrong: tuple[Kind, str, Any], door: str, how: str, op: str
) -> None:
    kind, name, value = wrong
    path = spelled(kind, name, how)
    ways: dict[str, Callable[[], object]] = {
        "whole": lambda: read_resource(kind, resource(kind, **{path: value})),
        "path": lambda: read_patch(kind, OWN, patch({"op": op, "path": path, "value": value})),
        "no path": lambda: read_patch(kind, OWN, patch({"op": op, "value": {path: value}})),
    }
    with pytest.raises(InvalidValueException) as refused:
        ways[door]()
    words = str(refused.value)
    assert f"`{name}" in words
    assert "\n" not in words
    assert len(words) < 250


@pytest.mark.parametrize("said", [True, "True", "true", "TRUE", False, "False", "false"])
def test_truth_values_are_understood_as_entra_sends_them(said: object) -> None:
    meant = str(said).lower() == "true"
    assert read_resource(USERS, resource(USERS, active=said))["active"] is meant
    one, other = read_patch(
        USERS,
        OWN,
        patch(
            {"op": "Replace", "path": "active", "value": said},
            {"op": "replace", "value": {"active": said}},
        ),
    )["Operations"]
    assert one == {"op": "replace", "path": "active", "value": meant}
    assert other["value"] == {"active": meant}


@pytest.mark.parametrize("op", ["add", "replace", "remove"])
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *[(USERS, one) for one in ("groups", "id", "meta", "Groups", "meta.created")],
        *[(USERS, f"{USERS.schema}:{one}") for one in ("groups", "groups.value")],
        (USERS, 'groups[value eq "7"]'),
        *[(GROUPS, one) for one in ("id", "META", "meta.version")],
    ],
)
def test_a_change_of_what_is_read_only_is_refused(kind: Kind, path: str, op: str) -> None:
    with pytest.raises(MutabilityException, match="is read-only"):
        read_patch(kind, OWN, patch({"op": op, "path": path, "value": [{"value": "7"}]}))
    if op != "remove" and "[" not in path:
        with pytest.raises(MutabilityException, match="is read-only"):
            read_patch(kind, OWN, patch({"op": op, "value": {path: "7"}}))


def test_its_own_id_may_be_repeated() -> None:
    said = {"id": OWN, "displayName": "team"}
    (made,) = read_patch(GROUPS, OWN, patch({"op": "replace", "value": said}))["Operations"]
    assert made["value"] == {"displayName": "team"}


@pytest.mark.parametrize("schemas", [[], None, "x", [7], ["urn:x"], {}, [GROUPS.schema]])
def test_schemas_are_required_and_name_the_schema(schemas: object) -> None:
    with pytest.raises(InvalidValueException, match="`schemas` is required and names"):
        read_resource(USERS, resource(USERS, schemas=schemas))
    with pytest.raises(InvalidValueException, match="`schemas` is required and names"):
        read_patch(USERS, OWN, {**patch({"op": "remove", "path": "active"}), "schemas": schemas})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "the body is no JSON object"),
        (patch(), "`Operations` must be a list of one or more"),
        (patch("x"), "`Operations` must be a list of objects"),
        (patch({"op": "move"}), '`op` must be .* is `"move"`'),
        (patch({"op": "add", "path": 7}), "`path` must be a text"),
        (patch({"op": "remove"}), "a `remove` needs a `path`"),
        (patch({"op": "add", "value": 7}), "`value` must be an object"),
    ],
)
def test_operations_have_a_form_too(body: object, words: str) -> None:
    with pytest.raises(SCIMException, match=words):
        read_patch(USERS, OWN, body)


@pytest.mark.parametrize("path", ["members.value", 'members[value eq "7"].type'])
def test_a_member_is_whole(path: str) -> None:
    with pytest.raises(MutabilityException, match="a part of `members`"):
        read_patch(GROUPS, OWN, patch({"op": "replace", "path": path, "value": "8"}))
    with pytest.raises(InvalidPathException, match="`active` has no parts"):
        read_patch(USERS, OWN, patch({"op": "remove", "path": "active.x"}))
    one = {"op": "remove", "path": 'members[value eq "7"]'}
    assert read_patch(GROUPS, OWN, patch(one))["Operations"] == [one]


def test_the_name_is_required() -> None:
    for said in ({}, {"userName": None}, {"userName": ""}):
        with pytest.raises(InvalidValueException, match="`userName` is required"):
            read_resource(USERS, {"schemas": [USERS.schema], **said})
    with pytest.raises(SCIMException, match="no JSON object"):
        read_resource(USERS, [])


def test_what_is_not_kept_has_no_form() -> None:
    said = {"emails": 7, "name": [], "urn:ietf:params:x": {"department": 7}, "[odd": 1}
    assert read_resource(USERS, resource(USERS, **said)) == resource(USERS, **said)
    one = {"op": "add", "path": "emails.value", "value": 7}
    assert read_patch(USERS, OWN, patch(one))["Operations"] == [one]


def test_one_value_of_a_list_may_come_alone_in_a_change() -> None:
    alone = {"op": "add", "path": "members", "value": {"value": "7", "display": "x"}}
    (made,) = read_patch(GROUPS, OWN, patch(alone))["Operations"]
    assert made["value"] == [{"value": "7"}]
    nothing = {"op": "replace", "path": "displayName", "value": None}
    assert read_patch(USERS, OWN, patch(nothing))["Operations"] == [nothing]


IDS = st.lists(st.sampled_from("abcdef"), max_size=4, unique=True)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["add", "remove", "replace"]), IDS.filter(bool)),
    st.tuples(st.sampled_from(["remove by id", "remove all", "replace by none", "no path"]), IDS),
)


def step(what: str, ids: list[str]) -> list[dict[str, Any]]:
    """An operation as providers send it: by values, by a path, or without one."""
    held = [{"value": each} for each in ids]
    match what:
        case "remove by id":
            return [{"op": "remove", "path": f'members[value eq "{each}"]'} for each in ids]
        case "remove all":
            return [{"op": "remove", "path": "members"}]
        case "replace by none":
            return [{"op": "replace", "path": "members", "value": []}]
        case "no path":
            return [{"op": "replace", "value": {"members": held}}]
        case _:
            return [{"op": what, "path": "members", "value": held}]


@given(held=IDS, steps=st.lists(STEPS, min_size=1, max_size=4))
def test_a_change_of_members_is_what_the_library_makes_of_it(
    held: list[str], steps: list[tuple[str, list[str]]]
) -> None:
    operations = [each for one in steps for each in step(*one)]
    if not operations:
        return
    body = read_patch(GROUPS, OWN, patch(*operations))
    change = member_change(body)
    assert change is not None

    members = [Member.model_validate({"value": each}) for each in held]
    group = Group(display_name="team", members=members)
    with scim_models(None).provider:
        PatchOp[Group].model_validate(body).patch(group)
    assert change.over(frozenset(held)) == {each.value for each in group.members or ()}


def test_what_changes_more_than_members_is_left_to_the_library() -> None:
    name = {"op": "replace", "path": "displayName", "value": "x"}
    for others in (
        [name],
        [*step("add", ["a"]), name],
        [{"op": "replace", "value": {"members": [], "displayName": "x"}}],
        [{"op": "remove", "path": 'members[type eq "User"]'}],
    ):
        assert member_change(read_patch(GROUPS, OWN, patch(*others))) is None
