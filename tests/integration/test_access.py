"""Asking for access, deciding, and looking back: who is told what."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from acl.records import AuditEvent, AuditKind
from acl.records.requests import MAX_OPEN, RequestState, TooManyRequestsError
from ingest.project import Projector
from retrieval.access_history import AccessHistory
from retrieval.access_requests import RequestDesk, UnknownRequestError
from retrieval.authority import OPERATOR
from retrieval.decisions import Decisions
from retrieval.documents import DocumentNotFoundError
from retrieval.label_views import LabelParts
from retrieval.labels import LabelDesk
from tests.integration.world import ADA, AGENT, BOB, EVE, GUS, LEO, NOW, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINUTES = "file:acme/board/minutes.md"
TRAVEL = "file:acme/handbook/travel.md"
GLOBEX = "file:globex/falcon.txt"
READER = replace(BOB, clearance=3, compartments=frozenset({"board"}))


def desk_of(world: World) -> RequestDesk:
    parts = LabelParts(
        records=world.records,
        standing=world.standing,
        projector=Projector(world.stores),
        decisions=Decisions(),
    )
    return RequestDesk(world.records, LabelDesk(parts))


def history_of(world: World) -> AccessHistory:
    return AccessHistory(records=world.records, standing=world.standing, decisions=Decisions())


async def test_an_owner_grants_what_was_asked_for(light: World) -> None:
    desk, document = desk_of(light), await light.document(MINUTES)
    with pytest.raises(DocumentNotFoundError):
        await light.reader.document(READER, document.id, now=NOW)
    await desk.ask(READER, document.id, "for the minutes", NOW)

    (waiting,) = await desk.waiting(LEO, "acme", NOW)
    assert (waiting.request.asker, waiting.request.reason) == ("user:bob", "for the minutes")
    until = NOW + timedelta(hours=1)
    await desk.grant(LEO, "acme", waiting.request.id, until=until, now=NOW)

    assert (await light.reader.document(READER, document.id, now=NOW)).text
    with pytest.raises(DocumentNotFoundError):
        await light.reader.document(READER, document.id, now=until)
    (mine,) = await desk.mine(READER, NOW)
    assert mine.state is RequestState.GRANTED
    assert await desk.waiting(LEO, "acme", NOW) == ()
    with pytest.raises(UnknownRequestError):
        await desk.grant(LEO, "acme", waiting.request.id, until=None, now=NOW)
    late = AuditEvent(kind=AuditKind.ACCESS_DECIDED, time=NOW, subject="user:leo")
    refused = RequestState.REFUSED
    assert not await light.records.requests.decide(waiting.request.id, refused, late)
    kinds = [one.event.kind for one in await light.records.audit.events(limit=1000)]
    assert AuditKind.ACCESS_REQUESTED in kinds
    assert AuditKind.ACCESS_DECIDED in kinds


async def test_whoever_asks_sees_no_difference(light: World) -> None:
    desk = desk_of(light)
    hidden, absent = (await light.document(MINUTES)).id, str(uuid.uuid4())
    foreign = (await light.document(GLOBEX, "globex")).id
    for document in (hidden, absent, foreign):
        await desk.ask(EVE, document, "please", NOW)
        await desk.ask(EVE, document, "please", NOW)
    assert await desk.waiting(GUS, "globex", NOW) == ()

    (waiting,) = await desk.waiting(LEO, "acme", NOW)
    await desk.refuse(LEO, "acme", waiting.request.id, now=NOW)

    mine = await desk.mine(EVE, NOW)
    assert {one.document_id for one in mine} == {hidden, absent, foreign}
    assert all(one.state is not RequestState.GRANTED for one in mine)
    await desk.ask(EVE, hidden, "again", NOW)
    assert [one.request.reason for one in await desk.waiting(LEO, "acme", NOW)] == ["again"]


async def test_nobody_else_decides_or_is_told(light: World) -> None:
    desk, document = desk_of(light), await light.document(MINUTES)
    await desk.ask(READER, document.id, "", NOW)
    (waiting,) = await desk.waiting(OPERATOR, "acme", NOW)

    for other in (ADA, BOB, EVE):
        assert await desk.waiting(other, "acme", NOW) == ()
        with pytest.raises(UnknownRequestError):
            await desk.grant(other, "acme", waiting.request.id, until=None, now=NOW)
        with pytest.raises(UnknownRequestError):
            await desk.refuse(other, "acme", waiting.request.id, now=NOW)
    assert await light.records.requests.request("globex", waiting.request.id) is None
    found = await light.records.requests.request("acme", waiting.request.id)
    assert found == waiting.request
    assert await light.records.requests.open_for("acme", [document.id]) == (found,)
    assert await light.records.requests.open_for("globex", [document.id]) == ()


async def test_one_asker_cannot_fill_the_list(light: World) -> None:
    desk = desk_of(light)
    for _ in range(MAX_OPEN):
        await desk.ask(EVE, str(uuid.uuid4()), "", NOW)

    with pytest.raises(TooManyRequestsError, match="wait for a decision"):
        await desk.ask(EVE, str(uuid.uuid4()), "", NOW)
    await desk.ask(BOB, str(uuid.uuid4()), "", NOW)


async def test_an_owner_sees_who_did_read(light: World) -> None:
    document = await light.document(MINUTES)
    history = history_of(light)
    assert await history.readers(LEO, document.id, now=NOW) == ()
    await light.ask(LEO, "minutes of the board")
    await light.reader.document(LEO, document.id, now=NOW)
    await light.ask(AGENT, "trips")
    await light.relabel(MINUTES, compartments=["board", "falcon"])

    (reader,) = await history.readers(OPERATOR, document.id, now=NOW)

    assert (reader.subject, reader.times, reader.may_still) == ("user:leo", 2, False)
    travel = await light.document(TRAVEL)
    through = await history.readers(OPERATOR, travel.id, now=NOW)
    assert ("agent:helper",) in {one.actors for one in through}
    assert all(one.may_still for one in through)


async def test_nobody_else_is_told_who_did(light: World) -> None:
    travel = await light.document(TRAVEL)
    history = history_of(light)

    for asker, identity in (
        (EVE, travel.id),
        (GUS, travel.id),
        (EVE, str(uuid.uuid4())),
        (OPERATOR, str(uuid.uuid4())),
    ):
        with pytest.raises(DocumentNotFoundError):
            await history.readers(asker, identity, now=NOW)


async def test_a_grant_rests_on_the_label_that_was_seen(light: World) -> None:
    desk, document = desk_of(light), await light.document(MINUTES)
    await desk.ask(READER, document.id, "", NOW)
    (waiting,) = await desk.waiting(LEO, "acme", NOW)
    await light.relabel(MINUTES, classification=2)

    await desk.grant(LEO, "acme", waiting.request.id, until=None, now=NOW)

    assert (await light.document(MINUTES)).label_json["readers"] == ["user:bob"]
