"""What data owners set for folders, and how it comes to the documents below.

The laws of this file:

1. What a folder says holds for all documents that arrive later. So setting it needs
   the right to lower, and to share where it says who reads, on every label that a document below
   can have: of any owner, readers and level, in any folder below, and with any of the compartments
   that are in use in the tenant. One that the asker lacks is enough to refuse; so is a question
   that cannot be decided. The rights must still stand when it is stored.
2. Folder and job are stored together: what is set reaches every document, or is not set.
3. Where two pairs of eyes are asked for, what can lower a document waits for another party who may
   set it. They approve what was proposed, on the version of the folder that it was proposed for.
4. A folder lowers if some document could come out lower than under what was set before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from acl.actions import Action
from acl.algebra.conditions import all_of
from acl.containment.search import escapee
from acl.decision import Permitted, guard
from acl.errors import LabelError, UndecidedError
from acl.labels import PATH, READERS, AttributeType, LabelSchema
from acl.predicate import NEVER, Condition, SubsetOf, Under
from acl.records import (
    Approval,
    ApprovalKind,
    AuditKind,
    ChangeKind,
    FolderLabel,
    Job,
    Provided,
    Records,
    StaleFolderError,
)
from ingest.label.inherit import CLASSIFICATION, COMPARTMENTS, above, typed_values
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.desk import LabelDesk
from retrieval.labels.jobs import begun, new_job, utc_now
from retrieval.labels.requests import LabelRequest, LabelRequestError
from retrieval.labels.selection import Planned, Planner, Refused, Selection, checked_folder
from retrieval.labels.views import require_other
from retrieval.rights.authority import Asker, Authority, ForbiddenError, parties_of
from retrieval.rights.standing import settled

# About half a second of one comparison.
_STEPS: Final = 500_000
_EVERYWHERE: Final = (
    "on every label that a document in this folder can have, of any level and with any compartment "
    "that is in use"
)


async def compartments_in_use(records: Records, schema: LabelSchema, tenant: str) -> frozenset[str]:
    """Return the compartments that documents and folders of a tenant have."""
    if not _is(schema, COMPARTMENTS, AttributeType.KEYWORD_SET):
        return frozenset()
    of_folders = (
        one.attributes.get(COMPARTMENTS, ()) for one in await records.folders.of_tenant(tenant)
    )
    return (await records.labels.named(tenant, COMPARTMENTS)).union(*of_folders)


def rights_for(attributes: Iterable[str]) -> frozenset[Action]:
    """Return the rights that it takes to let a folder say, or no longer say, these attributes."""
    share = {Action.DOCUMENT_SHARE} if READERS in attributes else set[Action]()
    return frozenset({Action.DOCUMENT_DECLASSIFY, *share})


async def lacking(
    authority: Authority,
    actions: frozenset[Action],
    tenant: str,
    folder: str,
    compartments: frozenset[str],
) -> Action | None:
    """Return the first of the rights that the asker lacks on some label below (law 1)."""
    if authority.pinned is None:
        return None
    schema = authority.snapshot.schema
    below = _below(schema, tenant, folder, compartments)
    for action in sorted(actions):
        held = _held(authority, action)
        if not await asyncio.to_thread(_contains, below, held, schema):
            return action
    return None


async def require_below(
    authority: Authority,
    actions: frozenset[Action],
    tenant: str,
    folder: str,
    compartments: frozenset[str],
) -> None:
    """Check the rights of law 1.

    Raises:
        ForbiddenError: naming the first that is lacking.
    """
    action = await lacking(authority, actions, tenant, folder, compartments)
    if action is not None:
        raise ForbiddenError(action, _EVERYWHERE)


def lowers(new: FolderLabel, folders: Sequence[FolderLabel], schema: LabelSchema) -> bool:
    """Say whether a folder as it is to be can lower a document (law 4)."""
    old = next((one.attributes for one in folders if one.path == new.path), {})
    names = {
        name
        for name in old.keys() | new.attributes.keys()
        if old.get(name) != new.attributes.get(name)
    }
    return any(_lowers(name, old, new, folders, schema) for name in names)


def _lowers(
    name: str,
    old: Mapping[str, Any],
    new: FolderLabel,
    folders: Sequence[FolderLabel],
    schema: LabelSchema,
) -> bool:
    # Who reads is shared, which needs its own right and no second person.
    if name == READERS and _is(schema, name, AttributeType.KEYWORD_SET):
        return False
    if name == COMPARTMENTS and _is(schema, name, AttributeType.KEYWORD_SET):
        return not set(old.get(name, ())) <= set(new.attributes.get(name, ()))
    if name == CLASSIFICATION and _is(schema, name, AttributeType.INTEGER):
        return _lowers_level(old, new, folders, len(schema.attributes[name].levels) - 1)
    return True


def _lowers_level(
    old: Mapping[str, Any], new: FolderLabel, folders: Sequence[FolderLabel], top: int
) -> bool:
    """Compare what holds below before and after; where no folder says it, any level can."""
    over = sorted(above(folders, new.path), key=lambda one: len(one.path))
    said = [
        one.attributes[CLASSIFICATION]
        for one in over
        if one.path != new.path and CLASSIFICATION in one.attributes
    ]
    inherited = said[-1] if said else None
    before, after = (one.get(CLASSIFICATION, inherited) for one in (old, new.attributes))
    if after is not None and after == top:
        return False
    return before is None or after is None or after < before


def _below(
    schema: LabelSchema, tenant: str, folder: str, compartments: frozenset[str]
) -> Condition:
    parts = [guard(schema, tenant)]
    if _is(schema, PATH, AttributeType.PATH):
        parts.append(Under(PATH, frozenset({folder})))
    if _is(schema, COMPARTMENTS, AttributeType.KEYWORD_SET):
        parts.append(SubsetOf(COMPARTMENTS, compartments))
    return all_of(*parts)


def _held(authority: Authority, action: Action) -> Condition:
    assert authority.pinned is not None
    decided = authority.decisions.decide(
        authority.snapshot, authority.pinned.subject, action, authority.now
    )
    decision = decided.decision
    return decision.predicate if isinstance(decision, Permitted) else NEVER


def _contains(inner: Condition, outer: Condition, schema: LabelSchema) -> bool:
    try:
        return escapee(inner, outer, schema, budget=_STEPS) is None
    except UndecidedError:
        return False


def _is(schema: LabelSchema, name: str, kind: AttributeType) -> bool:
    attribute = schema.attributes.get(name)
    return attribute is not None and attribute.type is kind


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRequest:
    """What is to be set for a folder.

    Attributes:
        tenant: whose folder; for a subject it is always their own.
        unset: attributes that the folder says no longer.
        expected_version: of the folder's label; `None` for any.
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
    proposals: tuple[Approval, ...]


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
        waiting = await self._records.approvals.waiting(
            ApprovalKind.FOLDER, mine, now=authority.now
        )
        paths = {folder.path for folder in found} | {proposal.about for proposal in waiting}
        theirs = await self._settable(authority, mine, paths)
        return FolderView(
            folders=tuple(folder for folder in found if folder.path in theirs),
            proposals=tuple(one for one in reversed(waiting) if one.about in theirs),
        )

    @settled
    async def set_folder(self, asker: Asker, asked: FolderRequest) -> FolderSet:
        """Set a folder's label, with the job that brings it to the documents; or propose it."""
        authority = await self._desk.authority(asker, self._clock())
        wanted = await self._asked(authority, asked)
        if self._parts.settings.four_eyes and wanted.lowers:
            return await self._propose(authority, wanted.folder, asked.reason)
        return await self._put(authority, asker, wanted.folder, asked.reason)

    async def plan(self, asker: Asker, asked: FolderRequest) -> Planned:
        """Return what setting a folder's label would do; raises as that does."""
        authority = await self._desk.authority(asker, self._clock())
        wanted = await self._asked(authority, asked)
        waits = self._parts.settings.four_eyes and wanted.lowers
        planned = await self._planned(authority, wanted.folder, asked.reason, approved=waits)
        return replace(planned, waits=waits)

    @settled
    async def approve(self, asker: Asker, proposal_id: str) -> FolderSet:
        """Let what was proposed for a folder take effect.

        Raises:
            DocumentNotFoundError: nothing waits under this id of which the asker may know.
            OwnProposalError: the asker proposed it, or had a part in it.
        """
        authority = await self._desk.authority(asker, self._clock())
        proposal = await self._records.approvals.one(
            ApprovalKind.FOLDER, proposal_id, now=authority.now
        )
        if proposal is None or authority.tenant not in {None, proposal.tenant}:
            raise DocumentNotFoundError
        if not await self._settable(authority, proposal.tenant, {proposal.about}):
            raise DocumentNotFoundError
        require_other(proposal, authority)  # law 3
        folder = FolderLabel(
            tenant=proposal.tenant,
            path=proposal.about,
            attributes=proposal.wanted,
            by=authority.by,
            at=authority.now,
            version=proposal.version,
        )
        folders = await self._records.folders.of_tenant(proposal.tenant)
        known = self._known(folders, proposal.tenant, proposal.about)
        moved = known.attributes.keys() | proposal.wanted.keys()
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
        proposal: Approval | None = None,
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
        used = "" if proposal is None else proposal.id
        version = await self._records.folders.put(
            new,
            expected_version=new.version,
            job=job,
            event=event,
            since=since,
            provided=Provided(under=authority.heads, approval=used),
        )
        stored = await begun(self._records, job.id, planned)
        return FolderSet(folder=new.path, version=version, job=stored.job, refused=planned.refused)

    async def _propose(self, authority: Authority, new: FolderLabel, reason: str) -> FolderSet:
        proposal = Approval(
            kind=ApprovalKind.FOLDER,
            tenant=new.tenant,
            about=new.path,
            version=new.version,
            wanted=new.attributes,
            by=authority.by,
            parties=parties_of(authority),
            at=authority.now,
            reason=reason,
        )
        event = authority.event(
            AuditKind.RELABEL_PROPOSED,
            Action.DOCUMENT_DECLASSIFY,
            tenant=new.tenant,
            detail=_detail(new, reason) | {"proposal": proposal.id},
        )
        await self._records.approvals.ask(proposal, event, under=authority.heads)
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
