"""Runs that are stopped, parts that fail, and the reconciler that brings the engine in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from acl.engine.payload import label_payload
from ingest.context import document_id
from ingest.errors import ParserUnavailableError
from ingest.index.engine import EngineUnavailableError, Point
from ingest.parts import Tools
from ingest.pipeline import Pipeline, PipelineSettings
from ingest.reconcile import Reconciler
from ingest.report import EventKind
from tests.integration.engine_state import assert_engine_equals_records, points, points_of
from tests.integration.folders import FILES, write
from tests.integration.troubles import (
    Meddling,
    NoParser,
    Stopping,
    busy,
    full,
    keeping,
    watched,
)
from tests.integration.world import (
    ADA,
    LEO,
    CountingEncoder,
    World,
    world,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_run_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, tools: Tools, company: Path, encoder: CountingEncoder
) -> None:
    stopping = replace(tools, encoder=Stopping(encoder, after=3))
    small = PipelineSettings(batch_chunks=1)
    async with world(tmp_path / "data", stopping, settings=small) as made:
        with pytest.raises(EngineUnavailableError):
            await made.ingest(company)
        done = [event.uri for event in made.events if event.kind is EventKind.ADDED]
    assert len(done) == 3

    async with world(tmp_path / "data", tools, settings=small) as made:
        report = await made.ingest(company)

        assert (report.unchanged, report.added) == (3, len(FILES) - 3)
        await assert_engine_equals_records(made)


async def test_a_version_that_cannot_go_live_leaves_nothing(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    write(company, "acme/finance/cash.txt", "The treasury moved to another bank.\n")
    cut = Pipeline(replace(installed.stores, engine=full(installed.engine)), installed.tools)

    with pytest.raises(EngineUnavailableError):
        await cut.ingest(company, flags={}, on_event=installed.events.append)

    await assert_engine_equals_records(installed)
    assert "file:acme/finance/cash.txt" in await installed.uris(ADA, "cash position")
    assert (await installed.ingest(company)).updated == 1


async def test_points_that_linger_lead_to_nothing(installed: World, company: Path) -> None:
    await installed.ingest(company)
    document = await installed.document("file:acme/board/minutes.md")
    cut = Pipeline(replace(installed.stores, engine=keeping(installed.engine)), installed.tools)

    await cut.delete(document.id, actor="user:root")

    assert "file:acme/board/minutes.md" not in await installed.uris(LEO, "minutes")
    assert installed.searcher.counts.stale == 1
    report = await installed.reconciler.run(now=document.updated_at)
    assert (report.deletions, report.differences) == (1, 1)
    await assert_engine_equals_records(installed)


async def test_a_graph_that_cannot_be_built_is_no_failure(installed: World, company: Path) -> None:
    stores = replace(installed.stores, engine=busy(installed.engine))
    cut = Pipeline(stores, installed.tools, settings=PipelineSettings(optimize_points=1))

    report = await cut.ingest(company, flags={}, on_event=installed.events.append)

    assert report.added == len(FILES)


async def test_the_reconciler_gives_way_to_a_relabelling(installed: World, company: Path) -> None:
    await installed.ingest(company)
    document = await installed.document("file:acme/handbook/travel.md")
    await installed.engine.delete(points_of(document.id))

    async def tighten() -> None:
        await installed.relabel(document.uri, classification=3)

    encoder = Meddling(installed.tools.encoder, tighten)
    await Reconciler(installed.stores, encoder).run(now=document.updated_at)

    await assert_engine_equals_records(installed)
    assert (await installed.document(document.uri)).label_version == 2


async def test_the_reconciler_gives_way_to_a_deletion(installed: World, company: Path) -> None:
    await installed.ingest(company)
    document = await installed.document("file:acme/handbook/travel.md")
    await installed.engine.delete(points_of(document.id))

    async def delete() -> None:
        await installed.pipeline.delete(document.id, actor="user:root")

    encoder = Meddling(installed.tools.encoder, delete)
    await Reconciler(installed.stores, encoder).run(now=document.updated_at)

    await assert_engine_equals_records(installed)


async def test_the_reconciler_leaves_a_version_alone_that_is_being_written(
    installed: World, company: Path
) -> None:
    write(company, "acme/handbook/new.md", "# New\n\nTrips are new.\n")
    past = datetime(2026, 1, 1, tzinfo=UTC)

    async def reconcile() -> None:
        await installed.reconciler.run(now=past, begun_before=past)

    engine = watched(installed.engine, reconcile)
    cut = Pipeline(replace(installed.stores, engine=engine), installed.tools)

    report = await cut.ingest(company, flags={}, on_event=installed.events.append)

    assert report.added == len(FILES) + 1
    await assert_engine_equals_records(installed)


async def test_a_parser_that_does_not_start_blames_no_file(
    tmp_path: Path, tools: Tools, company: Path
) -> None:
    async with world(tmp_path / "data", replace(tools, parser=NoParser())) as made:
        with pytest.raises(ParserUnavailableError):
            await made.ingest(company)

        assert await made.records.quarantine.entries() == ()


async def test_the_reconciler_restores_what_the_engine_lost_and_removes_what_it_should_not_have(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    at = (await installed.documents())[0].updated_at
    lost = await installed.document("file:acme/finance/cash.txt")
    moved = await installed.document("file:acme/board/minutes.md")
    found = {one.payload["document"]["id"]: one for one in await points(installed)}
    stray = document_id("acme", "file:nowhere")
    vector = await installed.tools.encoder.encode_passages(["stray"])
    payload = {**found[moved.id].payload, "document": {"id": stray, "version": 1}}
    await installed.engine.upsert([Point(stray, vector[0], "stray", payload)])
    await installed.engine.delete(points_of(lost.id))
    public = {**moved.label_json, "classification": 0}
    wrong = label_payload(installed.schema.parse(public), installed.schema)
    await installed.engine.set_label(points_of(moved.id), wrong)

    report = await installed.reconciler.run(now=at)

    assert (report.missing, report.orphans, report.mislabelled) == (1, 1, 1)
    assert report.differences == 3
    await assert_engine_equals_records(installed)
    assert (await installed.reconciler.run(now=at)).differences == 0
    assert "file:acme/finance/cash.txt" in await installed.uris(ADA, "cash position")
