"""One label of record that cannot be read: nobody finds the document, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import Connection, update

from acl.labels import MAX_SET
from acl.records import ItemState
from acl.records.tables.schema import documents
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.folders import FolderRequest
from retrieval.labels.requests import LabelRequest, LabelRequestError
from retrieval.labels.selection import Selection
from retrieval.policy.edits import Edit
from retrieval.policy.gate import live_labels
from retrieval.policy.preview import corpus_of
from retrieval.rights.authority import OPERATOR
from retrieval.service.background import mend
from retrieval.service.wiring import Parts
from tests.integration.folders import write, write_company
from tests.integration.label_office import CASH, HR, STEWARD, TRAVEL, Office, office_of
from tests.integration.test_policy_desk import ENGINEERING, desk_of
from tests.integration.world import NOW, SAM, world
from tests.plain import plain_tools

CROWD = [f"user:u{number}" for number in range(MAX_SET + 1)]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with world(tmp_path / "data", plain_tools(), in_memory=True) as made:
        await made.ingest(write_company(tmp_path / "source"))
        yield office_of(made)


async def spoil(office: Office, uri: str) -> str:
    """Write a label that no schema reads, as an earlier program could; return the document."""
    document = await office.world.document(uri)
    label = json.dumps({**document.label_json, "readers": CROWD})

    def store(connection: Connection) -> None:
        statement = update(documents).where(documents.c.id == document.id)
        version = document.label_version + 1
        connection.execute(
            statement.values(label=label, label_digest="spoiled", label_version=version)
        )

    await office.world.records.database.write(store)
    return document.id


async def test_an_owner_cannot_make_a_label_too_large_by_sharing(office: Office) -> None:
    await office.change(HR, TRAVEL, readers=["group:everyone", *CROWD[: MAX_SET - 1]])
    with pytest.raises(LabelRequestError, match="`readers`: holds 1001 entries"):
        await office.share(HR, TRAVEL, "user:one-more", None)
    assert (await office.world.document(TRAVEL)).label_version == 2
    await live_labels(office.world.records, office.world.schema)


async def test_the_engine_and_everybody_else_go_on(office: Office) -> None:
    made = office.world
    found = await spoil(office, TRAVEL)

    report = await made.reconciler.run(now=NOW)
    again = await made.reconciler.run(now=NOW)

    assert (report.unreadable, report.differences) == ((found,), 1)
    assert (again.unreadable, again.differences) == ((found,), 0)
    assert TRAVEL not in await office.found(SAM, "trips", NOW)
    assert made.searcher.counts.alarm == 0
    head = await made.records.standing.read()
    await office.change(STEWARD, CASH, owner="user:ada")
    assert (await made.records.standing.read()).label == head.label + 1


async def test_policies_are_proved_and_take_effect(office: Office) -> None:
    made = office.world
    found = await spoil(office, TRAVEL)
    known = len(await made.records.catalog.distinct_labels())
    assert len(await live_labels(made.records, made.schema)) == known - 1
    assert await made.records.catalog.carrying(["spoiled"]) == (found,)

    desk = desk_of(made)
    edit = Edit(remove=(ENGINEERING,))
    await desk.propose(OPERATOR, edit, expected=1, reason="", now=NOW)
    corpus = await corpus_of(made.records, made.schema, ["acme", "globex"], at=NOW)
    await desk.activate(OPERATOR, 2, expected=1, now=NOW)

    assert int(corpus.census.counts.sum()) == len(await made.documents()) - 1
    assert (await made.standing.current()).revision == 2


async def test_jobs_leave_it_alone_and_name_it_to_the_operator(office: Office) -> None:
    found = await spoil(office, TRAVEL)
    request = LabelRequest(values={"classification": "restricted"})
    everything = Selection(folder="/acme/", tenant="acme")

    planned = await office.bulk.plan(OPERATOR, everything, request)
    assert [(one.document_id, one.reason) for one in planned.refused] == [
        (found, "`readers`: is missing")
    ]
    assert found not in {*(await office.bulk.plan(STEWARD, everything, request)).items}
    job = await office.bulk.run((await office.bulk.begin(OPERATOR, everything, request)).job.id)
    assert job.counts == {ItemState.DONE: job.total}
    # The job's catching up brought to the engine that nobody reads it.
    assert (await office.world.document(TRAVEL)).projected_label_version == 2
    with pytest.raises(LabelRequestError, match="`classification`: expected one of"):
        await office.bulk.plan(
            OPERATOR, everything, LabelRequest(values={"classification": "secret"})
        )


async def test_a_folder_that_makes_a_label_too_large_keeps_one_document_out(
    office: Office, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    names = [f"c{number}" for number in range(MAX_SET)]
    asked = FolderRequest(folder="/acme/new/", tenant="acme", values={"compartments": names})
    await office.folders.set_folder(OPERATOR, asked)
    said = '[label]\nowner = "user:x"\nclassification = "public"\ncompartments = ["more"]\n'
    write(source, "acme/new/_label.toml", said)
    write(source, "acme/new/a.txt", "a text\n")
    write(source, "acme/zz/_label.toml", said)
    write(source, "acme/zz/b.txt", "b text\n")

    report = await office.world.ingest(source)

    reason = "folders and shares make no label of it: `compartments`: holds 1001 entries"
    assert {one.uri: one.reason for one in report.quarantined} == {
        "file:acme/new/a.txt": f"{reason}; at most 1000 are allowed"
    }
    assert report.added == 1


async def test_the_operator_sees_what_is_legible_and_sets_the_rest(office: Office) -> None:
    found = await spoil(office, TRAVEL)
    with pytest.raises(DocumentNotFoundError):
        await office.desk.show(STEWARD, found, now=NOW)
    seen = await office.desk.show(OPERATOR, found, now=NOW)
    assert (seen.label["owner"], "readers" in seen.label) == ("group:hr", False)
    with pytest.raises(LabelRequestError, match="`readers`: is missing"):
        await office.change(OPERATOR, TRAVEL, owner="user:hana")

    await office.change(OPERATOR, TRAVEL, readers=["group:everyone"])

    assert TRAVEL in await office.found(SAM, "trips", NOW)
    report = await office.world.reconciler.run(now=NOW)
    assert (report.unreadable, report.differences) == ((), 0)


async def test_a_service_that_starts_mends_the_rest(office: Office) -> None:
    await spoil(office, TRAVEL)
    made = office.world
    parts = SimpleNamespace(may_write=True, stores=made.stores, encoder=made.tools.encoder)
    await mend(cast("Parts", parts))
    assert (await made.document(TRAVEL)).projected_label_version == 2
