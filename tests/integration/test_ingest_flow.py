"""What a folder becomes, with every real part: parser process, model, engine, SQLite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from acl.records import UnknownDocumentError
from ingest.parts import Tools
from ingest.pipeline import PipelineSettings
from ingest.report import EventKind
from tests.integration.engine_state import assert_engine_equals_records
from tests.integration.folders import FILES, write
from tests.integration.world import (
    ADA,
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
