"""Explaining one document to somebody who may read it.

The laws of this file:

1. An explanation is given only of a document that the subject may read, by the decision that every
   other request of theirs obeys. Any other one does not exist, and the same is looked up, computed
   and recorded for it.
2. The event is on record before the explanation leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeAlias

from acl.errors import LabelError
from acl.explain.explain import Explanation, explain
from acl.labels import Label
from acl.policy.policy import Policy
from acl.records import AuditKind, DocumentRecord, Records
from acl.subject import Subject
from retrieval.access.documents import DocumentNotFoundError
from retrieval.access.questions import permits
from retrieval.rights.decisions import Decided, Decisions
from retrieval.rights.releases import Release
from retrieval.rights.standing import ANY, AtLeast, Pinned, Standing
from retrieval.search.search import READ

Explain: TypeAlias = Callable[[Policy, Subject, str, Label, datetime], Explanation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An explanation that is on record."""

    explanation: Explanation
    decision_id: str
    policy_revision: int
    label_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """Explains to subjects why they may read what they may read.

    Attributes:
        decisions: shared with others that decide for the same askers.
        explain: computes an explanation; called for what may be read alone.
    """

    records: Records
    standing: Standing
    decisions: Decisions
    explain: Explain = explain

    async def own(
        self, subject: Subject, document_id: str, *, now: datetime, at_least: AtLeast = ANY
    ) -> Explained:
        """Return why `subject` may read a document.

        Raises:
            DocumentNotFoundError: there is no such document, or the subject may not read it.
            NotReachedError, UnsettledError: see `retrieval.rights.standing`.
            AuditUnavailableError: the explanation could not be recorded.
            RecordsUnavailableError: the records cannot be asked.
        """
        attempt = partial(self._own, subject, document_id, now, at_least=at_least)
        return await self.standing.settled(attempt)

    async def _own(
        self, subject: Subject, document_id: str, now: datetime, *, at_least: AtLeast
    ) -> Explained:
        pinned = await self.standing.pin(subject, at_least=at_least)
        decision = self.decisions.decide(pinned.snapshot, pinned.subject, READ, now)
        document = await self.records.catalog.document(document_id)
        label = _readable(pinned, decision, document, now)
        release = Release(pinned=pinned, now=now, action=READ)
        event = release.event(
            AuditKind.EXPLAIN,
            permitted=label is not None,
            resources=() if label is None else (document_id,),
        )
        await self.standing.record(self.records.audit, event, pinned)
        if label is None:
            raise DocumentNotFoundError
        policy = pinned.snapshot.policy
        return Explained(
            explanation=await asyncio.to_thread(
                self.explain, policy, pinned.subject, READ, label, now
            ),
            decision_id=release.id,
            policy_revision=pinned.snapshot.revision,
            label_revision=pinned.heads.label,
        )


def _readable(
    pinned: Pinned, decision: Decided, document: DocumentRecord | None, now: datetime
) -> Label | None:
    """Return the label of a document that may be read, or None."""
    if document is None:
        return None
    try:
        label = document.label(pinned.snapshot.schema, now)
    except LabelError:
        return None
    return label if permits(decision, label) else None
