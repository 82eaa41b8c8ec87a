"""The moment and the origin of a request, as rules read them: `r.env.hour`, `r.env.network`.

The laws of this file:

1. A model asks for it with a column of its request, such as `r = sub, obj, act, env`. It is filled
   from the moment of the decision, in UTC, and from where the service sees the request come from;
   by nothing that a caller says.
2. A decision that may rest on it ends with the hour, or with the minute where the time is read.
3. What is not known of the origin is absent, so that reading it raises, and denies.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from acl.subject import NOWHERE, Origin, Subject

MOMENT_COLUMNS: Final = frozenset({"env", "environment", "context", "ctx"})
MOMENT_ATTRIBUTES: Final = ("channel", "date", "hour", "network", "time", "weekday")
_OF_ORIGIN: Final = frozenset({"channel", "network"})


def narrowed(subject: Subject, columns: Iterable[str], read: frozenset[str]) -> Subject:
    """Return `subject` without an origin where no rule reads it, so that others can share with it.

    Args:
        subject: who asks.
        columns: of the request.
        read: the attributes that matcher and rules read.
    """
    reads = not MOMENT_COLUMNS.isdisjoint(columns) and not _OF_ORIGIN.isdisjoint(read)
    return subject if reads else subject.coming_from(NOWHERE)


def moment_of(at: datetime, origin: Origin) -> dict[str, object]:
    """Return what rules read of a request.

    The moment `at` is `2026-05-01`, 0 to 23, `17:05`, 1 (Monday) to 7.
    """
    utc = at.astimezone(UTC)  # law 1
    return {
        **origin.as_json(),  # law 3
        "date": utc.strftime("%Y-%m-%d"),
        "hour": utc.hour,
        "time": utc.strftime("%H:%M"),
        "weekday": utc.isoweekday(),
    }


def end_of_moment(columns: Iterable[str], read: frozenset[str], at: datetime) -> datetime | None:
    """Return until when `moment_of` stays as it is, or None where the request has no moment.

    Args:
        columns: of the request.
        read: the attributes that matcher and rules read.
        at: the moment of the decision.
    """
    if MOMENT_COLUMNS.isdisjoint(columns):
        return None
    whole = at.replace(second=0, microsecond=0)
    if "time" in read:
        return whole + timedelta(minutes=1)
    return whole.replace(minute=0) + timedelta(hours=1)  # law 2
