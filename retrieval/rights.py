"""Rights: what a subject may do, and what of it the one who asks may be told.

The laws of this file:

1. The asker's own rights are those of their token and of every actor in it, whatever a request
   says of them.
2. Of another's rights only those are told that lie where the asker holds `access:review`.
3. What a request says of another subject stands over what is known of that one. Whoever is neither
   known nor described has no rights.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from acl.actions import Action
from acl.decision import Decision, Denied, Permitted
from acl.labels import Label
from acl.predicate import holds
from acl.subject import Subject
from retrieval.authzen_types import Party, action_of
from retrieval.decisions import Decisions
from retrieval.known_subjects import KnownSubjects
from retrieval.snapshot import PolicySnapshot


@dataclass(frozen=True, slots=True)
class Rights:
    """What a subject may do.

    Attributes:
        decision: on which labels.
        told: on which labels the asker may be told; None where the rights are the asker's own.
    """

    decision: Decision
    told: Decision | None

    @property
    def possible(self) -> bool:
        """Whether any label can be covered."""
        return not isinstance(self.decision, Denied) and not isinstance(self.told, Denied)

    def cover(self, label: Label | None) -> bool:
        """Say whether the subject may, and the asker may be told so; nothing covers None."""
        if label is None or not permits(self.decision, label):
            return False
        return self.told is None or permits(self.told, label)


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

    async def of(self, party: Party, action: str) -> Rights | None:
        """Return the rights of a party, or None where party or action does not exist.

        Raises:
            RequestError: an attribute of the subject cannot be decided upon.
        """
        subject, wanted = await self._subject(party), action_of(action)
        if subject is None or wanted is None:
            return None
        return Rights(self.decide(subject, wanted), self._told(subject))

    def decide(self, subject: Subject, action: Action) -> Decision:
        """Return what a subject may do."""
        kept = self.own if subject is self.asker else self.reviewed
        return kept.decide(self.snapshot, subject, action, self.now).decision

    async def candidates(self, label: Label, *, after: str) -> AsyncIterator[Subject]:
        """Yield of whom the asker may be told on `label`, in the order of ids behind `after`.

        That is the asker, as the token says, and with `access:review` everybody who is known.
        """
        asker = self.asker if self.asker.id > after else None
        if permits(self.decide(self.asker, Action.ACCESS_REVIEW), label):
            async for one in self.known.subjects(self.asker.tenant, after=after):
                if asker is not None and asker.id <= one.id:
                    yield asker
                    asker = None
                if one.id != self.asker.id:
                    yield one
                # Deciding is work of this process; other requests get their turn in between.
                await asyncio.sleep(0)
        if asker is not None:
            yield asker

    def _told(self, subject: Subject) -> Decision | None:
        own = subject is self.asker
        return None if own else self.decide(self.asker, Action.ACCESS_REVIEW)

    async def _subject(self, party: Party) -> Subject | None:
        identity = party.identity
        if identity is None:
            return None
        if identity == self.asker.id:
            return self.asker
        known = await self.known.subject(self.asker.tenant, identity)
        if known is None:
            if not party.claimed.names:
                return None
            known = Subject(id=identity, tenant=self.asker.tenant)
        return party.claimed.over(known)


def permits(decision: Decision, label: Label) -> bool:
    """Say whether a decision permits what carries `label`."""
    return isinstance(decision, Permitted) and holds(decision.predicate, label)
