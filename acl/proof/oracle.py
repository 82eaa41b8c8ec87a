"""The oracle: what Casbin's `enforce` itself says of a subject, an action and a label.

The laws of this file:

1. Casbin allows a label if the guard holds for it and `enforce` says so, for the subject and for
   each of its actors. Whatever `enforce` raises denies.
2. Casbin reads the policy again from its rows. What it shares with the compiler is the text of the
   policy, the subject's record and the label's JSON.
3. One question at a time: each text is parsed once, and what was parsed is not for two threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from acl.decision import guard
from acl.labels import Label
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import known_columns, request_of
from acl.policy.policy import Policy
from acl.predicate import Condition, holds
from acl.subject import Subject

# Each question brings its own moment.
_UNASKED: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """A request without the label.

    Attributes:
        fence: the guard.
        askers: the columns of the subject, and those of each of its actors.
        at: the moment for which time-limited roles are decided.
    """

    fence: Condition
    askers: tuple[Mapping[str, object], ...]
    at: datetime


class PolicyOracle:
    """Asks Casbin about one policy."""

    def __init__(self, policy: Policy) -> None:
        """Have Casbin read the policy anew (law 2)."""
        self._policy = policy
        self._casbin = Oracle(
            policy.model, policy.rows, policy.matching, policy.suffix, at=_UNASKED, parse_once=True
        )
        self._alone = Lock()

    def request(self, subject: Subject, action: str, at: datetime) -> Request:
        """Return the request of `subject`, to be asked about labels."""
        policy = self._policy
        askers = tuple(request_of(policy, one, action, at) for one in (subject, *subject.actors))
        return Request(guard(policy.schema, subject.tenant), askers, at)

    def allows(self, request: Request, label: Label) -> bool:
        """Say whether Casbin allows the request about `label` (law 1)."""
        if not holds(request.fence, label):
            return False
        with self._alone:  # law 3
            self._casbin.at = request.at
            return all(self._enforced(asker, label) for asker in request.askers)

    def _enforced(self, asker: Mapping[str, object], label: Label) -> bool:
        columns = enforced_request(self._policy, asker, label)
        if columns is None:
            return False
        try:
            return self._casbin.enforce(*columns)
        except Exception:  # noqa: BLE001 - whatever Casbin raises, it denies (law 1)
            return False


def enforced_request(
    policy: Policy, asker: Mapping[str, object], label: Label
) -> tuple[object, ...] | None:
    """Return the request about `label` as `enforce` takes it.

    A column that the matcher compares by itself is the label's attribute of that name; a label
    without it cannot be asked about, and there is no request.
    """
    prefix, columns = policy.names.request
    record, known = label.as_json(), set(known_columns(policy))
    request: list[object] = []
    for column in columns:
        if column in known:
            request.append(asker[column])
        elif f"{prefix}_{column}" not in policy.bare:
            request.append(record)
        elif column in record:
            request.append(record[column])
        else:
            return None
    return tuple(request)
