"""Who a preview is about is told once, with every clearance and compartment."""

from __future__ import annotations

import pytest

from acl.labels import LabelSchema
from acl.subject import Subject
from retrieval.service.api.policy import Who
from retrieval.service.cli.policy.policy import named

LEVELS = LabelSchema.from_toml("""
[label.classification]
type = "integer"
levels = ["public", "internal", "confidential", "restricted"]
""").attributes["classification"]


def subject(name: str, clearance: int, *compartments: str, group: str = "") -> Who:
    return Who.model_validate(
        Subject(
            id=f"user:{name}",
            tenant="acme",
            clearance=clearance,
            compartments=frozenset(compartments),
            groups=frozenset({f"group:{group}"} if group else ()),
        )
    )


@pytest.mark.parametrize(
    ("cleared", "told"),
    [
        ([1], "internal"),
        ([1, 2, 3], "internal to restricted"),
        ([0, 2, 3], "public, confidential to restricted"),
        ([3, 0], "public, restricted"),
        ([1, 1], "internal"),
        ([3, 4], "restricted to 4"),
    ],
)
def test_clearances_are_told_by_their_levels(cleared: list[int], told: str) -> None:
    people = [subject("bob", one) for one in cleared]

    assert named(people, LEVELS) == f"user:bob (clearance {told}, no compartment)"


def test_a_name_is_told_once_with_everything_that_it_was_looked_at_with() -> None:
    people = [
        *(subject("x", one, group="sales") for one in (0, 1)),
        *(subject("x", one, "falcon", "board", group="sales") for one in (0, 1)),
        subject("x", 2, "falcon", group="sales"),
        subject("bob", 1),
    ]

    assert named(people, LEVELS) == (
        "group:sales (clearance public to internal, no compartment or board, falcon; "
        "clearance confidential, falcon); user:bob (clearance internal, no compartment)"
    )


def test_many_names_are_counted_and_levels_without_names_are_numbers() -> None:
    people = [subject(f"u{number}", 7) for number in range(6)]

    told = named(people, None)
    assert told.startswith("user:u0 (clearance 7, no compartment); ")
    assert told.endswith("user:u3 (clearance 7, no compartment) and 2 more")
    assert named([], None) == ""
