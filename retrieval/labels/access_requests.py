"""Asking for access, and deciding about it.

The laws of this file:

1. An asker is answered alike whether the document exists, is hidden, or is another tenant's, and
   however it was decided: the same answer, the same writes, the same line in the list of their
   own requests. Only a grant shows, and only while the document is theirs to read.
2. Who may share a document decides. Of requests for other documents no one is told.
3. A grant is a share, made with the rights of those who grant; nothing else gives access. The share
   and the decision are one transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from acl.actions import Action
from acl.errors import AclError, RequestError
from acl.records import (
    Approval,
    ApprovalKind,
    ApprovalState,
    AuditKind,
    ChangeKind,
    DocumentRecord,
    Records,
)
from acl.records.labels.approvals import Place
from acl.subject import PrincipalKind, Subject
from retrieval.labels.desk import LabelDesk
from retrieval.labels.requests import MAX_REASON, LabelRequest, ShareRequest
from retrieval.labels.views import Changed, Target, decision_of
from retrieval.rights.authority import Asker, Authority, authority_of, parties_of
from retrieval.rights.standing import ANY, AtLeast

MAX_PAGE: Final = 200
_SCANNED: Final = 500
_USER: Final = f"{PrincipalKind.USER.value}:"


class UnknownRequestError(AclError):
    """There is no open request of this id that the asker may decide about."""

    def __init__(self) -> None:
        super().__init__("there is no such request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request that waits for a decision, with the document it is about."""

    request: Approval
    document: DocumentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPage:
    """Requests, the latest first; `cursor` continues, and is None at the end."""

    requests: tuple[Waiting, ...]
    cursor: Place | None
    policy_revision: int
    label_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRequests:
    """The requests of one asker, the latest first."""

    requests: tuple[Approval, ...]
    policy_revision: int
    label_revision: int


class RequestDesk:
    """Takes requests, and lets owners decide."""

    def __init__(self, records: Records, labels: LabelDesk) -> None:
        """Share the desk by which labels change."""
        self._records = records
        self._labels = labels

    async def ask(self, subject: Subject, document_id: str, reason: str, now: datetime) -> None:
        """Ask for a document (law 1).

        Raises:
            RequestError: the subject is no user, and nothing can be shared with it.
            TooManyRequestsError: the subject asked for too many lately.
            RecordsError: it could not be recorded.
        """
        if not subject.id.startswith(_USER):
            raise RequestError("access is asked for by users")
        authority = await self._labels.authority(subject, now)
        request = Approval(
            kind=ApprovalKind.ACCESS,
            tenant=subject.tenant,
            about=document_id,
            by=subject.id,
            parties=parties_of(authority),
            at=now,
            reason=reason[:MAX_REASON],
        )
        event = authority.event(
            AuditKind.ACCESS_REQUESTED,
            Action.DOCUMENT_READ,
            tenant=subject.tenant,
            resources=(document_id,),
        )
        await self._records.approvals.ask(request, event)

    async def mine(
        self, subject: Subject, now: datetime, *, at_least: AtLeast = ANY
    ) -> OwnRequests:
        """Return the subject's own requests; each that is not to be read now looks open (law 1)."""
        authority = await self._authority(subject, now, at_least)
        found = await self._records.approvals.of_asker(subject.tenant, subject.id, now=now)
        known = await self._records.catalog.labels_of(request.about for request in found)
        shown = tuple(
            request
            if request.state is ApprovalState.GRANTED
            and _may(Action.DOCUMENT_READ, authority, known.get(request.about))
            else replace(request, state=ApprovalState.OPEN, decided_at=None, decided_by="")
            for request in found
        )
        return OwnRequests(
            requests=shown,
            policy_revision=authority.snapshot.revision,
            label_revision=authority.label_revision,
        )

    async def waiting(  # noqa: PLR0913 - a page of one tenant's list, for one asker
        self,
        asker: Asker,
        tenant: str,
        now: datetime,
        *,
        after: Place | None = None,
        limit: int = 100,
        at_least: AtLeast = ANY,
    ) -> WaitingPage:
        """Return open requests that `asker` may decide about (law 2).

        Raises:
            RequestError: `limit` is out of range.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise RequestError(f"`limit` lies between 1 and {MAX_PAGE}")
        authority = await self._authority(asker, now, at_least)
        found: list[Waiting] = []
        place: Place | None = None
        async for one in self._decidable(authority, tenant, after):
            if len(found) == limit:
                last = found[-1].request
                place = Place(at=last.at, id=last.id)
                break
            found.append(one)
        return WaitingPage(
            requests=tuple(found),
            cursor=place,
            policy_revision=authority.snapshot.revision,
            label_revision=authority.label_revision,
        )

    async def grant(
        self, asker: Asker, tenant: str, request_id: str, *, until: datetime | None, now: datetime
    ) -> Changed:
        """Share the document with the user who asked.

        Raises:
            UnknownRequestError: there is none that `asker` may decide about.
            ForbiddenError, LabelRequestError, StaleLabelError: the share cannot be made.
        """
        waiting = await self._one(asker, tenant, request_id, now)
        share = ShareRequest(principal=waiting.request.by, until=until)
        request = LabelRequest(
            kind=ChangeKind.SHARE,
            share=(share,),
            reason=f"asked for: {waiting.request.reason}"[:MAX_REASON],
        )
        target = Target(waiting.document.id, waiting.document.label_version)
        return await self._labels.change(asker, target, request, now=now, granted=waiting.request)

    async def refuse(self, asker: Asker, tenant: str, request_id: str, *, now: datetime) -> None:
        """Leave the document as it is; the user who asked is not told.

        Raises:
            UnknownRequestError: there is none that `asker` may decide about.
        """
        waiting = await self._one(asker, tenant, request_id, now)
        authority = await self._labels.authority(asker, now)
        event = decision_of(authority, waiting.request, granted=False)
        await self._records.approvals.refuse(waiting.request.id, event)

    async def _authority(self, asker: Asker, now: datetime, at_least: AtLeast) -> Authority:
        parts = self._labels.parts
        return await authority_of(parts.standing, parts.decisions, asker, now, at_least=at_least)

    async def _decidable(
        self, authority: Authority, tenant: str, after: Place | None
    ) -> AsyncIterator[Waiting]:
        more = authority.tenant in {None, tenant}
        while more:
            found = await self._records.approvals.waiting(
                ApprovalKind.ACCESS, tenant, now=authority.now, after=after, limit=_SCANNED
            )
            known = await self._records.catalog.labels_of(request.about for request in found)
            for request in found:
                document = known.get(request.about)
                if document is not None and _may(Action.DOCUMENT_SHARE, authority, document):
                    yield Waiting(request=request, document=document)
                after = Place(at=request.at, id=request.id)
            more = len(found) == _SCANNED

    async def _one(self, asker: Asker, tenant: str, request_id: str, now: datetime) -> Waiting:
        authority = await self._labels.authority(asker, now)
        request = await self._records.approvals.one(ApprovalKind.ACCESS, request_id, now=now)
        name = request.about if request else ""
        document = await self._records.catalog.document(name)
        if (
            request is None
            or document is None
            or {request.tenant, document.tenant} != {tenant}
            or authority.tenant not in {None, tenant}
            or not _may(Action.DOCUMENT_SHARE, authority, document)
        ):
            raise UnknownRequestError
        return Waiting(request=request, document=document)


def _may(action: Action, authority: Authority, document: DocumentRecord | None) -> bool:
    if document is None:
        return False
    label = document.label_or_none(authority.snapshot.schema, authority.now)
    return label is not None and authority.may(action, label)
