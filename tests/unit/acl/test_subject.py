"""Who may ask at all."""

from __future__ import annotations

from typing import Any

import pytest

from acl.errors import RequestError
from acl.subject import MAX_GROUPS, Subject, name_of


def test_what_was_not_given_is_the_weakest() -> None:
    subject = Subject(id="user:ada", tenant="acme")

    assert subject.clearance == 0
    assert subject.compartments == frozenset()
    assert subject.principals == {"user:ada", "group:everyone"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"id": "ada"}, "id is not an identity"),
        ({"id": "role:admin"}, "id is not an identity"),
        ({"id": "group:finance"}, "id is not an identity"),
        ({"id": "user:Ada"}, "id is not an identity"),
        ({"id": "user:ada\n"}, "id is not an identity"),
        ({"id": "user:" + "a" * 300}, "id is not an identity"),
        ({"tenant": ""}, "tenant is not a plain name"),
        ({"tenant": "*"}, "tenant is not a plain name"),
        ({"clearance": True}, "clearance is not a level"),
        ({"clearance": "3"}, "clearance is not a level"),
        ({"groups": frozenset({"finance"})}, "`finance` is not a group"),
        ({"groups": frozenset({"group:a", "user:leo"})}, "`user:leo` is not a group"),
        ({"groups": frozenset({"service:idp"})}, "`service:idp` is not a group"),
        ({"groups": frozenset({"agent:a"})}, "`agent:a` is not a group"),
        ({"groups": frozenset({"group:Leo"})}, "`group:Leo` is not a group"),
        ({"groups": frozenset(f"group:g{n}" for n in range(MAX_GROUPS + 1))}, "more than"),
        ({"compartments": frozenset({""})}, "a compartment of the subject"),
        ({"compartments": frozenset({" hr"})}, "a compartment of the subject"),
        ({"actors": (Subject(id="agent:a", tenant="globex"),)}, "another tenant"),
    ],
)
def test_a_subject_that_is_not_plain_is_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        Subject(**{"id": "user:ada", "tenant": "acme", **changed})


def test_a_principal_without_its_kind_is_its_name() -> None:
    assert name_of("user:ada@acme.example") == "ada@acme.example"
