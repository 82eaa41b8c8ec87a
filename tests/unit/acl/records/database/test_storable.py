"""What may be stored, and that nothing is repaired in silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl.records.database.errors import UnstorableError
from acl.records.database.storable import (
    checked_text,
    checked_time,
    escaped_text,
    from_json,
    from_microseconds,
    names_from_json,
    names_to_json,
    to_json,
    to_microseconds,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
).filter(lambda value: "inf" not in repr(value))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "`name` is empty"),
        ("a\0b", "`name` holds a NUL character"),
        ("a\udc80", "`name` holds half a surrogate pair"),
    ],
)
def test_text_without_a_stored_form_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnstorableError, match=reason):
        checked_text("name", text)


@given(st.text())
def test_escaped_text_can_always_be_stored(text: str) -> None:
    escaped = escaped_text(text)

    assert "\0" not in escaped
    assert escaped.encode().decode() == escaped


def test_a_time_needs_a_zone_and_becomes_utc() -> None:
    elsewhere = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    assert checked_time("now", elsewhere).isoformat() == "2026-01-01T00:00:00+00:00"
    with pytest.raises(UnstorableError, match="`now` is a time without a zone"):
        checked_time("now", datetime(2026, 1, 1))  # noqa: DTZ001
    for text in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(UnstorableError, match="`now` is beyond the calendar"):
            checked_time("now", datetime.fromisoformat(text))


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_comes_back_to_the_microsecond(moment: datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment


@given(st.dictionaries(st.text(), JSON))
def test_json_comes_back_from_one_ascii_text(value: dict[str, object]) -> None:
    text = to_json("detail", value)

    assert text.isascii()
    assert from_json(text) == value
    assert to_json("detail", dict(reversed(value.items()))) == text


def test_sets_and_mappings_have_a_json_form() -> None:
    value = MappingProxyType({"b": {"z", "a"}, "a": frozenset({"y"})})

    assert to_json("detail", value) == '{"a":["y"],"b":["a","z"]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes", {1: 2, "a": 3}])
def test_a_value_without_a_json_form_is_refused(value: object) -> None:
    with pytest.raises(UnstorableError, match="`detail` has no JSON form"):
        to_json("detail", {"value": value})


@pytest.mark.parametrize("text", ["[]", "1", "{", ""])
def test_only_objects_are_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a JSON object|Expecting|Expected"):
        from_json(text)


@given(st.lists(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1)))
def test_names_come_back_in_their_order(names: list[str]) -> None:
    assert names_from_json(names_to_json("names", names)) == tuple(names)


@pytest.mark.parametrize("text", ["{}", "1", "[1]", '["a", null]', "[", ""])
def test_only_lists_of_names_are_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a JSON list of texts|Expecting|Expected"):
        names_from_json(text)
