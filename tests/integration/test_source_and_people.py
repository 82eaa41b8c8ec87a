"""What a source says and what people set: who has the word, through kills, exits and folders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acl.records import AuditKind, ItemState, StaleLabelError, UnknownDocumentError
from acl.records.documents.catalog import Inventory
from acl.records.documents.documents import Documents
from ingest.errors import SourceError
from ingest.pipeline import Pipeline
from ingest.read.parsed import Format, Parsed
from retrieval.labels.folders import FolderDesk, FolderRequest
from retrieval.labels.requests import LabelRequest
from retrieval.labels.selection import Selection
from retrieval.labels.views import Target
from retrieval.rights.authority import OPERATOR
from tests.integration.folders import write, write_company
from tests.integration.label_office import CASH, LATER, STEWARD, TRAVEL, Office, office_of
from tests.integration.troubles import Meddling
from tests.integration.world import NOW, SAM, world
from tests.plain import plain_tools

PLACE = "acme/handbook/travel.md"
TEXT = "# Travel\n\nTrips for project Falcon are booked a week ahead.\n"
HANDBOOK = FolderRequest(folder="/acme/handbook/", values={"classification": "restricted"})


class _Parser:
    """Knows front matter, and texts that it cannot read."""

    async def parse_bytes(self, name: str, content: bytes) -> Parsed:
        del name
        text, front = content.decode(), None
        if text.startswith("BAD"):
            raise SourceError("cannot be parsed")
        if text.startswith("---\n"):
            front, _, text = text[4:].partition("---\n")
        return Parsed(
            text=text,
            title=None,
            format=Format.TEXT,
            front_matter=front,
        )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_company(tmp_path / "source")


@pytest.fixture
async def office(tmp_path: Path, source: Path) -> AsyncIterator[Office]:
    tools = replace(plain_tools(), parser=_Parser())
    async with world(tmp_path / "data", tools, in_memory=True) as made:
        await made.ingest(source)
        yield office_of(made)


async def label(office: Office, uri: str = TRAVEL) -> dict[str, Any]:
    return dict((await office.world.document(uri)).label_json)


async def origin(office: Office, name: str, uri: str = TRAVEL) -> str:
    view = await office.desk.show(OPERATOR, await office.id_of(uri), now=NOW)
    return view.origins[name]


async def test_a_kill_after_the_label_does_not_let_the_source_speak_twice(
    office: Office, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(source, f"{PLACE}.label.toml", '[label]\nreaders = ["group:sales"]\n')

    class _KilledError(BaseException):
        pass

    async def killed(*_: object) -> None:
        raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Inventory, "describe", killed)
        await office.world.ingest(source)
    assert (await label(office))["readers"] == ["group:sales"]

    await office.change(STEWARD, TRAVEL, classification="restricted", readers=[])
    await office.world.ingest(source)

    assert ((await label(office))["classification"], (await label(office))["readers"]) == (3, [])


async def test_a_source_that_says_the_same_elsewhere_changes_no_label(
    office: Office, source: Path
) -> None:
    before = await office.world.document(TRAVEL)
    write(source, f"{PLACE}.label.toml", '[label]\nowner = "group:hr"\n')

    report = await office.world.ingest(source)

    after = await office.world.document(TRAVEL)
    assert (report.relabelled, report.updated, report.encoded) == (0, 0, 0)
    assert (after.label_json, after.label_version) == (before.label_json, before.label_version)
    # It is known from now on where the label stands, so the next run need not look again.
    assert after.metadata != before.metadata


async def test_another_front_matter_lowers_nothing_that_was_set(
    office: Office, source: Path
) -> None:
    await office.change(STEWARD, TRAVEL, classification="restricted", readers=["user:leo"])
    front = "---\nlabel:\n  owner: user:hana\n  classification: internal\n---\n"
    write(source, PLACE, front + TEXT)

    report = await office.world.ingest(source)

    found = await label(office)
    assert (found["classification"], found["readers"], found["owner"]) == (
        3,
        ["user:leo"],
        "user:hana",
    )
    assert [(one.uri, one.attributes) for one in report.overruled] == [
        (TRAVEL, ("classification",))
    ]
    assert TRAVEL not in await office.found(SAM, "trips", NOW)
    again = await office.world.ingest(source)
    assert again.overruled == ()
    assert (await origin(office, "owner"), await origin(office, "readers")) == (
        "source",
        "document",
    )


async def test_a_source_raises_what_was_set_and_two_steps_do_not_lower_it(
    office: Office, source: Path
) -> None:
    await office.change(STEWARD, TRAVEL, classification="internal", compartments=["falcon"])
    said = '[label]\nclassification = "restricted"\ncompartments = ["falcon", "board"]\n'
    write(source, f"{PLACE}.label.toml", said)
    report = await office.world.ingest(source)
    assert (report.relabelled, report.overruled) == (1, ())
    found = await label(office)
    assert (found["classification"], found["compartments"]) == (3, ["board", "falcon"])

    (source / f"{PLACE}.label.toml").unlink()
    report = await office.world.ingest(source)

    assert await label(office) == found
    assert [one.attributes for one in report.overruled] == [("classification", "compartments")]


@pytest.mark.parametrize("prune", [False, True])
async def test_a_document_that_leaves_comes_back_under_what_was_set(
    office: Office, source: Path, *, prune: bool
) -> None:
    await office.change(STEWARD, TRAVEL, classification="restricted", readers=["user:leo"])
    await office.share(STEWARD, TRAVEL, "user:bob", LATER)
    before, identity = await label(office), await office.id_of(TRAVEL)
    if prune:
        (source / PLACE).unlink()
    else:
        write(source, PLACE, "BAD")
    report = await office.world.ingest(source, prune=prune)
    assert report.removed + sum(one.withdrawn for one in report.quarantined) == 1
    assert TRAVEL not in {one.uri for one in await office.world.documents()}
    assert await office.world.records.labels.state(identity) is None
    assert await office.world.records.labels.next_expiry() is None
    assert (await office.world.reconciler.run(now=NOW)).differences == 0

    write(source, PLACE, "Trips have another text now.\n")
    back = await office.world.ingest(source, prune=prune)

    assert (back.added, await label(office)) == (1, before)
    assert TRAVEL not in await office.found(SAM, "trips", NOW)
    document = await office.world.document(TRAVEL)
    assert [one.principal for one in document.shares] == ["user:bob"]
    history = await office.desk.history(OPERATOR, identity, now=NOW)
    assert [one.label_version for one in history] == [3, 2, 1]
    assert (await office.world.reconciler.run(now=NOW)).differences == 0


async def test_what_folders_said_meanwhile_holds_for_a_document_that_comes_back(
    office: Office, source: Path
) -> None:
    version = (await office.world.document(TRAVEL)).label_version
    write(source, PLACE, "BAD")
    await office.world.ingest(source)
    await office.folders.set_folder(STEWARD, HANDBOOK)
    write(source, PLACE, TEXT)
    await office.world.ingest(source)

    document = await office.world.document(TRAVEL)
    assert (document.label_json["classification"], document.label_version) == (3, version + 1)
    last, _ = await office.world.records.labels.history(document.id)
    assert last.before is not None
    assert last.before["label"]["classification"] == 0


async def test_a_text_that_cannot_come_back_leaves_what_was_known(
    office: Office, source: Path
) -> None:
    await office.change(STEWARD, TRAVEL, classification="restricted")
    identity = await office.id_of(TRAVEL)
    write(source, PLACE, "BAD")
    await office.world.ingest(source)
    records = office.world.records
    known = await Inventory(records.database).known(identity)
    assert known is not None
    assert not known.document.is_live
    write(source, PLACE, TEXT)

    class _Unlucky(Documents):
        async def commit_version(self, *_: object, **__: object) -> Any:
            raise StaleLabelError(identity, expected=1, actual=2)

    unlucky = _Unlucky(records.database, records.audit)
    stores = replace(office.world.stores, records=replace(records, documents=unlucky))
    cut = Pipeline(stores, office.world.tools)
    report = await cut.ingest(source, flags={}, on_event=office.world.events.append)
    assert [one.uri for one in report.failed] == [TRAVEL]
    assert await Inventory(records.database).known(identity) == known


async def test_numbers_of_labels_do_not_begin_again(office: Office, source: Path) -> None:
    identity = await office.id_of(CASH)
    request = LabelRequest(values={"classification": "public"})
    begun = await office.bulk.begin(STEWARD, Selection(ids=(identity,)), request)
    write(source, "acme/finance/cash.txt", "BAD")
    await office.world.ingest(source)
    await office.world.pipeline.delete(identity, actor="user:root")
    with pytest.raises(UnknownDocumentError):
        await office.world.pipeline.delete(identity, actor="user:root")

    write(source, "acme/finance/cash.txt", "The cash position is four million.\n")
    write(source, "acme/finance/cash.txt.label.toml", '[label]\nclassification="restricted"\n')
    await office.world.ingest(source)
    job = await office.bulk.run(begun.job.id)

    assert job.counts == {ItemState.CONFLICT: 1}
    document = await office.world.document(CASH)
    assert (document.label_json["classification"], document.label_version) == (3, 2)
    with pytest.raises(StaleLabelError):
        await office.desk.change(STEWARD, Target(identity, 1), request, now=NOW)
    assert len(await office.world.records.labels.history(identity)) == 1


async def test_what_the_source_newly_says_is_there_to_inherit(office: Office, source: Path) -> None:
    await office.change(STEWARD, TRAVEL, classification="restricted")
    write(source, f"{PLACE}.label.toml", '[label]\nclassification = "restricted"\n')
    report = await office.world.ingest(source)
    assert (report.relabelled, report.overruled) == (0, ())

    inherit = LabelRequest(inherit=frozenset({"classification"}))
    done = await office.change(STEWARD, TRAVEL, request=inherit)

    assert done.after["classification"] == "restricted"
    assert await origin(office, "classification") == "source"


def during(office: Office, deed: Callable[[], Awaitable[object]]) -> Pipeline:
    """Return a pipeline; somebody does something while it encodes."""
    tools = office.world.tools
    encoder = Meddling(tools.encoder, deed)
    return Pipeline(office.world.stores, replace(tools, encoder=encoder), clock=lambda: NOW)


async def set_handbook(office: Office) -> None:
    await office.set_folder(STEWARD, HANDBOOK)


async def test_a_folder_that_is_set_meanwhile_holds_for_what_is_on_its_way(
    office: Office, source: Path
) -> None:
    write(source, "acme/handbook/late.md", "trips late\n")
    pipeline = during(office, lambda: set_handbook(office))

    report = await pipeline.ingest(source, flags={}, on_event=office.world.events.append)

    assert (report.added, report.failed) == (1, ())
    late = "file:acme/handbook/late.md"
    assert (await label(office, late))["classification"] == 3
    assert await origin(office, "classification", late) == "folder /acme/handbook/"
    assert late not in await office.found(SAM, "trips late", NOW)
    assert (await office.world.reconciler.run(now=NOW)).differences == 0


async def test_folders_that_never_stand_still_keep_a_document_waiting(
    office: Office, source: Path
) -> None:
    write(source, "acme/handbook/late.md", "trips late\n")
    write(source, f"{PLACE}.label.toml", '[label]\nowner = "user:hana"\n')
    records, folders = office.world.records, office.folders

    class _Restless(Documents):
        async def commit_version(self, *rest: Any, **more: Any) -> Any:
            await folders.set_folder(STEWARD, HANDBOOK)
            return await super().commit_version(*rest, **more)

        async def relabel(self, *rest: Any, **more: Any) -> int:
            await folders.set_folder(STEWARD, HANDBOOK)
            return await super().relabel(*rest, **more)

    restless = _Restless(records.database, records.audit)
    stores = replace(office.world.stores, records=replace(records, documents=restless))
    pipeline = Pipeline(stores, office.world.tools)
    report = await pipeline.ingest(source, flags={}, on_event=office.world.events.append)

    assert {one.uri for one in report.failed} == {"file:acme/handbook/late.md", TRAVEL}
    again = await office.world.ingest(source)
    assert (again.added, again.relabelled, again.failed) == (1, 1, ())


async def test_a_label_from_the_source_waits_for_a_folder_that_is_set_meanwhile(
    office: Office, source: Path
) -> None:
    write(source, f"{PLACE}.label.toml", '[label]\nowner = "user:hana"\n')
    records, folders = office.world.records, office.folders
    rounds = iter([True])

    class _Once(Documents):
        async def relabel(self, *rest: Any, **more: Any) -> int:
            if next(rounds, False):
                await folders.set_folder(STEWARD, HANDBOOK)
            return await super().relabel(*rest, **more)

    once = _Once(records.database, records.audit)
    stores = replace(office.world.stores, records=replace(records, documents=once))
    pipeline = Pipeline(stores, office.world.tools)
    report = await pipeline.ingest(source, flags={}, on_event=office.world.events.append)

    assert (report.relabelled, report.failed) == (1, ())
    found = await label(office)
    assert (found["owner"], found["classification"]) == ("user:hana", 3)


async def test_what_arrives_while_a_folder_is_planned_is_part_of_its_job(
    office: Office, source: Path
) -> None:
    late = "file:acme/handbook/late.md"

    class _Planned(FolderDesk):
        async def _planned(self, *rest: Any, **more: Any) -> Any:
            planned = await super()._planned(*rest, **more)
            write(source, "acme/handbook/late.md", "trips late\n")
            await office.world.ingest(source)
            return planned

    folders = _Planned(office.desk, clock=lambda: NOW)
    begun = await folders.set_folder(STEWARD, HANDBOOK)
    assert begun.job is not None
    job = await office.bulk.run(begun.job.id)

    assert job.counts == {ItemState.DONE: 2}
    assert (await label(office, late))["classification"] == 3
    kinds = [kind for kind, _, _ in await office.kinds()]
    assert AuditKind.FOLDER_LABELLED in kinds
