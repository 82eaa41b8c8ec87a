"""Labels of folders on real records and a real engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from acl.actions import Action
from acl.records import ItemState, StaleFolderError
from retrieval.labels.folders import FolderRequest
from retrieval.labels.requests import LabelRequest, LabelRequestError
from retrieval.rights.authority import OPERATOR, ForbiddenError
from tests.integration.folders import write
from tests.integration.label_office import (
    CASH,
    HR,
    LATER,
    STEWARD,
    Office,
)
from tests.integration.world import ADA, GUS, NOW
from tests.unit.acl.default_policy import ROWS, policy


async def test_a_folder_is_inherited_but_for_what_is_the_documents_own(
    office: Office, tmp_path: Path
) -> None:
    cash = await office.id_of(CASH)
    await office.change(STEWARD, CASH, owner="user:ada")
    asked = FolderRequest(
        folder="/acme/finance",
        values={"classification": "restricted", "owner": "user:leo"},
        reason="audit season",
    )
    planned = await office.folders.plan(STEWARD, asked)
    assert len(planned.items) == 2
    job = await office.set_folder(STEWARD, asked)
    assert job.counts == {ItemState.DONE: 2}
    view = await office.desk.show(STEWARD, cash, now=NOW)
    assert (view.label["owner"], view.origins["owner"]) == ("user:ada", "document")
    assert view.label["classification"] == "restricted"
    assert view.origins["classification"] == "folder /acme/finance/"
    assert view.origins["readers"] == "source"
    again = LabelRequest(inherit=frozenset({"owner"}))
    assert (await office.change(STEWARD, CASH, request=again)).after["owner"] == "user:leo"

    source = tmp_path / "source"
    write(source, "acme/finance/new.txt", "The new plan of finance.\n")
    await office.world.ingest(source)
    new = await office.world.document("file:acme/finance/new.txt")
    assert (new.label_json["classification"], new.label_json["owner"]) == (3, "user:leo")
    found = (await office.folders.view(STEWARD, "")).folders
    assert [(one.path, one.version) for one in found] == [("/acme/finance/", 1)]


async def test_what_a_folder_says_no_longer_falls_back_to_the_source(office: Office) -> None:
    asked = FolderRequest(folder="/acme/finance/", values={"classification": "restricted"})
    await office.set_folder(STEWARD, asked)
    with pytest.raises(StaleFolderError):
        await office.folders.set_folder(STEWARD, replace(asked, expected_version=0))
    unset = FolderRequest(
        folder="/acme/finance/", unset=frozenset({"classification"}), expected_version=1
    )
    await office.set_folder(STEWARD, unset)
    view = await office.desk.show(STEWARD, await office.id_of(CASH), now=NOW)
    assert (view.label["classification"], view.origins["classification"]) == (
        "confidential",
        "source",
    )


async def test_a_new_text_keeps_what_people_set_and_shared(office: Office, tmp_path: Path) -> None:
    await office.change(STEWARD, CASH, classification="restricted")
    await office.share(STEWARD, CASH, "user:leo", LATER)
    write(tmp_path / "source", "acme/finance/cash.txt", "The cash position is five million.\n")
    await office.world.ingest(tmp_path / "source")
    document = await office.world.document(CASH)
    assert document.live_version == 2
    assert [one.principal for one in document.shares] == ["user:leo"]
    view = await office.desk.show(STEWARD, document.id, now=NOW)
    assert view.label["classification"] == "restricted"
    assert view.origins["classification"] == "document"


async def test_a_folder_is_set_by_whom_everything_in_it_can_be_entrusted(office: Office) -> None:
    asked = FolderRequest(folder="/acme/handbook/", values={"classification": "internal"})
    for asker in (HR, ADA, GUS, replace(STEWARD, clearance=2)):
        with pytest.raises(ForbiddenError):
            await office.folders.set_folder(asker, asked)
        assert (await office.folders.view(asker, "acme")).folders == ()
    for bad in ("/acme/../x/", "/acme//x/", "/a\0b/"):
        with pytest.raises(LabelRequestError, match="is no path"):
            await office.folders.set_folder(STEWARD, replace(asked, folder=bad))
    with pytest.raises(LabelRequestError, match="`path`: is where the document lies"):
        await office.folders.set_folder(STEWARD, replace(asked, values={"path": "/x"}))


async def test_a_folder_is_set_by_whom_every_label_below_can_be_entrusted(office: Office) -> None:
    asked = FolderRequest(
        folder="/acme/board/", values={"classification": "public", "readers": ["group:everyone"]}
    )
    outsider = replace(STEWARD, compartments=frozenset({"finance", "falcon"}))
    with pytest.raises(ForbiddenError, match="on every label that a document in this") as caught:
        await office.folders.set_folder(outsider, asked)
    assert caught.value.action is Action.DOCUMENT_DECLASSIFY
    await office.set_folder(STEWARD, asked)
    assert (await office.folders.view(outsider, "")).folders == ()


async def test_what_is_denied_below_a_folder_is_denied_for_the_folder(office: Office) -> None:
    denied = "p, role:steward, acme, /acme/hr/secret/*, document:declassify, True, deny\n"
    office.world.snapshots.swap(replace(office.world.snapshot, policy=policy(ROWS + denied)))
    for path, fine in (("/acme/hr/", False), ("/acme/hr/secret/x/", False), ("/acme/board/", True)):
        asked = FolderRequest(folder=path, values={"classification": "restricted"})
        if fine:
            await office.set_folder(STEWARD, asked)
        else:
            with pytest.raises(ForbiddenError):
                await office.folders.set_folder(STEWARD, asked)


async def test_a_compartment_that_only_a_folder_names_is_in_use(office: Office) -> None:
    named = FolderRequest(folder="/acme/new/", tenant="acme", values={"compartments": ["merger"]})
    await office.folders.set_folder(OPERATOR, named)
    asked = FolderRequest(folder="/acme/hr/", values={"classification": "restricted"})
    with pytest.raises(ForbiddenError):
        await office.folders.set_folder(STEWARD, asked)
    every = replace(STEWARD, compartments=STEWARD.compartments | {"merger"})
    assert (await office.folders.set_folder(every, asked)).version == 1
    with pytest.raises(ForbiddenError):
        await office.folders.set_folder(every, replace(asked, values={"compartments": ["other"]}))


async def test_a_label_that_a_folder_does_not_fit_is_named_and_keeps_it_from_no_other(
    office: Office,
) -> None:
    full = [f"c{number}" for number in range(1000)]
    asked = FolderRequest(
        folder="/acme/finance/",
        tenant="acme",
        values={"classification": "restricted", "compartments": ["finance"]},
    )
    wide = replace(asked, values={"compartments": full})
    planned = await office.folders.plan(OPERATOR, wide)
    assert (planned.items, len(planned.refused)) == ({}, 2)
    assert "at most 1000" in planned.refused[0].reason
    assert len((await office.folders.plan(OPERATOR, asked)).items) == 2
