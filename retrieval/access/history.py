"""Who did read a document, from the record; for those who may review access to it.

The laws of this file:

1. It is told where the asker holds `access:review` on the label of record; otherwise the document
   does not exist.
2. Told is who retrieved it, through which agents, when, and whether they still may. What was asked
   is not on record, and what else they got is not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from acl.actions import Action
from acl.labels import Label
from acl.records import AuditEvent, AuditKind, Records
from acl.records.audit.log import ReadersFrom, Readings
from retrieval.access.documents import DocumentNotFoundError
from retrieval.access.types import check_limit, permits
from retrieval.rights.authority import Asker, Authority, authority_of
from retrieval.rights.decisions import Decisions
from retrieval.rights.releases import subject_of
from retrieval.rights.standing import ANY, AtLeast, Standing, settled
from retrieval.search.search import READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One who got passages of a document.

    Attributes:
        actors: the agents that acted for them.
        times: how often.
        last: when, the last time.
        may_still: whether they may read it now, with the rights that they had then; None where
            those were not kept.
    """

    subject: str
    actors: tuple[str, ...]
    times: int
    last: datetime
    may_still: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPage:
    """Readers, the last one first; `cursor` continues, and is None at the end."""

    readers: tuple[Reader, ...]
    cursor: ReadersFrom | None
    policy_revision: int
    label_revision: int


class AccessHistory:
    """Reads the record of one document."""

    def __init__(self, *, records: Records, standing: Standing, decisions: Decisions) -> None:
        """Share the decisions of askers."""
        self._records = records
        self._standing = standing
        self._decisions = decisions

    @settled
    async def readers(  # noqa: PLR0913 - a page of one document's list, for one asker
        self,
        asker: Asker,
        document_id: str,
        *,
        now: datetime,
        after: ReadersFrom | None = None,
        limit: int = 100,
        at_least: AtLeast = ANY,
    ) -> ReaderPage:
        """Return who got passages of a document, the last one first.

        Raises:
            DocumentNotFoundError: there is none, or the asker may not review access to it.
            RequestError: `limit` is out of range.
            RecordsError: the record cannot be read, or that it was read cannot be recorded.
        """
        check_limit(limit)
        standing, decisions = self._standing, self._decisions
        authority = await authority_of(standing, decisions, asker, now, at_least=at_least)
        document = await self._records.catalog.document(document_id)
        label = None if document is None else document.label_or_none(authority.snapshot.schema, now)
        if label is not None and not authority.may(Action.ACCESS_REVIEW, label):
            label = None  # law 1
        event = authority.event(
            AuditKind.AUDIT_READ,
            Action.ACCESS_REVIEW,
            tenant="" if document is None else document.tenant,
            resources=(document_id,),
            permitted=label is not None,
        )
        await self._standing.record(self._records.audit, event, authority.pinned)
        if label is None:
            raise DocumentNotFoundError
        readings = await self._records.readers.of(document_id, after=after, limit=limit + 1)
        return ReaderPage(
            readers=tuple(self._reader(authority, label, one) for one in readings[:limit]),
            cursor=_behind(readings[:limit], after) if len(readings) > limit else None,
            policy_revision=authority.snapshot.revision,
            label_revision=authority.label_revision,
        )

    def _reader(self, authority: Authority, label: Label, readings: Readings) -> Reader:
        last = readings.last.event
        return Reader(
            subject=last.subject,
            actors=last.actors,
            times=readings.times,
            last=last.time,
            may_still=self._may(authority, label, last),
        )

    def _may(self, authority: Authority, label: Label, event: AuditEvent) -> bool | None:
        subject = subject_of(event)
        if subject is None:
            return None
        decided = self._decisions.decide(authority.snapshot, subject, READ, authority.now)
        return permits(decided, label)


def _behind(shown: Sequence[Readings], after: ReadersFrom | None) -> ReadersFrom:
    upto = shown[0].last.seq if after is None else after.upto
    return ReadersFrom(upto=upto, below=shown[-1].last.seq)
