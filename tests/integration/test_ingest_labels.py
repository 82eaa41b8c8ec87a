"""What becomes of labels when a folder is read in, with what people and the scanner say of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acl.labels import Label
from acl.records import StaleLabelError
from ingest.errors import SourceError
from ingest.pipeline import Pipeline, PipelineSettings
from tests.integration.engine_state import assert_engine_equals_records
from tests.integration.folders import FILES, SECRET, write
from tests.integration.troubles import (
    Meddling,
    deaf,
    overtaken,
    stale,
)
from tests.integration.world import (
    ADA,
    BOB,
    SAM,
    CountingEncoder,
    World,
    relabelled,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


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

    cut = replace(installed.stores, engine=deaf(installed.engine))

    assert await relabelled(cut, document.id, label, expected=1) == (2, False)
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
    cut = replace(installed.stores, engine=deaf(installed.engine))

    await relabelled(cut, document.id, label, expected=1)
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
    cut = replace(installed.stores, engine=engine)
    await relabelled(cut, document.id, label, expected=1)

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
        await relabelled(installed.stores, stale.id, Label({}), expected=stale.label_version)


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
