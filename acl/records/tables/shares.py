"""Shares: readers of one document who were added by name, some of them until a moment.

The laws of this file:

1. Whoever a document is shared with is one of the label's `readers`; a share remembers who gave it,
   and when it ends. A share whose principal is no reader any more is no share.
2. A share that ends at a moment is over at that moment, whatever the stored label still says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from acl.records.database.errors import UnstorableError
from acl.records.database.storable import (
    checked_text,
    checked_time,
    from_microseconds,
    to_json,
    to_microseconds,
)

READERS: Final = "readers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One share.

    Attributes:
        principal: `user:…`, `group:…` or `role:…`.
        until: when it is over; `None` for good.
        by: who gave it.
        since: when it was given.
    """

    principal: str
    until: datetime | None
    by: str
    since: datetime

    def __post_init__(self) -> None:
        checked_text("principal", self.principal)
        checked_text("by", self.by)
        checked_time("since", self.since)
        if self.until is not None and checked_time("until", self.until) <= self.since:
            raise UnstorableError("`until` is not after the moment at which the share begins")

    def over(self, at: datetime) -> bool:
        """Say whether it is over at `at` (law 2)."""
        return self.until is not None and self.until <= at

    def as_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return {
            "principal": self.principal,
            "until": None if self.until is None else to_microseconds(self.until),
            "by": self.by,
            "since": to_microseconds(self.since),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Share:
        """Return the share whose stored form this is."""
        until = stored["until"]
        return cls(
            principal=stored["principal"],
            until=None if until is None else from_microseconds(until),
            by=stored["by"],
            since=from_microseconds(stored["since"]),
        )


def shares_of(text: str) -> tuple[Share, ...]:
    """Return the shares that are stored as `text`."""
    # Nearly every document has none, and every search reads this column.
    return () if text == "[]" else tuple(Share.from_json(one) for one in json.loads(text))


def ended(shares: Iterable[Share], at: datetime) -> frozenset[str]:
    """Return whose shares are over at `at`."""
    return frozenset(one.principal for one in shares if one.over(at))


def standing(shares: Iterable[Share], readers: Iterable[str]) -> tuple[Share, ...]:
    """Return the shares of those who are readers (law 1), in the order of their names."""
    known = frozenset(readers)
    kept = {one.principal: one for one in shares if one.principal in known}
    return tuple(kept[name] for name in sorted(kept))


def next_end(shares: Iterable[Share]) -> datetime | None:
    """Return when the first of them is over."""
    return min((one.until for one in shares if one.until is not None), default=None)


def without(label: Mapping[str, Any], gone: frozenset[str]) -> Mapping[str, Any]:
    """Return the stored form of a label without these readers."""
    if not gone or READERS not in label:
        return label
    return {**label, READERS: [one for one in label[READERS] if one not in gone]}


def share_columns(shares: tuple[Share, ...]) -> dict[str, Any]:
    """Return the columns of a document in which its shares are kept."""
    return {
        "shares": to_json("shares", [one.as_json() for one in shares]),
        "shares_next": next_end(shares),
    }
