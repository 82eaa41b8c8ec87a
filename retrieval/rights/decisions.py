"""Decisions, kept for as long as they are true.

The laws of this file:

1. A decision is found again by everything that it rests on: the policy's digest, the suspensions,
   the action, and every attribute of the subject and of each actor. Each part carries its length,
   so that no two different lists of parts can read alike.
2. A decision is never used at or after its `not_after`, nor before the moment it was taken.
3. Whoever reaches a suspended role, or acts through somebody who does, is denied.
4. The number of decisions kept is bounded; the one not used for longest goes first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from acl.containment.search import is_held
from acl.decision import Decision, Denied, DenyReason
from acl.engine.filter import to_filter
from acl.engine.wire import Filter
from acl.labels import LabelSchema
from acl.policy.decide import decide, principals
from acl.subject import Subject
from retrieval.rights.snapshot import PolicySnapshot

KEPT: Final = 4096


@dataclass(frozen=True)
class Decided:
    """A decision and, where it permits, the engine's filter for it.

    Attributes:
        at: when it was taken.
        schema: of the labels that it is about.
    """

    decision: Decision
    permit: Filter | None
    at: datetime
    schema: LabelSchema

    @cached_property
    def held(self) -> bool:
        """Whether the right is held on some label; found out when it is first asked."""
        return is_held(self.decision, self.schema)

    def holds_at(self, now: datetime) -> bool:
        """Say whether the decision would be the same at `now` (law 2)."""
        end = self.decision.not_after
        return self.at <= now and (end is None or now < end)


class Decisions:
    """Takes decisions, and remembers them."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._kept = kept
        self._decided: OrderedDict[bytes, Decided] = OrderedDict()

    def __len__(self) -> int:
        return len(self._decided)

    def decide(
        self, snapshot: PolicySnapshot, subject: Subject, action: str, now: datetime
    ) -> Decided:
        """Return what `subject` may do under `snapshot` at `now`.

        Raises:
            RequestError: an attribute of the subject cannot be decided upon.
            FilterTooLargeError: the rules make a filter beyond the documented size.
        """
        key = decision_key(f"{snapshot.digest}/{snapshot.suspension}", subject, action)
        known = self._decided.get(key)
        if known is not None and known.holds_at(now):
            self._decided.move_to_end(key)
            return known
        decided = _decided(snapshot, subject, action, now)
        self._decided[key] = decided
        self._decided.move_to_end(key)
        if len(self._decided) > self._kept:
            self._decided.popitem(last=False)
        return decided


def _decided(snapshot: PolicySnapshot, subject: Subject, action: str, now: datetime) -> Decided:
    decision = decide(snapshot.policy, subject, action, now)
    if snapshot.suspended and _suspended(snapshot, subject, now):
        decision = Denied(
            reason=DenyReason.SUSPENDED,
            policy_digest=snapshot.digest,
            not_after=decision.not_after,
        )
    if isinstance(decision, Denied):
        return Decided(decision, None, now, snapshot.schema)
    permit = to_filter(decision.predicate, snapshot.schema)
    return Decided(decision, permit, now, snapshot.schema)


def _suspended(snapshot: PolicySnapshot, subject: Subject, now: datetime) -> bool:
    return any(
        (one.tenant, principal) in snapshot.suspended
        for one in (subject, *subject.actors)
        for principal in principals(snapshot.policy, one, now)
    )


def decision_key(digest: str, subject: Subject, action: str) -> bytes:
    """Return the key of a decision (law 1)."""
    hasher = hashlib.sha256()
    for part in _framed(digest, action, *_subject(subject)):
        hasher.update(part)
    return hasher.digest()


def _subject(subject: Subject) -> Iterator[str]:
    yield from (subject.id, subject.tenant, str(subject.clearance))
    for names in (subject.compartments, subject.groups):
        yield str(len(names))
        yield from sorted(names)
    yield str(len(subject.actors))
    for actor in subject.actors:
        yield from _subject(actor)


def _framed(*parts: str) -> Iterator[bytes]:
    for part in parts:
        content = part.encode()
        yield len(content).to_bytes(4, "big")
        yield content
