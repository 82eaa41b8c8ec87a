"""What is kept of labels beside the labels: origins, changes, approvals, folders and jobs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from acl.labels import Label
from acl.records.audit.chain import AuditEvent
from acl.records.database.storable import checked_text, from_json
from acl.records.tables.heads import Heads
from acl.records.tables.schema import documents
from acl.records.tables.types import DOCUMENT_COLUMNS, DocumentRecord, Share, document_of


class ChangeKind(StrEnum):
    """Why a label changed."""

    INGEST = "ingest"
    RELABEL = "relabel"
    SHARE = "share"
    UNSHARE = "unshare"
    EXPIRY = "expiry"
    FOLDER = "folder"
    UNDO = "undo"


class ItemState(StrEnum):
    """What became of one document of a job."""

    PENDING = "pending"
    DONE = "done"
    CONFLICT = "conflict"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelState:
    """A document with where its label's values come from, read together."""

    document: DocumentRecord
    origins: Mapping[str, Any]


STATE_COLUMNS: Final = (documents.c.origins, *DOCUMENT_COLUMNS)
"""The columns of a label's state, in the order in which `state_of` takes them."""


def state_of(row: Sequence[Any]) -> LabelState:
    """Return the state of a row that was selected by `STATE_COLUMNS`."""
    return LabelState(document=document_of(row[1:]), origins=from_json(row[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelEdit:
    """A label that is to take the place of another.

    Attributes:
        expected_version: the version of the label that was decided upon.
        label: the whole label, with those among `readers` who have shares.
        shares: the shares that go on.
        origins: where its values come from.
        change_id: the same for all documents that one request changes.
    """

    document_id: str
    expected_version: int
    label: Label
    shares: tuple[Share, ...]
    origins: Mapping[str, Any]
    kind: ChangeKind
    reason: str
    change_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChange:
    """One change as it is remembered.

    Attributes:
        label_version: the version that it made.
        before: the label, shares and origins before it; `None` for a document's first.
    """

    document_id: str
    label_version: int
    kind: ChangeKind
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]
    by: str
    at: datetime
    reason: str = ""
    change_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """What must still be so when a change is stored.

    Attributes:
        under: the rights under which it was decided.
        approval: the id of the approval that it uses up.
        decided: what is recorded of that beside the change itself.
        job: the job whose document it is; there it must be pending.
    """

    under: Heads | None = None
    approval: str = ""
    decided: AuditEvent | None = None
    job: str = ""


NOTHING: Final = Provided()


class ApprovalKind(StrEnum):
    """What an approval lets happen."""

    LABEL = "label"
    FOLDER = "folder"
    ACCESS = "access"


class ApprovalState(StrEnum):
    """What became of an approval that was asked for."""

    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What one party asks for and another has to approve.

    Attributes:
        about: the document, or the path of the folder; there need be no such document.
        version: of the label that it was decided upon; 0 where it rests on none.
        changes: what was asked for, as the desk wrote it.
        wanted: what would come of it, for those who look at it: the whole label, or all that the
            folder would say.
        parties: all who stand behind it, such as `acme/user:ada`; a name without a tenant is of
            every tenant.
        decided_by: who decided last, or `""`.
    """

    kind: ApprovalKind
    tenant: str
    about: str
    by: str
    parties: tuple[str, ...]
    at: datetime
    reason: str = ""
    version: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)
    wanted: Mapping[str, Any] = field(default_factory=dict)
    state: ApprovalState = ApprovalState.OPEN
    decided_at: datetime | None = None
    decided_by: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        checked_text("by", self.by)
        if self.reason:
            checked_text("reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLabel:
    """What was set for a folder.

    Attributes:
        path: begins and ends with a slash.
        attributes: attribute to value, as a label stores it; empty when nothing is set any more.
        version: counts up with every change.
    """

    tenant: str
    path: str
    attributes: Mapping[str, Any]
    by: str
    at: datetime
    version: int = 0


def folders_version(folders: Iterable[FolderLabel]) -> int:
    """Return how far what is set for a tenant's folders has come; every change counts."""
    return sum(one.version for one in folders)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A change of many documents.

    Attributes:
        asker: whose rights are used, as the desk wrote it.
        request: what is to be done to each document, as the desk wrote it.
        items: document to the label version that it had when the job was made.
    """

    id: str
    tenant: str
    by: str
    asker: Mapping[str, Any]
    request: Mapping[str, Any]
    reason: str
    items: Mapping[str, int] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobItem:
    """One document of a job."""

    document_id: str
    expected_version: int
    state: ItemState
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job and how far it has come."""

    id: str
    tenant: str
    by: str
    asker: Mapping[str, Any]
    request: Mapping[str, Any]
    reason: str
    created_at: datetime
    counts: Mapping[ItemState, int]

    @property
    def total(self) -> int:
        """How many documents it is about."""
        return sum(self.counts.values())

    @property
    def pending(self) -> int:
        """How many are still to be done."""
        return self.counts.get(ItemState.PENDING, 0)

    @property
    def done(self) -> int:
        """How many are as they were to be."""
        return self.counts.get(ItemState.DONE, 0)

    @property
    def conflict(self) -> int:
        """How many were changed by another meanwhile."""
        return self.counts.get(ItemState.CONFLICT, 0)

    @property
    def failed(self) -> int:
        """How many could not be changed."""
        return self.counts.get(ItemState.FAILED, 0)
