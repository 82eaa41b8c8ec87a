"""Who did read a document, from the record; for those who may review access to it.

The laws of this file:

1. It is told where the asker holds `access:review` on the label of record; otherwise the document
   does not exist.
2. Told is who retrieved it, through whom, when, and whether they still may. What was asked is not
   on record, and what else they got is not told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from acl.actions import Action
from acl.decision import Permitted
from acl.errors import LabelError
from acl.labels import Label
from acl.predicate import holds
from acl.records import AuditEvent, AuditKind, DocumentRecord, Outcome, Records
from retrieval.authority import Asker, Authority, authority_of
from retrieval.decisions import Decisions
from retrieval.documents import DocumentNotFoundError
from retrieval.releases import subject_of
from retrieval.search import READ
from retrieval.standing import Standing

READING: Final = frozenset({AuditKind.SEARCH, AuditKind.FETCH})
MAX_RELEASES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who got passages of a document.

    Attributes:
        actors: the agents that acted for them.
        times: how often, in the last releases that were looked at.
        last: when, the last time.
        may_still: whether they may read it now, with the rights that they had then; None where
            those were not kept.
    """

    subject: str
    actors: tuple[str, ...]
    times: int
    last: datetime
    may_still: bool | None


class AccessHistory:
    """Reads the record of one document."""

    def __init__(self, *, records: Records, standing: Standing, decisions: Decisions) -> None:
        """Share the decisions of askers."""
        self._records = records
        self._standing = standing
        self._decisions = decisions

    async def readers(self, asker: Asker, document_id: str, *, now: datetime) -> tuple[Reader, ...]:
        """Return who got passages of a document, the last one first.

        Raises:
            DocumentNotFoundError: there is none, or the asker may not review access to it.
            RecordsError: the record cannot be read, or that it was read cannot be recorded.
        """
        return await self._standing.settled(partial(self._readers, asker, document_id, now))

    async def _readers(self, asker: Asker, document_id: str, now: datetime) -> tuple[Reader, ...]:
        authority = await authority_of(self._standing, self._decisions, asker, now)
        document = await self._records.catalog.document(document_id)
        label = None if document is None else _label(authority, document)
        event = authority.event(
            AuditKind.AUDIT_READ,
            Action.ACCESS_REVIEW,
            tenant="" if document is None else document.tenant,
            resources=(document_id,),
            permitted=label is not None,
        )
        await self._records.audit.append(event, under=authority.heads)
        if document is None or label is None:
            raise DocumentNotFoundError
        found = await self._records.audit.concerning(document_id, kinds=READING, limit=MAX_RELEASES)
        released = [one.event for one in found if one.event.outcome is Outcome.PERMITTED]
        return tuple(self._reader(authority, label, same) for same in _together(released))

    def _reader(self, authority: Authority, label: Label, events: list[AuditEvent]) -> Reader:
        last = events[0]
        return Reader(
            subject=last.subject,
            actors=last.actors,
            times=len(events),
            last=last.time,
            may_still=self._may(authority, label, last),
        )

    def _may(self, authority: Authority, label: Label, event: AuditEvent) -> bool | None:
        subject = subject_of(event)
        if subject is None:
            return None
        decided = self._decisions.decide(authority.snapshot, subject, READ, authority.now)
        decision = decided.decision
        return isinstance(decision, Permitted) and holds(decision.predicate, label)


def _label(authority: Authority, document: DocumentRecord) -> Label | None:
    """Return the label of a document that the asker may review, or None."""
    if authority.tenant not in {None, document.tenant}:
        return None
    try:
        label = document.label(authority.snapshot.schema, authority.now)
    except LabelError:
        return None
    return label if authority.may(Action.ACCESS_REVIEW, label) else None


def _together(events: list[AuditEvent]) -> list[list[AuditEvent]]:
    """Return the events of each subject with its actors, in the order of the latest."""
    found: dict[tuple[str, tuple[str, ...]], list[AuditEvent]] = {}
    for one in events:
        found.setdefault((one.subject, one.actors), []).append(one)
    return list(found.values())
