"""Builders that tests share: a small schema, labels, documents, proposals, jobs, events.

Each returns a value that is whole; name only what the test is about.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from acl.labels import Label, LabelSchema
from acl.records import (
    Approval,
    ApprovalKind,
    AuditEvent,
    AuditKind,
    DocumentRecord,
    DocumentVersion,
    FolderLabel,
    NewChunk,
    NewJob,
    NewRevision,
    NewVersion,
    PolicyRevision,
    Records,
    RevisionTexts,
    Share,
)
from acl.records.documents.catalog import joined

KEY = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)

SCHEMA = LabelSchema.from_toml("""
[label.tenant]
type = "keyword"
[label.owner]
type = "keyword"
[label.classification]
type = "integer"
levels = ["public", "internal", "confidential"]
[label.readers]
type = "keyword_set"
[label.reviewed]
type = "datetime"
required = false
""")


async def last_event(records: Records) -> AuditEvent:
    """Return what was put on record last."""
    head = await records.audit.head()
    (last,) = await records.audit.events(after=head.seq - 1)
    return last.event


async def events_about(records: Records, resource: str) -> list[AuditEvent]:
    """Return the events that name `resource`, the latest first."""
    events = [one.event for one in await records.audit.events(limit=100_000)]
    return [one for one in reversed(events) if resource in one.resources]


async def text_of(records: Records, document: str) -> str | None:
    """Return the text of a live document, or `None`."""
    passages = await records.catalog.document_passages(document)
    return joined(passages) if passages else None


def document_id(uri: str, tenant: str = "acme") -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant} {uri}"))


def label(classification: str = "internal", **more: object) -> Label:
    values = {"tenant": "acme", "owner": "user:ada", "readers": ["user:ada", "group:all"]}
    return SCHEMA.parse({**values, "classification": classification, **more})


def version(uri: str = "file:a.txt", *texts: str, **more: Any) -> NewVersion:
    tenant = more.pop("tenant", "acme")
    values: dict[str, Any] = {
        "document_id": document_id(uri, tenant),
        "tenant": tenant,
        "uri": uri,
        "title": uri.upper(),
        "media_type": "text/plain",
        "label": label(tenant=tenant),
        "content_digest": "c" * 64,
        "chunks": chunks(*(texts or ("one", "two"))),
    }
    return NewVersion(**{**values, **more})


def chunks(*texts: str) -> tuple[NewChunk, ...]:
    made: list[NewChunk] = []
    for text in texts:
        made.append(NewChunk(made[-1].end + 1 if made else 0, text))
    return tuple(made)


def event(kind: AuditKind = AuditKind.SEARCH, *, later: int = 0, **more: Any) -> AuditEvent:
    moment = NOW + timedelta(seconds=later)
    return AuditEvent(**{"kind": kind, "time": moment, "subject": "user:ada", **more})


async def put(records: Records, new: NewVersion, *, later: int = 0) -> DocumentRecord:
    """Begin and commit `new`."""
    begun = await records.documents.begin_version(new, now=NOW + timedelta(seconds=later))
    return await records.documents.commit_version(begun, event(AuditKind.INGEST, later=later))


def chunk_ids(begun: DocumentVersion, count: int) -> list[str]:
    return [begun.chunk_id(ordinal) for ordinal in range(count)]


def revision(digest: str = "a", *, base: int = 0, author: str = "user:ada") -> NewRevision:
    """Return a proposal; what its texts say does not matter to the records."""
    texts = RevisionTexts(model=f"model {digest}", rules=f"# {digest}\np, a\n")
    return NewRevision(texts=texts, digest=digest, base=base, author=author, reason="because")


async def in_effect(records: Records, digest: str) -> PolicyRevision:
    """Propose a revision and let it take effect."""
    current = await records.policies.current()
    base = current.revision if current else 0
    proposed = await records.policies.propose(
        revision(digest, base=base), event(AuditKind.POLICY_PROPOSED)
    )
    activated = event(AuditKind.POLICY_ACTIVATED)
    return await records.policies.activate(proposed.revision, expected=base, event=activated)


def share(principal: str = "user:bob", until: datetime | None = LATER) -> Share:
    return Share(principal=principal, until=until, by="user:ada", since=NOW)


def folder(**more: Any) -> FolderLabel:
    values: dict[str, Any] = {
        "tenant": "acme",
        "path": "/acme/hr/",
        "attributes": {"classification": 2},
        "by": "user:ada",
        "at": NOW,
    }
    return FolderLabel(**{**values, **more})


def approval(kind: ApprovalKind, about: str, **more: Any) -> Approval:
    """Return what user:ada asks for."""
    values: dict[str, Any] = {
        "kind": kind,
        "tenant": "acme",
        "about": about,
        "by": "user:ada",
        "parties": ("acme/user:ada",),
        "at": NOW,
        "reason": "out",
    }
    return Approval(**{**values, **more})


def job(**more: Any) -> NewJob:
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "tenant": "acme",
        "by": "user:ada",
        "asker": {"operator": True},
        "request": {"kind": "relabel"},
        "reason": "many",
        "items": {},
    }
    return NewJob(**{**values, **more})
