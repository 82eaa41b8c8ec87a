"""New enemies, moving policies, and revisions that are asked for."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest

from acl.records import AuditEvent as Event
from acl.records import AuditKind, MovedOnError
from acl.records.directory.directory import Edit
from acl.records.directory.types import UserState
from acl.subject import Subject
from ingest.index.engine import Vector
from retrieval.rights.directory import UnknownSubjectError
from retrieval.rights.standing import (
    ANY,
    ATTEMPTS,
    AtLeast,
    NotReachedError,
    Standing,
    UnsettledError,
)
from retrieval.search.search import Searcher, SearchRequest
from retrieval.search.store import Store
from tests.integration.policies import changed, put_in_effect
from tests.integration.troubles import outrun
from tests.integration.world import ADA, EVE, NOW, POLICY, QUERY_KEY, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTION = SearchRequest(query="supplier falcon", top_k=50)
THREAD = "file:acme/engineering/thread.eml"
CASH = "file:acme/finance/cash.txt"


@dataclass
class Gate:
    """An encoder that waits in the middle of a search until it is let go."""

    encoder: Any
    reached: asyncio.Event
    go_on: asyncio.Event

    async def encode_question(self, text: str) -> Vector:
        self.reached.set()
        await self.go_on.wait()
        vector: Vector = await self.encoder.encode_question(text)
        return vector


def gated(light: World) -> tuple[Searcher, Gate]:
    gate = Gate(light.tools.encoder, asyncio.Event(), asyncio.Event())
    searcher = Searcher(
        records=light.records,
        store=light.searcher._store,
        encoder=gate,  # type: ignore[arg-type]
        standing=light.standing,
        query_key=QUERY_KEY,
    )
    return searcher, gate


async def without(light: World, *lines: str, add: tuple[str, ...] = ()) -> int:
    source = changed(POLICY, light.schema, remove=lines, add=add)
    return (await put_in_effect(light.records, source, now=NOW)).revision


async def test_a65_a_revocation_during_a_search_hides_what_came_after_it(light: World) -> None:
    searcher, gate = gated(light)
    under_way = asyncio.create_task(searcher.search(EVE, QUESTION, NOW))
    await gate.reached.wait()

    # Eve loses the folder; only then a document is moved into it.
    revision = await without(light, "p, group:engineering")
    await light.relabel("file:acme/board/minutes.md", classification=0, compartments=[])
    gate.go_on.set()

    page = await under_way
    assert page.policy_revision == revision
    assert THREAD not in {one.uri for one in page.hits}


async def test_a66_who_left_a_folder_does_not_see_what_moves_in(light: World) -> None:
    await light.relabel(THREAD, readers=["user:eve"])
    searcher, gate = gated(light)
    under_way = asyncio.create_task(searcher.search(EVE, QUESTION, NOW))
    await gate.reached.wait()

    await light.relabel(THREAD, readers=[])
    await without(light, "p, group:engineering")
    gate.go_on.set()

    assert THREAD not in {one.uri for one in (await under_way).hits}


async def test_a_label_that_changes_during_a_search_hides_and_alarms_nobody(light: World) -> None:
    assert THREAD in await light.uris(EVE, "supplier falcon")
    engine = outrun(light.engine, lambda: light.relabel(THREAD, classification=3))
    searcher = Searcher(
        records=light.records,
        store=Store(engine, light.schema),
        encoder=light.tools.encoder,
        standing=light.standing,
        query_key=QUERY_KEY,
    )

    page = await searcher.search(EVE, QUESTION, NOW)

    document = await light.document(THREAD)
    assert document.projected_label_version == document.label_version
    assert THREAD not in {one.uri for one in page.hits}
    assert searcher.counts.lagging > 0
    assert searcher.counts.alarm == 0


async def test_nothing_is_released_while_the_policy_keeps_changing(light: World) -> None:
    before = (await light.records.audit.head()).seq
    attempts = 0

    async def moving() -> None:
        nonlocal attempts
        attempts += 1
        pinned = await light.standing.pin(ADA)
        await without(light, "nothing holds this text")
        event = Event(kind=AuditKind.SEARCH, time=NOW, subject=ADA.id)
        await light.records.audit.append(event, under=pinned.heads)

    with pytest.raises(UnsettledError, match="keep changing"):
        await light.standing.settled(moving)

    assert attempts == ATTEMPTS
    kinds = {one.event.kind for one in await light.records.audit.events(after=before)}
    assert kinds == {AuditKind.POLICY_PROPOSED, AuditKind.POLICY_ACTIVATED}


async def test_a_member_who_is_removed_meanwhile_is_asked_about_again(light: World) -> None:
    known = {EVE.id: EVE}

    async def resolve(subject: Subject) -> Subject:
        return known[subject.id]

    standing = Standing(light.records, light.snapshots, resolve=resolve)
    pinned = await standing.pin(EVE)
    assert pinned.subject is EVE

    outsider = replace(EVE, groups=frozenset())
    known[EVE.id] = outsider
    assert (await standing.pin(EVE)).subject is outsider


@dataclass
class Directory:
    """Who is who, on record, and how often somebody asked."""

    light: World
    known: dict[str, Subject]
    asked: int = 0
    tenant: str = "acme"

    async def resolve(self, subject: Subject) -> Subject:
        self.asked += 1
        return self.known[subject.id]

    async def changes(self) -> None:
        """Change somebody in the directory, so that its counter moves."""
        name = f"user:u{uuid.uuid4().hex}"
        event = Event(kind=AuditKind.DIRECTORY, time=NOW, subject="service:idp")
        await self.light.records.directory.create_user(
            self.tenant, UserState(identity=name), Edit(event)
        )

    def searcher(self, *, uses: bool = True) -> Searcher:
        """Return a search during which the directory changes twice."""
        engine = outrun(self.light.engine, self.changes)
        resolve = self.resolve if uses else None
        return Searcher(
            records=self.light.records,
            store=Store(engine, self.light.schema),
            encoder=self.light.tools.encoder,
            standing=Standing(self.light.records, self.light.snapshots, resolve=resolve),
            query_key=QUERY_KEY,
        )


async def test_changes_of_others_do_not_make_a_search_begin_again(light: World) -> None:
    directory = Directory(light, {EVE.id: EVE})
    page = await directory.searcher().search(EVE, QUESTION, NOW)

    assert THREAD in {one.uri for one in page.hits}
    assert directory.asked == 2, "once at the beginning, and once because the directory moved"
    kept = await light.records.audit.events(kind=AuditKind.SEARCH, limit=1000)
    assert [one.event.decision_id for one in kept][-1] == page.decision_id


async def test_changes_of_other_tenants_are_not_even_met(light: World) -> None:
    directory = Directory(light, {EVE.id: EVE}, tenant="globex")
    await directory.searcher().search(EVE, QUESTION, NOW)

    assert directory.asked == 1


async def test_where_tokens_say_who_is_who_no_directory_is_met(light: World) -> None:
    directory = Directory(light, {})
    await directory.searcher(uses=False).search(EVE, QUESTION, NOW)

    assert (await light.standing.pin(EVE)).heads.directory is None
    assert directory.asked == 0


async def test_who_is_somebody_else_by_then_is_answered_as_such(light: World) -> None:
    directory = Directory(light, {EVE.id: EVE})
    steps = directory.changes

    async def leaves() -> None:
        directory.known[EVE.id] = replace(EVE, groups=frozenset())
        await steps()

    directory.changes = leaves  # type: ignore[method-assign]
    page = await directory.searcher().search(EVE, QUESTION, NOW)

    assert THREAD not in {one.uri for one in page.hits}
    event = (await light.records.audit.events(kind=AuditKind.SEARCH, limit=1000))[-1].event
    assert event.detail["rights"] == [
        {"clearance": EVE.clearance, "compartments": [], "groups": []}
    ]


async def test_who_is_nobody_by_then_gets_nothing(light: World) -> None:
    before = (await light.records.audit.head()).seq
    directory = Directory(light, {EVE.id: EVE})

    async def resolve(subject: Subject) -> Subject:
        directory.asked += 1
        if directory.asked > 1:
            raise UnknownSubjectError(subject.id)
        return EVE

    directory.resolve = resolve  # type: ignore[method-assign]
    with pytest.raises(UnknownSubjectError):
        await directory.searcher().search(EVE, QUESTION, NOW)
    found = await light.records.audit.events(after=before)
    assert {one.event.kind for one in found} == {AuditKind.DIRECTORY}


async def test_a_directory_that_never_rests_lets_nothing_be_upheld(light: World) -> None:
    directory = Directory(light, {EVE.id: EVE})
    standing = Standing(light.records, light.snapshots, resolve=directory.resolve)
    pinned = await standing.pin(EVE)

    async def moving(_: object) -> None:
        raise MovedOnError

    with pytest.raises(MovedOnError):
        await standing.upheld(pinned, moving)
    assert directory.asked == ATTEMPTS + 1
    event = Event(kind=AuditKind.SEARCH, time=NOW, subject="service:operator")
    assert (await standing.record(light.records.audit, event, None)).seq > 0


async def test_what_another_process_changed_is_obeyed_at_once(light: World) -> None:
    other = Standing(light.records, light.snapshots)
    revision = await without(light, "p, group:engineering")

    assert (await other.current()).revision == revision
    assert (await light.standing.pin(EVE)).snapshot.revision == revision
    assert THREAD not in await light.uris(EVE, "supplier")
    assert light.standing.snapshots.pin().revision == revision


async def test_a_revision_that_is_asked_for_is_waited_for(light: World) -> None:
    page = await light.ask(EVE, "supplier")
    asked = AtLeast(policy=page.policy_revision + 1, label=page.label_revision + 1)

    under_way = asyncio.create_task(light.searcher.search(EVE, QUESTION, NOW, at_least=asked))
    await without(light, "p, group:engineering")
    await light.relabel(THREAD, classification=1)

    answer = await under_way
    assert answer.policy_revision >= asked.policy
    assert answer.label_revision >= asked.label
    for never, field in (
        (AtLeast(policy=99), "min_revision"),
        (AtLeast(label=9999), "min_label_revision"),
    ):
        with pytest.raises(NotReachedError, match=f"`{field}`"):
            await light.standing.pin(EVE, at_least=never)
    assert (await light.standing.pin(EVE, at_least=ANY)).snapshot.revision == 2


async def test_a_release_that_moved_on_is_not_on_record(light: World) -> None:
    pinned = await light.standing.pin(ADA)
    await without(light, "nothing holds this text")
    event = Event(kind=AuditKind.SEARCH, time=NOW, subject=ADA.id)

    with pytest.raises(MovedOnError):
        await light.records.audit.append(event, under=pinned.heads)
