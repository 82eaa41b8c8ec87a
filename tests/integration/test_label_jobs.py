"""Changes of many documents on real records and a real engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from acl.engine.payload import label_payload
from acl.records import AuditKind, ItemState, RecordsUnavailableError
from acl.subject import Subject
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.desk import LabelDesk
from retrieval.labels.folders import FolderRequest
from retrieval.labels.jobs import BulkDesk
from retrieval.labels.requests import HandOver, LabelRequest, LabelRequestError
from retrieval.labels.selection import Selection, handing_over
from retrieval.labels.views import Target
from retrieval.rights.authority import OPERATOR, Asker, Authority, ForbiddenError
from retrieval.rights.directory import UnknownSubjectError
from retrieval.rights.standing import Standing
from retrieval.service.background import resume, resume_jobs
from tests.integration.label_office import (
    ABSENT,
    CASH,
    HR,
    LATER,
    STEWARD,
    TRAVEL,
    MovingDesk,
    Office,
    office_of,
)
from tests.integration.world import ADA, BOB, GUS, NOW, SAM
from tests.unit.acl.default_policy import ROWS, policy


async def test_a_job_names_what_is_known_and_not_theirs_and_nothing_else(office: Office) -> None:
    every = [one.id for one in await office.world.documents()]
    request = LabelRequest(values={"classification": "internal"})
    planned = await office.bulk.plan(HR, Selection(ids=(*every, ABSENT)), request)
    assert list(planned.uris.values()) == [TRAVEL]
    known = {one.uri for one in (await office.world.reader.list_documents(HR, now=NOW)).documents}
    assert {one.uri for one in planned.refused} == known - {TRAVEL}
    assert planned.effect is not None
    none = await office.bulk.plan(GUS, Selection(folder="/acme/"), request)
    assert (none.items, none.refused) == ({}, ())


async def test_a_bulk_change_leaves_alone_what_moved_meanwhile(office: Office) -> None:
    request = LabelRequest(values={"classification": "restricted"}, reason="all")
    begun = await office.bulk.begin(STEWARD, Selection(folder="/acme/"), request)
    await office.change(HR, TRAVEL, readers=["group:hr"])
    seen: list[int] = []
    job = await office.bulk.run(begun.job.id, on_progress=lambda one: seen.append(one.pending))
    assert job.counts[ItemState.CONFLICT] == 1
    assert job.counts[ItemState.DONE] == job.total - 1
    assert seen == [0]
    travel = await office.world.document(TRAVEL)
    assert (travel.label_json["classification"], travel.label_json["readers"]) == (0, ["group:hr"])
    schema = office.world.schema
    for document in await office.world.documents():
        wanted = label_payload(document.label(schema, NOW), schema)
        assert await office.carried(document) == wanted
    assert (await office.bulk.run(begun.job.id)).counts == job.counts


async def test_a_job_obeys_the_rights_of_the_moment_at_which_it_runs(office: Office) -> None:
    request = LabelRequest(values={"classification": "internal"})
    begun = await office.bulk.begin(HR, Selection(ids=(await office.id_of(TRAVEL),)), request)
    await office.world.records.database.write(_take_rights)
    job = await office.bulk.run(begun.job.id)
    assert job.counts == {ItemState.FAILED: 1}
    assert (await office.world.document(TRAVEL)).label_version == 1
    with pytest.raises(DocumentNotFoundError):
        await office.bulk.job(ADA, job.id)
    assert (await office.bulk.job(HR, job.id)).id == job.id
    assert (await office.bulk.job(OPERATOR, job.id)).id == job.id


def _take_rights(connection: object) -> None:
    """Let the stored asker be somebody who owns nothing."""
    execute = connection.exec_driver_sql  # type: ignore[attr-defined]
    execute("UPDATE label_jobs SET asker = replace(asker, 'group:hr', 'group:sales')")


async def test_what_moves_on_meanwhile_is_decided_again(office: Office) -> None:
    request = LabelRequest(values={"classification": "internal"})
    selection = Selection(ids=(await office.id_of(TRAVEL),))
    begun = await office.bulk.begin(HR, selection, request)
    hasty = MovingDesk(office.desk.parts)
    job = await BulkDesk(hasty, clock=lambda: NOW).run(begun.job.id)
    assert job.counts == {ItemState.DONE: 1}
    assert hasty.looks == 2

    again = MovingDesk(office.desk.parts)
    target = Target(selection.ids[0], 2)
    done = await again.change(HR, target, LabelRequest(values={"readers": []}), now=NOW)
    assert (done.version, again.looks) == (3, 2)


async def test_a_document_that_is_gone_is_a_conflict(office: Office) -> None:
    request = LabelRequest(values={"classification": "internal"})
    identity = await office.id_of(TRAVEL)
    begun = await office.bulk.begin(HR, Selection(ids=(identity,)), request)
    await office.world.pipeline.delete(identity, actor="user:root")
    job = await office.bulk.run(begun.job.id)
    (item,) = await office.world.records.jobs.items(job.id, state=ItemState.CONFLICT)
    assert item.detail == "is gone"
    assert await office.world.records.labels.history(identity) == ()


THREAD = "file:acme/engineering/thread.eml"


async def test_a_folder_reaches_what_is_touched_meanwhile(office: Office) -> None:
    asked = FolderRequest(folder="/acme/engineering/", values={"classification": "restricted"})
    done = await office.folders.set_folder(STEWARD, asked)
    await office.share(BOB, THREAD, "user:sam", None)
    assert done.job is not None
    job = await office.bulk.run(done.job.id)
    assert job.counts == {ItemState.DONE: 3}
    assert (await office.world.document(THREAD)).label_json["classification"] == 3


class _Meddling(LabelDesk):
    """A desk that shares a document whenever a job has read what it decides upon."""

    times = 1

    async def authority(self, asker: Asker, now: datetime) -> Authority:
        found = await super().authority(asker, now)
        if self.times:
            self.times -= 1
            await office_of(self.world).share(BOB, THREAD, f"user:sam{self.times}", None)
        return found

    def __init__(self, office: Office, times: int) -> None:
        super().__init__(office.desk.parts)
        self.world, self.times = office.world, times


async def test_a_folder_is_brought_to_a_label_that_keeps_changing_later(office: Office) -> None:
    asked = FolderRequest(folder="/acme/engineering/", values={"classification": "restricted"})
    done = await office.folders.set_folder(STEWARD, asked)
    assert done.job is not None
    desk = _Meddling(office, 11)
    job = await BulkDesk(desk, clock=lambda: NOW).run(done.job.id)
    assert (job.pending, desk.stopped) == (1, {job.id})
    again = await BulkDesk(desk, clock=lambda: NOW).run(job.id)
    assert (again.counts, desk.stopped) == ({ItemState.DONE: 3}, set())


async def test_one_whose_author_is_gone_holds_up_no_other(office: Office) -> None:
    request = LabelRequest(values={"classification": "restricted"})
    first = await office.bulk.begin(HR, Selection(ids=(await office.id_of(TRAVEL),)), request)
    second = await office.bulk.begin(STEWARD, Selection(folder="/acme/finance/"), request)

    async def resolve(subject: Subject) -> Subject:
        if subject.id == HR.id:
            raise UnknownSubjectError(subject.id)
        return subject

    standing = Standing(office.world.records, office.world.snapshots, resolve=resolve)
    bulk = BulkDesk(LabelDesk(replace(office.desk.parts, standing=standing)), clock=lambda: NOW)
    for begun in (first, second):
        await bulk.run(begun.job.id)
    jobs = office.world.records.jobs
    (item,) = await jobs.items(first.job.id, state=ItemState.FAILED)
    assert "not an active user" in item.detail
    told = await jobs.job(second.job.id)
    assert told is not None
    assert told.counts == {ItemState.DONE: 2}


async def test_a_plan_judges_what_lies_below_alone_and_lets_others_have_their_turn(
    office: Office,
) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    request = LabelRequest(values={"classification": "restricted"})
    task = asyncio.create_task(others())
    planned = await office.bulk.plan(STEWARD, Selection(folder="/acme/engineering/"), request)
    task.cancel()
    assert set(planned.uris.values()) == {
        one.uri for one in await office.world.documents() if "/engineering/" in one.uri
    }
    assert planned.not_compared == 0
    assert turns
    only = ROWS.split("# owners tag")[0]
    snapshot = office.world.snapshot
    office.world.snapshots.swap(replace(snapshot, policy=policy(only)))
    with pytest.raises(ForbiddenError):
        await office.bulk.plan(SAM, Selection(folder="/acme/handbook/"), request)
    office.world.snapshots.swap(snapshot)
    refused = (await office.bulk.plan(SAM, Selection(folder="/acme/handbook/"), request)).refused
    assert [one.reason for one in refused] == ["this needs the right to `document:tag`"]


class _Failing(LabelDesk):
    """A desk that cannot ask the records a few times."""

    def __init__(self, office: Office, times: int) -> None:
        super().__init__(office.desk.parts)
        self.times = times

    async def authority(self, asker: Asker, now: datetime) -> Authority:
        if self.times:
            self.times -= 1
            raise RecordsUnavailableError("the records cannot be reached")
        return await super().authority(asker, now)


async def test_what_stopped_goes_on_at_the_next_sweep_and_stops_no_other(office: Office) -> None:
    request = LabelRequest(values={"classification": "restricted"})
    selection = Selection(ids=(await office.id_of(TRAVEL),))
    first = await office.bulk.begin(HR, selection, request)
    second = await office.bulk.begin(STEWARD, Selection(folder="/acme/finance/"), request)
    desk = _Failing(office, 1)
    bulk = BulkDesk(desk, clock=lambda: NOW)
    parts: Any = SimpleNamespace(
        may_write=True, records=office.world.records, bulk=bulk, labels=desk
    )
    assert await resume_jobs(parts)
    assert len(desk.stopped) == 1
    jobs = office.world.records.jobs
    assert len(await jobs.unfinished()) == 1
    await resume(parts, tuple(desk.stopped))
    assert desk.stopped == set()
    assert await jobs.unfinished() == ()
    assert await bulk.jobs(HR) == (await bulk.job(HR, first.job.id),)
    assert {one.id for one in await bulk.jobs(OPERATOR)} == {first.job.id, second.job.id}


async def test_everything_that_a_leaver_owns_is_handed_over_and_nothing_else(
    office: Office,
) -> None:
    await office.change(STEWARD, TRAVEL, owner="user:olaf", readers=["group:hr", "user:olaf"])
    await office.share(STEWARD, CASH, "user:olaf", LATER)
    before = {one.uri: one.label_json for one in await office.world.documents()}
    mine = {uri for uri, label in before.items() if label["owner"] == "user:olaf"}
    assert TRAVEL in mine
    assert CASH not in mine
    selection, request = handing_over(
        HandOver(principal="user:olaf", successor="user:nora"), "acme", ""
    )
    planned = await office.bulk.plan(STEWARD, selection, request)
    assert set(planned.uris.values()) == mine
    begun = await office.bulk.begin(STEWARD, selection, request)
    job = await office.bulk.run(begun.job.id)
    assert job.counts == {ItemState.DONE: len(mine)}
    for document in await office.world.documents():
        owner = {"owner": "user:nora"} if document.uri in mine else {}
        assert document.label_json == {**before[document.uri], **owner}
    (event,) = await office.world.records.audit.events(kind=AuditKind.RELABEL_JOB)
    assert (event.event.detail["from"], event.event.detail["to"]) == ("user:olaf", "user:nora")
    assert not (await office.bulk.plan(STEWARD, selection, request)).items


async def test_reading_by_name_and_by_share_is_handed_over_if_asked(office: Office) -> None:
    await office.change(STEWARD, TRAVEL, readers=["group:hr", "user:olaf"])
    await office.share(STEWARD, CASH, "user:olaf", LATER)
    moved = HandOver(principal="user:olaf", successor="user:nora", readers=True)
    begun = await office.bulk.begin(STEWARD, *handing_over(moved, "acme", "left"))
    await office.bulk.run(begun.job.id)
    travel, cash = [await office.world.document(uri) for uri in (TRAVEL, CASH)]
    assert travel.label_json["readers"] == ["group:hr", "user:nora"]
    assert [(one.principal, one.until) for one in cash.shares] == [("user:nora", LATER)]
    assert "user:olaf" not in str(travel.label_json) + str(cash.label_json)


async def test_a_hand_over_asks_for_rights_on_each_document(office: Office) -> None:
    await office.change(STEWARD, TRAVEL, owner="user:olaf")
    moved = HandOver(principal="user:olaf", successor="user:nora")
    planned = await office.bulk.plan(HR, *handing_over(moved, "acme", ""))
    assert not planned.items
    for text in ("\0", "\ud800"):
        assert not (await office.bulk.plan(STEWARD, Selection(owner=text), LabelRequest())).items
    elsewhere = await office.bulk.plan(GUS, *handing_over(moved, "acme", ""))
    assert (elsewhere.items, elsewhere.refused) == ({}, ())
    for wrong in ("olaf", "user:Olaf", "", "user:nora"):
        with pytest.raises(LabelRequestError):
            HandOver(principal=wrong, successor="user:nora")


def test_a_hand_over_is_kept_with_its_job() -> None:
    moved = HandOver(principal="user:olaf", successor="user:nora", readers=True)
    request = LabelRequest(hand_over=moved)
    assert LabelRequest.from_json(request.as_json()) == request
