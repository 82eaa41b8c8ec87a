"""The shadow: what was released is decided again with Casbin's `enforce`, off the request.

The laws of this file:

1. What searches and reads of documents release is looked at again: the same subject through the
   same actors, the same action and moment, the same labels. It is a sample: of a long answer the
   first `LABELS`; and what finds the queue full is dropped, and counted.
2. It holds up no request. To offer is to put into a queue; Casbin is asked in a thread of its own,
   which rests `REST` times as long as it worked.
3. A difference is an alarm: an error in the log, a metric, and the revision on record as refuted,
   which is tried again until it is. Every replica reads that with its next request. From then on
   Casbin decides on each label itself (`retrieval.rights.decisions`), until another revision is in
   effect.
4. Only what was released can be looked at. What a filter leaves out, a proof alone can find.
5. What fails is logged, and the next one is looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import structlog
from prometheus_client import Counter

from acl.labels import Label
from acl.policy.policy import Policy
from acl.proof.proof import PolicyOracle
from acl.records import Proof, ProofState, Records, RecordsError
from retrieval.policy.edits import mismatches_of
from retrieval.rights.releases import Release
from retrieval.rights.threads import for_shadow

QUEUED: Final = 64
LABELS: Final = 20
REST: Final = 9
"""So that it takes a tenth of one processor at most."""

LONGEST_SECONDS: Final = 60.0
_SHOWN: Final = 3

RELEASES: Final = Counter(
    "strongroom_shadow_releases",
    "Released answers that Casbin was asked about again, by what came of it.",
    ["outcome"],
)

Oracles: TypeAlias = Callable[[Policy], PolicyOracle]
Sample: TypeAlias = tuple[Release, tuple[Label, ...]]

log = structlog.stdlib.get_logger("strongroom.policy")


class Shadow:
    """Decides again what was released."""

    def __init__(
        self,
        records: Records,
        *,
        clock: Callable[[], datetime],
        queued: int = QUEUED,
        rest: float = REST,
        oracles: Oracles = PolicyOracle,
    ) -> None:
        """Keep in `records` what is found.

        Args:
            records: where revisions are known as refuted.
            clock: when a difference was found.
            queued: how many answers may wait.
            rest: how many times as long as it worked the thread rests.
            oracles: reads a policy as Casbin does.
        """
        self._records = records
        self._clock = clock
        self._rest = rest
        self._oracles = oracles
        self._waiting = asyncio.Queue[Sample](queued)
        self._known: tuple[str, PolicyOracle] | None = None

    def offer(self, release: Release, labels: Sequence[Label]) -> None:
        """Look at an answer later, unless too many wait (laws 1 and 2)."""
        if not labels or release.pinned.snapshot.refuted:
            return
        try:
            self._waiting.put_nowait((release, tuple(labels[:LABELS])))
        except asyncio.QueueFull:
            _count("dropped")

    async def run(self) -> None:
        """Look at what was offered, until cancelled."""
        while True:
            release, labels = await self._waiting.get()
            began = time.monotonic()
            try:
                await self._look(release, labels)
            except Exception as error:  # noqa: BLE001 - a shadow that ends would see nothing more
                _count("failed")
                log.warning("shadow_failed", error=type(error).__name__)
            finally:
                self._waiting.task_done()
            worked = time.monotonic() - began
            await asyncio.sleep(min(LONGEST_SECONDS, self._rest * worked))

    async def settled(self) -> None:
        """Return when everything that waited has been looked at."""
        await self._waiting.join()

    async def _look(self, release: Release, labels: Sequence[Label]) -> None:
        denied = await for_shadow(lambda: self._denied(release, labels))
        _count("differs" if denied else "agrees")
        if denied:
            await self._refute(release, labels, denied)

    def _denied(self, release: Release, labels: Sequence[Label]) -> list[Label]:
        """Return the labels on which Casbin denies what was released."""
        oracle = self._oracle(release.pinned.snapshot.policy)
        request = oracle.request(release.pinned.subject, release.action, release.now)
        return [label for label in labels if not oracle.allows(request, label)]

    def _oracle(self, policy: Policy) -> PolicyOracle:
        if self._known is None or self._known[0] != policy.digest:
            self._known = policy.digest, self._oracles(policy)
        return self._known[1]

    async def _refute(
        self, release: Release, labels: Sequence[Label], denied: Sequence[Label]
    ) -> None:
        """Raise the alarm, and let every request know (law 3)."""
        pinned = release.pinned
        revision, oracle = pinned.snapshot.revision, self._oracle(pinned.snapshot.policy)
        asked = pinned.subject, release.action
        shown = await for_shadow(
            lambda: [oracle.counterexample(*asked, one, release.now) for one in denied[:_SHOWN]]
        )
        # The decision alone: whose question it was stands in the audit.
        log.error("policy_refuted", revision=revision, decision_id=release.id)
        proof = Proof(
            state=ProofState.REFUTED,
            labels=len(labels),
            updated_at=self._clock(),
            mismatches=mismatches_of(shown),
        )
        wait = 0.1
        while True:
            try:
                await self._records.policies.note_proof(revision, proof)
            except RecordsError as error:
                log.error("refutation_not_recorded", error=type(error).__name__)  # noqa: TRY400
                await asyncio.sleep(wait)
                wait = min(LONGEST_SECONDS, wait * 2)
            else:
                return


def _count(outcome: str) -> None:
    RELEASES.labels(outcome).inc()
