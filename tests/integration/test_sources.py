"""Sources: no run harms another's documents, and a document outlives the name of its file."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acl.records import AuditKind, DocumentRecord, RecordsConflictError
from ingest.comparison import StoppedError
from ingest.errors import SourceError
from ingest.report import IngestReport
from ingest.sources.registry import registered, source_event, source_of_path
from tests.builders import last_event
from tests.integration.folders import write
from tests.integration.label_office import LATER, STEWARD, Office, office_of
from tests.integration.world import SAM, World, world
from tests.plain import plain_tools

LABEL: dict[str, Any] = {
    "tenant": "acme",
    "owner": "user:olaf",
    "classification": "internal",
    "compartments": [],
    "readers": ["group:everyone"],
}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with world(tmp_path / "data", plain_tools(), in_memory=True) as made:
        yield office_of(made)


async def run(
    made: World,
    folder: Path,
    *,
    prune: bool = False,
    sure: bool = False,
    at: str = "",
    **label: object,
) -> IngestReport:
    """Read a folder in as a source, as the command line does."""
    source = await source_of_path(made.records, folder, at=at, label=label)
    return await made.pipeline.ingest(
        folder, flags={}, on_event=made.events.append, prune=prune, sure=sure, source=source
    )


async def stored(made: World) -> dict[str, DocumentRecord]:
    return {each.uri: each for each in await made.documents()}


async def test_a_second_folder_takes_no_name_of_the_first(office: Office, tmp_path: Path) -> None:
    made = office.world
    write(tmp_path / "A", "terms.txt", "Clause one: delivery by Friday.\n")
    write(tmp_path / "B", "terms.txt", "Clause nine: delivery by barge.\n")
    write(tmp_path / "B", "first.txt", "Something else.\n")
    await run(made, tmp_path / "A", **LABEL)
    before = await stored(made)

    with pytest.raises(StoppedError, match=r"`file:terms\.txt` comes from the source `A`"):
        await run(made, tmp_path / "B", **LABEL)
    assert await stored(made) == before
    assert [each.source.name for each in await made.records.sources.listed()] == ["A"]

    await run(made, tmp_path / "B", at="/b", **LABEL | {"classification": "public"})
    after = await stored(made)
    assert set(after) == {"file:terms.txt", "file:b/terms.txt", "file:b/first.txt"}
    assert after["file:terms.txt"] == before["file:terms.txt"]
    assert after["file:b/terms.txt"].label_json["path"] == "/b/terms.txt"


async def test_prune_reaches_what_the_same_source_brought(office: Office, tmp_path: Path) -> None:
    made = office.world
    for name in ("one.txt", "two.txt"):
        write(tmp_path / "A", f"a-{name}", f"{name} of A\n")
        write(tmp_path / "B", f"b-{name}", f"{name} of B\n")
    await run(made, tmp_path / "A", **LABEL)
    await run(made, tmp_path / "B", **LABEL)
    (tmp_path / "B" / "b-one.txt").unlink()

    report = await run(made, tmp_path / "B", prune=True, sure=True)

    assert report.removed == 1
    assert set(await stored(made)) == {"file:a-one.txt", "file:a-two.txt", "file:b-two.txt"}


@pytest.mark.parametrize(("gone", "stops"), [(2, False), (3, True), (20, True)])
async def test_a_run_that_would_remove_much_stops_before_it_changes_anything(
    office: Office, tmp_path: Path, gone: int, *, stops: bool
) -> None:
    made, folder = office.world, tmp_path / "A"
    for number in range(20):
        write(folder, f"{number}.txt", f"Text number {number}\n")
    await run(made, folder, **LABEL)
    for number in range(gone):
        (folder / f"{number}.txt").unlink()
    write(folder, "new.txt", "A new text\n")

    if stops:
        with pytest.raises(StoppedError, match=f"{gone} of 20 documents .* more than 10%"):
            await run(made, folder, prune=True)
        assert len(await stored(made)) == 20
    report = await run(made, folder, prune=True, sure=stops)
    assert (report.removed, report.added) == (gone, 1)


async def test_a_renamed_file_keeps_label_shares_and_history(
    office: Office, tmp_path: Path
) -> None:
    made, folder = office.world, tmp_path / "A"
    write(folder, "merger.txt", "The merger with Kestrel Lines is signed in June.\n")
    await run(made, folder, **LABEL)
    await office.change(STEWARD, "file:merger.txt", classification="restricted")
    await office.share(STEWARD, "file:merger.txt", "user:leo", LATER)
    before = (await stored(made))["file:merger.txt"]
    (folder / "late").mkdir()
    (folder / "merger.txt").rename(folder / "late" / "Merger-final.txt")

    report = await run(made, folder, prune=True)

    (after,) = (await stored(made)).values()
    assert report.renamed == (("file:merger.txt", "file:late/Merger-final.txt"),)
    assert (report.added, report.removed) == (0, 0)
    assert (after.id, after.uri) == (before.id, "file:late/Merger-final.txt")
    assert after.label_json == {**before.label_json, "path": "/late/Merger-final.txt"}
    assert after.shares == before.shares
    (moved,) = await made.records.audit.events(kind=AuditKind.MOVE)
    assert moved.event.resources == (before.id,)
    assert await made.uris(SAM, "merger with Kestrel") == set()


async def test_what_left_and_comes_back_under_another_name_is_the_same_document(
    office: Office, tmp_path: Path
) -> None:
    made, folder = office.world, tmp_path / "A"
    write(folder, "plan.txt", "The plan of the year.\n")
    await run(made, folder, **LABEL)
    await office.change(STEWARD, "file:plan.txt", classification="restricted")
    identity = await office.id_of("file:plan.txt")
    (folder / "plan.txt").unlink()
    await run(made, folder, prune=True, sure=True)
    write(folder, "plan-2.txt", "The plan of the year.\n")

    await run(made, folder)

    back = (await stored(made))["file:plan-2.txt"]
    assert (back.id, back.label_json["classification"]) == (identity, 3)


async def test_a_run_over_one_file_sees_that_it_was_renamed(office: Office, tmp_path: Path) -> None:
    made, folder = office.world, tmp_path / "A"
    for name in ("plan.txt", "other.txt"):
        write(folder, name, f"The text of {name}\n")
    await run(made, folder, at="/in", **LABEL)
    await office.change(STEWARD, "file:in/plan.txt", classification="restricted")
    before = await stored(made)
    (folder / "plan.txt").rename(folder / "open.txt")

    source = await source_of_path(made.records, folder / "open.txt", label={})
    report = await made.pipeline.ingest(
        folder / "open.txt", flags={}, on_event=made.events.append, source=source, prune=True
    )

    after = await stored(made)
    assert (report.added, report.removed) == (0, 0)
    assert set(after) == {"file:in/open.txt", "file:in/other.txt"}
    assert after["file:in/open.txt"].id == before["file:in/plan.txt"].id
    assert after["file:in/open.txt"].label_json["classification"] == 3


async def test_where_two_can_be_meant_nothing_is_merged_and_nothing_is_open(
    office: Office, tmp_path: Path
) -> None:
    made, folder = office.world, tmp_path / "A"
    for name in ("a.txt", "b.txt"):
        write(folder, name, "The same text.\n")
    await run(made, folder, **LABEL)
    await office.change(STEWARD, "file:a.txt", classification="restricted")
    (folder / "a.txt").rename(folder / "c.txt")
    (folder / "b.txt").rename(folder / "d.txt")

    report = await run(made, folder, prune=True, sure=True)

    assert [each.uri for each in report.quarantined] == ["file:c.txt", "file:d.txt"]
    assert "has the text of `file:a.txt` or `file:b.txt`" in report.quarantined[0].reason
    assert await stored(made) == {}


async def test_a_new_file_under_an_old_name_is_another_document(
    office: Office, tmp_path: Path
) -> None:
    made, folder = office.world, tmp_path / "A"
    write(folder, "a.txt", "The first text.\n")
    await run(made, folder, **LABEL)
    first = await office.id_of("file:a.txt")
    (folder / "a.txt").rename(folder / "b.txt")
    await run(made, folder)
    write(folder, "a.txt", "The second text.\n")

    await run(made, folder)

    found = await stored(made)
    assert found["file:b.txt"].id == first
    assert found["file:a.txt"].id != first


async def test_one_mistake_in_a_label_file_does_not_empty_the_store(
    office: Office, tmp_path: Path
) -> None:
    made, folder = office.world, tmp_path / "A"
    said = 'tenant="acme", owner="user:olaf", classification="internal", compartments=[]'
    write(folder, "_label.toml", f'label = {{{said}, readers=["user:leo"]}}\n')
    for number in range(30):
        write(folder, f"{number}.txt", f"Text number {number}\n")
    await run(made, folder)
    write(folder, "_label.toml", f"label = {{{said}}}\n")

    with pytest.raises(
        StoppedError, match=r"more than 10 of 30 documents .* would leave the search"
    ):
        await run(made, folder)
    assert len(await stored(made)) == 20

    write(folder, "_label.toml", f'label = {{{said}, readers=["user:leo"]}}\n')
    await run(made, folder)
    assert len(await stored(made)) == 30


async def test_a_name_that_another_document_has_is_not_taken(
    office: Office, tmp_path: Path
) -> None:
    made, folder = office.world, tmp_path / "A"
    for name in ("a.txt", "b.txt"):
        write(folder, name, f"The text of {name}\n")
    await run(made, folder, **LABEL)
    before = await stored(made)
    event = await last_event(made.records)

    with pytest.raises(RecordsConflictError, match=r"`file:b\.txt` is the name"):
        await made.records.sources.move(before["file:a.txt"].id, "file:b.txt", event)

    assert await stored(made) == before


async def test_a_file_that_moves_to_another_tenant_takes_no_document_along(
    office: Office, tmp_path: Path
) -> None:
    made, folder = office.world, tmp_path / "both"
    rest = 'owner="user:olaf", classification="internal", compartments=[], readers=["user:leo"]'
    for tenant in ("acme", "globex"):
        write(folder, f"{tenant}/_label.toml", f'label = {{tenant="{tenant}", {rest}}}\n')
    write(folder, "acme/note.txt", "A note.\n")
    await run(made, folder)
    before = (await stored(made))["file:acme/note.txt"]
    (folder / "acme/note.txt").rename(folder / "globex/note.txt")

    report = await run(made, folder)

    assert report.vanished == ("file:acme/note.txt",)
    assert (await stored(made))["file:acme/note.txt"] == before
    assert (await made.document("file:globex/note.txt", "globex")).id != before.id


async def test_what_was_said_of_a_source_is_remembered(office: Office, tmp_path: Path) -> None:
    made, folder = office.world, tmp_path / "A"
    write(folder, "a.txt", "Some text.\n")
    await run(made, folder, **LABEL)

    again = await run(made, folder)
    later = await run(made, folder, classification="confidential")

    assert (again.unchanged, again.quarantined) == (1, ())
    assert later.relabelled == 1
    assert (await stored(made))["file:a.txt"].label_json["owner"] == "user:olaf"


async def test_a_source_keeps_its_documents_under_another_root(
    office: Office, tmp_path: Path
) -> None:
    made, folder = office.world, tmp_path / "A"
    write(folder, "a.txt", "Some text.\n")
    await run(made, folder, **LABEL)
    before = await stored(made)
    shutil.move(folder, tmp_path / "elsewhere")

    source = await source_of_path(made.records, tmp_path / "elsewhere", name="A", label={})
    await registered(made.records, source)
    report = await run(made, tmp_path / "elsewhere")

    assert report.unchanged == 1
    assert await stored(made) == before


@pytest.mark.parametrize("at", ["/../x", "a/./b", "/a\x00"])
async def test_a_place_that_is_none_is_refused(office: Office, tmp_path: Path, at: str) -> None:
    with pytest.raises(SourceError, match="is no place"):
        await source_of_path(office.world.records, tmp_path, at=at, label={})


async def test_names_and_roots_are_those_of_one_source(office: Office, tmp_path: Path) -> None:
    made = office.world
    for name in ("A", "A/inner", "x/A"):
        write(tmp_path / name, "a.txt", f"In {name}\n")
    first = await registered(
        made.records, await source_of_path(made.records, tmp_path / "A", label={})
    )

    with pytest.raises(RecordsConflictError, match=r"`inner` lies in the source `A`"):
        await source_of_path(made.records, tmp_path / "A" / "inner", label={})
    with pytest.raises(RecordsConflictError, match=r"`A` lies at .* which is still there"):
        await source_of_path(made.records, tmp_path / "x" / "A", name="A", label={})
    with pytest.raises(RecordsConflictError, match="is the source `A` already"):
        await source_of_path(made.records, tmp_path / "A", name="B", label={})
    other = await source_of_path(made.records, tmp_path / "x" / "A", label={})
    assert other.name == "A-2"
    for taken in (replace(other, name="A"), replace(other, root=first.root)):
        with pytest.raises(RecordsConflictError):
            await registered(made.records, taken)


async def test_a_source_is_forgotten_when_none_of_its_documents_is_left(
    office: Office, tmp_path: Path
) -> None:
    made, folder = office.world, tmp_path / "A"
    write(folder, "a.txt", "Some text.\n")
    await run(made, folder, **LABEL)
    await office.change(STEWARD, "file:a.txt", classification="restricted")
    ((source, live),) = [(each.source, each.live) for each in await made.records.sources.listed()]
    event = source_event(source, by="user:root", what="removed")

    with pytest.raises(RecordsConflictError, match="can still be found"):
        await made.records.sources.remove(source.id, event)
    assert live == 1
    (folder / "a.txt").unlink()
    await run(made, folder, prune=True, sure=True)
    await made.records.sources.remove(source.id, event)

    assert await made.records.sources.listed() == ()
    # What was known of its documents is nobody else's, and is there when it comes back.
    write(tmp_path / "B", "a.txt", "Another text.\n")
    with pytest.raises(StoppedError, match="comes from the source that was removed"):
        await run(made, tmp_path / "B", **LABEL)
    write(folder, "a.txt", "Some text.\n")
    await run(made, folder, **LABEL)
    back = await stored(made)
    assert back["file:a.txt"].label_json["classification"] == 3


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_renamed_every_document_keeps_its_label(
    office: Office, tmp_path: Path, seed: int
) -> None:
    """Random renames, moves of folders and new files; each text has a label set by hand."""
    made, folder, draw = office.world, tmp_path / "A", random.Random(seed)
    for number in range(8):
        write(folder, f"{draw.choice('xyz')}/{number}.txt", f"Text number {number}.\n")
    await run(made, folder, **LABEL)
    marked: dict[str, str] = {}
    for uri, document in (await stored(made)).items():
        reader = f"user:u{len(marked)}"
        await office.change(STEWARD, uri, readers=[reader])
        marked[document.id] = reader
    for turn in range(4):
        for file in sorted(folder.rglob("*.txt")):
            if draw.random() < 0.4:
                target = folder / draw.choice("xyzw") / f"{draw.randrange(10**6)}-{file.name}"
                target.parent.mkdir(exist_ok=True)
                file.rename(target)
        write(folder, f"new/{turn}.txt", f"Something new {turn}.\n")
        await run(made, folder, prune=True)

        found = {each.id: each for each in (await stored(made)).values()}
        assert {key: found[key].label_json["readers"] for key in marked} == {
            key: [reader] for key, reader in marked.items()
        }
        assert len(found) == 8 + turn + 1
