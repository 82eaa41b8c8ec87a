"""Rights: what a subject may do, and what of it the one who asks may be told.

The laws of this file:

1. The asker's own rights are those of their token and of every actor in it, whatever a request
   says of them.
2. Of another's rights only those are told that lie where the asker holds `access:review`.
3. What a request says of another subject stands over what is known of that one. Whoever is neither
   known nor described has no rights; nor has anybody whose rights cannot be decided.
4. Whether anything may be told is asked first. Where it may not, nobody is looked up and nothing is
   decided about others, so that no time that passes tells who is known or what exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from acl.actions import Action
from acl.errors import FilterTooLargeError, RequestError
from acl.labels import Label
from acl.subject import Subject
from retrieval.access.known_subjects import KnownSubjects, kind_of
from retrieval.access.types import Party, action_of
from retrieval.rights.decisions import Decided, Decisions, undecided
from retrieval.rights.snapshot import PolicySnapshot


@dataclass(frozen=True, slots=True)
class Rights:
    """What a subject may do.

    Attributes:
        decision: on which labels.
        told: on which labels the asker may be told; None where the rights are the asker's own.
    """

    decision: Decided
    told: Decided | None

    @property
    def possible(self) -> bool:
        """Whether any label can be covered."""
        return not self.decision.denied and (self.told is None or not self.told.denied)

    def cover(self, label: Label | None) -> bool:
        """Say whether the subject may, and the asker may be told so; nothing covers None."""
        told = self.told is None or _covers(self.told, label)
        return told and _covers(self.decision, label)


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsReader:
    """Finds rights for one asker at one moment under one policy.

    Attributes:
        known: whom the asker can ask about.
        own: keeps the asker's decisions.
        reviewed: keeps those about others.
    """

    asker: Subject
    snapshot: PolicySnapshot
    now: datetime
    known: KnownSubjects
    own: Decisions
    reviewed: Decisions
    _met: dict[Party, Subject | None] = field(default_factory=dict)

    async def may(self, party: Party, action: str, label: Label | None) -> bool:
        """Say whether a party may, as far as the asker may be told; nobody may with None.

        Raises:
            RequestError: an attribute of the asker cannot be decided upon.
        """
        wanted = action_of(action)
        if wanted is None:
            return False
        if party.identity == self.asker.id:
            return _covers(self.decide(self.asker, wanted), label)
        if label is None or not self.reviews(label):
            return False
        subject = await self._subject(party)
        return subject is not None and permits(self._about(subject, wanted), label)

    async def of(self, party: Party, action: str) -> Rights | None:
        """Return the rights of a party, or None where there are none that could be told.

        Raises:
            RequestError: an attribute of the asker cannot be decided upon.
        """
        wanted = action_of(action)
        if wanted is None:
            return None
        if party.identity == self.asker.id:
            return Rights(self.decide(self.asker, wanted), None)
        told = self.decide(self.asker, Action.ACCESS_REVIEW)
        if told.denied:
            return None
        subject = await self._subject(party)
        return None if subject is None else Rights(self._about(subject, wanted), told)

    def reviews(self, label: Label | None) -> bool:
        """Say whether the asker may be told of others on a label."""
        return _covers(self.decide(self.asker, Action.ACCESS_REVIEW), label)

    def decide(self, subject: Subject, action: Action) -> Decided:
        """Return what a subject may do; of others, nothing where that cannot be decided."""
        if subject is self.asker:
            return self.own.decide(self.snapshot, subject, action, self.now)
        return self._about(subject, action)

    def _about(self, subject: Subject, action: Action) -> Decided:
        try:
            return self.reviewed.decide(self.snapshot, subject, action, self.now)
        except (RequestError, FilterTooLargeError):
            return undecided(self.snapshot, self.now)

    async def candidates(self, kind: str, *, others: bool, after: str) -> AsyncIterator[Subject]:
        """Yield of whom the asker may be told, of one kind, in the order of ids behind `after`.

        Args:
            kind: such as `user`.
            others: whether everybody who is known is told of, or the asker alone.
            after: the id behind which the list begins.
        """
        own = kind_of(self.asker.id) == kind and self.asker.id > after
        asker = self.asker if own else None
        if others and kind in self.known.kinds:
            async for one in self.known.subjects(self.asker.tenant, after=after):
                if asker is not None and asker.id <= one.id:
                    yield asker
                    asker = None
                if one.id != self.asker.id and kind_of(one.id) == kind:
                    yield one
                # Deciding is work of this process; other requests get their turn in between.
                await asyncio.sleep(0)
        if asker is not None:
            yield asker

    async def _subject(self, party: Party) -> Subject | None:
        if party not in self._met:
            self._met[party] = await self._look_up(party)
        return self._met[party]

    async def _look_up(self, party: Party) -> Subject | None:
        identity = party.identity
        if identity is None:
            return None
        known = await self.known.subject(self.asker.tenant, identity)
        if known is None:
            if not party.claimed.names:
                return None
            known = Subject(id=identity, tenant=self.asker.tenant)
        return party.claimed.over(known)


def permits(decided: Decided, label: Label) -> bool:
    """Say whether a decision permits what carries `label`."""
    return decided.permits(label)


def _covers(decided: Decided, label: Label | None) -> bool:
    return label is not None and decided.permits(label)
