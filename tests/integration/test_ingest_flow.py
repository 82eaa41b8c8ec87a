"""What a folder becomes, with every real part: parser process, model, engine, SQLite."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from acl.engine.payload import VERSION, label_payload
from acl.engine.wire import Filter, Range
from acl.labels import Label
from acl.records import StaleLabelError, UnknownDocumentError
from ingest.context import document_id
from ingest.errors import ParserUnavailableError, SourceError
from ingest.index.engine import Candidate, EngineUnavailableError, Point
from ingest.parts import Tools
from ingest.pipeline import Pipeline, PipelineSettings
from ingest.project import points_of
from ingest.reconcile import Reconciler
from ingest.report import EventKind
from tests.integration.folders import FILES, SECRET, write
from tests.integration.troubles import (
    Meddling,
    NoParser,
    Stopping,
    busy,
    deaf,
    full,
    keeping,
    overtaken,
    stale,
    watched,
)
from tests.integration.world import (
    ADA,
    BOB,
    GUS,
    LEO,
    PEOPLE,
    SAM,
    CountingEncoder,
    CountingParser,
    World,
    world,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERYTHING = Filter(must=(Range(VERSION, gte=0),))


async def points(installed: World) -> list[Candidate]:
    return [one async for one in installed.engine.scroll(EVERYTHING)]


async def assert_engine_equals_records(installed: World) -> None:
    """Every point is live, carries the whole label of record, and none is missing."""
    documents = {one.id: one for one in await installed.documents()}
    found: dict[str, int] = {}
    for point in await points(installed):
        document = documents[point.payload["document"]["id"]]
        assert point.payload["document"]["version"] == document.live_version
        wanted = label_payload(
            document.label(installed.schema, document.updated_at), installed.schema
        )
        assert point.payload["label"] == wanted
        found[document.id] = found.get(document.id, 0) + 1
    assert found == {one.id: one.chunk_count for one in documents.values()}


async def test_a_folder_becomes_labelled_points(installed: World, company: Path) -> None:
    report = await installed.ingest(company)

    assert (report.added, report.quarantined, report.failed) == (len(FILES), (), ())
    documents = {one.uri: one for one in await installed.documents()}
    assert documents.keys() == {f"file:{name}" for name in FILES}
    brief = documents["file:acme/engineering/brief.md"]
    assert brief.label_json == {
        "classification": 2,
        "compartments": ["falcon"],
        "owner": "group:engineering",
        "path": "/acme/engineering/brief.md",
        "readers": [],
        "tenant": "acme",
    }
    assert brief.title == "Falcon design brief"
    assert brief.metadata["format"] == "markdown"
    assert documents["file:acme/engineering/valve.html"].title == "Valve"
    await assert_engine_equals_records(installed)


async def test_each_document_is_seen_by_those_whom_casbin_permits(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    permits, documents = installed.oracle(), await installed.documents()

    shares = []
    for subject in PEOPLE:
        allowed = {one.uri for one in documents if permits(subject, one)}
        assert await installed.uris(subject, "project Falcon budget") == allowed, subject.id
        shares.append(len(allowed))

    assert min(shares) > 0
    assert max(shares) < len(documents)


async def test_a_second_run_does_nothing(
    installed: World, company: Path, encoder: CountingEncoder, parser: CountingParser
) -> None:
    first = await installed.ingest(company)
    before = (encoder.passages, parser.parsed, await installed.records.audit.head())

    second = await installed.ingest(company)

    assert second.unchanged == first.added == len(FILES)
    assert (second.added, second.updated, second.relabelled, second.encoded) == (0, 0, 0, 0)
    assert (encoder.passages, parser.parsed, await installed.records.audit.head()) == before


async def test_a_changed_file_is_never_found_by_its_old_text(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    write(company, "acme/finance/cash.txt", "The treasury moved to another bank in November.\n")

    report = await installed.ingest(company)

    assert (report.updated, report.unchanged) == (1, len(FILES) - 1)
    hits = await installed.hits(ADA, "cash position at the end of October")
    assert "file:acme/finance/cash.txt" in {hit.uri for hit in hits}
    assert not any("October" in hit.text for hit in hits)
    await assert_engine_equals_records(installed)


async def test_a_label_alone_is_changed_without_encoding(
    installed: World, company: Path, encoder: CountingEncoder
) -> None:
    await installed.ingest(company)
    before = encoder.passages
    label = '[label]\nowner = "group:finance"\nclassification = "confidential"\n'
    label += 'compartments = []\nreaders = ["group:finance", "user:bob"]\n'
    write(company, "acme/finance/_label.toml", label)

    report = await installed.ingest(company)

    assert (report.relabelled, report.unchanged) == (2, len(FILES) - 2)
    assert encoder.passages == before
    assert "file:acme/finance/cash.txt" in await installed.uris(BOB, "cash position")
    await assert_engine_equals_records(installed)
    again = await installed.ingest(company)
    assert again.unchanged == len(FILES)


async def test_a_label_that_people_changed_stays_until_the_source_says_something_new(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    uri = "file:acme/finance/cash.txt"
    await installed.relabel(uri, compartments=[], readers=["user:bob"])

    await installed.ingest(company)
    assert uri in await installed.uris(BOB, "cash")

    write(company, "acme/finance/cash.txt", "The cash position in November was five million.\n")
    await installed.ingest(company)
    assert uri in await installed.uris(BOB, "cash")

    sidecar = '[label]\nclassification = "restricted"\n'
    write(company, "acme/finance/cash.txt.label.toml", sidecar)
    await installed.ingest(company)
    label = (await installed.document(uri)).label_json
    assert (label["classification"], label["readers"]) == (3, ["user:bob"])
    assert uri not in await installed.uris(BOB, "cash")

    await installed.relabel(uri, compartments=[], classification=2, readers=["user:bob"])
    report = await installed.ingest(company)
    assert report.relabelled == 0
    assert uri in await installed.uris(BOB, "cash")


async def test_tightening_binds_at_once_even_if_the_engine_cannot_follow(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    uri = "file:acme/handbook/travel.md"
    assert uri in await installed.uris(SAM, "travel")
    document = await installed.document(uri)
    label = installed.schema.parse({**document.label_json, "classification": 3})

    cut = Pipeline(replace(installed.stores, engine=deaf(installed.engine)), installed.tools)
    done = await cut.relabel(document.id, label, expected_version=1, actor="user:root")

    assert (done.label_version, done.projected) == (2, False)
    assert uri not in await installed.uris(SAM, "travel")
    assert installed.searcher.counts.lagging == 1
    assert installed.searcher.counts.alarm == 0
    found = await installed.reconciler.run(now=document.updated_at)
    assert (found.projected, found.differences) == (1, 1)
    await assert_engine_equals_records(installed)
    assert uri not in await installed.uris(SAM, "travel")
    assert installed.searcher.counts.lagging == 1


async def test_widening_shows_when_the_engine_has_it(installed: World, company: Path) -> None:
    await installed.ingest(company)
    uri = "file:acme/board/minutes.md"
    document = await installed.document(uri)
    wider = {"classification": 0, "compartments": [], "readers": ["group:everyone"]}
    label = installed.schema.parse({**document.label_json, **wider})
    cut = Pipeline(replace(installed.stores, engine=deaf(installed.engine)), installed.tools)

    await cut.relabel(document.id, label, expected_version=1, actor="user:root")
    assert uri not in await installed.uris(SAM, "minutes of the board")

    await installed.reconciler.run(now=document.updated_at)
    assert uri in await installed.uris(SAM, "minutes of the board")


async def test_the_last_of_two_relabellings_stays_whichever_arrives_last(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    document = await installed.document("file:acme/handbook/travel.md")
    label = installed.schema.parse({**document.label_json, "classification": 2})

    async def tighten() -> None:
        await installed.relabel(document.uri, classification=3)

    engine = overtaken(installed.engine, tighten)
    cut = Pipeline(replace(installed.stores, engine=engine), installed.tools)
    await cut.relabel(document.id, label, expected_version=1, actor="user:root")

    assert (await installed.document(document.uri)).label_json["classification"] == 3
    await assert_engine_equals_records(installed)


async def test_a_label_that_was_changed_meanwhile_is_not_overwritten(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    uri = "file:acme/board/minutes.md"
    stale = await installed.document(uri)
    await installed.relabel(uri, classification=2)

    with pytest.raises(StaleLabelError):
        await installed.pipeline.relabel(
            stale.id, Label({}), expected_version=stale.label_version, actor="user:root"
        )


async def test_what_cannot_be_read_parsed_or_labelled_waits_in_quarantine(
    installed: World, company: Path
) -> None:
    write(company, "acme/handbook/empty.txt", "  \n")
    write(company, "acme/handbook/picture.xyz", "who knows")
    write(company, "orphan.txt", "Nobody said whose this is.\n")
    write(company, "acme/handbook/weak.md", "---\nlabel:\n  tenant: globex\n---\nMine now.\n")
    write(company, "acme/handbook/odd.md", "---\nmetadata:\n  language: 7\n---\nSeven.\n")
    (company / "acme/handbook/link.md").symlink_to(company / "acme/board/minutes.md")

    report = await installed.ingest(company)

    reasons = {one.uri: one.reason for one in report.quarantined}
    assert reasons == {
        "file:acme/handbook/empty.txt": "no text found: the file is empty",
        "file:acme/handbook/picture.xyz": "files named `*.xyz` are not supported",
        "file:orphan.txt": "the label is not complete: `classification`: is missing; "
        "`compartments`: is missing; `owner`: is missing; `readers`: is missing; "
        "`tenant`: is missing",
        "file:acme/handbook/weak.md": "front matter may not weaken `tenant`: it says `globex`, "
        "`acme/_label.toml` says `acme`",
        "file:acme/handbook/odd.md": "metadata `language`: expected text, not int",
        "file:acme/handbook/link.md": "is a link whose target is read at its own place",
    }
    assert report.added == len(FILES)
    entries = await installed.records.quarantine.entries()
    assert {one.uri for one in entries} == reasons.keys()
    await assert_engine_equals_records(installed)


async def test_quarantine_withdraws_what_was_live_and_lets_it_back(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    uri, text = "file:acme/handbook/travel.md", FILES["acme/handbook/travel.md"]
    path = write(company, "acme/handbook/travel.md", "---\nlabel:\n  owner: 7\n---\n" + text)

    report = await installed.ingest(company)

    assert [(one.uri, one.withdrawn) for one in report.quarantined] == [(uri, True)]
    assert uri not in await installed.uris(SAM, "travel")
    path.write_text(text)
    back = await installed.ingest(company)
    assert (back.added, back.quarantined) == (1, ())
    assert await installed.records.quarantine.entries() == ()
    assert uri in await installed.uris(SAM, "travel")


async def test_what_cannot_be_read_at_all_stays_as_it_was(installed: World, company: Path) -> None:
    await installed.ingest(company)
    write(company, "acme/finance/_label.toml", "this is not TOML")
    shutil.rmtree(company / "globex")

    report = await installed.ingest(company, prune=True)

    assert {one.withdrawn for one in report.quarantined} == {False}
    assert report.removed == 0
    assert "file:acme/finance/cash.txt" in await installed.uris(ADA, "cash position")


async def test_a_file_that_vanished_is_reported_and_removed_only_on_demand(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    (company / "acme/finance/cash.txt").unlink()
    uri = "file:acme/finance/cash.txt"

    reported = await installed.ingest(company)
    assert (reported.vanished, reported.removed) == ((uri,), 0)
    assert uri in await installed.uris(ADA, "cash position")

    alone = await installed.ingest(company / "acme/handbook/travel.md")
    assert alone.vanished == ()

    pruned = await installed.ingest(company, prune=True)
    assert (pruned.vanished, pruned.removed) == ((), 1)
    assert uri not in await installed.uris(ADA, "cash position")
    await assert_engine_equals_records(installed)


async def test_a_deleted_document_is_gone(installed: World, company: Path) -> None:
    await installed.ingest(company)
    document = await installed.document("file:acme/board/minutes.md")

    await installed.pipeline.delete(document.id, actor="user:root")

    assert "file:acme/board/minutes.md" not in await installed.uris(LEO, "minutes")
    await assert_engine_equals_records(installed)
    with pytest.raises(UnknownDocumentError):
        await installed.pipeline.delete(document.id, actor="user:root")


async def test_secrets_raise_the_label_and_never_lower_it(installed: World, company: Path) -> None:
    write(company, "acme/handbook/token.md", f"# Build\n\nThe build uses {SECRET} as its token.\n")
    write(company, "acme/board/token.md", f"# Board\n\nThe board uses {SECRET} as its token.\n")

    report = await installed.ingest(company)

    assert [(one.uri, one.level) for one in report.raised] == [
        ("file:acme/handbook/token.md", "restricted")
    ]
    assert all("github" in rule for one in report.raised for rule in one.rules)
    low = await installed.document("file:acme/handbook/token.md")
    assert low.label_json["classification"] == 3
    assert low.label_json["readers"] == ["group:everyone"]
    assert "file:acme/handbook/token.md" not in await installed.uris(SAM, "build token")
    assert "file:acme/handbook/token.md" in await installed.uris(ADA, "build token")


async def test_a_new_secret_raises_a_label_that_people_had_lowered(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    uri = "file:acme/handbook/travel.md"
    await installed.relabel(uri, owner="user:sam")
    write(company, "acme/handbook/travel.md", f"Travel is booked with {SECRET} as token.\n")

    report = await installed.ingest(company)

    assert [one.uri for one in report.raised] == [uri]
    label = (await installed.document(uri)).label_json
    assert label["classification"] == 3


async def test_the_level_for_secrets_must_be_one(installed: World) -> None:
    with pytest.raises(SourceError, match="`secret` is not a level; there are public, internal"):
        Pipeline(
            installed.stores, installed.tools, settings=PipelineSettings(secret_level="secret")
        )


async def test_flags_win_and_are_checked(installed: World, company: Path) -> None:
    flags: dict[str, Any] = {"classification": "restricted"}

    await installed.ingest(company, flags=flags)

    assert {one.label_json["classification"] for one in await installed.documents()} == {3}
    report = await installed.ingest(company, flags={"classification": "secret"})
    assert len(report.quarantined) == len(FILES)


async def test_one_text_with_two_labels_is_two_documents(installed: World, company: Path) -> None:
    text = FILES["acme/board/minutes.md"]
    write(company, "acme/handbook/copy.md", text)

    await installed.ingest(company)

    assert "file:acme/board/minutes.md" not in await installed.uris(SAM, "minutes")
    assert "file:acme/handbook/copy.md" in await installed.uris(SAM, "minutes")


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


async def test_a_text_does_not_bring_back_a_label_that_was_changed_meanwhile(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    uri = "file:acme/handbook/travel.md"
    write(company, "acme/handbook/travel.md", "Trips are booked by the travel desk now.\n")

    async def tighten() -> None:
        await installed.relabel(uri, classification=3)

    tools = replace(installed.tools, encoder=Meddling(installed.tools.encoder, tighten))
    report = await Pipeline(installed.stores, tools).ingest(
        company, flags={}, on_event=installed.events.append
    )

    assert [one.uri for one in report.failed] == [uri]
    assert uri not in await installed.uris(SAM, "travel")
    await assert_engine_equals_records(installed)
    again = await installed.ingest(company)
    assert again.updated == 1
    assert (await installed.document(uri)).label_json["classification"] == 3
    assert uri not in await installed.uris(SAM, "travel desk")


async def test_a_label_from_the_source_does_not_overwrite_one_that_was_changed_meanwhile(
    installed: World, company: Path
) -> None:
    await installed.ingest(company)
    write(company, "acme/handbook/travel.md.label.toml", "[label]\nreaders = []\n")
    records = replace(installed.stores.records, documents=stale(installed.stores.records.documents))
    cut = Pipeline(replace(installed.stores, records=records), installed.tools)

    report = await cut.ingest(company, flags={}, on_event=installed.events.append)

    assert [one.uri for one in report.failed] == ["file:acme/handbook/travel.md"]
    assert (await installed.ingest(company)).relabelled == 1


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


async def test_another_model_makes_every_document_anew(
    tmp_path: Path, tools: Tools, company: Path
) -> None:
    async with world(tmp_path / "data", tools) as made:
        await made.ingest(company)
    async with world(tmp_path / "data", replace(tools, model="minilm@2")) as made:
        report = await made.ingest(company)

        assert report.updated == len(FILES)


async def test_many_new_points_rebuild_the_graph(
    tmp_path: Path, tools: Tools, company: Path
) -> None:
    settings = PipelineSettings(optimize_points=5)
    async with world(tmp_path / "data", tools, settings=settings) as made:
        await made.ingest(company)

        assert [event.kind for event in made.events].count(EventKind.OPTIMIZING) == 1
        assert "file:globex/falcon.txt" in await made.uris(GUS, "Falcon")
        await made.ingest(company)
        assert [event.kind for event in made.events].count(EventKind.OPTIMIZING) == 1


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
