"""What data owners set for folders, and how it comes to the documents below.

The laws of this file:

1. What a folder says is set by those who hold the rights of `retrieval.labels.folder_rights`, which
   must still stand when it is stored.
2. Folder and job are stored together: what is set reaches every document, or is not set.
3. Where two pairs of eyes are asked for, what can lower a document waits for somebody else who may
   set it. They approve what was proposed, on the version of the folder that it was proposed for.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from acl.actions import Action
from acl.errors import LabelError
from acl.records import (
    AuditKind,
    ChangeKind,
    FolderLabel,
    FolderProposal,
    Job,
    StaleFolderError,
)
from acl.records.labels.labels import Provided
from ingest.label.inherit import COMPARTMENTS, typed_values
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.desk import LabelDesk
from retrieval.labels.folder_rights import (
    compartments_in_use,
    lacking,
    lowers,
    require_below,
    rights_for,
)
from retrieval.labels.jobs import begun, new_job, utc_now
from retrieval.labels.requests import LabelRequest, LabelRequestError
from retrieval.labels.selection import Planned, Planner, Refused, Selection, checked_folder
from retrieval.labels.views import OwnProposalError
from retrieval.rights.authority import (
    OPERATOR_NAME,
    Asker,
    Authority,
    Operator,
    asker_json,
    asker_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRequest:
    """What is to be set for a folder.

    Attributes:
        tenant: whose folder; a subject's own is taken whatever stands here.
        unset: attributes that the folder says no longer.
        expected_version: of the folder's label; `None` for whatever it is.
    """

    folder: str
    tenant: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    unset: frozenset[str] = frozenset()
    expected_version: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSet:
    """What came of setting a folder.

    Attributes:
        version: of the folder's label now.
        job: brings it to the documents; `None` while it waits.
        refused: the documents that the job leaves alone.
        proposal: the id under which it waits for approval; `""` where it does not.
    """

    folder: str
    version: int
    job: Job | None
    refused: tuple[Refused, ...] = ()
    proposal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderView:
    """What is set for folders, and what waits for approval."""

    folders: tuple[FolderLabel, ...]
    proposals: tuple[FolderProposal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A folder as it is to be, still under its version now, and whether that can lower."""

    folder: FolderLabel
    lowers: bool


class FolderDesk:
    """Shows and sets labels of folders.

    Each method may raise:
        ForbiddenError: the asker lacks the rights of law 1.
        StaleFolderError: the folder's label is another version.
        LabelRequestError: what is asked cannot be set.
        UnsettledError: policy or memberships changed again and again meanwhile.
    """

    def __init__(self, desk: LabelDesk, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._records = desk.parts.records
        self._planner = Planner(desk)
        self._clock = clock

    async def view(self, asker: Asker, tenant: str) -> FolderView:
        """Return what is set and what waits, of folders that the asker may set."""
        authority = await self._desk.authority(asker, self._clock())
        mine = authority.tenant or tenant
        found = await self._records.folders.of_tenant(mine)
        waiting = await self._records.folders.proposals(mine)
        paths = {one.path for one in found} | {one.path for one in waiting}
        theirs = await self._settable(authority, mine, paths)
        return FolderView(
            folders=tuple(one for one in found if one.path in theirs),
            proposals=tuple(one for one in waiting if one.path in theirs),
        )

    async def set_folder(self, asker: Asker, asked: FolderRequest) -> FolderSet:
        """Set a folder's label, with the job that brings it to the documents; or propose it."""
        return await self._parts.standing.settled(partial(self._set, asker, asked))

    async def plan(self, asker: Asker, asked: FolderRequest) -> Planned:
        """Return what setting a folder's label would do; raises as that does."""
        authority = await self._desk.authority(asker, self._clock())
        wanted = await self._asked(authority, asked)
        waits = self._parts.settings.four_eyes and wanted.lowers
        planned = await self._planned(authority, wanted.folder, asked.reason, approved=waits)
        return replace(planned, waits=waits)

    async def approve(self, asker: Asker, proposal_id: str) -> FolderSet:
        """Let what was proposed for a folder take effect.

        Raises:
            DocumentNotFoundError: nothing waits under this id of which the asker may know.
            OwnProposalError: the asker proposed it, or had a part in it.
        """
        return await self._parts.standing.settled(partial(self._approve, asker, proposal_id))

    async def _set(self, asker: Asker, asked: FolderRequest) -> FolderSet:
        authority = await self._desk.authority(asker, self._clock())
        wanted = await self._asked(authority, asked)
        if self._parts.settings.four_eyes and wanted.lowers:
            return await self._propose(authority, asker, wanted.folder, asked.reason)
        return await self._put(authority, asker, wanted.folder, asked.reason)

    async def _approve(self, asker: Asker, proposal_id: str) -> FolderSet:
        authority = await self._desk.authority(asker, self._clock())
        proposal = await self._records.folders.proposal(proposal_id)
        if proposal is None or authority.tenant not in {None, proposal.tenant}:
            raise DocumentNotFoundError
        if not await self._settable(authority, proposal.tenant, {proposal.path}):
            raise DocumentNotFoundError
        if _names(asker) & _names(asker_of(proposal.asker)):
            raise OwnProposalError
        folder = FolderLabel(
            tenant=proposal.tenant,
            path=proposal.path,
            attributes=proposal.attributes,
            by=authority.by,
            at=authority.now,
            version=proposal.expected_version,
        )
        folders = await self._records.folders.of_tenant(proposal.tenant)
        known = self._known(folders, proposal.tenant, proposal.path)
        moved = known.attributes.keys() | proposal.attributes.keys()
        await self._require(authority, folder, rights_for(moved))
        return await self._put(authority, asker, folder, proposal.reason, proposal=proposal)

    async def _asked(self, authority: Authority, asked: FolderRequest) -> _Wanted:
        tenant, folder = authority.tenant or asked.tenant, checked_folder(asked.folder)
        schema = authority.snapshot.schema
        try:
            typed = typed_values(schema, asked.values)
        except LabelError as error:
            raise LabelRequestError(*error.faults) from error
        folders = await self._records.folders.of_tenant(tenant)
        known = self._known(folders, tenant, folder)
        said = {k: v for k, v in known.attributes.items() if k not in asked.unset} | typed
        new = replace(known, attributes=said, by=authority.by, at=authority.now)
        await self._require(authority, new, rights_for(typed.keys() | asked.unset))
        if asked.expected_version not in {None, known.version}:
            raise StaleFolderError(
                folder, expected=asked.expected_version or 0, actual=known.version
            )
        return _Wanted(folder=new, lowers=lowers(new, folders, schema))

    async def _require(
        self, authority: Authority, new: FolderLabel, actions: frozenset[Action]
    ) -> None:
        schema = authority.snapshot.schema
        used = await compartments_in_use(self._records, schema, new.tenant)
        named = new.attributes.get(COMPARTMENTS, ())
        await require_below(authority, actions, new.tenant, new.path, used.union(named))

    async def _settable(
        self, authority: Authority, tenant: str, paths: Collection[str]
    ) -> frozenset[str]:
        """Return which of the folders the asker may let say something."""
        used = await compartments_in_use(self._records, authority.snapshot.schema, tenant)
        actions = rights_for(())
        missing = {path: await lacking(authority, actions, tenant, path, used) for path in paths}
        return frozenset(path for path, action in missing.items() if action is None)

    async def _put(
        self,
        authority: Authority,
        asker: Asker,
        new: FolderLabel,
        reason: str,
        *,
        proposal: FolderProposal | None = None,
    ) -> FolderSet:
        since = (await self._records.standing.read()).label
        planned = await self._planned(
            authority, new, reason, tell=False, approved=proposal is not None
        )
        by = "" if proposal is None else proposal.by
        request = _request(reason)
        job = new_job(authority, asker, new.tenant, request, planned.items, proposed_by=by)
        event = authority.event(
            AuditKind.FOLDER_LABELLED,
            Action.DOCUMENT_DECLASSIFY,
            tenant=new.tenant,
            detail=_detail(new, reason) | {"job": job.id, "proposed_by": by},
        )
        provided = Provided(under=authority.heads, proposal="" if proposal is None else proposal.id)
        version = await self._records.folders.put(
            new,
            expected_version=new.version,
            job=job,
            event=event,
            since=since,
            provided=provided,
        )
        stored = await begun(self._records, job.id, planned)
        return FolderSet(folder=new.path, version=version, job=stored.job, refused=planned.refused)

    async def _propose(
        self, authority: Authority, asker: Asker, new: FolderLabel, reason: str
    ) -> FolderSet:
        proposal = FolderProposal(
            id=str(uuid.uuid4()),
            tenant=new.tenant,
            path=new.path,
            expected_version=new.version,
            attributes=new.attributes,
            by=authority.by,
            asker=asker_json(asker),
            at=authority.now,
            reason=reason,
        )
        event = authority.event(
            AuditKind.RELABEL_PROPOSED,
            Action.DOCUMENT_DECLASSIFY,
            tenant=new.tenant,
            detail=_detail(new, reason) | {"proposal": proposal.id},
        )
        provided = Provided(under=authority.heads)
        await self._records.folders.propose(proposal, event, provided=provided)
        return FolderSet(folder=new.path, version=new.version, job=None, proposal=proposal.id)

    async def _planned(
        self,
        authority: Authority,
        new: FolderLabel,
        reason: str,
        *,
        tell: bool = True,
        approved: bool,
    ) -> Planned:
        selection = Selection(folder=new.path, tenant=new.tenant)
        return await self._planner.plan(
            authority, selection, _request(reason), setting=new, tell=tell, approved=approved
        )

    def _known(self, folders: Sequence[FolderLabel], tenant: str, path: str) -> FolderLabel:
        nothing = FolderLabel(tenant=tenant, path=path, attributes={}, by="", at=self._clock())
        return next((one for one in folders if one.path == path), nothing)


def _request(reason: str) -> LabelRequest:
    return LabelRequest(kind=ChangeKind.FOLDER, refresh=True, reason=reason)


def _detail(new: FolderLabel, reason: str) -> dict[str, object]:
    return {"folder": new.path, "label": dict(new.attributes), "reason": reason}


def _names(asker: Asker) -> frozenset[str]:
    """Return everybody who has a part in a request: the subject, and each actor."""
    if isinstance(asker, Operator):
        return frozenset({OPERATOR_NAME})
    return frozenset({asker.id, *(one.id for one in asker.actors)})
