"""The JSON of access: requests for it, decisions about them, and who had it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from acl.records.labels.requests import AccessRequest, RequestState
from retrieval.access.history import Reader
from retrieval.labels.access_requests import Waiting
from retrieval.service.api.messages import Answered, Asked


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
