"""Revoke, then search: nothing that was taken away is found by a request that began afterwards.

Rights are taken away and given back by rules, roles, memberships, labels, shares and users, while
searches and pages of lists run, and some searches are held in their middle across a revocation. A
pair is one asker and one document, asked about by search and by list after one acknowledged
change; Casbin says what is right. `STRONGROOM_PAIRS` says how many.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from acl.language.casbin_adapter import Oracle
from acl.policy.decide import request_of
from acl.records import AuditEvent, AuditKind, DocumentRecord
from acl.records.directory.directory import Edit, Place
from acl.records.directory.types import GroupState, UserState, Wanted
from acl.records.labels.types import ChangeKind
from acl.subject import Subject
from ingest.index.engine import Vector
from ingest.project import Projector
from retrieval.access.documents import DocumentReader
from retrieval.labels.desk import LabelDesk
from retrieval.labels.requests import LabelRequest, ShareRequest
from retrieval.labels.views import LabelParts, Target
from retrieval.rights.authority import OPERATOR
from retrieval.rights.decisions import Decisions
from retrieval.rights.directory import SubjectResolver, UnknownSubjectError
from retrieval.rights.policy_source import PolicySource
from retrieval.rights.standing import Standing
from retrieval.search.search import READ, Searcher, SearchRequest
from retrieval.search.store import Mode, Store
from tests.integration.folders import write
from tests.integration.policies import changed, put_in_effect
from tests.integration.world import ADA, BOB, EVE, GUS, LEO, NOW, POLICY, QUERY_KEY, SAM, World
from tests.plain import HashingEncoder

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

PAIRS = int(os.environ.get("STRONGROOM_PAIRS", "10000"))
ASKERS = (ADA, BOB, EVE, LEO, GUS, SAM)
GROUPS = {
    "group:finance": (ADA,),
    "group:engineering": (BOB, EVE),
    "group:legal": (LEO,),
    "group:sales": (SAM,),
}
QUESTION = SearchRequest(query="note falcon", top_k=100, mode=Mode.DENSE)
EDIT = Edit(AuditEvent(kind=AuditKind.DIRECTORY, time=NOW, subject="service:idp"))
LINES = (
    "p, group:finance, acme, /acme/finance",
    "p, group:engineering, acme, /acme/engineering",
    "r.obj.readers, r.sub.principals",
    "g, user:eve",
)
EXTRA = (
    "p, group:sales, acme, /acme/engineering/*, document:read, True, allow",
    "p, role:guest, acme, /acme/finance/*, document:read, True, allow",
    "g, user:leo, role:guest, acme, _, _",
    "p, group:engineering, acme, /acme/*, document:read, r.obj.classification >= 1, deny",
)

_SEARCHES = 0.5

Visible = dict[str, frozenset[str]]


class Gate(HashingEncoder):
    """Encodes when it is let."""

    def __init__(self) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def encode_question(self, text: str) -> Vector:
        self.reached.set()
        await self.open.wait()
        return await super().encode_question(text)


@dataclass
class Office:
    """One installation whose rights keep changing, and what is right at each moment."""

    world: World
    standing: Standing
    reader: DocumentReader
    desk: LabelDesk
    random: random.Random
    users: dict[str, str]
    groups: dict[str, str]
    members: dict[str, set[str]]
    inactive: set[str] = field(default_factory=set)
    lines: frozenset[str] = frozenset(EXTRA[:1])
    without: frozenset[str] = frozenset()
    history: list[Visible] = field(default_factory=list)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[tuple[object, ...], bool] = field(default_factory=dict)
    oracles: dict[str, Oracle] = field(default_factory=dict)
    sources: dict[str, PolicySource] = field(default_factory=dict)

    def searcher(self, encoder: HashingEncoder) -> Searcher:
        return Searcher(
            records=self.world.records,
            store=Store(self.world.engine, self.world.schema),
            encoder=encoder,
            standing=self.standing,
            query_key=QUERY_KEY,
        )

    async def found(self, asker: Subject, searcher: Searcher) -> frozenset[str]:
        try:
            page = await searcher.search(asker, QUESTION, NOW)
        except UnknownSubjectError:
            return frozenset()
        return frozenset(one.document_id for one in page.hits)

    async def listed(self, asker: Subject, *, limit: int = 200) -> frozenset[str]:
        found: set[str] = set()
        after: str | None = None
        while True:
            try:
                page = await self.reader.list_documents(asker, now=NOW, after=after, limit=limit)
            except UnknownSubjectError:
                return frozenset()
            found |= {one.id for one in page.documents}
            after = page.cursor
            if after is None:
                return frozenset(found)

    async def settle(self) -> Visible:
        """Work out what is visible now, and remember it."""
        documents = await self.world.documents()
        now = {one.id: self._visible(one, documents) for one in ASKERS}
        self.history.append(now)
        self.settled.set()
        return now

    def _visible(self, asker: Subject, documents: list[DocumentRecord]) -> frozenset[str]:
        if asker.id in self.inactive:
            return frozenset()
        mine = frozenset(name for name, ids in self.members.items() if asker.id in ids)
        known = replace(asker, groups=mine) if asker.id in self.users else asker
        return frozenset(one.id for one in documents if self._allowed(known, one))

    def _allowed(self, subject: Subject, document: DocumentRecord) -> bool:
        label = document.label(self.world.schema, NOW)
        key = self._key(), subject, label.digest
        if key not in self.answers:
            policy = self._source().policy
            if self._key() not in self.oracles:
                self.oracles[self._key()] = Oracle(
                    policy.model, policy.rows, at=NOW, parse_once=True
                )
            asked = dict(request_of(policy, subject, READ, NOW)) | {"obj": label.as_json()}
            request = (asked[one] for one in policy.names.request[1])
            same = label.values["tenant"] == subject.tenant
            self.answers[key] = same and self._enforced(*request)
        return self.answers[key]

    def _enforced(self, *request: object) -> bool:
        oracle = self.oracles[self._key()]
        try:
            return oracle.enforce(*request)
        except SystemError:
            # Casbin parsed while a policy was read in a thread: see
            # `acl.language.expression.parse`.
            return oracle.enforce(*request)

    def _source(self) -> PolicySource:
        if self._key() not in self.sources:
            self.sources[self._key()] = changed(
                POLICY, self.world.schema, remove=tuple(self.without), add=tuple(sorted(self.lines))
            )
        return self.sources[self._key()]

    def _key(self) -> str:
        return repr((sorted(self.lines), sorted(self.without)))

    async def rule(self) -> None:
        line = self.random.choice(LINES)
        self.without = self.without ^ {line}
        await self._activate()

    async def role(self) -> None:
        self.lines = self.lines ^ {self.random.choice(EXTRA)}
        await self._activate()

    async def _activate(self) -> None:
        await put_in_effect(self.world.records, self._source(), now=NOW)

    async def membership(self) -> None:
        name = self.random.choice(sorted(self.groups))
        self.members[name] ^= {self.random.choice(sorted(self.users))}
        ids = frozenset(self.users[one] for one in self.members[name])
        found = await self.world.records.directory.group("acme", Wanted(id=self.groups[name]))
        assert found is not None
        place = Place(tenant="acme", id=found.id, version=found.version)
        await self.world.records.directory.replace_group(
            place, GroupState(identity=name, members=ids), EDIT
        )

    async def user(self) -> None:
        identity = self.random.choice(sorted(self.users))
        self.inactive ^= {identity}
        found = await self.world.records.directory.user("acme", Wanted(id=self.users[identity]))
        assert found is not None
        state = UserState(identity=identity, active=identity not in self.inactive)
        place = Place(tenant="acme", id=found.id, version=found.version)
        await self.world.records.directory.replace_user(place, state, EDIT)

    async def label(self) -> None:
        document = self.random.choice(await self.world.documents())
        values = {"classification": self.random.choice(["public", "internal", "restricted"])}
        await self._change(document, LabelRequest(values=values))

    async def share(self) -> None:
        document = self.random.choice(await self.world.documents())
        shared = {one.principal for one in document.shares}
        name = self.random.choice(["user:sam", "user:eve", "group:sales"])
        if name in shared:
            request = LabelRequest(kind=ChangeKind.UNSHARE, unshare=frozenset({name}))
        else:
            until = NOW + timedelta(days=1)
            share = ShareRequest(principal=name, until=until)
            request = LabelRequest(kind=ChangeKind.SHARE, share=(share,))
        await self._change(document, request)

    async def _change(self, document: DocumentRecord, request: LabelRequest) -> None:
        target = Target(document.id, document.label_version)
        await self.desk.change(OPERATOR, target, request, now=NOW)


@asynccontextmanager
async def office(light: World, company: Path) -> AsyncIterator[Office]:
    for number in range(24):
        folder = ("engineering", "finance", "handbook")[number % 3]
        write(company, f"acme/{folder}/note{number}.txt", f"note {number} of project falcon\n")
    await light.ingest(company)
    records = light.records
    users = {
        one.id: (await records.directory.create_user("acme", UserState(identity=one.id), EDIT)).id
        for one in ASKERS
        if one.tenant == "acme"
    }
    members = {name: {one.id for one in askers} for name, askers in GROUPS.items()}
    groups = {
        name: (
            await records.directory.create_group(
                "acme",
                GroupState(identity=name, members=frozenset(users[one] for one in ids)),
                EDIT,
            )
        ).id
        for name, ids in members.items()
    }

    async def resolve(subject: Subject) -> Subject:
        # Globex has no directory.
        resolver = SubjectResolver(records.directory)
        return subject if subject.tenant == "globex" else await resolver.resolve(subject)

    standing = Standing(records, light.snapshots, resolve=resolve)
    parts = LabelParts(
        records=records,
        standing=standing,
        projector=Projector(light.stores),
        decisions=Decisions(),
    )
    made = Office(
        world=light,
        standing=standing,
        reader=DocumentReader(records=records, standing=standing),
        desk=LabelDesk(parts),
        random=random.Random(7),
        users=users,
        groups=groups,
        members=members,
    )
    await made._activate()
    await made.settle()
    yield made


class Traffic:
    """Searches and lists that run all the time; each must fit a state that it overlapped."""

    def __init__(self, made: Office) -> None:
        self.made, self.searcher = made, made.searcher(HashingEncoder())
        self.asked = 0

    async def run(self, seed: int) -> None:
        chooser = random.Random(seed)
        while True:
            asker = chooser.choice(ASKERS)
            began = len(self.made.history) - 1
            if chooser.random() < _SEARCHES:
                found = await self.made.found(asker, self.searcher)
            else:
                found = await self.made.listed(asker, limit=5)
            self.asked += 1
            await self.made.settled.wait()
            possible = (one[asker.id] for one in self.made.history[began:])
            assert found <= frozenset[str]().union(*possible), asker.id


async def _held(made: Office) -> tuple[list[asyncio.Task[frozenset[str]]], Gate]:
    gate = Gate()
    searcher = made.searcher(gate)
    tasks = [asyncio.create_task(made.found(asker, searcher)) for asker in ASKERS]
    # Whoever is denied never gets as far as the gate; if all are, nobody does.
    with suppress(TimeoutError):
        await asyncio.wait_for(gate.reached.wait(), 2)
    return tasks, gate


async def test_nothing_stale_is_found(light: World, company: Path) -> None:
    async with office(light, company) as made:
        traffic = Traffic(made)
        running = [asyncio.create_task(traffic.run(seed)) for seed in range(2)]
        differing, steps = await _revoking(made)
        for task in running:
            task.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)

    assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
    assert differing > steps // 4
    assert traffic.asked > steps


async def _revoking(made: Office) -> tuple[int, int]:
    """Change rights again and again; return how often that changed anything, and how often."""
    searcher = made.searcher(HashingEncoder())
    kinds: list[Callable[[], Coroutine[Any, Any, None]]] = [
        made.rule,
        made.role,
        made.membership,
        made.label,
        made.share,
        made.user,
    ]
    pairs, differing, step = 0, 0, 0
    while pairs < PAIRS:
        before = made.history[-1]
        held = await _held(made) if step % 7 == 0 else None
        made.settled.clear()
        await kinds[step % len(kinds)]()
        now = await made.settle()
        differing += before != now
        if held is not None:
            await _check_held(held, before, now)
        for asker in ASKERS:
            assert await made.found(asker, searcher) == now[asker.id], (step, asker.id)
            assert await made.listed(asker) == now[asker.id], (step, asker.id)
        pairs += len(ASKERS) * len(await made.world.documents())
        step += 1
    return differing, step


async def _check_held(
    held: tuple[list[asyncio.Task[frozenset[str]]], Gate], before: Visible, now: Visible
) -> None:
    """What was held across the change read its passages after it, and so obeys it."""
    tasks, gate = held
    for asker, task in zip(ASKERS, tasks, strict=True):
        if task.done():
            assert await task == before[asker.id]
    gate.open.set()
    for asker, task in zip(ASKERS, tasks, strict=True):
        found = await task
        assert found <= now[asker.id] or found == before[asker.id] == frozenset()
