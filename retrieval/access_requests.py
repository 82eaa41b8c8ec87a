"""Asking for access, and deciding about it.

The laws of this file:

1. Whoever asks is answered alike whether the document exists, is hidden, or is another tenant's:
   the same answer, the same writes, the same line in the list of their own requests. Only a grant
   shows, and by then the document is theirs to read.
2. Who may share a document decides. Of requests for other documents nobody is told.
3. A grant is a share, made with the rights of whoever grants; nothing else gives access.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from acl.actions import Action
from acl.errors import AclError, LabelError
from acl.records import AuditKind, ChangeKind, DocumentRecord, Records
from acl.records.requests import AccessRequest, RequestState
from acl.subject import Subject
from retrieval.authority import Asker, Authority
from retrieval.label_requests import LabelRequest, ShareRequest
from retrieval.label_views import Changed, Target
from retrieval.labels import LabelDesk


class UnknownRequestError(AclError):
    """There is no open request of this id that the asker may decide about."""

    def __init__(self) -> None:
        super().__init__("there is no such request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request that waits for a decision, with the document it is about."""

    request: AccessRequest
    document: DocumentRecord


class RequestDesk:
    """Takes requests, and lets owners decide."""

    def __init__(self, records: Records, labels: LabelDesk) -> None:
        """Share the desk by which labels change."""
        self._records = records
        self._labels = labels

    async def ask(self, subject: Subject, document_id: str, reason: str, now: datetime) -> None:
        """Ask for a document (law 1).

        Raises:
            TooManyRequestsError: too many requests of this subject were not granted.
            RecordsError: it could not be recorded.
        """
        authority = await self._labels.authority(subject, now)
        event = authority.event(
            AuditKind.ACCESS_REQUESTED,
            Action.DOCUMENT_READ,
            tenant=subject.tenant,
            resources=(document_id,),
        )
        await self._records.requests.ask(subject.tenant, document_id, reason, event)

    async def mine(self, subject: Subject, now: datetime) -> tuple[AccessRequest, ...]:
        """Return the subject's own requests; one that was refused looks as if it were open."""
        await self._labels.authority(subject, now)
        return await self._records.requests.of_asker(subject.tenant, subject.id)

    async def waiting(self, asker: Asker, tenant: str, now: datetime) -> tuple[Waiting, ...]:
        """Return the open requests that `asker` may decide about (law 2)."""
        authority = await self._labels.authority(asker, now)
        found = await self._records.requests.open(tenant)
        known = await self._records.catalog.labels_of(one.document_id for one in found)
        return tuple(
            Waiting(request=one, document=document)
            for one in found
            if (document := known.get(one.document_id)) is not None
            and document.tenant == tenant
            and _may_share(authority, document)
        )

    async def grant(
        self, asker: Asker, tenant: str, request_id: str, *, until: datetime | None, now: datetime
    ) -> Changed:
        """Share the document with whoever asked.

        Raises:
            UnknownRequestError: there is none that `asker` may decide about.
            ForbiddenError, LabelRequestError, StaleLabelError: the share cannot be made.
        """
        waiting = await self._one(asker, tenant, request_id, now)
        share = ShareRequest(principal=waiting.request.asker, until=until)
        request = LabelRequest(
            kind=ChangeKind.SHARE, share=(share,), reason="asked for: " + waiting.request.reason
        )
        target = Target(waiting.document.id, waiting.document.label_version)
        changed = await self._labels.change(asker, target, request, now=now)
        await self._decided(asker, waiting, RequestState.GRANTED, now)
        return changed

    async def refuse(self, asker: Asker, tenant: str, request_id: str, *, now: datetime) -> None:
        """Leave the document as it is; whoever asked is not told.

        Raises:
            UnknownRequestError: there is none that `asker` may decide about.
        """
        waiting = await self._one(asker, tenant, request_id, now)
        await self._decided(asker, waiting, RequestState.REFUSED, now)

    async def _one(self, asker: Asker, tenant: str, request_id: str, now: datetime) -> Waiting:
        for one in await self.waiting(asker, tenant, now):
            if one.request.id == request_id:
                return one
        raise UnknownRequestError

    async def _decided(
        self, asker: Asker, waiting: Waiting, state: RequestState, now: datetime
    ) -> None:
        authority = await self._labels.authority(asker, now)
        event = authority.event(
            AuditKind.ACCESS_DECIDED,
            Action.DOCUMENT_SHARE,
            tenant=waiting.request.tenant,
            resources=(waiting.document.id,),
            permitted=state is RequestState.GRANTED,
            detail={"for": waiting.request.asker, "request": waiting.request.id},
        )
        await self._records.requests.decide(waiting.request.id, state, event)


def _may_share(authority: Authority, document: DocumentRecord) -> bool:
    try:
        label = document.label(authority.snapshot.schema, authority.now)
    except LabelError:
        return False
    return authority.may(Action.DOCUMENT_SHARE, label)
