"""Explaining one document to somebody who may read it.

The laws of this file:

1. An explanation is given only of a document that the subject may read. Any other one does not
   exist, and the same is looked up and recorded for it.
2. The event is on record before the explanation leaves.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from acl.errors import LabelError
from acl.explain import Explanation, explain
from acl.records import AuditEvent, AuditKind, DocumentRecord, Outcome, Records
from acl.subject import Subject
from retrieval.documents import DocumentNotFoundError
from retrieval.search import READ
from retrieval.snapshot import PolicySnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An explanation that is on record."""

    explanation: Explanation
    decision_id: str
    policy_revision: int


async def explain_own(
    records: Records,
    snapshot: PolicySnapshot,
    subject: Subject,
    document_id: str,
    now: datetime,
) -> Explained:
    """Return why `subject` may read a document.

    Raises:
        DocumentNotFoundError: there is no such document, or the subject may not read it.
        AuditUnavailableError: the explanation could not be recorded.
        RecordsUnavailableError: the records cannot be asked.
    """
    document = await records.catalog.document(document_id)
    explanation = _explanation(snapshot, subject, document, now)
    event = AuditEvent(
        kind=AuditKind.EXPLAIN,
        time=now,
        subject=subject.id,
        outcome=Outcome.PERMITTED if explanation else Outcome.DENIED,
        actors=tuple(one.id for one in subject.actors),
        tenant=subject.tenant,
        action=READ,
        decision_id=str(uuid.uuid4()),
        policy_revision=snapshot.revision,
        policy_digest=snapshot.digest,
        resources=(document_id,) if explanation else (),
    )
    await records.audit.append(event)
    if explanation is None:
        raise DocumentNotFoundError
    return Explained(
        explanation=explanation,
        decision_id=event.decision_id,
        policy_revision=snapshot.revision,
    )


def _explanation(
    snapshot: PolicySnapshot, subject: Subject, document: DocumentRecord | None, now: datetime
) -> Explanation | None:
    if document is None:
        return None
    try:
        label = document.label(snapshot.schema)
    except LabelError:
        return None
    found = explain(snapshot.policy, subject, READ, label, now)
    return found if found.permitted else None
