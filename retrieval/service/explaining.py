"""Explaining one document to somebody who may read it.

The laws of this file:

1. An explanation is given only of a document that the subject may read. Any other one does not
   exist, and the same is looked up and recorded for it.
2. The event is on record before the explanation leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from acl.errors import LabelError
from acl.explain import Explanation, explain
from acl.records import AuditKind, DocumentRecord, Records
from acl.subject import Subject
from retrieval.documents import DocumentNotFoundError
from retrieval.releases import Release
from retrieval.search import READ
from retrieval.standing import Pinned, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An explanation that is on record."""

    explanation: Explanation
    decision_id: str
    policy_revision: int


async def explain_own(
    records: Records, standing: Standing, subject: Subject, document_id: str, now: datetime
) -> Explained:
    """Return why `subject` may read a document.

    Raises:
        DocumentNotFoundError: there is no such document, or the subject may not read it.
        UnsettledError: the policy changed again and again meanwhile.
        AuditUnavailableError: the explanation could not be recorded.
        RecordsUnavailableError: the records cannot be asked.
    """
    return await standing.settled(partial(_explain, records, standing, subject, document_id, now))


async def _explain(
    records: Records, standing: Standing, subject: Subject, document_id: str, now: datetime
) -> Explained:
    pinned = await standing.pin(subject)
    document = await records.catalog.document(document_id)
    explanation = _explanation(pinned, document, now)
    release = Release(pinned=pinned, now=now, action=READ)
    event = release.event(
        AuditKind.EXPLAIN,
        permitted=explanation is not None,
        resources=(document_id,) if explanation else (),
    )
    await records.audit.append(event, under=pinned.heads)
    if explanation is None:
        raise DocumentNotFoundError
    return Explained(
        explanation=explanation,
        decision_id=release.id,
        policy_revision=pinned.snapshot.revision,
    )


def _explanation(
    pinned: Pinned, document: DocumentRecord | None, now: datetime
) -> Explanation | None:
    if document is None:
        return None
    try:
        label = document.label(pinned.snapshot.schema, now)
    except LabelError:
        return None
    found = explain(pinned.snapshot.policy, pinned.subject, READ, label, now)
    return found if found.permitted else None
