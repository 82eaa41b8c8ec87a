"""Labels of folders over HTTP, for those who may set everything below."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import Field

from acl.labels import LabelSchema, stored_of
from acl.records import Approval, FolderLabel
from retrieval.labels.folders import FolderRequest, FolderSet, FolderView
from retrieval.labels.selection import Planned, checked_folder
from retrieval.service.api.jobs import carry_out
from retrieval.service.api.labels import (
    Names,
    Reason,
    ShownExtent,
    Values,
)
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, Asked, StrictRoute
from retrieval.service.http.dependencies import Expected, Open, tag
from retrieval.service.http.problems import ANSWERS
from retrieval.service.wiring import Parts


class FolderPatch(Asked):
    """What a folder is to say. What is not named stays."""

    folder: str = Field(min_length=1, max_length=1024, description="Such as /acme/hr/.")
    set: Values = Field(default_factory=dict, description="Attribute to its new value.")
    unset: Names = Field(
        default_factory=list, description="Attributes of which the folder says nothing any more."
    )
    reason: Reason = Field("", description="Kept with the change.")
    dry_run: bool = Field(False, description="Say what would happen, and do nothing.")

    def request(self, expected: int) -> FolderRequest:
        """Return the change as the desk takes it."""
        return FolderRequest(
            folder=self.folder,
            values=self.set,
            unset=frozenset(self.unset),
            expected_version=expected,
            reason=self.reason,
        )


class FolderApproval(Asked):
    """Which proposal is approved."""

    proposal: str = Field(min_length=1, max_length=64)


class ShownFolder(Answered):
    """What a folder says."""

    folder: str
    label: dict[str, Any]
    by: str
    at: datetime
    version: int = Field(description="What `If-Match` has to name, in quotation marks.")


class ShownFolderProposal(Answered):
    """What waits for somebody else's approval."""

    id: str
    folder: str
    label: dict[str, Any] = Field(description="All that the folder would say.")
    by: str
    at: datetime
    reason: str


class FolderList(Answered):
    """What folders say that the subject may set, and what waits for approval."""

    folders: list[ShownFolder]
    proposals: list[ShownFolderProposal]

    @classmethod
    def of(cls, view: FolderView, schema: LabelSchema) -> FolderList:
        """Return it as it is sent."""
        return cls(
            folders=[_folder(one, schema) for one in view.folders],
            proposals=[_proposal(one, schema) for one in view.proposals],
        )


class FolderAnswer(ShownExtent):
    """What came of a change, or would come of it."""

    folder: str
    version: int
    job: str = Field(description='What brings it to the documents; `""` if nothing does yet.')
    proposal: str = Field(description='The proposal that waits; `""` if it is done.')
    waits: bool = Field(description="Whether somebody else has to approve it.")

    @classmethod
    def of_plan(cls, planned: Planned, request: FolderRequest) -> FolderAnswer:
        """Return what a change of a folder would do."""
        return cls.planned(
            planned,
            folder=checked_folder(request.folder),
            version=request.expected_version or 0,
            job="",
            proposal="",
            waits=planned.waits,
        )

    @classmethod
    def of(cls, done: FolderSet) -> FolderAnswer:
        """Return what came of a change of a folder."""
        return cls.begun(
            0 if done.job is None else done.job.total,
            done.refused,
            folder=done.folder,
            version=done.version,
            job="" if done.job is None else done.job.id,
            proposal=done.proposal,
            waits=bool(done.proposal),
        )


def _folder(one: FolderLabel, schema: LabelSchema) -> ShownFolder:
    label = stored_of(one.attributes, schema)
    return ShownFolder(folder=one.path, label=label, by=one.by, at=one.at, version=one.version)


def _proposal(one: Approval, schema: LabelSchema) -> ShownFolderProposal:
    return ShownFolderProposal(
        id=one.id,
        folder=one.about,
        label=stored_of(one.wanted, schema),
        by=one.by,
        at=one.at,
        reason=one.reason,
    )


_CHANGE: Final = ANSWERS["body"] | ANSWERS["policy"] | ANSWERS["change"]

router = APIRouter(route_class=StrictRoute, tags=["labels"])


@router.get(
    "/v1/folders",
    operation_id="listFolders",
    summary="List what folders say, and what waits for approval",
    responses=ANSWERS["policy"],
)
async def list_folders(
    subject: Asker,
    parts: Open,
    response: Response,
    folder: Annotated[
        str, Query(max_length=1024, description="This one alone; its version is the ETag.")
    ] = "",
) -> FolderList:
    """Return it of the folders that the subject may set."""
    found = FolderList.of(await parts.folders.view(subject, subject.tenant), parts.schema)
    if not folder:
        return found
    path = checked_folder(folder)
    mine = [one for one in found.folders if one.folder == path]
    tag(response, mine[0].version if mine else 0)
    waiting = [one for one in found.proposals if one.folder == path]
    return FolderList(folders=mine, proposals=waiting)


@router.patch(
    "/v1/folders",
    operation_id="changeFolder",
    summary="Change what a folder says",
    responses=_CHANGE,
)
async def change_folder(
    patch: FolderPatch, expected: Expected, subject: Asker, parts: Open, response: Response
) -> FolderAnswer:
    """Change what is named, or say what would change. With two pairs of eyes, lowering waits."""
    request = patch.request(expected)
    if patch.dry_run:
        tag(response, expected)
        return FolderAnswer.of_plan(await parts.folders.plan(subject, request), request)
    return await _done(parts, await parts.folders.set_folder(subject, request), response)


@router.post(
    "/v1/folders:approve",
    operation_id="approveFolder",
    summary="Approve what somebody else proposed for a folder",
    responses=_CHANGE,
)
async def approve_folder(
    approval: FolderApproval, subject: Asker, parts: Open, response: Response
) -> FolderAnswer:
    """Let a proposal take effect, on the version of the folder that it was made for."""
    return await _done(parts, await parts.folders.approve(subject, approval.proposal), response)


async def _done(parts: Parts, done: FolderSet, response: Response) -> FolderAnswer:
    tag(response, done.version)
    if done.job is not None:
        await carry_out(parts, done.job)
    return FolderAnswer.of(done)
