"""Asking for access, deciding, and looking back: who is told what."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert

from acl.errors import RequestError
from acl.records import Approval, ApprovalKind, ApprovalState, AuditEvent, AuditKind, Outcome
from acl.records.labels.approvals import KEPT, MAX_OPEN, TooManyRequestsError
from acl.records.tables.schema import approvals
from acl.subject import Subject
from ingest.project import Projector
from retrieval.access.documents import DocumentNotFoundError
from retrieval.access.history import AccessHistory
from retrieval.labels.access_requests import MAX_PAGE, RequestDesk, UnknownRequestError, Waiting
from retrieval.labels.desk import LabelDesk
from retrieval.labels.requests import MAX_REASON
from retrieval.labels.views import LabelParts
from retrieval.rights.authority import OPERATOR, Asker
from retrieval.rights.decisions import Decisions
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


async def waiting_for(desk: RequestDesk, asker: Asker, tenant: str = "acme") -> tuple[Waiting, ...]:
    return (await desk.waiting(asker, tenant, NOW)).requests


async def seen_by(desk: RequestDesk, asker: Subject, document_id: str) -> Approval:
    found = {one.about: one for one in (await desk.mine(asker, NOW)).requests}
    return replace(found[document_id], id="", about="")


def history_of(world: World) -> AccessHistory:
    return AccessHistory(records=world.records, standing=world.standing, decisions=Decisions())


async def test_an_owner_grants_what_was_asked_for(light: World) -> None:
    desk, document = desk_of(light), await light.document(MINUTES)
    with pytest.raises(DocumentNotFoundError):
        await light.reader.document(READER, document.id, now=NOW)
    await desk.ask(READER, document.id, "for the minutes", NOW)

    (waiting,) = await waiting_for(desk, LEO)
    assert (waiting.request.by, waiting.request.reason) == ("user:bob", "for the minutes")
    until = NOW + timedelta(hours=1)
    await desk.grant(LEO, "acme", waiting.request.id, until=until, now=NOW)

    assert (await light.reader.document(READER, document.id, now=NOW)).text
    with pytest.raises(DocumentNotFoundError):
        await light.reader.document(READER, document.id, now=until)
    (mine,) = (await desk.mine(READER, NOW)).requests
    assert mine.state is ApprovalState.GRANTED
    assert await waiting_for(desk, LEO) == ()
    with pytest.raises(UnknownRequestError):
        await desk.grant(LEO, "acme", waiting.request.id, until=None, now=NOW)
    late = AuditEvent(kind=AuditKind.ACCESS_DECIDED, time=NOW, subject="user:leo")
    assert not await light.records.approvals.refuse(waiting.request.id, late)
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
    assert await waiting_for(desk, GUS, "globex") == ()

    (waiting,) = await waiting_for(desk, LEO)
    await desk.refuse(LEO, "acme", waiting.request.id, now=NOW)

    mine = (await desk.mine(EVE, NOW)).requests
    assert {one.about for one in mine} == {hidden, absent, foreign}
    assert all(one.state is not ApprovalState.GRANTED for one in mine)
    await desk.ask(EVE, hidden, "again", NOW)
    assert [one.request.reason for one in await waiting_for(desk, LEO)] == ["again"]


async def test_nobody_else_decides_or_is_told(light: World) -> None:
    desk, document = desk_of(light), await light.document(MINUTES)
    await desk.ask(READER, document.id, "", NOW)
    (waiting,) = await waiting_for(desk, OPERATOR)

    for other in (ADA, BOB, EVE):
        assert await waiting_for(desk, other) == ()
        with pytest.raises(UnknownRequestError):
            await desk.grant(other, "acme", waiting.request.id, until=None, now=NOW)
        with pytest.raises(UnknownRequestError):
            await desk.refuse(other, "acme", waiting.request.id, now=NOW)
    for tenant in ("acme", "globex"):
        with pytest.raises(UnknownRequestError):
            await desk.refuse(GUS, tenant, waiting.request.id, now=NOW)
    assert await waiting_for(desk, GUS) == ()
    found = await light.records.approvals.one(ApprovalKind.ACCESS, waiting.request.id, now=NOW)
    assert found == waiting.request
    for kind in (ApprovalKind.LABEL, ApprovalKind.FOLDER):
        assert await light.records.approvals.one(kind, waiting.request.id, now=NOW) is None


async def test_one_asker_cannot_fill_the_list(light: World) -> None:
    desk = desk_of(light)
    for _ in range(MAX_OPEN):
        await desk.ask(EVE, str(uuid.uuid4()), "", NOW)

    with pytest.raises(TooManyRequestsError, match="more than 100 requests within 30 days"):
        await desk.ask(EVE, str(uuid.uuid4()), "", NOW)
    await desk.ask(BOB, str(uuid.uuid4()), "", NOW)
    await desk.ask(EVE, str(uuid.uuid4()), "", NOW + KEPT)
    assert len((await desk.mine(EVE, NOW + KEPT)).requests) == 1


async def test_what_was_decided_does_not_show(light: World) -> None:
    """A real id and one that names nothing, asked for, decided and asked for again."""
    desk, later = desk_of(light), NOW + timedelta(seconds=5)
    hidden, absent = (await light.document(MINUTES)).id, str(uuid.uuid4())
    for document in (hidden, absent):
        await desk.ask(EVE, document, "please", NOW)
    (waiting,) = await waiting_for(desk, LEO)
    await desk.refuse(LEO, "acme", waiting.request.id, now=NOW)
    assert await seen_by(desk, EVE, hidden) == await seen_by(desk, EVE, absent)

    for document in (hidden, absent):
        await desk.ask(EVE, document, "again", later)
    real = await seen_by(desk, EVE, hidden)
    assert real == await seen_by(desk, EVE, absent)
    assert (real.reason, real.at) == ("again", later)


async def test_a_grant_that_does_not_let_read_does_not_show(light: World) -> None:
    """Eve is not cleared for what is shared with her, so for her it is as if it were not there."""
    desk = desk_of(light)
    hidden, absent = (await light.document(MINUTES)).id, str(uuid.uuid4())
    for document in (hidden, absent):
        await desk.ask(EVE, document, "please", NOW)
    (waiting,) = await waiting_for(desk, LEO)
    await desk.grant(LEO, "acme", waiting.request.id, until=None, now=NOW)

    with pytest.raises(DocumentNotFoundError):
        await light.reader.document(EVE, hidden, now=NOW)
    assert await seen_by(desk, EVE, hidden) == await seen_by(desk, EVE, absent)


async def test_a_grant_that_was_taken_back_does_not_show(light: World) -> None:
    desk, document = desk_of(light), await light.document(MINUTES)
    await desk.ask(READER, document.id, "", NOW)
    (waiting,) = await waiting_for(desk, LEO)
    await desk.grant(LEO, "acme", waiting.request.id, until=None, now=NOW)
    assert (await seen_by(desk, READER, document.id)).state is ApprovalState.GRANTED
    await light.relabel(MINUTES, readers=[])

    mine = await seen_by(desk, READER, document.id)
    assert (mine.state, mine.decided_at, mine.decided_by) == (ApprovalState.OPEN, None, "")


def _flood(connection: Connection, at: datetime) -> None:
    rows = [
        {
            "id": str(uuid.uuid4()),
            "tenant": "acme",
            "kind": "access",
            "about": str(uuid.uuid4()),
            "version": 0,
            "changes": "{}",
            "wanted": "{}",
            "by": f"user:m{number // MAX_OPEN}",
            "parties": "[]",
            "reason": "",
            "state": "open",
            "at": at,
            "decided_by": "",
        }
        for number in range(1001)
    ]
    connection.execute(insert(approvals), rows)


async def test_requests_for_nothing_hide_none(light: World) -> None:
    """Whatever others ask for, and however often, an owner finds what is asked of them."""
    desk, document = desk_of(light), await light.document(MINUTES)
    await desk.ask(READER, document.id, "honest", NOW)
    await light.records.database.write(_flood, NOW + timedelta(seconds=1))

    (waiting,) = await waiting_for(desk, LEO)
    assert waiting.request.by == "user:bob"
    await desk.refuse(LEO, "acme", waiting.request.id, now=NOW)
    assert await waiting_for(desk, LEO) == ()


async def test_whoever_decides_reads_page_by_page(light: World) -> None:
    desk, document = desk_of(light), await light.document(MINUTES)
    names = [f"user:r{number}" for number in range(5)]
    for number, name in enumerate(names):
        moment = NOW + timedelta(seconds=number // 2)
        await desk.ask(replace(READER, id=name), document.id, "", moment)
    found: list[str] = []
    page = await desk.waiting(LEO, "acme", NOW, limit=2)
    sizes = [len(page.requests)]
    while True:
        found += [one.request.by for one in page.requests]
        if page.cursor is None:
            break
        page = await desk.waiting(LEO, "acme", NOW, after=page.cursor, limit=2)
        sizes.append(len(page.requests))

    assert sizes == [2, 2, 1]
    assert sorted(found) == names
    assert found[0] == "user:r4"
    for limit in (0, MAX_PAGE + 1):
        with pytest.raises(RequestError, match="limit"):
            await desk.waiting(LEO, "acme", NOW, limit=limit)


async def test_an_old_request_is_gone_whatever_it_names(light: World) -> None:
    desk = desk_of(light)
    hidden, absent = (await light.document(MINUTES)).id, str(uuid.uuid4())
    for document in (hidden, absent):
        await desk.ask(EVE, document, "", NOW)
    (waiting,) = await waiting_for(desk, LEO)
    last, gone = NOW + KEPT - timedelta(microseconds=1), NOW + KEPT

    assert len((await desk.mine(EVE, last)).requests) == 2
    assert len((await desk.waiting(LEO, "acme", last)).requests) == 1
    assert (await desk.mine(EVE, gone)).requests == ()
    assert (await desk.waiting(LEO, "acme", gone)).requests == ()
    with pytest.raises(UnknownRequestError):
        await desk.grant(LEO, "acme", waiting.request.id, until=None, now=gone)


async def test_the_longest_reason_can_be_granted(light: World) -> None:
    desk, document = desk_of(light), await light.document(MINUTES)
    await desk.ask(READER, document.id, "x" * MAX_REASON, NOW)
    (waiting,) = await waiting_for(desk, LEO)
    await desk.grant(LEO, "acme", waiting.request.id, until=None, now=NOW)

    assert (await light.reader.document(READER, document.id, now=NOW)).text


async def test_who_cannot_be_given_access_cannot_ask(light: World) -> None:
    desk, document = desk_of(light), await light.document(MINUTES)
    errors = set()
    for identity in (document.id, str(uuid.uuid4())):
        with pytest.raises(RequestError) as caught:
            await desk.ask(replace(READER, id="service:sync"), identity, "", NOW)
        errors.add(str(caught.value))
    assert errors == {"access is asked for by users"}


async def test_an_owner_sees_who_did_read(light: World) -> None:
    document = await light.document(MINUTES)
    history = history_of(light)
    assert (await history.readers(LEO, document.id, now=NOW)).readers == ()
    await light.ask(LEO, "minutes of the board")
    await light.reader.document(LEO, document.id, now=NOW)
    await light.ask(AGENT, "trips")
    await light.relabel(MINUTES, compartments=["board", "falcon"])

    (reader,) = (await history.readers(OPERATOR, document.id, now=NOW)).readers

    assert (reader.subject, reader.times, reader.may_still) == ("user:leo", 2, False)
    travel = await light.document(TRAVEL)
    through = (await history.readers(OPERATOR, travel.id, now=NOW)).readers
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
    (waiting,) = await waiting_for(desk, LEO)
    await light.relabel(MINUTES, classification=2)

    await desk.grant(LEO, "acme", waiting.request.id, until=None, now=NOW)

    assert (await light.document(MINUTES)).label_json["readers"] == ["user:bob"]


async def test_who_was_refused_hides_nobody(light: World) -> None:
    """A thousand and more who tried and were refused, after the one who did read."""
    document, history = await light.document(MINUTES), history_of(light)
    await light.reader.document(LEO, document.id, now=NOW)
    refused = AuditEvent(
        kind=AuditKind.FETCH,
        time=NOW,
        subject="user:mal",
        outcome=Outcome.DENIED,
        resources=(document.id,),
    )
    await light.records.database.write(
        light.records.audit.append_within, *(refused for _ in range(1001))
    )

    (reader,) = (await history.readers(OPERATOR, document.id, now=NOW)).readers
    assert (reader.subject, reader.times) == ("user:leo", 1)


async def test_readers_come_page_by_page_as_they_stood(light: World) -> None:
    document, history = await light.document(MINUTES), history_of(light)
    names = [f"user:r{number}" for number in range(5)]
    for name in (*names, *names):
        await light.reader.document(replace(LEO, id=name), document.id, now=NOW)
    found, after, sizes = list[str](), None, list[int]()
    while True:
        page = await history.readers(OPERATOR, document.id, now=NOW, after=after, limit=2)
        found += [one.subject for one in page.readers]
        sizes.append(len(page.readers))
        assert {one.times for one in page.readers} == {2}
        if page.cursor is None:
            break
        after = page.cursor
        # Whoever comes back, or is new, is on the next list, and moves nobody on this one.
        for name in ("user:r0", "user:late"):
            await light.reader.document(replace(LEO, id=name), document.id, now=NOW)

    assert sizes == [2, 2, 1]
    assert found == names[::-1]
    for limit in (0, 201):
        with pytest.raises(RequestError, match="limit"):
            await history.readers(OPERATOR, document.id, now=NOW, limit=limit)
