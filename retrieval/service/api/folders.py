"""Labels of folders over HTTP, for those who may set everything below."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from retrieval.labels.folders import FolderSet
from retrieval.labels.selection import checked_folder
from retrieval.service.api.folders_messages import (
    FolderAnswer,
    FolderApproval,
    FolderList,
    FolderPatch,
)
from retrieval.service.api.jobs import carry_out
from retrieval.service.http.access import Open
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import StrictRoute
from retrieval.service.http.preconditions import Expected, tag
from retrieval.service.http.responses import ANSWERS
from retrieval.service.wiring import Parts

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
        planned = await parts.folders.plan(subject, request)
        return FolderAnswer.of_plan(checked_folder(patch.folder), expected, planned)
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
    return FolderAnswer.of_set(done)
