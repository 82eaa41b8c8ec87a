"""Labels over HTTP, for data owners: seen, changed, shared, undone; one document or many.

A document that is not the subject's to know about is the same 404 as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Path, Query, Response, status
from pydantic import AliasPath, Field

from acl.labels import LabelSchema, stored_of
from acl.records import ChangeKind, LabelChange, UnstorableError
from acl.records.database.storable import checked_time
from acl.records.tables.types import canonical_id
from retrieval.labels.requests import MAX_REASON, HandOver, LabelRequest, ShareRequest
from retrieval.labels.selection import Planned, Refused, Selection, handing_over
from retrieval.labels.views import Changed, Target
from retrieval.service.api.jobs import carry_out
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, Asked, StrictRoute
from retrieval.service.http.dependencies import Expected, Open, tag
from retrieval.service.http.problems import ANSWERS, FieldFault, ProblemError, ProblemType

MAX_IDS: Final = 1000
MAX_ENTRIES: Final = 1000

_Text = Annotated[str, Field(max_length=1024)]
_Value = _Text | bool | int | Annotated[list[_Text], Field(max_length=MAX_ENTRIES)]
Values = Annotated[dict[str, _Value], Field(max_length=100)]
Names = Annotated[list[_Text], Field(max_length=100)]
Reason = Annotated[str, Field(max_length=MAX_REASON, pattern=r"^[^\x00]*$")]


class _Change(Asked):
    set: Values = Field(default_factory=dict, description="Attribute to its new value.")
    inherit: Names = Field(
        default_factory=list,
        description="Attributes that are to come from folder and source again.",
    )
    reason: Reason = Field("", description="Kept with the change.")
    dry_run: bool = Field(False, description="Say what would happen, and do nothing.")

    def request(self) -> LabelRequest:
        """Return the change as the desk takes it."""
        inherit = frozenset(self.inherit)
        return LabelRequest(values=self.set, inherit=inherit, reason=self.reason)


class LabelPatch(_Change):
    """What is to change of one document's label. What is not named stays."""


class Relabelling(_Change):
    """What is to change of many documents' labels."""

    document_ids: Annotated[list[_Text], Field(max_length=MAX_IDS)] = Field(
        default_factory=list, description="These documents; or else `folder`."
    )
    folder: str = Field("", max_length=1024, description="Every document below, such as /acme/hr/.")

    owner: str = Field("", max_length=200, description="Every document of this owner.")

    def selection(self) -> Selection:
        """Return which documents are meant."""
        return Selection(ids=tuple(self.document_ids), folder=self.folder, owner=self.owner)


class HandingOver(Asked):
    """Whose documents are to be whose."""

    principal: str = Field(alias="from", min_length=1, max_length=200, description="Who leaves.")
    successor: str = Field(alias="to", min_length=1, max_length=200, description="Who takes over.")
    readers: bool = Field(
        False, description="Whether `to` also reads, by name and by shares, what `from` reads so."
    )
    reason: Reason = Field("", description="Kept with each change.")
    dry_run: bool = Field(False, description="Say what would happen, and do nothing.")

    def asked(self, tenant: str) -> tuple[Selection, LabelRequest]:
        """Return which documents are meant, and what is done to each."""
        moved = HandOver(principal=self.principal, successor=self.successor, readers=self.readers)
        return handing_over(moved, tenant, self.reason)


class Sharing(Asked):
    """Who is to read, and until when."""

    principal: str = Field(min_length=1, max_length=200, description="Such as `user:ada`.")
    until: str | None = Field(
        None, max_length=64, description="ISO 8601 with a zone; for good if left out."
    )
    reason: Reason = ""
    dry_run: bool = False

    def request(self, until: datetime | None) -> LabelRequest:
        """Return the share as the desk takes it."""
        share = ShareRequest(principal=self.principal, until=until)
        return LabelRequest(share=(share,), reason=self.reason)


class Because(Asked):
    """Why."""

    reason: Reason = ""
    dry_run: bool = False


class Approval(Asked):
    """Which proposal is approved."""

    proposal: str = Field(min_length=1, max_length=64)


class ShownShare(Answered):
    """A share."""

    principal: str
    until: datetime | None
    by: str
    since: datetime


class ShownProposal(Answered):
    """A lower label that waits for somebody else."""

    id: str
    by: str
    at: datetime
    reason: str
    wanted: dict[str, Any]


class ShownLabel(Answered):
    """A document's label, and where each value comes from."""

    document_id: str = Field(validation_alias=AliasPath("document", "id"))
    uri: str = Field(validation_alias=AliasPath("document", "uri"))
    label: dict[str, Any]
    origins: dict[str, str] = Field(description="`source`, `folder /…/` or `document`.")
    shares: list[ShownShare]
    proposals: list[ShownProposal]
    label_version: int = Field(validation_alias="version")


class ShownEffect(Answered):
    """Names by which one may read after the change and could not before, and the other way round.

    A name lifts no clearance: who is in it and not cleared for the label reads nothing.
    """

    gains: list[str]
    loses: list[str]


class ChangedLabel(Answered):
    """What a change did, or would do."""

    document_id: str = Field(validation_alias=AliasPath("document", "id"))
    before: dict[str, Any]
    after: dict[str, Any]
    effect: ShownEffect | None
    label_version: int = Field(validation_alias="version")
    proposal: str = Field(description='The proposal that waits for approval; `""` if it is done.')
    dry_run: bool = Field(validation_alias="dry")


class ShownChange(Answered):
    """One change of a label, as it is remembered."""

    label_version: int
    kind: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    by: str
    at: datetime
    reason: str
    change_id: str

    @classmethod
    def of(cls, change: LabelChange, schema: LabelSchema) -> ShownChange:
        """Return the change as it is sent."""
        return cls(
            label_version=change.label_version,
            kind=change.kind.value,
            before=None if change.before is None else stored_of(change.before["label"], schema),
            after=stored_of(change.after["label"], schema),
            by=change.by,
            at=change.at,
            reason=change.reason,
            change_id=change.change_id,
        )


class LabelHistory(Answered):
    """The changes of a label, the last one first."""

    changes: list[ShownChange]


class LeftAlone(Answered):
    """A document that a job leaves alone, and why."""

    document_id: str
    uri: str
    reason: str


class ShownExtent(Answered):
    """Which documents a change of many concerns; a dry run alone names them."""

    documents: list[str] = Field(description="What a dry run would change; the first thousand.")
    documents_left_off: int = Field(description="How many more there are than are named.")
    total: int
    refused: list[LeftAlone]
    effect: ShownEffect | None
    changes_left_off: int = Field(
        description="How many different changes of a label `effect` says nothing of: it compares "
        "the first hundred."
    )
    dry_run: bool

    @classmethod
    def planned(cls, planned: Planned, **more: Any) -> Self:  # noqa: ANN401 - its own fields
        """Return what a change would do."""
        effect = planned.effect
        return cls(
            documents=sorted(planned.items)[:MAX_IDS],
            documents_left_off=max(0, len(planned.items) - MAX_IDS),
            total=len(planned.items),
            refused=[LeftAlone.model_validate(refused) for refused in planned.refused],
            effect=None if effect is None else ShownEffect.model_validate(effect),
            changes_left_off=planned.not_compared,
            dry_run=True,
            **more,
        )

    @classmethod
    def begun(cls, total: int, refused: Iterable[Refused], **more: Any) -> Self:  # noqa: ANN401
        """Return what was begun."""
        return cls(
            documents=[],
            documents_left_off=0,
            total=total,
            refused=[LeftAlone.model_validate(one) for one in refused],
            effect=None,
            changes_left_off=0,
            dry_run=False,
            **more,
        )


class RelabelAnswer(ShownExtent):
    """A job that was begun, or what it would do."""

    job: str = Field(description='The job\'s id; `""` for a dry run.')


_CHANGE: Final = ANSWERS["body"] | ANSWERS["policy"] | ANSWERS["change"]

router = APIRouter(route_class=StrictRoute, tags=["labels"])


def _target(document_id: str, expected: Expected) -> Target:
    return Target(canonical_id(document_id), expected)


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
    view = await parts.labels.show(subject, canonical_id(document_id), now=_now())
    tag(response, view.version)
    return ShownLabel.model_validate(view)


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
    found = await parts.labels.history(subject, canonical_id(document_id), now=_now(), below=below)
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
        subject, canonical_id(document_id), approval.proposal, now=_now()
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
    if [bool(selection.ids), bool(selection.folder), bool(selection.owner)].count(True) != 1:
        fault = FieldFault("/document_ids", "give either ids, a folder, or an owner")
        raise ProblemError(ProblemType.INVALID, [fault])
    return await _many(subject, parts, (selection, asked.request()), dry_run=asked.dry_run)


@router.post(
    "/v1/documents:hand-over",
    operation_id="handOverDocuments",
    summary="Hand everything over that somebody owns",
    status_code=status.HTTP_202_ACCEPTED,
    responses=ANSWERS["body"] | ANSWERS["policy"],
)
async def hand_over(asked: HandingOver, subject: Asker, parts: Open) -> RelabelAnswer:
    """Begin a job over all documents of an owner in the tenant, or say what it would do.

    The new owner takes the place of the old one; nothing else of a label changes. It needs, on each
    document, the rights that changing its owner takes.
    """
    return await _many(subject, parts, asked.asked(subject.tenant), dry_run=asked.dry_run)


async def _many(
    subject: Asker, parts: Open, asked: tuple[Selection, LabelRequest], *, dry_run: bool
) -> RelabelAnswer:
    if dry_run:
        return RelabelAnswer.planned(await parts.bulk.plan(subject, *asked), job="")
    begun = await parts.bulk.begin(subject, *asked)
    await carry_out(parts, begun.job)
    return RelabelAnswer.begun(begun.job.total, begun.refused, job=begun.job.id)


def _answer(changed: Changed, response: Response) -> ChangedLabel:
    tag(response, changed.version)
    return ChangedLabel.model_validate(changed)


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
