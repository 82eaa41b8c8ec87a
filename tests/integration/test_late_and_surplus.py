"""What the engine does not carry yet, or should not carry, and who brings it in order."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ingest.index.engine import Point
from ingest.project import Projector
from ingest.reconcile import Sweeper
from retrieval.labels.desk import LabelDesk
from retrieval.labels.folders import FolderRequest
from retrieval.labels.requests import LabelRequest, ShareRequest
from retrieval.labels.selection import checked_folder
from retrieval.labels.views import Target
from retrieval.rights.standing import AtLeast
from retrieval.service.background import sweep
from retrieval.service.wiring import Parts
from tests.integration.engine_state import points_of
from tests.integration.folders import write_company
from tests.integration.label_office import CASH, LATER, STEWARD, TRAVEL, Office, office_of
from tests.integration.troubles import deaf
from tests.integration.world import ADA, NOW, SAM, world
from tests.plain import plain_tools

THREAD = "file:acme/engineering/thread.eml"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with world(tmp_path / "data", plain_tools(), in_memory=True) as made:
        await made.ingest(write_company(tmp_path / "source"))
        yield office_of(made)


async def late_share(office: Office) -> int:
    """Share a document while the engine does not hear of it; return the label revision."""
    stores = replace(office.world.stores, engine=deaf(office.world.engine))
    cut = LabelDesk(replace(office.desk.parts, projector=Projector(stores)))
    document = await office.world.document(THREAD)
    request = LabelRequest(share=(ShareRequest(principal="user:sam"),))
    target = Target(document.id, document.label_version)
    assert not (await cut.change(STEWARD, target, request, now=NOW)).projected
    return (await office.world.document(THREAD)).label_revision


async def test_what_was_acknowledged_shows_without_a_restart(office: Office) -> None:
    revision = await late_share(office)
    parts = SimpleNamespace(
        may_write=True, records=office.world.records, stores=office.world.stores
    )
    sweeping = asyncio.create_task(sweep(cast("Parts", parts)))
    try:
        async with asyncio.timeout(10):
            while await office.world.records.projection.unprojected():
                await asyncio.sleep(0.01)
    finally:
        sweeping.cancel()
    assert THREAD in await office.found(SAM, "supplier", NOW)
    pinned = await office.world.standing.pin(SAM, at_least=AtLeast(label=revision))
    assert pinned.heads.label >= revision


async def test_a_change_whose_author_left_is_brought_to_the_engine(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def slow(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(office.world.engine, "set_label", slow)
        change = asyncio.create_task(office.change(STEWARD, CASH, classification="public"))
        await begun.wait()
        change.cancel()
        with pytest.raises(asyncio.CancelledError):
            await change
    assert (await office.world.document(CASH)).projected_label_version == 1

    sweeper = Sweeper(office.world.records, Projector(office.world.stores))
    assert await sweeper.catch_up(now=NOW) == 1
    assert (await office.world.document(CASH)).projected_label_version == 2
    assert await sweeper.catch_up(now=NOW) == 0


async def test_a_round_that_fails_is_passed_over_for_a_time(office: Office) -> None:
    await late_share(office)
    records = office.world.records
    silent = Sweeper(
        records, Projector(replace(office.world.stores, engine=deaf(office.world.engine)))
    )
    assert await silent.catch_up(now=NOW) == 1
    assert await silent.catch_up(now=NOW) == 0
    assert await silent.catch_up(now=NOW) == 1
    assert len(await records.projection.unprojected()) == 1


async def points(office: Office, uri: str) -> list[Any]:
    where = points_of((await office.world.document(uri)).id)
    return [one async for one in office.world.engine.scroll(where)]


@pytest.mark.parametrize("without", ["version", "id", "document", "all"])
async def test_a_point_that_names_no_document_and_version_is_found_and_deleted(
    office: Office, without: str
) -> None:
    (point,) = await points(office, CASH)
    payload = {**point.payload, "document": dict(point.payload["document"])}
    if without in {"version", "id"}:
        del payload["document"][without]
    else:
        del payload["document"]
    if without == "all":
        payload = {"label": payload["label"]}
    (vector,) = await office.world.tools.encoder.encode_passages(["nameless"])
    await office.world.engine.upsert([Point(str(uuid.uuid4()), vector, "nameless", payload)])

    report = await office.world.reconciler.run(now=NOW)

    assert (report.orphans, report.differences) == (1, 1)
    assert (await office.world.reconciler.run(now=NOW)).differences == 0
    assert CASH in await office.found(ADA, "cash position", NOW)


@pytest.mark.parametrize("what", ["another point", "other metadata"])
async def test_points_beyond_the_passages_and_altered_ones_are_made_again(
    office: Office, what: str
) -> None:
    (point,) = await points(office, CASH)
    (vector,) = await office.world.tools.encoder.encode_passages(["board secrets"])
    payload = dict(point.payload)
    if what == "other metadata":
        payload["meta"] = {"format": "forged"}
    identity = str(uuid.uuid4()) if what == "another point" else point.id
    await office.world.engine.upsert([Point(identity, vector, "board secrets", payload)])

    report = await office.world.reconciler.run(now=NOW)

    assert (report.surplus, report.missing, report.differences) == (1, 1, 2)
    assert await points(office, CASH) == [point]
    assert (await office.world.reconciler.run(now=NOW)).differences == 0


async def test_a_folder_is_one_place_however_its_name_is_spelt(office: Office) -> None:
    assert checked_folder("/acme/e\u0301/") == "/acme/\u00e9/"
    asked = FolderRequest(folder="/acme/e\u0301", values={"classification": "internal"})
    await office.folders.set_folder(STEWARD, asked)
    (known,) = (await office.folders.view(STEWARD, "acme")).folders
    assert known.path == "/acme/\u00e9/"


async def test_what_is_undone_of_a_folder_is_set_on_the_document(office: Office) -> None:
    handbook = FolderRequest(folder="/acme/handbook/", values={"classification": "restricted"})
    await office.set_folder(STEWARD, handbook)
    document = await office.world.document(TRAVEL)
    target = Target(document.id, document.label_version)
    await office.desk.undo(STEWARD, target, reason="", now=NOW)
    view = await office.desk.show(STEWARD, document.id, now=NOW)
    assert (view.label["classification"], view.origins["classification"]) == (
        "public",
        "document",
    )
    assert view.origins["owner"] == "source"

    other = replace(handbook, values={"compartments": []})
    await office.set_folder(STEWARD, other)

    assert (await office.world.document(TRAVEL)).label_json["classification"] == 0


async def test_an_undo_does_not_set_what_folders_say_anyway(office: Office) -> None:
    handbook = FolderRequest(folder="/acme/handbook/", values={"classification": "restricted"})
    await office.set_folder(STEWARD, handbook)
    await office.share(STEWARD, TRAVEL, "user:bob", LATER)
    document = await office.world.document(TRAVEL)
    target = Target(document.id, document.label_version)
    await office.desk.undo(STEWARD, target, reason="", now=NOW)
    view = await office.desk.show(STEWARD, document.id, now=NOW)
    assert view.origins["classification"] == "folder /acme/handbook/"
