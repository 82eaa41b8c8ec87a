"""What the records look up of a filter never loses an entry that the filter matches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models import ScimFilter

from acl.errors import IdentityError
from acl.identity import principal_of
from acl.labels import LabelSchema, level_name
from acl.records.directory.types import Wanted
from acl.subject import PrincipalKind
from retrieval.service.scim.models import Group, Member, User, scim_models
from retrieval.service.scim.storage import narrowed

NAMES = st.sampled_from(["ada", "Ada", "bob", "no body", "\u212aim", "x", ""])
TERMS = st.one_of(
    st.tuples(st.sampled_from(["userName", "username", "id", "externalId", "displayName"]), NAMES),
    st.tuples(st.just("active"), st.booleans()),
)


def term(attribute: str, value: object, operator: str) -> str:
    if isinstance(value, bool):
        return f"{attribute} {'eq' if operator not in {'eq', 'ne'} else operator} {value}".lower()
    return f'{attribute} {operator} "{value}"'


def holds(wanted: Wanted | None, entry: Any) -> bool:
    """What the records would find, said again without them."""
    if wanted is None:
        return False
    try:
        identity = principal_of("user", entry.user_name or "")
    except IdentityError:
        identity = None
    return (
        wanted.id in {None, entry.id}
        and wanted.identity in {None, identity}
        and wanted.external_id in {None, entry.external_id or ""}
    )


@given(
    terms=st.lists(st.tuples(TERMS, st.sampled_from(["eq", "eq", "ne", "co", "sw"])), min_size=1),
    joint=st.sampled_from([" and ", " or "]),
    entry=st.builds(
        User,
        id=NAMES,
        user_name=st.sampled_from(["ada", "Bob", "x", "no body", "kim", "K\u0131m", "\u212aim"]),
        external_id=NAMES,
        display_name=NAMES,
        active=st.booleans(),
    ),
)
def test_nothing_that_matches_is_lost(
    terms: list[tuple[tuple[str, object], str]],
    joint: str,
    entry: Any,
) -> None:
    text = joint.join(term(attribute, value, how) for (attribute, value), how in terms)
    scim_filter: ScimFilter[Any] = ScimFilter[User](text)  # type: ignore[type-arg]
    with scim_models(None).provider:
        matches = scim_filter.match(entry)
    if matches:
        assert holds(narrowed(PrincipalKind.USER, scim_filter.ast), entry)


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("user", 'userName eq "Ada"', Wanted(identity="user:ada")),
        ("user", 'userName eq "Ada B"', Wanted(identity="user:ada--20-b")),
        ("user", 'userName eq ""', None),
        ("user", 'userName eq "ada b" or id eq "1"', Wanted()),
        (
            "user",
            'id eq "1" and externalId eq "2" and active eq true',
            Wanted(id="1", external_id="2"),
        ),
        ("user", 'externalId eq ""', Wanted()),
        ("user", 'displayName eq "Ada"', Wanted()),
        ("user", 'not (userName eq "ada")', Wanted()),
        ("user", 'userName sw "ada"', Wanted()),
        ("group", 'displayName eq "Team"', Wanted(identity="group:team")),
        ("group", 'members eq "7"', Wanted(member="7")),
        ("group", 'members.value eq "7"', Wanted(member="7")),
        ("group", 'members[value eq "7"]', Wanted()),
        ("group", 'members.type eq "User"', Wanted()),
        ("group", "displayName pr", Wanted()),
    ],
)
def test_what_is_looked_up(kind: str, text: str, wanted: Wanted | None) -> None:
    assert narrowed(PrincipalKind(kind), ScimFilter(text).ast) == wanted


def test_a_group_is_found_by_its_member() -> None:
    members = [Member.model_validate({"value": one}) for one in "78"]
    team = Group(display_name="team", members=members)
    assert ScimFilter[Group]('members eq "7"').match(team)


def test_clearances_are_levels_where_there_are_levels() -> None:
    schema = LabelSchema.from_toml(
        '[label.classification]\ntype = "integer"\nlevels = ["low", "high"]\n'
        '[label.plain]\ntype = "integer"\n'
    )
    named, plain = (scim_models(schema.attributes[one]) for one in ("classification", "plain"))
    none = scim_models(None)

    assert named.level("high") == 1
    for models, wrong in ((named, "1"), (plain, "high"), (none, "1001"), (none, "-1"), (none, "²")):
        with pytest.raises(ValueError, match="expected"):
            models.level(wrong)
    assert (plain.level("7"), none.level("1000")) == (7, 1000)
    assert (level_name(named.levels, 1), level_name(None, 7)) == ("high", "7")
    assert level_name(named.levels, 9) == "9"
