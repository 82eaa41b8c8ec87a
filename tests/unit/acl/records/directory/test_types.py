"""What can be a user or a group of record at all."""

from __future__ import annotations

from typing import Any

import pytest

from acl.records.database.errors import DirectoryFaultError
from acl.records.directory.types import (
    DirectoryGroup,
    DirectoryUser,
    GroupState,
    Member,
    UserState,
)
from acl.subject import PrincipalKind
from tests.builders import NOW


def test_states_are_checked() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"identity": "user:Ada"}, "`identity` is not the `user:…` of its one spelling"),
        ({"identity": "group:ada"}, "`identity` is not the `user:…`"),
        ({"identity": "user:a b"}, "`identity` is not the"),
        ({"identity": "user:ada", "external_id": "x" * 501}, "`external_id` is longer than 500"),
        ({"identity": "user:ada", "display_name": "a\0"}, "`display_name` holds what no text"),
        ({"identity": "user:ada", "clearance": -1}, "`clearance` is not a level"),
        ({"identity": "user:ada", "compartments": frozenset({" a"})}, "`compartments` one begins"),
        ({"identity": "user:ada", "compartments": frozenset({"u\u0308"})}, "composed form"),
        (
            {"identity": "user:ada", "compartments": frozenset(map(str, range(1001)))},
            "more than 1000",
        ),
    ]
    for fields, message in cases:
        with pytest.raises(DirectoryFaultError, match=message):
            UserState(**fields)
    with pytest.raises(DirectoryFaultError, match="that all are in"):
        GroupState(identity="group:everyone")


def test_values_show_what_may_be_set() -> None:
    one = Member(PrincipalKind.USER, "u1", "user:ada")
    known: dict[str, Any] = {
        "id": "g1",
        "tenant": "acme",
        "version": 1,
        "created_at": NOW,
        "updated_at": NOW,
    }
    held = DirectoryGroup(
        identity="group:staff",
        called="group:crew",
        name="Crew",
        external_id="x",
        members=(one,),
        **known,
    )
    alone = DirectoryUser(identity="user:ada", state=UserState(identity="user:ada"), **known)

    assert held.state == GroupState(
        identity="group:crew", name="Crew", external_id="x", members=frozenset({"u1"})
    )
    assert alone.state.active
