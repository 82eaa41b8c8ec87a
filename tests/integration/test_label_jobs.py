"""Changes of many documents on real records and a real engine."""

from __future__ import annotations

from datetime import datetime

import pytest

from acl.engine.payload import label_payload
from acl.records import ItemState
from acl.records.heads import Head, bump
from retrieval.authority import OPERATOR, Asker, Authority
from retrieval.documents import DocumentNotFoundError
from retrieval.label_bulk import BulkDesk
from retrieval.label_requests import LabelRequest
from retrieval.label_selection import Selection
from retrieval.label_views import Target
from retrieval.labels import LabelDesk
from tests.integration.label_office import (
    ABSENT,
    HR,
    STEWARD,
    TRAVEL,
    Office,
)
from tests.integration.world import ADA, GUS, NOW


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


class _Hasty(LabelDesk):
    """A desk after whose first look something moves on."""

    looks = 0

    async def authority(self, asker: Asker, now: datetime) -> Authority:
        found = await super().authority(asker, now)
        self.looks += 1
        if self.looks == 1:
            await self.parts.records.database.write(bump, Head.SUSPENSION)
        return found


async def test_what_moves_on_meanwhile_is_decided_again(office: Office) -> None:
    request = LabelRequest(values={"classification": "internal"})
    selection = Selection(ids=(await office.id_of(TRAVEL),))
    begun = await office.bulk.begin(HR, selection, request)
    hasty = _Hasty(office.desk.parts)
    job = await BulkDesk(hasty, clock=lambda: NOW).run(begun.job.id)
    assert job.counts == {ItemState.DONE: 1}
    assert hasty.looks == 2

    again = _Hasty(office.desk.parts)
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
