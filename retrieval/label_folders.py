"""What data owners set for folders, and how it comes to the documents below.

The laws of this file:

1. What a folder says holds for documents that arrive later, too, whatever they are. So setting it
   needs the right to lower, and to share where it names readers, on the highest level in it.
2. Folder and job are stored together: what is set reaches every document, or is not set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from acl.actions import Action
from acl.errors import LabelError
from acl.labels import Label, LabelSchema, LabelValue
from acl.records import READERS, AuditKind, ChangeKind, FolderLabel, StaleFolderError
from ingest.inherit import CLASSIFICATION, COMPARTMENTS, PATH, typed_values
from retrieval.authority import Asker, Authority
from retrieval.label_bulk import Begun, begun, new_job, utc_now
from retrieval.label_requests import LabelRequest, LabelRequestError
from retrieval.label_selection import Planned, Planner, Selection, checked_folder
from retrieval.labels import LabelDesk

_NOBODY = "user:nobody"


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


class FolderDesk:
    """Shows and sets labels of folders."""

    def __init__(self, desk: LabelDesk, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._desk = desk
        self._records = desk.parts.records
        self._planner = Planner(desk)
        self._clock = clock

    async def folders(self, asker: Asker, tenant: str) -> tuple[FolderLabel, ...]:
        """Return what is set for folders in which the asker has the rights of law 1."""
        authority = await self._desk.authority(asker, self._clock())
        mine = authority.tenant or tenant
        found = await self._records.folders.of_tenant(mine)
        return tuple(one for one in found if _may_set(authority, mine, one.path))

    async def set_folder(self, asker: Asker, asked: FolderRequest) -> Begun:
        """Set a folder's label, and make the job that brings it to the documents.

        Raises:
            ForbiddenError: the asker lacks the rights of law 1.
            StaleFolderError: the folder's label is another version.
            LabelRequestError: what is asked cannot be set.
        """
        authority = await self._desk.authority(asker, self._clock())
        new = await self._asked(authority, asked)
        since = (await self._records.standing.read()).label
        planned = await self._planned(authority, new, asked.reason, tell=False)
        request = _request(asked.reason)
        job = new_job(authority, asker, new.tenant, request, planned.items)
        event = authority.event(
            AuditKind.FOLDER_LABELLED,
            Action.DOCUMENT_DECLASSIFY,
            tenant=new.tenant,
            detail={
                "folder": new.path,
                "label": dict(new.attributes),
                "job": job.id,
                "reason": asked.reason,
            },
        )
        await self._records.folders.put(
            new, expected_version=new.version, job=job, event=event, since=since
        )
        return await begun(self._records, job.id, planned)

    async def plan(self, asker: Asker, asked: FolderRequest) -> Planned:
        """Return what setting a folder's label would do; raises as that does."""
        authority = await self._desk.authority(asker, self._clock())
        return await self._planned(authority, await self._asked(authority, asked), asked.reason)

    async def _asked(self, authority: Authority, asked: FolderRequest) -> FolderLabel:
        """Return the folder as it is to be, still under its version now."""
        tenant, folder = authority.tenant or asked.tenant, checked_folder(asked.folder)
        try:
            typed = typed_values(authority.snapshot.schema, asked.values)
        except LabelError as error:
            raise LabelRequestError(*error.faults) from error
        _require_rights(authority, tenant, folder, typed)
        known = await self._folder(tenant, folder)
        if asked.expected_version not in {None, known.version}:
            raise StaleFolderError(
                folder, expected=asked.expected_version or 0, actual=known.version
            )
        said = {k: v for k, v in known.attributes.items() if k not in asked.unset} | typed
        return replace(known, attributes=said, by=authority.by, at=authority.now)

    async def _planned(
        self, authority: Authority, new: FolderLabel, reason: str, *, tell: bool = True
    ) -> Planned:
        selection = Selection(folder=new.path, tenant=new.tenant)
        return await self._planner.plan(
            authority, selection, _request(reason), setting=new, tell=tell
        )

    async def _folder(self, tenant: str, path: str) -> FolderLabel:
        found = await self._records.folders.of_tenant(tenant)
        nothing = FolderLabel(tenant=tenant, path=path, attributes={}, by="", at=self._clock())
        return next((one for one in found if one.path == path), nothing)


def _request(reason: str) -> LabelRequest:
    return LabelRequest(kind=ChangeKind.FOLDER, refresh=True, reason=reason)


def _may_set(authority: Authority, tenant: str, folder: str) -> bool:
    label = _highest(authority.snapshot.schema, tenant, folder, {})
    return authority.may(Action.DOCUMENT_DECLASSIFY, label)


def _require_rights(
    authority: Authority, tenant: str, folder: str, values: Mapping[str, object]
) -> None:
    label = _highest(authority.snapshot.schema, tenant, folder, values)
    actions = {Action.DOCUMENT_DECLASSIFY}
    if READERS in values:
        actions.add(Action.DOCUMENT_SHARE)
    authority.require(frozenset(actions), label)


def _highest(schema: LabelSchema, tenant: str, folder: str, values: Mapping[str, object]) -> Label:
    """Return the label of the most guarded document that a folder can hold (law 5)."""
    level = schema.attributes.get(CLASSIFICATION)
    named = values.get(COMPARTMENTS)
    label: dict[str, LabelValue] = {
        "tenant": tenant,
        "owner": _NOBODY,
        CLASSIFICATION: len(level.levels) - 1 if level and level.levels else 0,
        COMPARTMENTS: frozenset(named) if isinstance(named, list) else frozenset(),
        READERS: frozenset(),
        PATH: folder,
    }
    return Label({name: value for name, value in label.items() if name in schema.attributes})
