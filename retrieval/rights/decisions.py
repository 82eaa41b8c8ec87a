"""The policy that a request pins, and the decisions under it, kept for as long as they are true.

The laws of this file:

1. A decision is found again by everything that it rests on: the policy's digest, whether it was
   refuted, the action, and every attribute of the subject and of each actor, declared or not; and
   where the request comes from, if a rule may read it.
   Each part carries its length, so that no two different lists of parts can read alike.
2. A decision is never used at or after its `not_after`, nor before the moment it was taken.
3. Under a policy that was refuted, a label is permitted only if Casbin's `enforce` allows it too,
   for the subject and for each actor. What the compiled filter leaves out stays left out.
4. The number of decisions kept is bounded; the one not used for longest goes first.
5. A snapshot is frozen: policy, schema, revision and what was found about it belong together.
6. A request pins one snapshot and asks it for everything. Activating a policy swaps one reference;
   requests under way go on under the policy that they began with.
7. The label schema is a property of the stored points: a policy of another one is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Final

from acl.containment.search import escapee_of
from acl.decision import Decision, Denied, DenyReason, Permitted
from acl.engine.filter import to_filter
from acl.engine.wire import Filter
from acl.errors import SchemaError, UndecidedError
from acl.labels import Label, LabelSchema
from acl.policy.decide import decide
from acl.policy.moment import narrowed
from acl.policy.policy import Policy
from acl.predicate import holds
from acl.proof.proof import Decider, PolicyOracle
from acl.subject import Subject


@dataclass(frozen=True, eq=False, kw_only=True)
class PolicySnapshot:
    """A policy that is in effect, under its revision number.

    Attributes:
        refuted: whether its compiled filters and Casbin were found to differ.
    """

    policy: Policy
    revision: int
    refuted: bool = False

    @property
    def schema(self) -> LabelSchema:
        """The label's attributes, against which the policy was typed."""
        return self.policy.schema

    @property
    def digest(self) -> str:
        """Which policy this is, whatever its number."""
        return self.policy.digest

    @cached_property
    def oracle(self) -> PolicyOracle | None:
        """Casbin, where it has to be asked about each label (law 3)."""
        return PolicyOracle(self.policy) if self.refuted else None


class SnapshotHolder:
    """The snapshot in effect, as far as this process knows."""

    def __init__(self, snapshot: PolicySnapshot) -> None:
        self._current = snapshot

    def pin(self) -> PolicySnapshot:
        """Return the snapshot in effect, to be used for the whole request."""
        return self._current

    def swap(self, snapshot: PolicySnapshot) -> None:
        """Let requests from now on pin `snapshot`.

        Raises:
            SchemaError: it was typed against other labels than the stored ones.
        """
        if snapshot.schema.digest != self._current.schema.digest:
            raise SchemaError("the policy was typed against another labels.toml than the index")
        self._current = snapshot


KEPT: Final = 4096


@dataclass(frozen=True)
class Decided:
    """A decision and, where it permits, the engine's filter for it.

    Attributes:
        at: when it was taken.
        schema: of the labels that it is about.
        enforced: what Casbin says of a label, where it has to be asked (law 3).
    """

    decision: Decision
    permit: Filter | None
    at: datetime
    schema: LabelSchema
    enforced: Callable[[Label], bool] | None = None

    @property
    def denied(self) -> bool:
        """Whether nothing is permitted, before any label is looked at."""
        return isinstance(self.decision, Denied)

    def compiled(self, label: Label) -> bool:
        """Say whether the compiled predicate permits what carries `label`."""
        decision = self.decision
        return isinstance(decision, Permitted) and holds(decision.predicate, label)

    def permits(self, label: Label) -> bool:
        """Say whether what carries `label` is permitted."""
        compiled = self.compiled(label)
        return compiled and (self.enforced is None or self.enforced(label))  # law 3

    @cached_property
    def held(self) -> bool:
        """Whether the right is held on some label; found out when it is first asked.

        What cannot be decided is not held.
        """
        if not isinstance(self.decision, Permitted):
            return False
        try:
            label = escapee_of([self.decision.predicate], [], self.schema)
        except UndecidedError:
            return False
        return label is not None and self.permits(label)

    def holds_at(self, now: datetime) -> bool:
        """Say whether the decision would be the same at `now` (law 2)."""
        end = self.decision.not_after
        return self.at <= now and (end is None or now < end)


def undecided(snapshot: PolicySnapshot, now: datetime) -> Decided:
    """Return what is permitted to a subject about whom nothing can be decided: nothing."""
    denied = Denied(reason=DenyReason.NO_RULE, policy_digest=snapshot.digest)
    return Decided(denied, None, now, snapshot.schema)


class Decisions:
    """Takes decisions, and remembers them."""

    def __init__(self, *, kept: int = KEPT, decider: Decider = decide) -> None:
        """Keep as many decisions; `decider` is what they are taken by."""
        self._kept = kept
        self._decider = decider
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
        policy = snapshot.policy
        subject = narrowed(subject, policy.names.request[1], policy.subject_attributes)
        key = decision_key(f"{snapshot.digest}/{snapshot.refuted}", subject, action)
        known = self._decided.get(key)
        if known is not None and known.holds_at(now):
            self._decided.move_to_end(key)
            return known
        decided = self._decide(snapshot, subject, action, now)
        self._decided[key] = decided
        self._decided.move_to_end(key)
        if len(self._decided) > self._kept:
            self._decided.popitem(last=False)
        return decided

    def _decide(
        self, snapshot: PolicySnapshot, subject: Subject, action: str, now: datetime
    ) -> Decided:
        decision, schema = self._decider(snapshot.policy, subject, action, now), snapshot.schema
        if isinstance(decision, Denied):
            return Decided(decision, None, now, schema)
        permit, oracle = to_filter(decision.predicate, schema), snapshot.oracle
        if oracle is None:
            return Decided(decision, permit, now, schema)
        request = oracle.request(subject, action, now)
        return Decided(decision, permit, now, schema, partial(oracle.allows, request))


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
    yield json.dumps(subject.attributes.as_json())
    yield json.dumps(subject.origin.as_json())
    yield str(len(subject.actors))
    for actor in subject.actors:
        yield from _subject(actor)


def _framed(*parts: str) -> Iterator[bytes]:
    for part in parts:
        content = part.encode()
        yield len(content).to_bytes(4, "big")
        yield content
