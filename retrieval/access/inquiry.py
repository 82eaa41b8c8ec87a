"""One inquiry about rights: what a subject may do, and what of it the asker may be told.

The laws of this file:

1. The asker's own rights are those of their token and of every actor in it, whatever a request says
   of them. The operator may ask about everything.
2. Of another's rights only those are told that lie where the asker holds `access:review`.
3. Whether anything may be told is decided first. Where nothing may, no subject is looked up and
   nothing is decided about others, so that no time that passes tells who is known or what exists.
4. What a request says of another subject stands over what is known of that one. A subject that is
   neither known nor described does not exist, and one whose rights cannot be decided has none; so
   has one that is suspended, whatever is said of it. All questions agree on that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TypeAlias

from acl.actions import Action
from acl.errors import FilterTooLargeError, RequestError
from acl.labels import Label
from acl.records import DocumentRecord
from acl.subject import Subject
from retrieval.access.subjects import Footing, KnownSubjects, kind_of
from retrieval.access.types import Party, permits
from retrieval.rights.authority import Authority
from retrieval.rights.decisions import Decided, Decisions, undecided

About: TypeAlias = Subject | Party
"""Whose rights are reviewed: a subject, or a party that is looked up once that is allowed."""


@dataclass(frozen=True, slots=True)
class Supposed:
    """The subject of a review, and on what it stands."""

    subject: Subject
    footing: Footing

    @property
    def can_ask(self) -> bool:
        """Whether its requests are answered at all."""
        return self.footing in {Footing.KNOWN, Footing.DESCRIBED}


@dataclass(frozen=True, slots=True)
class Rights:
    """What a subject may do.

    Attributes:
        decided: on which labels.
        told: on which labels the asker may be told; None where on all.
    """

    decided: Decided
    told: Decided | None

    @property
    def possible(self) -> bool:
        """Whether any label can be covered."""
        return self.decided.permit is not None and (
            self.told is None or self.told.permit is not None
        )

    def cover(self, label: Label | None) -> bool:
        """Say whether the subject may, and the asker may be told so; nothing covers None."""
        told = self.told is None or permits(self.told, label)
        return told and permits(self.decided, label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One request about rights, under what was pinned for it.

    Attributes:
        authority: the asker's own rights.
        known: the subjects that can be asked about.
        reviewed: keeps the decisions about others.
    """

    authority: Authority
    known: KnownSubjects
    reviewed: Decisions
    _met: dict[Party, Subject | None] = field(default_factory=dict)

    @property
    def asker(self) -> Subject:
        """The asker as pinned; the operator is no subject."""
        assert self.authority.pinned is not None
        return self.authority.pinned.subject

    @property
    def told(self) -> Decided | None:
        """On which labels the asker may be told of others; None where on all (law 2)."""
        return None if self.authority.pinned is None else self.own(Action.ACCESS_REVIEW)

    def label(self, document: DocumentRecord | None) -> Label | None:
        """Return the label of record, or None where there is none that can be read."""
        snapshot, now = self.authority.snapshot, self.authority.now
        return None if document is None else document.label_or_none(snapshot.schema, now)

    def reviews(self, label: Label | None) -> bool:
        """Say whether the asker may be told of others on a label; it is decided for None too."""
        told = self.told
        return label is not None if told is None else permits(told, label)

    def own(self, action: Action) -> Decided:
        """Return what the asker may do (law 1).

        Raises:
            RequestError: an attribute of the asker cannot be decided upon.
        """
        authority = self.authority
        decisions, now = authority.decisions, authority.now
        return decisions.decide(authority.snapshot, self.asker, action, now)

    def about(self, subject: Subject, action: Action) -> Decided:
        """Return what another may do, or the asker where `subject` is the asker."""
        snapshot, now = self.authority.snapshot, self.authority.now
        pinned = self.authority.pinned
        if pinned is not None and subject is pinned.subject:
            return self.own(action)
        try:
            return self.reviewed.decide(snapshot, subject, action, now)
        except (RequestError, FilterTooLargeError):  # law 4
            return undecided(snapshot, now)

    async def may(self, party: Party, action: Action | None, label: Label | None) -> bool:
        """Say whether a party may, as far as the asker may be told; nothing is permitted on None.

        Raises:
            RequestError: an attribute of the asker cannot be decided upon.
        """
        if action is None:
            return False
        if party.identity == self.asker.id:
            return permits(self.own(action), label)  # law 1
        if not self.reviews(label):
            return False  # law 3
        subject = await self.subject(party)
        return subject is not None and permits(self.about(subject, action), label)

    async def rights(self, party: Party, action: Action) -> Rights | None:
        """Return the rights of a party, or None where there are none that could be told.

        Raises:
            RequestError: an attribute of the asker cannot be decided upon.
        """
        if party.identity == self.asker.id:
            return Rights(self.own(action), None)  # law 1
        told = self.told
        if told is not None and told.permit is None:
            return None  # law 3
        subject = await self.subject(party)
        return None if subject is None else Rights(self.about(subject, action), told)

    async def subject(self, party: Party) -> Subject | None:
        """Return what is known of a party, under what is said of it; None where neither (law 4)."""
        if party not in self._met:
            self._met[party] = await self._look_up(party)
        return self._met[party]

    async def _look_up(self, party: Party) -> Subject | None:
        identity, tenant = party.identity, self.asker.tenant
        if identity is None:
            return None
        known = await self.known.subject(tenant, identity)
        if known is None and party.claimed.names:
            if await self.known.suspended(tenant, identity):
                return None
            known = Subject(id=identity, tenant=tenant)
        return None if known is None else party.claimed.over(known)

    async def supposed(self, about: About) -> Supposed:
        """Return the subject of a review, and on what it stands."""
        if isinstance(about, Subject):
            return await self._supposed(about)
        if about.identity == self.asker.id:
            return Supposed(self.asker, Footing.KNOWN)  # law 1
        known = await self.subject(about)
        if known is not None:
            described = Footing.DESCRIBED if about.claimed.names else Footing.KNOWN
            return Supposed(known, described)
        nobody = Subject(id=about.id, tenant=self.asker.tenant)
        return Supposed(nobody, await self._absent(nobody))

    async def _supposed(self, described: Subject) -> Supposed:
        """Return a subject that is described in full, unless a directory says who it is (law 4)."""
        if not self.known.complete or kind_of(described.id) not in self.known.kinds:
            return Supposed(described, Footing.DESCRIBED)
        known = await self.known.subject(described.tenant, described.id)
        if known is None:
            return Supposed(described, await self._absent(described))
        return Supposed(known, Footing.KNOWN)

    async def _absent(self, subject: Subject) -> Footing:
        suspended = await self.known.suspended(subject.tenant, subject.id)
        return Footing.SUSPENDED if suspended else Footing.UNKNOWN

    async def candidates(self, kind: str, *, others: bool, after: str) -> AsyncIterator[Subject]:
        """Yield the asker and, with `others`, all of one kind that are known, in order of ids."""
        own = kind_of(self.asker.id) == kind and self.asker.id > after
        asker = self.asker if own else None
        if others and kind in self.known.kinds:
            async for subject in self.known.subjects(self.asker.tenant, after=after):
                if asker is not None and asker.id <= subject.id:
                    yield asker
                    asker = None
                if subject.id != self.asker.id and kind_of(subject.id) == kind:
                    yield subject
                # Deciding is work of this process; other requests get their turn in between.
                await asyncio.sleep(0)
        if asker is not None:
            yield asker
