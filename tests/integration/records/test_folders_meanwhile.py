"""Folders that change while documents go live under them: one of the two sees the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acl.labels import Label
from acl.records import DocumentRecord, FoldersMovedOnError, FromSource, ItemState, Records
from acl.records.labels.types import folders_version
from tests.builders import NOW, document_id, event, folder, job, label, put, version

DOCUMENT = document_id("file:a.txt")


async def found(records: Records) -> DocumentRecord:
    document = await records.catalog.document(DOCUMENT)
    assert document is not None
    return document


async def test_what_rests_on_folders_takes_effect_while_they_say_so(records: Records) -> None:
    await put(records, version(folders=0))
    waiting = await records.documents.begin_version(version("file:b.txt"), now=NOW)
    since = (await records.standing.read()).label
    none = job(items={})
    await records.folders.put(folder(), expected_version=0, job=none, event=event())
    with pytest.raises(FoldersMovedOnError, match="of `acme` changed meanwhile"):
        await records.documents.commit_version(waiting, event(), folders=0)
    said = FromSource(origins={"source": {}}, metadata={"a": 1}, folders=0)
    with pytest.raises(FoldersMovedOnError):
        await records.documents.relabel(
            DOCUMENT, label("public"), expected_label_version=1, event=event(), said=said
        )
    assert (await found(records)).metadata == {}
    known = folders_version(await records.folders.of_tenant("acme"))
    await records.documents.relabel(
        DOCUMENT,
        label("public"),
        expected_label_version=1,
        event=event(),
        said=replace(said, folders=known),
    )
    assert (await found(records)).metadata == {"a": 1}
    live = await records.documents.commit_version(waiting, event(), folders=known)
    assert live.label_revision > since


async def test_a_folders_job_takes_in_what_changed_below_it_since_it_was_planned(
    records: Records,
) -> None:
    def lying(path: str) -> Label:
        return Label({**label().values, "path": path})

    await put(records, version("file:a.txt", label=lying("/acme/hr/a")))
    since = (await records.standing.read()).label
    await put(records, version("file:b.txt", label=lying("/acme/hr/b")))
    await put(records, version("file:c.txt", label=lying("/acme/other/c")))
    made = job(items={})
    await records.folders.put(folder(), expected_version=0, job=made, event=event(), since=since)
    (taken,) = await records.jobs.items(made.id, state=ItemState.PENDING)
    assert (taken.document_id, taken.expected_version) == (document_id("file:b.txt"), 1)
