"""Review of access: who may read a document, what may somebody read, why, and what is missing.

The laws of this file:

1. Nothing is told of a document unless the asker holds `access:review` on its label of record. A
   document on which they do not is the same as one that does not exist: one error, after the same
   reads, and in the audit the same line.
2. What is told is what the decisions say, suspended roles included.
3. Numbers count only documents that the asker may review.
4. The audit event is durable before the answer leaves, under rights that still stand then.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from acl.actions import Action
from acl.decision import Denied, DenyReason, Permitted
from acl.errors import LabelError, RequestError
from acl.explain import Explanation, explain
from acl.grants import Grant, grants
from acl.labels import Label
from acl.predicate import holds
from acl.records import AuditKind, DocumentRecord, Records
from acl.subject import Subject
from retrieval.audience import Audience, Member, roles
from retrieval.authority import Asker, Authority, authority_of
from retrieval.decisions import Decisions
from retrieval.documents import DocumentNotFoundError
from retrieval.search import READ
from retrieval.standing import Standing

MAX_PAGE: Final = 200
MAX_LABELS: Final = 5_000
"""Grants are measured by no more labels than these; beyond, by the most common."""
_SCANNED: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Readership:
    """Who may read a document.

    Attributes:
        subjects: ids of those, among the ones that were asked about, who may.
        principals: names of roles, groups and others of the policy that give the right, to somebody
            with the clearance that the document asks for; several names where it takes all.
    """

    subjects: tuple[str, ...]
    principals: tuple[tuple[str, ...], ...]
    decision_id: str
    policy_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What somebody may read, as far as the asker may review it, in the order of the uris.

    Attributes:
        documents: id and uri of each.
        after: the uri behind which the next page begins; nothing at the end.
    """

    documents: tuple[tuple[str, str], ...]
    after: str | None
    decision_id: str
    policy_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """Why somebody may or may not read a document.

    Attributes:
        explanation: in the policy's own lines.
        permitted: what is decided; False for a suspended role, whatever the policy says.
        suspended: whether a role of the subject is suspended.
        grants: the single changes that would permit it, the smallest first, with how many documents
            that the asker may review each would open.
    """

    explanation: Explanation
    permitted: bool
    suspended: bool
    grants: tuple[Grant, ...]
    decision_id: str
    policy_revision: int


class AccessReview:
    """Answers questions about others' rights.

    Each of its methods raises:
        RequestError: an attribute of a subject cannot be decided upon.
        NotReachedError, UnsettledError: see `retrieval.standing`.
        RecordsError: the records failed, or the answer could not be put on record.
    """

    def __init__(
        self,
        *,
        records: Records,
        standing: Standing,
        decisions: Decisions | None = None,
        audience: Audience = roles,
    ) -> None:
        """Take the parts.

        Args:
            records: labels of record, and the audit.
            standing: pins policy and memberships.
            decisions: shared with others that decide for the same askers.
            audience: whom the policy and a label name.
        """
        self._records = records
        self._standing = standing
        self._decisions = decisions or Decisions()
        # Those about others have their own place, so that they push no asker's out.
        self._reviewed = Decisions()
        self._audience = audience

    async def who_may_read(
        self, asker: Asker, document_id: str, *, subjects: Sequence[Subject] = (), now: datetime
    ) -> Readership:
        """Return who of `subjects`, and which names of the policy, may read a document.

        Raises:
            DocumentNotFoundError: there is none, or the asker may not review access to it.
        """
        return await self._standing.settled(
            partial(self._who, asker, _identity(document_id), subjects, now)
        )

    async def what_may_read(
        self, asker: Asker, subject: Subject, *, now: datetime, after: str = "", limit: int = 50
    ) -> Readable:
        """Return what `subject` may read of what the asker may review, behind the uri `after`.

        Raises:
            RequestError: `limit` is out of range.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise RequestError(f"`limit` lies between 1 and {MAX_PAGE}")
        return await self._standing.settled(
            partial(self._what, asker, subject, now, after=after, limit=limit)
        )

    async def why(
        self, asker: Asker, subject: Subject, document_id: str, *, now: datetime
    ) -> Reviewed:
        """Return why `subject` may or may not read a document, and what would change that.

        Raises:
            DocumentNotFoundError: there is none, or the asker may not review access to it.
        """
        return await self._standing.settled(
            partial(self._why, asker, subject, _identity(document_id), now)
        )

    async def _who(
        self, asker: Asker, identity: str, subjects: Sequence[Subject], now: datetime
    ) -> Readership:
        authority = await self._authority(asker, now)
        document, label = await self._found(authority, identity)
        asked = [one for one in subjects if document and one.tenant == document.tenant]
        found: list[str] = []
        names: list[tuple[str, ...]] = []
        if document and label:
            found = [one.id async for one in self._readers(authority, asked, label)]
            members = self._audience(authority.snapshot, document.tenant, [label])
            names = [one.names async for one in self._members(authority, members, label)]
        event_id = await self._recorded(authority, identity, label, {"asked": "who"})
        return Readership(
            subjects=tuple(dict.fromkeys(found)),
            principals=_smallest(names),
            decision_id=event_id,
            policy_revision=authority.snapshot.revision,
        )

    async def _why(
        self, asker: Asker, subject: Subject, identity: str, now: datetime
    ) -> Reviewed:
        authority = await self._authority(asker, now)
        _, label = await self._found(authority, identity)
        labels = await self._counted(authority, subject.tenant if label else "")
        told = None if label is None else await self._told(authority, subject, label, labels)
        detail = {"asked": "why", "about": subject.id}
        event_id = await self._recorded(authority, identity, label, detail)
        assert told is not None  # otherwise the line above has raised
        explanation, offered = told
        decision = self._decided(authority, subject)
        return Reviewed(
            explanation=explanation,
            permitted=explanation.permitted and isinstance(decision, Permitted),
            suspended=isinstance(decision, Denied) and decision.reason is DenyReason.SUSPENDED,
            grants=offered,
            decision_id=event_id,
            policy_revision=authority.snapshot.revision,
        )
