"""What taking a right away costs, on many passages: until it is acknowledged, and until it binds.

`python -m bench.changes` stores documents of 20 passages each, then changes a rule, a label, a
share, a user and a group again and again. A change binds when the next request has been answered;
the same request before the change is the measure that it is compared with. The proof of a policy
comes before its activation, and is measured by `bench.proof`.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from acl.records import AuditEvent, AuditKind, ChangeKind, NewRevision, RevisionTexts
from acl.records.directory.directory import Edit, Place
from acl.records.directory.types import GroupState, UserState
from bench.installation import Bench, bench, line
from retrieval.labels.requests import LabelRequest, ShareRequest
from retrieval.labels.views import Target
from retrieval.policy.edits import changed
from retrieval.rights.authority import OPERATOR
from retrieval.rights.policy_source import source_of

CHUNKS = 20
ROW = "p, group:guests, acme, /acme/notes/*, document:read, True, allow"
Change = Callable[[int], Awaitable[None]]


@dataclass
class Times:
    """Milliseconds of one kind of change."""

    acknowledged: list[float] = field(default_factory=list)
    bound: list[float] = field(default_factory=list)


@dataclass
class Changes:
    """One installation, with every kind of change to it."""

    made: Bench
    document: str
    user_id: str = ""
    group_id: str = ""

    async def rule(self, number: int) -> None:
        """Put a revision in effect that has a row more or less."""
        records = self.made.stores.records
        base = (await records.standing.read()).policy
        texts = await records.policies.texts(base)
        row = (ROW,)
        rules = (
            changed(texts.rules, remove=row)
            if ROW in texts.rules
            else changed(texts.rules, add=row)
        )
        source = source_of(RevisionTexts(model=texts.model, rules=rules), self.made.stores.schema)
        new = NewRevision(
            texts=source.texts,
            digest=source.policy.digest,
            base=base,
            author="user:root",
            reason=str(number),
        )
        event = AuditEvent(kind=AuditKind.POLICY_ACTIVATED, time=_now(), subject="user:root")
        revision = await records.policies.propose(new, event)
        await records.policies.activate(revision.revision, expected=base, event=event)

    async def label(self, number: int) -> None:
        """Raise or lower a document."""
        level = ("internal", "confidential")[number % 2]
        await self._change(LabelRequest(values={"classification": level}))

    async def share(self, number: int) -> None:
        """Share a document, or take the share back."""
        if number % 2:
            gone = frozenset({"user:eve"})
            await self._change(LabelRequest(kind=ChangeKind.UNSHARE, unshare=gone))
            return
        share = ShareRequest(principal="user:eve", until=_now() + timedelta(days=1))
        await self._change(LabelRequest(kind=ChangeKind.SHARE, share=(share,)))

    async def user(self, number: int) -> None:
        """Deactivate a user, or activate it."""
        state = UserState(identity="user:eve", active=bool(number % 2))
        place = Place(tenant="acme", id=self.user_id)
        await self.made.stores.records.directory.replace_user(place, state, _edit())

    async def group(self, number: int) -> None:
        """Take a user out of a group, or put it back."""
        members = frozenset({self.user_id} if number % 2 else ())
        state = GroupState(identity="group:guests", members=members)
        place = Place(tenant="acme", id=self.group_id)
        await self.made.stores.records.directory.replace_group(place, state, _edit())

    async def _change(self, request: LabelRequest) -> None:
        document = await self.made.stores.records.catalog.document(self.document)
        assert document is not None
        target = Target(document.id, document.label_version)
        await self.made.desk.change(OPERATOR, target, request, now=_now())


async def run(documents: int, rounds: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder)) as made:
            names = [f"notes/n{number}.txt" for number in range(documents)]
            ids = [await made.put(name, CHUNKS) for name in names]
            await made.stores.engine.optimize()
            changes = await _prepared(made, ids[0])
            before = await made.searches(200)
            print(f"{documents * CHUNKS} passages, {rounds} changes of each kind")
            print(line("the request itself", before))
            for name in ("rule", "label", "share", "user", "group"):
                times = await _timed(made, getattr(changes, name), rounds)
                print(line(f"{name}: acknowledged", times.acknowledged))
                print(line(f"{name}: the next request has obeyed", times.bound))


async def _prepared(made: Bench, document: str) -> Changes:
    directory = made.stores.records.directory
    user = await directory.create_user("acme", UserState(identity="user:eve"), _edit())
    group = await directory.create_group("acme", GroupState(identity="group:guests"), _edit())
    return Changes(made, document, user.id, group.id)


async def _timed(made: Bench, change: Change, rounds: int) -> Times:
    times = Times()
    for number in range(rounds):
        started = time.perf_counter()
        await change(number)
        times.acknowledged.append(1000 * (time.perf_counter() - started))
        await made.searches(1)
        times.bound.append(1000 * (time.perf_counter() - started))
    return times


def _edit() -> Edit:
    return Edit(AuditEvent(kind=AuditKind.DIRECTORY, time=_now(), subject="service:idp"))


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=200)
    asked = parser.parse_args()
    asyncio.run(run(asked.documents, asked.rounds))


if __name__ == "__main__":
    main()
