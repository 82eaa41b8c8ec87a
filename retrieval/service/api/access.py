"""Access: asked for, decided about, and looked back on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response, status
from pydantic import Field

from acl.records.audit.readers import ReadersFrom
from acl.records.labels.requests import AccessRequest, Place, RequestState
from retrieval.access.history import Reader
from retrieval.access.types import canonical_id
from retrieval.labels.access_requests import MAX_PAGE, Waiting
from retrieval.service.api.labels import ChangedLabel
from retrieval.service.cursors import MAX_CURSOR
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, Asked, StrictRoute
from retrieval.service.http.dependencies import Open, Revisions, opened, sealed, tag
from retrieval.service.http.problems import ANSWERS, ProblemType, answer_of


class AccessReason(Asked):
    """Why access is asked for; whoever decides reads it."""

    reason: str = Field("", max_length=1000, pattern=r"^[^\x00]*$")


class Granting(Asked):
    """How long a grant lasts."""

    until: datetime | None = Field(None, strict=False, description="When it ends; null for good.")


class Requested(Answered):
    """The same answer whatever was asked for."""

    status: Literal["recorded"] = "recorded"


class OwnRequest(Answered):
    """A request of one's own; it is open until it is granted and the document can be read."""

    document_id: str
    reason: str
    state: Literal["open", "granted"]
    created_at: datetime

    @classmethod
    def of(cls, found: AccessRequest) -> OwnRequest:
        """Return the request as its asker sees it."""
        return cls(
            document_id=found.document_id,
            reason=found.reason,
            state="granted" if found.state is RequestState.GRANTED else "open",
            created_at=found.created_at,
        )


class OwnRequests(Answered):
    """One's own requests, the latest first."""

    requests: list[OwnRequest]
    policy_revision: int
    label_revision: int


class WaitingRequest(Answered):
    """A request that waits for a decision."""

    id: str
    document_id: str
    uri: str
    title: str
    asker: str
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, found: Waiting) -> WaitingRequest:
        """Return the request as whoever decides sees it."""
        return cls(
            id=found.request.id,
            document_id=found.document.id,
            uri=found.document.uri,
            title=found.document.title,
            asker=found.request.asker,
            reason=found.request.reason,
            created_at=found.request.created_at,
        )


class WaitingRequests(Answered):
    """Requests for documents that the subject may share, the latest first."""

    requests: list[WaitingRequest]
    next_token: str = Field(description='Asks for the next page; `""` at the end.')
    policy_revision: int
    label_revision: int


class PastReader(Answered):
    """Somebody who got passages of a document."""

    subject: str
    actors: list[str]
    times: int
    last: datetime
    may_still: bool | None = Field(
        description="Whether they may read it now; null where their rights were not kept."
    )

    @classmethod
    def of(cls, found: Reader) -> PastReader:
        """Return the reader as it is sent."""
        return cls(
            subject=found.subject,
            actors=list(found.actors),
            times=found.times,
            last=found.last,
            may_still=found.may_still,
        )


class PastReaders(Answered):
    """Who got passages of a document, the last one first."""

    readers: list[PastReader]
    next_token: str = Field(description='Asks for the next page; `""` at the end.')
    policy_revision: int
    label_revision: int


router = APIRouter(route_class=StrictRoute, tags=["access"])

WAITING: Final = "access-requests"
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Token = Annotated[str, Query(max_length=MAX_CURSOR, description="A `next_token`.")]

_DECIDE = ANSWERS["body"] | ANSWERS["policy"] | ANSWERS["change"]


@router.post(
    "/v1/documents/{document_id}/access-requests",
    operation_id="requestAccess",
    summary="Ask for access to a document whose id is known",
    status_code=status.HTTP_202_ACCEPTED,
    responses=ANSWERS["body"] | answer_of(ProblemType.QUOTA_EXCEEDED),
)
async def request_access(
    document_id: str, reason: AccessReason, subject: Asker, parts: Open
) -> Requested:
    """Record the request. The answer is the same whether or not there is such a document."""
    known = canonical_id(document_id)
    await parts.requests.ask(subject, known, reason.reason, datetime.now(UTC))
    return Requested()


@router.get(
    "/v1/access-requests/mine",
    operation_id="listOwnRequests",
    summary="List one's own requests",
    responses=ANSWERS["query"] | ANSWERS["revision"],
)
async def own_requests(subject: Asker, parts: Open, at_least: Revisions) -> OwnRequests:
    """Return what the subject asked for; what is not granted is open."""
    found = await parts.requests.mine(subject, datetime.now(UTC), at_least=at_least)
    return OwnRequests(
        requests=[OwnRequest.of(one) for one in found.requests],
        policy_revision=found.policy_revision,
        label_revision=found.label_revision,
    )


@router.get(
    "/v1/access-requests",
    operation_id="listWaitingRequests",
    summary="List requests that the subject may decide about",
    responses=ANSWERS["query"] | ANSWERS["revision"],
)
async def waiting_requests(
    subject: Asker,
    parts: Open,
    at_least: Revisions,
    limit: Limit = 100,
    token: Token = "",
) -> WaitingRequests:
    """Return open requests for documents that the subject may share, one page of them."""
    found = await parts.requests.waiting(
        subject,
        subject.tenant,
        datetime.now(UTC),
        after=_place(opened(parts.cursors, token, subject, WAITING)),
        limit=limit,
        at_least=at_least,
    )
    following = "" if found.cursor is None else _key(found.cursor)
    return WaitingRequests(
        requests=[WaitingRequest.of(one) for one in found.requests],
        next_token=sealed(parts.cursors, following, subject, WAITING),
        policy_revision=found.policy_revision,
        label_revision=found.label_revision,
    )


@router.post(
    "/v1/access-requests/{request_id}:grant",
    operation_id="grantAccess",
    summary="Share a document with whoever asked for it",
    responses=_DECIDE,
)
async def grant(
    request_id: str, granting: Granting, subject: Asker, parts: Open, response: Response
) -> ChangedLabel:
    """Make the share, for good or until a moment, and return what it changed."""
    changed = await parts.requests.grant(
        subject, subject.tenant, request_id, until=granting.until, now=datetime.now(UTC)
    )
    tag(response, changed.version)
    return ChangedLabel.of(changed)


@router.post(
    "/v1/access-requests/{request_id}:refuse",
    operation_id="refuseAccess",
    summary="Refuse a request; whoever asked is not told",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=ANSWERS["policy"],
)
async def refuse(request_id: str, subject: Asker, parts: Open) -> None:
    """Take the request off the list."""
    await parts.requests.refuse(subject, subject.tenant, request_id, now=datetime.now(UTC))


@router.get(
    "/v1/documents/{document_id}/readers",
    operation_id="listReaders",
    summary="List who got passages of a document",
    responses=ANSWERS["query"] | ANSWERS["document"] | ANSWERS["revision"],
)
async def readers(  # noqa: PLR0913, PLR0917 - the parameters of the route
    document_id: str,
    subject: Asker,
    parts: Open,
    at_least: Revisions,
    limit: Limit = 100,
    token: Token = "",
) -> PastReaders:
    """Return who retrieved it, and whether they still may; for those who may review access."""
    listing = f"readers/{document_id}"
    found = await parts.history.readers(
        subject,
        canonical_id(document_id),
        now=datetime.now(UTC),
        after=_readers_from(opened(parts.cursors, token, subject, listing)),
        limit=limit,
        at_least=at_least,
    )
    following = "" if found.cursor is None else f"{found.cursor.upto} {found.cursor.below}"
    return PastReaders(
        readers=[PastReader.of(one) for one in found.readers],
        next_token=sealed(parts.cursors, following, subject, listing),
        policy_revision=found.policy_revision,
        label_revision=found.label_revision,
    )


def _key(place: Place) -> str:
    return f"{place.created_at.isoformat()} {place.id}"


def _place(key: str) -> Place | None:
    if not key:
        return None
    moment, _, identity = key.partition(" ")
    return Place(created_at=datetime.fromisoformat(moment), id=identity)


def _readers_from(key: str) -> ReadersFrom | None:
    if not key:
        return None
    upto, below = map(int, key.split())
    return ReadersFrom(upto=upto, below=below)
