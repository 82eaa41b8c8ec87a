"""Labels over HTTP, for data owners: seen, changed, shared, undone; one document or many.

A document that is not the subject's to know about is the same 404 as one that does not exist.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response, status

from acl.records import ChangeKind, UnstorableError
from acl.records.database.storable import checked_time
from retrieval.labels.requests import LabelRequest
from retrieval.labels.selection import Selection
from retrieval.labels.views import Changed, Target
from retrieval.service.api.documents import canonical
from retrieval.service.api.jobs import carry_out
from retrieval.service.api.labels_messages import (
    Approval,
    Because,
    ChangedLabel,
    LabelHistory,
    LabelPatch,
    RelabelAnswer,
    Relabelling,
    Sharing,
    ShownChange,
    ShownLabel,
)
from retrieval.service.http.access import Open
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import StrictRoute
from retrieval.service.http.preconditions import Expected, tag
from retrieval.service.http.problems import FieldFault, ProblemError, ProblemType
from retrieval.service.http.responses import ANSWERS

_CHANGE: Final = ANSWERS["body"] | ANSWERS["policy"] | ANSWERS["change"]

router = APIRouter(route_class=StrictRoute, tags=["labels"])


def _target(document_id: str, expected: Expected) -> Target:
    return Target(canonical(document_id), expected)


Named = Annotated[Target, Depends(_target)]
"""The document of the address, with the version of `If-Match`."""


@router.get(
    "/v1/documents/{document_id}/label",
    operation_id="readLabel",
    summary="Read a document's label, and where each value comes from",
    responses=ANSWERS["policy"],
)
async def read_label(
    document_id: str, subject: Asker, parts: Open, response: Response
) -> ShownLabel:
    """Return the label, its shares and what waits for approval; the version is the ETag."""
    view = await parts.labels.show(subject, canonical(document_id), now=_now())
    tag(response, view.version)
    return ShownLabel.of(view)


@router.patch(
    "/v1/documents/{document_id}/label",  # noqa: FAST003 - in `Named`
    operation_id="changeLabel",
    summary="Change a document's label",
    responses=_CHANGE,
)
async def change_label(
    patch: LabelPatch,
    target: Named,
    subject: Asker,
    parts: Open,
    response: Response,
) -> ChangedLabel:
    """Change what is named, or say what would change. With two pairs of eyes, lowering waits."""
    changed = await parts.labels.change(
        subject, target, patch.request(), now=_now(), dry_run=patch.dry_run
    )
    return _answer(changed, response)


@router.get(
    "/v1/documents/{document_id}/label/history",
    operation_id="labelHistory",
    summary="List the changes of a document's label",
    responses=ANSWERS["policy"],
)
async def label_history(
    document_id: str,
    subject: Asker,
    parts: Open,
    below: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> LabelHistory:
    """Return who changed what, when and why, the last change first."""
    found = await parts.labels.history(subject, canonical(document_id), now=_now(), below=below)
    return LabelHistory(changes=[ShownChange.of(one, parts.schema) for one in found])


@router.post(
    "/v1/documents/{document_id}/label:undo",  # noqa: FAST003 - in `Named`
    operation_id="undoLabel",
    summary="Take the last change of a label back",
    responses=_CHANGE,
)
async def undo_label(
    because: Because,
    target: Named,
    subject: Asker,
    parts: Open,
    response: Response,
) -> ChangedLabel:
    """Let the label before stand again, as a new change. Shares that ended do not come back."""
    changed = await parts.labels.undo(
        subject,
        target,
        reason=because.reason,
        now=_now(),
        dry_run=because.dry_run,
    )
    return _answer(changed, response)


@router.post(
    "/v1/documents/{document_id}/label:approve",
    operation_id="approveLabel",
    summary="Approve a lower label that somebody else proposed",
    responses=_CHANGE,
)
async def approve_label(
    document_id: str, approval: Approval, subject: Asker, parts: Open, response: Response
) -> ChangedLabel:
    """Let a proposal take effect, on the label that it was made for."""
    changed = await parts.labels.approve(
        subject, canonical(document_id), approval.proposal, now=_now()
    )
    return _answer(changed, response)


@router.post(
    "/v1/documents/{document_id}/shares",  # noqa: FAST003 - in `Named`
    operation_id="shareDocument",
    summary="Let somebody read a document, for a time or for good",
    responses=_CHANGE,
)
async def share_document(
    sharing: Sharing,
    target: Named,
    subject: Asker,
    parts: Open,
    response: Response,
) -> ChangedLabel:
    """Share a document; compartments and classification hold for them as for anybody."""
    request = replace(sharing.request(_moment(sharing.until)), kind=ChangeKind.SHARE)
    changed = await parts.labels.change(
        subject, target, request, now=_now(), dry_run=sharing.dry_run
    )
    return _answer(changed, response)


@router.delete(
    "/v1/documents/{document_id}/shares/{principal}",  # noqa: FAST003 - in `Named`
    operation_id="unshareDocument",
    summary="Take a share back",
    responses=_CHANGE,
)
async def unshare_document(
    principal: Annotated[str, Path(max_length=200)],
    target: Named,
    subject: Asker,
    parts: Open,
    response: Response,
) -> ChangedLabel:
    """Let whom a document was shared with read it no longer by that share."""
    request = LabelRequest(kind=ChangeKind.UNSHARE, unshare=frozenset({principal}))
    return _answer(await parts.labels.change(subject, target, request, now=_now()), response)


@router.post(
    "/v1/documents:relabel",
    operation_id="relabelDocuments",
    summary="Change the labels of many documents",
    status_code=status.HTTP_202_ACCEPTED,
    responses=ANSWERS["body"] | ANSWERS["policy"],
)
async def relabel(asked: Relabelling, subject: Asker, parts: Open) -> RelabelAnswer:
    """Begin a job over the named documents or a folder, or say what it would do."""
    selection: Selection = asked.selection()
    if bool(selection.ids) is bool(selection.folder):
        fault = FieldFault("/document_ids", "give either ids or a folder")
        raise ProblemError(ProblemType.INVALID, [fault])
    if asked.dry_run:
        return RelabelAnswer.of_plan(await parts.bulk.plan(subject, selection, asked.request()))
    begun = await parts.bulk.begin(subject, selection, asked.request())
    await carry_out(parts, begun.job)
    return RelabelAnswer.of_job(begun.job, begun.refused)


def _answer(changed: Changed, response: Response) -> ChangedLabel:
    tag(response, changed.version)
    return ChangedLabel.of(changed)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return checked_time("until", datetime.fromisoformat(text))
    except (ValueError, UnstorableError):
        fault = FieldFault("/until", "is no moment such as 2026-03-31T18:00:00+00:00")
        raise ProblemError(ProblemType.INVALID, [fault]) from None


def _now() -> datetime:
    return datetime.now(UTC)
