"""Signatures; bodies follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from acl.errors import AclError
from acl.records import Records
from acl.subject import Subject
from retrieval.decisions import Decisions
from retrieval.snapshot import SnapshotHolder


class DocumentNotFoundError(AclError):
    """No such document; hidden and absent read alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    id: str
    uri: str
    title: str
    media_type: str
    metadata: Mapping[str, object]
    label: Mapping[str, object]  # as a person writes it
    classification: str
    owner: str
    label_version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPage:
    documents: tuple[DocumentView, ...]
    cursor: str | None
    decision_id: str
    policy_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentText:
    document: DocumentView
    text: str
    decision_id: str
    policy_revision: int


class DocumentReader:
    def __init__(
        self, *, records: Records, snapshots: SnapshotHolder, decisions: Decisions | None = None
    ) -> None:
        raise NotImplementedError

    async def list_documents(
        self, subject: Subject, *, after: str | None = None, limit: int = 50, now: datetime
    ) -> DocumentPage:
        raise NotImplementedError

    async def document(self, subject: Subject, document_id: str, *, now: datetime) -> DocumentText:
        raise NotImplementedError
