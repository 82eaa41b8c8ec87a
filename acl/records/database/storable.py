"""What may be stored, and the one form in which it is stored.

The laws of this file:

1. Text comes back exactly as it went in, from either database. NUL (PostgreSQL has none) and half
   a surrogate pair (UTF-8 has none) are refused at the door, never dropped or replaced.
2. A time is aware; it is stored in microseconds since 1970 and comes back in UTC.
3. JSON has one canonical text: sorted keys, no space, ASCII, no NaN. What is hashed is this text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from acl.records.database.errors import UnstorableError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


def checked_text(name: str, text: str) -> str:
    """Return `text` as it is.

    Raises:
        UnstorableError: it is empty, or holds NUL or a lone surrogate (law 1).
    """
    if not text:
        raise UnstorableError(f"`{name}` is empty")
    if "\0" in text:
        raise UnstorableError(f"`{name}` holds a NUL character")
    if not is_storable(text):
        raise UnstorableError(f"`{name}` holds half a surrogate pair")
    return text


def is_storable(text: str) -> bool:
    """Say whether `text` comes back from either database as it is (law 1)."""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def escaped_text(text: str) -> str:
    r"""Return `text` with what cannot be stored spelt out, such as `\x00` or `\udc80`.

    For names of files and reasons alone, which must be recorded as they are.
    """
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def checked_time(name: str, moment: datetime) -> datetime:
    """Return `moment` in UTC.

    Raises:
        UnstorableError: it has no zone, or is no time of the calendar in UTC.
    """
    if moment.utcoffset() is None:
        raise UnstorableError(f"`{name}` is a time without a zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise UnstorableError(f"`{name}` is beyond the calendar in UTC") from None


def to_microseconds(moment: datetime) -> int:
    """Return the stored form of a time."""
    return (moment - EPOCH) // MICROSECOND


def from_microseconds(stored: int) -> datetime:
    """Return the time whose stored form is `stored`."""
    return EPOCH + stored * MICROSECOND


def to_json(name: str, value: object) -> str:
    """Return the canonical JSON of `value`; sets become sorted lists.

    Raises:
        UnstorableError: `value` has no JSON form.
    """
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise UnstorableError(f"`{name}` has no JSON form") from error


def from_json(text: str) -> dict[str, Any]:
    """Return the object whose JSON is `text`.

    Raises:
        ValueError: `text` is not a JSON object.
    """
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    return value


def names_to_json(name: str, names: Iterable[str]) -> str:
    """Return the canonical JSON of a list of names, in their order."""
    return to_json(name, [checked_text(name, one) for one in names])


def names_from_json(text: str) -> tuple[str, ...]:
    """Return the names whose JSON is `text`.

    Raises:
        ValueError: `text` is not a JSON list of texts.
    """
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("expected a JSON list of texts")
    return tuple(value)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(type(value).__name__)
