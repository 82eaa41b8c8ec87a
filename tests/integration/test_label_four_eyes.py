"""Two pairs of eyes: nobody alone lowers a label, whichever road they take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from acl.records import (
    Approval,
    ApprovalKind,
    AuditKind,
    ItemState,
    RecordsConflictError,
    StaleFolderError,
)
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.folders import FolderRequest
from retrieval.labels.requests import LabelRequest
from retrieval.labels.views import OtherOutcomeError, OwnProposalError
from retrieval.rights.authority import OPERATOR, Asker, ForbiddenError
from tests.builders import events_about
from tests.integration.folders import write, write_company
from tests.integration.label_office import (
    ABSENT,
    CASH,
    HR,
    SECOND,
    STEWARD,
    TRAVEL,
    Office,
    office_of,
)
from tests.integration.world import GUS, NOW, world
from tests.plain import plain_tools

FINANCE = "/acme/finance/"
RAISED = FolderRequest(folder=FINANCE, values={"classification": "restricted"})
LOWERED = FolderRequest(folder=FINANCE, values={"classification": "public"}, reason="open it")


async def waiting_for_folders(office: Office) -> tuple[Approval, ...]:
    return await office.world.records.approvals.waiting(ApprovalKind.FOLDER, "acme", now=NOW)


async def level(office: Office, uri: str) -> object:
    return (await office.world.document(uri)).label_json["classification"]


async def test_a_folder_that_lowers_waits_for_somebody_else(office: Office, tmp_path: Path) -> None:
    office = office_of(office.world, four_eyes=True)
    planned = await office.folders.plan(STEWARD, LOWERED)
    assert (planned.waits, len(planned.items)) == (True, 2)
    asked = await office.folders.set_folder(STEWARD, LOWERED)
    assert (asked.job, asked.version, bool(asked.proposal)) == (None, 0, True)
    write(tmp_path / "source", "acme/finance/new.txt", "The new plan of finance.\n")
    await office.world.ingest(tmp_path / "source")
    assert await level(office, "file:acme/finance/new.txt") == 2

    view = await office.folders.view(SECOND, "")
    assert view.folders == ()
    assert [(one.id, one.wanted) for one in view.proposals] == [
        (asked.proposal, {"classification": 0})
    ]
    assert (await office.folders.view(HR, "")).proposals == ()
    through = replace(SECOND, actors=(STEWARD,))
    for asker in (STEWARD, through):
        with pytest.raises(OwnProposalError):
            await office.folders.approve(asker, asked.proposal)
    for stranger, proposal in ((HR, asked.proposal), (GUS, asked.proposal), (SECOND, ABSENT)):
        with pytest.raises(DocumentNotFoundError):
            await office.folders.approve(stranger, proposal)

    done = await office.folders.approve(SECOND, asked.proposal)
    assert done.job is not None
    assert (await office.bulk.run(done.job.id)).counts == {ItemState.DONE: 3}
    assert await level(office, CASH) == 0
    last, *_ = await events_about(office.world.records, await office.id_of(CASH))
    assert (last.kind, last.subject) == (AuditKind.RELABEL, "user:second")
    assert last.detail["proposed_by"] == "user:stew"
    with pytest.raises(DocumentNotFoundError):
        await office.folders.approve(SECOND, asked.proposal)


async def test_what_was_proposed_for_a_folder_falls_when_that_is_set(office: Office) -> None:
    office = office_of(office.world, four_eyes=True)
    asked = await office.folders.set_folder(STEWARD, LOWERED)
    raised = await office.folders.set_folder(STEWARD, RAISED)
    assert (raised.version, raised.proposal) == (1, "")
    with pytest.raises(DocumentNotFoundError):
        await office.folders.approve(SECOND, asked.proposal)
    proposal = await office.folders.set_folder(STEWARD, LOWERED)
    (kept,) = await waiting_for_folders(office)
    assert (kept.id, kept.version) == (proposal.proposal, 1)
    events = [one.event for one in await office.world.records.audit.events(limit=1000)]
    with pytest.raises(StaleFolderError):
        await office.world.records.approvals.ask(replace(kept, id=ABSENT, version=0), events[-1])


async def test_a_job_that_waits_lowers_nothing_that_nobody_approved(office: Office) -> None:
    plain, office = office, office_of(office.world, four_eyes=True)
    raised = await office.folders.set_folder(STEWARD, RAISED)
    # What was set while one pair of eyes was enough is not brought to documents afterwards.
    await plain.folders.set_folder(STEWARD, LOWERED)
    assert raised.job is not None
    job = await office.bulk.run(raised.job.id)
    assert job.counts == {ItemState.FAILED: 2}
    (item, _) = await office.world.records.jobs.items(job.id, state=ItemState.FAILED)
    assert "second person" in item.detail
    assert await level(office, CASH) == 2


async def test_the_label_that_was_proposed_is_the_one_that_is_approved(office: Office) -> None:
    office = office_of(office.world, four_eyes=True)
    await office.change(STEWARD, TRAVEL, classification="restricted")
    handbook = FolderRequest(folder="/acme/handbook/", values={"classification": "confidential"})
    plain = office_of(office.world)
    await plain.folders.set_folder(STEWARD, handbook)
    inherit = LabelRequest(inherit=frozenset({"classification"}))
    asked = await office.change(STEWARD, TRAVEL, request=inherit)
    view = await office.desk.show(SECOND, await office.id_of(TRAVEL), now=NOW)
    assert view.proposals[0].wanted["classification"] == 2

    await plain.folders.set_folder(STEWARD, replace(handbook, values={"classification": "public"}))
    with pytest.raises(OtherOutcomeError, match="propose it again"):
        await office.desk.approve(SECOND, await office.id_of(TRAVEL), asked.proposal, now=NOW)
    assert await level(office, TRAVEL) == 3


async def test_what_a_folder_says_no_longer_falls_to_the_folder_above(office: Office) -> None:
    office = office_of(office.world, four_eyes=True)
    unset = FolderRequest(folder=FINANCE, unset=frozenset({"classification"}))
    await office.folders.set_folder(STEWARD, RAISED)
    assert (await office.folders.plan(STEWARD, unset)).waits
    await office.folders.set_folder(STEWARD, replace(RAISED, folder="/acme/"))
    assert not (await office.folders.plan(STEWARD, unset)).waits


async def test_of_two_who_approve_one_is_told(office: Office) -> None:
    office = office_of(office.world, four_eyes=True)
    asked = await office.folders.set_folder(STEWARD, LOWERED)
    (proposal,) = await waiting_for_folders(office)
    await office.folders.approve(SECOND, asked.proposal)
    with pytest.raises((RecordsConflictError, StaleFolderError)):
        await office.folders._put(
            await office.desk.authority(SECOND, NOW),
            SECOND,
            (await office.world.records.folders.of_tenant("acme"))[0],
            "",
            proposal=proposal,
        )
    with pytest.raises(ForbiddenError):
        await office.folders.set_folder(HR, LOWERED)


AGENT = replace(STEWARD, id="agent:helper")


@pytest.mark.parametrize(
    ("author", "same", "other"),
    [
        (STEWARD, replace(SECOND, actors=(STEWARD,)), SECOND),
        (replace(SECOND, actors=(STEWARD,)), STEWARD, AGENT),
        (replace(STEWARD, actors=(AGENT,)), replace(SECOND, actors=(AGENT,)), SECOND),
        (OPERATOR, OPERATOR, STEWARD),
    ],
)
async def test_a_proposal_is_approved_by_nobody_who_stands_behind_it(
    tmp_path: Path, author: Asker, same: Asker, other: Asker
) -> None:
    async with world(tmp_path / "data", plain_tools()) as made:
        await made.ingest(write_company(tmp_path / "source"))
        office = office_of(made, four_eyes=True)
        await office.change(HR, TRAVEL, classification="internal")
        asked = await office.change(author, TRAVEL, classification="public")
        identity = await office.id_of(TRAVEL)

        with pytest.raises(OwnProposalError):
            await office.desk.approve(same, identity, asked.proposal, now=NOW)
        done = await office.desk.approve(other, identity, asked.proposal, now=NOW)

        assert (done.version, done.after["classification"]) == (3, "public")
