"""Attack A70: many activations while many decisions run; each is of one whole revision.

`STRONGROOM_DECISIONS` says how many decisions; `make nightly` asks for all that were promised.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from itertools import cycle

import pytest

from acl.labels import Label
from acl.policy.decide import request_of
from acl.policy.policy import Policy
from acl.predicate import holds
from acl.subject import Subject
from retrieval.rights.decisions import Decisions, PolicySnapshot
from retrieval.rights.policy_source import PolicySource
from retrieval.search.search import READ
from tests.integration.policies import changed, put_in_effect
from tests.integration.world import ADA, BOB, EVE, GUS, LEO, NOW, POLICY, SAM, World

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

DECISIONS = int(os.environ.get("STRONGROOM_DECISIONS", "250000"))
ACTIVATIONS = 500
ASKERS = (ADA, BOB, EVE, GUS, LEO, SAM)
_TURN = 200

LINES = (
    "p, group:sales, acme, /acme/engineering/*, document:read, True, allow",
    "p, group:legal, acme, /acme/engineering/*, document:read, True, allow",
    "p, group:finance, acme, /acme/engineering/*, document:read, True, allow",
    "p, user:bob, acme, /acme/engineering/*, document:read, True, deny",
    "p, user:eve, acme, /acme/handbook/*, document:read, True, deny",
    "p, user:gus, globex, /globex/*, document:read, True, deny",
)

Answers = dict[tuple[Subject, int], bool]


def variants(world: World) -> list[PolicySource]:
    """Return the policy, and the policy with one line more."""
    added: list[tuple[str, ...]] = [(), *((one,) for one in LINES)]
    return [changed(POLICY, world.schema, add=lines) for lines in added]


def answers(policy: Policy, labels: list[Label]) -> Answers:
    """Return what Casbin says of every asker and every label, under the guard of the tenant."""
    casbin = policy.oracle(NOW)
    found: Answers = {}
    for subject in ASKERS:
        asked = dict(request_of(policy, subject, READ, NOW))
        for place, label in enumerate(labels):
            asked["obj"] = label.as_json()
            request = (asked[name] for name in policy.names.request[1])
            same = subject.tenant == label.values["tenant"]
            found[subject, place] = same and casbin.enforce(*request)
    return found


class Asking:
    """Decides again and again, each time under the snapshot of that moment."""

    def __init__(self, world: World, labels: list[Label], known: dict[str, Answers]) -> None:
        self.world, self.labels, self.known = world, labels, known
        self.decisions = Decisions()
        self.seen: set[int] = set()
        self.done = self.wrong = 0
        # So many turns for each activation, or all would be over before the first few are.
        self.turns = asyncio.Semaphore(0)

    async def run(self) -> None:
        pairs = cycle((one, place) for one in ASKERS for place in range(len(self.labels)))
        while self.done < DECISIONS:
            await self.turns.acquire()
            self._turn(pairs)
            await asyncio.sleep(0)

    def go_on(self) -> None:
        for _ in range(-(-DECISIONS // (ACTIVATIONS * _TURN))):
            self.turns.release()

    def _turn(self, pairs: Iterator[tuple[Subject, int]]) -> None:
        for _ in range(_TURN):
            subject, place = next(pairs)
            snapshot = self.world.standing.snapshots.pin()
            allowed = self._allowed(snapshot, subject, self.labels[place])
            self.wrong += allowed != self.known[snapshot.digest][subject, place]
            self.seen.add(snapshot.revision)
            self.done += 1

    def _allowed(self, snapshot: PolicySnapshot, subject: Subject, label: Label) -> bool:
        decided = self.decisions.decide(snapshot, subject, READ, NOW)
        return decided.permit is not None and holds(decided.decision.predicate, label)  # type: ignore[union-attr]


async def test_a70_every_decision_is_of_one_whole_revision(light: World) -> None:
    labels = [one.label(light.schema, NOW) for one in await light.documents()]
    sources = variants(light)
    known = {one.policy.digest: answers(one.policy, labels) for one in sources}
    assert len({tuple(one.values()) for one in known.values()}) == len(sources)
    asking = Asking(light, labels, known)
    task = asyncio.create_task(asking.run())

    for number, source in zip(range(ACTIVATIONS), cycle(sources), strict=False):
        asking.go_on()
        revision = await put_in_effect(light.records, source, now=NOW)
        assert (await light.standing.current()).revision == revision.revision
        if number % 50 == 0:
            assert (await light.ask(EVE, "supplier")).policy_revision >= revision.revision
    await task

    assert asking.wrong == 0
    assert asking.done >= DECISIONS
    assert len(asking.seen) > ACTIVATIONS // 2
