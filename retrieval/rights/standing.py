"""What stands when a request begins, and whether it still stands when its answer leaves.

The laws of this file:

1. A request pins the policy revision and the memberships that the records name at that moment.
   What another process changed a moment ago is seen; nothing is believed for a time.
2. The audit records a release only while what was pinned stands. Otherwise the request begins
   again. So no content is released under a policy or a membership that was older than it.
   Where the directory alone moved and the subject is still the same, the answer is as well, and is
   recorded under the new reading.
3. What cannot be read from the records is not guessed: the request fails.
4. A request that asks for at least some revision gets that, or an error; never something older.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from acl.errors import AclError, PolicyError
from acl.records import AuditEntry, AuditEvent, Heads, MovedOnError, Records
from acl.records.audit.log import AuditLog
from acl.subject import Subject
from retrieval.rights.decisions import PolicySnapshot, SnapshotHolder
from retrieval.rights.policy_source import source_of

P = ParamSpec("P")
T = TypeVar("T")
Resolve = Callable[[Subject], Awaitable[Subject]]

ATTEMPTS: Final = 10
WAIT_SECONDS: Final = 1.0
_STEP_SECONDS: Final = 0.05


class UnsettledError(AclError):
    """Policy or memberships changed again and again while the request was answered."""

    def __init__(self) -> None:
        super().__init__("policy or memberships keep changing")


class NotReachedError(AclError):
    """A revision that was asked for is not there yet.

    Attributes:
        field: `min_revision` or `min_label_revision`.
    """

    def __init__(self, field: str) -> None:
        super().__init__(f"the records have not reached `{field}`")
        self.field = field


class PolicyUnreadableError(AclError):
    """The revision in effect cannot be read as a policy, so nothing can be decided."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"revision {revision} cannot be read")
        self.revision = revision


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLeast:
    """The revisions that an answer must not be older than; 0 asks for none."""

    policy: int = 0
    label: int = 0


ANY: Final = AtLeast()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What a request obeys from its beginning to its end.

    Attributes:
        subject: as the token and, where there is one, the directory describe it.
        heads: the counters under which the audit has to record it.
        asked: the subject as the token alone describes it.
    """

    snapshot: PolicySnapshot
    subject: Subject
    heads: Heads
    asked: Subject


def settled(attempt: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make `attempt` begin again while what it pinned moves on (law 2).

    The decorated method raises `UnsettledError` when it moved on each time.
    """

    @wraps(attempt)
    async def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(ATTEMPTS):
            try:
                return await attempt(*args, **kwargs)
            except MovedOnError:
                continue
        raise UnsettledError

    return again


class Standing:
    """Pins requests to what the records say."""

    def __init__(
        self, records: Records, snapshots: SnapshotHolder, *, resolve: Resolve | None = None
    ) -> None:
        """Follow the policy in effect; `resolve` asks the directory about a subject."""
        self._records = records
        self._snapshots = snapshots
        self._resolve = resolve
        self._loading = asyncio.Lock()

    @property
    def snapshots(self) -> SnapshotHolder:
        """The snapshot that was pinned last."""
        return self._snapshots

    async def pin(
        self, subject: Subject, *, at_least: AtLeast = ANY, with_directory: bool = False
    ) -> Pinned:
        """Return what a request of `subject` obeys.

        Args:
            subject: who asks, as the token says.
            at_least: revisions that must have been reached.
            with_directory: whether the request rests on the directory even where tokens say who
                is who.

        Raises:
            NotReachedError: a revision of `at_least` is not there yet.
            RecordsError: the records cannot be asked.
            PolicyUnreadableError: the revision in effect cannot be read.
        """
        uses_directory = with_directory or self._resolve is not None
        heads = await self._reached(at_least, subject.tenant if uses_directory else None)
        snapshot = await self._current(heads)
        known = await self._resolved(subject)
        under = replace(heads, policy=snapshot.revision, refuted=snapshot.refuted)
        return Pinned(snapshot=snapshot, subject=known, heads=under, asked=subject)

    async def current(self) -> PolicySnapshot:
        """Return the policy in effect.

        Raises:
            RecordsError, PolicyUnreadableError: it cannot be read.
        """
        return await self._current(await self._records.standing.read())

    async def record(self, audit: AuditLog, event: AuditEvent, pinned: Pinned | None) -> AuditEntry:
        """Record a release; see `upheld`. Without `pinned` it rests on nothing that could move."""
        return await self.upheld(pinned, lambda under: audit.append(event, under=under))

    async def upheld(
        self, pinned: Pinned | None, work: Callable[[Heads | None], Awaitable[T]]
    ) -> T:
        """Run `work`, which stores what was decided about `pinned.subject` and about nobody else.

        Where the directory alone moved on, the subject is asked for again, and if it is the same,
        `work` runs again under the later reading (law 2).

        Raises:
            MovedOnError: policy or subject are others now, or the policy is refuted.
            UnknownSubjectError: the subject is no active user any more.
        """
        if pinned is None:
            return await work(None)
        under = pinned.heads
        for _ in range(ATTEMPTS):
            try:
                return await work(under)
            except MovedOnError:
                under = await self._again(pinned)
        raise MovedOnError

    async def settled(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run `attempt`, again while what it pinned moved on (law 2).

        Raises:
            UnsettledError: it moved on each time.
        """
        return await settled(attempt)()

    async def _again(self, pinned: Pinned) -> Heads:
        """Return a later reading under which the same was decided."""
        heads = await self._records.standing.read(pinned.asked.tenant)
        # Read before the subject is asked for: what moves after it is met by the next check.
        same = self._resolve is not None and pinned.heads.same_policy(heads)
        if not same or await self._resolved(pinned.asked) != pinned.subject:
            raise MovedOnError
        return replace(pinned.heads, directory=heads.directory)

    async def _resolved(self, subject: Subject) -> Subject:
        return subject if self._resolve is None else await self._resolve(subject)

    async def _reached(self, at_least: AtLeast, tenant: str | None) -> Heads:
        heads = await self._records.standing.read(tenant)
        for _ in range(round(WAIT_SECONDS / _STEP_SECONDS)):
            if heads.policy >= at_least.policy and heads.label >= at_least.label:
                return heads
            await asyncio.sleep(_STEP_SECONDS)
            heads = await self._records.standing.read(tenant)
        short = heads.policy < at_least.policy
        raise NotReachedError("min_revision" if short else "min_label_revision")

    async def _current(self, heads: Heads) -> PolicySnapshot:
        if not _is(self._snapshots.pin(), heads):
            async with self._loading:
                await self._follow(heads)
        return self._snapshots.pin()

    async def _follow(self, heads: Heads) -> None:
        known = self._snapshots.pin()
        if _is(known, heads) or known.revision > heads.policy:
            return
        policy = known.policy
        if known.revision != heads.policy:
            texts = await self._records.policies.texts(heads.policy)
            try:
                policy = (await asyncio.to_thread(source_of, texts, known.schema)).policy
            except PolicyError as error:
                raise PolicyUnreadableError(heads.policy) from error
        self._snapshots.swap(
            PolicySnapshot(policy=policy, revision=heads.policy, refuted=heads.refuted)
        )


def _is(snapshot: PolicySnapshot, heads: Heads) -> bool:
    return (snapshot.revision, snapshot.refuted) == (heads.policy, heads.refuted)
