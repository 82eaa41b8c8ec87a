"""Stored labels are shown as people write them, also those of another schema."""

from __future__ import annotations

import pytest

from acl.labels import stored_of
from tests.builders import SCHEMA


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ({"classification": 2}, {"classification": "confidential"}),
        ({"classification": 7}, {"classification": 7}),
        ({"classification": None}, {"classification": None}),
        ({"readers": ["user:b", "user:a"]}, {"readers": ["user:a", "user:b"]}),
        ({"readers": "nobody"}, {"readers": "nobody"}),
        ({"reviewed": 1_769_878_800}, {"reviewed": "2026-01-31T17:00:00+00:00"}),
        ({"another": 2}, {"another": 2}),
        ({}, {}),
    ],
)
def test_what_can_be_read_is_written_out(
    stored: dict[str, object], shown: dict[str, object]
) -> None:
    assert stored_of(stored, SCHEMA) == shown
