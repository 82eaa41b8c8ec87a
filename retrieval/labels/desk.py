"""The desk of data owners: labels of single documents, seen, changed, shared, taken back.

The laws of this file:

1. Rights are decided on the label of record before the change and, unless the change only raises,
   on the one after it. They must still stand, and the label must still be the one that was decided
   upon, when it is stored.
2. Who may know nothing of a document gets the answer of one that does not exist. Who may read it
   and do nothing more is told so, before anything is worked out; so nothing tells them of its
   readers, shares and owner. Others who lack a right are told which. All is on record.
3. A request is stored as a whole or not at all, the record first and the engine after it. So what
   tightens binds at once, and what widens shows when all of it is stored.
4. Where two pairs of eyes are asked for, what lowers a label waits for another party who may.
   They approve the label that was proposed: if another would come of it by now, it is refused.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from functools import cache, partial

from acl.actions import Action
from acl.errors import LabelFault
from acl.labels import label_of
from acl.records import (
    Approval,
    ApprovalKind,
    AuditKind,
    ChangeKind,
    DocumentRecord,
    LabelChange,
    LabelState,
    Provided,
    StaleLabelError,
)
from acl.records.tables.types import canonical_id
from ingest.label.inherit import Origins
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.outcomes import Outcomes, change_detail, edit_of
from retrieval.labels.requests import LabelRequest, LabelRequestError, Wanted
from retrieval.labels.views import (
    Changed,
    LabelParts,
    LabelView,
    OtherOutcomeError,
    Target,
    decision_of,
    require_other,
)
from retrieval.rights.authority import (
    Asker,
    Authority,
    ForbiddenError,
    authority_of,
    parties_of,
)
from retrieval.rights.standing import settled


class LabelDesk:
    """Shows and changes labels.

    Each method that names a document may raise:
        DocumentNotFoundError: there is none, or the asker may not know of it.
        ForbiddenError: the asker may know of it and lacks a right.
        StaleLabelError: the label is not the version that the asker saw.
        LabelRequestError: what was asked cannot be done by any asker.
        UnsettledError: policy or memberships changed again and again meanwhile.
        RecordsError: it could not be recorded, so nothing has changed.
    """

    def __init__(self, parts: LabelParts) -> None:
        self.parts = parts
        self.outcomes = Outcomes(parts)
        # The jobs that stopped here for a reason that passes.
        self.stopped = set[str]()
        self._records = parts.records

    async def authority(self, asker: Asker, now: datetime) -> Authority:
        """Return the rights of `asker` as they stand now."""
        return await authority_of(self.parts.standing, self.parts.decisions, asker, now)

    @settled
    async def show(self, asker: Asker, document_id: str, *, now: datetime) -> LabelView:
        """Return a document's label, and where each value comes from."""
        authority = await self.authority(asker, now)
        state = await self._known(authority, document_id)
        await self._managing(authority, state.document, Action.ACCESS_REVIEW)
        document, stored = state.document, state.origins
        schema, origins = authority.snapshot.schema, Origins.of(stored)
        label = document.legible(schema, now)
        view = LabelView(
            document=document,
            label=label_of(label, schema),
            origins={name: origins.of_attribute(name) for name in label.values},
            shares=tuple(one for one in document.shares if not one.over(now)),
            proposals=await self._waiting(document, now),
        )
        await self._released(authority, document)
        return view

    @settled
    async def history(
        self, asker: Asker, document_id: str, *, now: datetime, below: int | None = None
    ) -> tuple[LabelChange, ...]:
        """Return the changes of a document's label, the last one first."""
        authority = await self.authority(asker, now)
        identity = canonical_id(document_id)
        found, changes = await self._records.labels.remembered(identity, below=below)
        state = await self._known_state(authority, identity, found)
        await self._managing(authority, state.document, Action.ACCESS_REVIEW)
        await self._released(authority, state.document)
        return changes

    @settled
    async def change(  # noqa: PLR0913 - a change has as many sides
        self,
        asker: Asker,
        target: Target,
        request: LabelRequest,
        *,
        now: datetime,
        dry_run: bool = False,
        granted: Approval | None = None,
    ) -> Changed:
        """Do what `request` says, or say what it would do.

        Args:
            asker: who asks.
            target: the document, and the label that they saw.
            request: what is to be done.
            now: the time.
            dry_run: whether to say it only.
            granted: the request for access that is granted by it, in one transaction.
        """
        authority = await self.authority(asker, now)
        state = await self._changeable(authority, target)
        outcome = await self.outcomes.of(authority, state, request)
        await self._permitted(authority, state.document, outcome)
        done = self._changed(authority, state.document, outcome)
        if dry_run:
            await self._released(authority, state.document)
            return replace(done, dry=True)
        if granted is None and not outcome.changes:
            return done
        if self.parts.settings.four_eyes and Action.DOCUMENT_DECLASSIFY in outcome.actions:
            proposal = await self._propose(authority, state.document, request, outcome)
            return replace(done, proposal=proposal)
        return await self._store(authority, done, request, outcome, approval=granted)

    async def undo(
        self,
        asker: Asker,
        target: Target,
        *,
        reason: str,
        now: datetime,
        dry_run: bool = False,
    ) -> Changed:
        """Let the label stand again that was there before the last change, as a new change.

        That a share ended since is no change that can be taken back; it stays.
        """
        authority = await self.authority(asker, now)
        state = await self._changeable(authority, target)
        last = await self._last_change(state.document)
        if last is None or last.before is None:
            raise LabelRequestError(LabelFault("version", "was not made by a change of the label"))
        request = LabelRequest(kind=ChangeKind.UNDO, restore=last.before, reason=reason)
        return await self.change(asker, target, request, now=now, dry_run=dry_run)

    @settled
    async def approve(
        self, asker: Asker, document_id: str, proposal_id: str, *, now: datetime
    ) -> Changed:
        """Let a proposal take effect.

        Raises:
            OwnProposalError: the asker, or who acts for them, stands behind it.
            OtherOutcomeError: another label would come of it than the one that was proposed.
        """
        authority = await self.authority(asker, now)
        state = await self._known(authority, document_id)
        await self._managing(authority, state.document, Action.DOCUMENT_TAG)
        proposal = await self._records.approvals.one(ApprovalKind.LABEL, proposal_id, now=now)
        if proposal is None or proposal.about != state.document.id:
            raise DocumentNotFoundError
        require_other(proposal, authority)  # law 4
        _require_version(state.document, proposal.version)
        request = LabelRequest.from_json(proposal.changes)
        outcome = await self.outcomes.of(authority, state, request)
        await self._permitted(authority, state.document, outcome)
        if outcome.after.as_json() != proposal.wanted:
            raise OtherOutcomeError
        done = self._changed(authority, state.document, outcome)
        return await self._store(authority, done, request, outcome, approval=proposal)

    async def _last_change(self, document: DocumentRecord) -> LabelChange | None:
        """Return the last change that was no expiry."""
        below = document.label_version + 1
        while found := await self._records.labels.history(document.id, below=below):
            for one in found:
                if one.kind is not ChangeKind.EXPIRY:
                    return one
            below = found[-1].label_version
        return None

    async def _waiting(self, document: DocumentRecord, now: datetime) -> tuple[Approval, ...]:
        """Return what waits for approval of this very label, the oldest first."""
        found = await self._records.approvals.waiting(
            ApprovalKind.LABEL, document.tenant, now=now, about=document.id
        )
        return tuple(one for one in reversed(found) if one.version == document.label_version)

    async def _changeable(self, authority: Authority, target: Target) -> LabelState:
        """Return a document that the asker may do more with than read (law 2)."""
        state = await self._known(authority, target.document_id)
        await self._managing(authority, state.document, Action.DOCUMENT_TAG)
        _require_version(state.document, target.version)
        return state

    async def _managing(
        self, authority: Authority, document: DocumentRecord, lacking: Action
    ) -> None:
        if not authority.manages(document):
            await self._refused(authority, document, lacking)
            raise ForbiddenError(lacking)

    def _changed(self, authority: Authority, document: DocumentRecord, outcome: Wanted) -> Changed:
        schema = authority.snapshot.schema
        return Changed(
            document=document,
            version=document.label_version,
            before=label_of(outcome.before, schema),
            after=label_of(outcome.after, schema),
            actions=outcome.actions,
            told=cache(partial(self.outcomes.effect, authority, document.tenant, outcome)),
        )

    async def _store(
        self,
        authority: Authority,
        done: Changed,
        request: LabelRequest,
        outcome: Wanted,
        *,
        approval: Approval | None,
    ) -> Changed:
        document = done.document
        proposed = approval is not None and approval.kind is ApprovalKind.LABEL
        version = await self._records.labels.change(
            edit_of(document, request, outcome, str(uuid.uuid4())),
            authority.event(
                AuditKind.RELABEL,
                max(outcome.actions),
                tenant=document.tenant,
                resources=(document.id,),
                detail=change_detail(document, request, outcome, approval if proposed else None),
            ),
            provided=_provided(authority, approval),
        )
        projected = await self.parts.projector.follow(document.id, at=authority.now)
        return replace(done, version=version, projected=projected)

    async def _propose(
        self,
        authority: Authority,
        document: DocumentRecord,
        request: LabelRequest,
        outcome: Wanted,
    ) -> str:
        proposal = Approval(
            kind=ApprovalKind.LABEL,
            tenant=document.tenant,
            about=document.id,
            version=document.label_version,
            changes=request.as_json(),
            wanted=outcome.after.as_json(),
            by=authority.by,
            at=authority.now,
            reason=request.reason,
            parties=parties_of(authority),
        )
        event = authority.event(
            AuditKind.RELABEL_PROPOSED,
            Action.DOCUMENT_DECLASSIFY,
            tenant=document.tenant,
            resources=(document.id,),
            detail={"proposal": proposal.id} | change_detail(document, request, outcome, None),
        )
        await self._records.approvals.ask(proposal, event, under=authority.heads)
        return proposal.id

    async def _known(self, authority: Authority, document_id: str) -> LabelState:
        """Return the document with its label, if the asker may know of it (law 2)."""
        identity = canonical_id(document_id)
        return await self._known_state(
            authority, identity, await self._records.labels.state(identity)
        )

    async def _known_state(
        self, authority: Authority, identity: str, state: LabelState | None
    ) -> LabelState:
        if state is None or not authority.knows_of(state.document):
            await self._records.audit.append(
                authority.event(
                    AuditKind.DENIED,
                    Action.DOCUMENT_TAG,
                    tenant=authority.tenant or "",
                    resources=(identity,),
                    permitted=False,
                )
            )
            raise DocumentNotFoundError
        return state

    async def _permitted(
        self, authority: Authority, document: DocumentRecord, outcome: Wanted
    ) -> None:
        try:
            authority.require_change(outcome.actions, outcome.before, outcome.after)
        except ForbiddenError as error:
            await self._refused(authority, document, error.action)
            raise

    async def _refused(
        self, authority: Authority, document: DocumentRecord, action: Action
    ) -> None:
        event = authority.event(
            AuditKind.DENIED,
            action,
            tenant=document.tenant,
            resources=(document.id,),
            permitted=False,
        )
        await self._records.audit.append(event)

    async def _released(self, authority: Authority, document: DocumentRecord) -> None:
        event = authority.event(
            AuditKind.EXPLAIN,
            Action.DOCUMENT_READ,
            tenant=document.tenant,
            resources=(document.id,),
            detail={"what": "label"},
        )
        await self.parts.standing.record(self._records.audit, event, authority.pinned)


def _provided(authority: Authority, approval: Approval | None) -> Provided:
    if approval is None:
        return Provided(under=authority.heads)
    asked = approval.kind is ApprovalKind.ACCESS
    return Provided(
        under=authority.heads,
        approval=approval.id,
        decided=decision_of(authority, approval, granted=True) if asked else None,
    )


def _require_version(document: DocumentRecord, expected: int) -> None:
    if document.label_version != expected:
        raise StaleLabelError(document.id, expected=expected, actual=document.label_version)
