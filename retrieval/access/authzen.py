"""The decision point: may they, which may they, who may, what may they do.

The laws of this file:

1. What is told of whom is the law of `rights`. Beyond it the answer is the one for a document that
   does not exist, after the same reads.
2. A search equals the evaluation of each: it is the compiler's predicate on the labels of record.
   Everything that is found evaluates to true, and nothing else does.
3. A page of subjects regards `CONSIDERED` of them at most. It can be short, or empty, and still not
   be the last; it says so by its cursor alone.
4. After each question other requests get their turn.
5. The audit event is durable before anything leaves, and names what was found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from acl.actions import Action
from acl.errors import LabelError
from acl.labels import Label
from acl.records import AuditKind, DocumentRecord, Records
from acl.subject import Subject
from retrieval.access.known_subjects import KINDS, KnownSubjects, PolicySubjects
from retrieval.access.listing import Listing
from retrieval.access.questions import Rights, RightsReader, permits
from retrieval.access.types import (
    DOCUMENT,
    Evaluated,
    Found,
    PageAsked,
    Party,
    Question,
    Semantic,
    Sought,
    Target,
    action_of,
)
from retrieval.rights.decisions import Decisions
from retrieval.rights.releases import Release
from retrieval.rights.snapshot import PolicySnapshot
from retrieval.rights.standing import ANY, AtLeast, Standing

CONSIDERED: Final = 100
"""As many subjects are decided about for one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """One request under what was pinned."""

    release: Release
    rights: RightsReader

    def label(self, document: DocumentRecord | None) -> Label | None:
        """Return the label of record, or None where there is none that can be read."""
        if document is None:
            return None
        try:
            return document.label(self.rights.snapshot.schema, self.rights.now)
        except LabelError:
            return None


class DecisionPoint:
    """Answers the questions of the AuthZEN Authorization API.

    Each of its methods raises:
        RequestError: an attribute of the asker cannot be decided upon.
        NotReachedError, UnsettledError: see `retrieval.rights.standing`.
        RecordsError: the records failed, or the answer could not be put on record.
    """

    def __init__(
        self,
        *,
        records: Records,
        standing: Standing,
        decisions: Decisions | None = None,
        known: KnownSubjects | None = None,
        reviewed: Decisions | None = None,
    ) -> None:
        """Take the parts.

        Args:
            records: labels of record, and the audit.
            standing: pins policy and memberships.
            decisions: shared with others that decide for the same askers.
            known: who can be asked about; None stands for whom the policy in effect names.
            reviewed: keeps those about others, which have their own place, so that they push no
                asker's out.
        """
        self._records = records
        self._standing = standing
        self._decisions = Decisions() if decisions is None else decisions
        self._reviewed = Decisions() if reviewed is None else reviewed
        self._known = known
        self._named: tuple[str, PolicySubjects] | None = None

    async def evaluate(
        self,
        asker: Subject,
        questions: Sequence[Question | None],
        *,
        semantic: Semantic = Semantic.EXECUTE_ALL,
        now: datetime,
        at_least: AtLeast = ANY,
    ) -> Evaluated:
        """Return the decision on each question, in order; None stands for one that is malformed."""
        asked = partial(self._evaluate, asker, questions, semantic=semantic, now=now)
        return await self._standing.settled(partial(asked, at_least=at_least))

    async def search_resources(
        self, asker: Subject, party: Party, sought: Sought, *, page: PageAsked, now: datetime
    ) -> Found:
        """Return with which documents the party may do it, in the order of their uris."""
        attempt = partial(self._resources, asker, party, sought, page=page, now=now)
        return await self._standing.settled(attempt)

    async def search_subjects(
        self, asker: Subject, target: Target, sought: Sought, *, page: PageAsked, now: datetime
    ) -> Found:
        """Return who may do it with the document, in the order of their ids."""
        attempt = partial(self._subjects, asker, target, sought, page=page, now=now)
        return await self._standing.settled(attempt)

    async def search_actions(
        self, asker: Subject, party: Party, target: Target, *, page: PageAsked, now: datetime
    ) -> Found:
        """Return what the party may do with the document, in the order of the names."""
        attempt = partial(self._actions, asker, party, target, page=page, now=now)
        return await self._standing.settled(attempt)

    async def _evaluate(
        self,
        asker: Subject,
        questions: Sequence[Question | None],
        *,
        semantic: Semantic,
        now: datetime,
        at_least: AtLeast,
    ) -> Evaluated:
        actions = {one.action for one in questions if one is not None}
        action = actions.pop() if len(actions) == 1 else ""
        ask = await self._ask(asker, action, now, at_least)
        ids = {one.target.document_id for one in questions if one is not None}
        documents = await self._records.catalog.labels_of(ids)
        decided: list[tuple[Question | None, bool]] = []
        for question in questions:
            decided.append((question, await _decision(ask, question, documents)))
            if semantic.ends_with(decision=decided[-1][1]):
                break
            await asyncio.sleep(0)
        released = [one.target.document_id for one, good in decided if one and good]
        told = [_told(one, decision=good) for one, good in decided]
        await self._record(ask, released, {"evaluations": told})
        return Evaluated(
            decisions=tuple(good for _, good in decided),
            decision_id=ask.release.id,
            policy_revision=ask.rights.snapshot.revision,
            label_revision=ask.release.pinned.heads.label,
        )

    async def _resources(
        self, asker: Subject, party: Party, sought: Sought, *, page: PageAsked, now: datetime
    ) -> Found:
        ask = await self._ask(asker, sought.action, now, page.at_least)
        rights = await ask.rights.of(party, sought.action)
        seen = await self._covered(ask, rights, page) if rights and sought.kind == DOCUMENT else []
        found = _page(ask, seen, page)
        await self._record(ask, found.names, {"search": "resource", **_about(party)})
        return found

    async def _subjects(
        self, asker: Subject, target: Target, sought: Sought, *, page: PageAsked, now: datetime
    ) -> Found:
        ask = await self._ask(asker, sought.action, now, page.at_least)
        action = action_of(sought.action)
        if action is not None:
            # Before the document, so that it takes no longer where there is one.
            ask.rights.decide(ask.rights.asker, action)
        ask.rights.reviews(None)
        label = ask.label(await self._records.catalog.document(target.document_id))
        names, cursor = await _able(ask, label, action, sought.kind, page)
        found = _found(ask, names, cursor)
        released = (target.document_id,) if found.names else ()
        await self._record(ask, released, {"search": "subject", "found": list(found.names)})
        return found

    async def _actions(
        self, asker: Subject, party: Party, target: Target, *, page: PageAsked, now: datetime
    ) -> Found:
        ask = await self._ask(asker, "", now, page.at_least)
        for one in Action:
            ask.rights.decide(ask.rights.asker, one)
        label = ask.label(await self._records.catalog.document(target.document_id))
        seen = [one.value for one in Action if await ask.rights.may(party, one.value, label)]
        left = [(one, one) for one in sorted(seen) if one > page.after]
        found = _page(ask, left, page)
        released = (target.document_id,) if found.names else ()
        detail = {"search": "action", **_about(party), "found": list(found.names)}
        await self._record(ask, released, detail)
        return found

    async def _ask(self, asker: Subject, action: str, now: datetime, at_least: AtLeast) -> _Ask:
        pinned = await self._standing.pin(asker, at_least=at_least)
        known = action_of(action)
        rights = RightsReader(
            asker=pinned.subject,
            snapshot=pinned.snapshot,
            now=now,
            known=self._known or self._named_by(pinned.snapshot),
            own=self._decisions,
            reviewed=self._reviewed,
        )
        name = known.value if known else ""
        return _Ask(release=Release(pinned=pinned, now=now, action=name), rights=rights)

    def _named_by(self, snapshot: PolicySnapshot) -> KnownSubjects:
        if self._named is None or self._named[0] != snapshot.digest:
            self._named = snapshot.digest, PolicySubjects(snapshot.policy)
        return self._named[1]

    async def _covered(self, ask: _Ask, rights: Rights, page: PageAsked) -> list[tuple[str, str]]:
        """Return the uris and ids of one page, and one more if there is one."""
        if not rights.possible:
            return []
        listing = Listing(
            catalog=self._records.catalog,
            schema=ask.rights.snapshot.schema,
            tenant=ask.rights.asker.tenant,
            now=ask.rights.now,
            fits=rights.cover,
            shown=lambda document, _: (document.uri, document.id),
        )
        return await listing.page(page.after, page.limit + 1)

    async def _record(
        self, ask: _Ask, released: Sequence[str], detail: Mapping[str, object]
    ) -> None:
        event = ask.release.event(
            AuditKind.EVALUATE,
            permitted=bool(released),
            resources=tuple(dict.fromkeys(released)),
            detail=detail,
        )
        await self._records.audit.append(event, under=ask.release.pinned.heads)


async def _decision(
    ask: _Ask, question: Question | None, documents: Mapping[str, DocumentRecord]
) -> bool:
    if question is None:
        return False
    label = ask.label(documents.get(question.target.document_id))
    return await ask.rights.may(question.party, question.action, label)


async def _able(
    ask: _Ask, label: Label | None, action: Action | None, kind: str, page: PageAsked
) -> tuple[list[str], str | None]:
    """Return who is able, and behind whom the next page begins (law 3)."""
    found: list[str] = []
    if action is None or label is None or kind not in KINDS:
        return found, None
    considered, last = 0, ""
    others = ask.rights.reviews(label)
    async for one in ask.rights.candidates(kind, others=others, after=page.after):
        if considered == CONSIDERED or len(found) == page.limit:
            return found, last
        if permits(ask.rights.decide(one, action), label):
            found.append(one.id)
        considered, last = considered + 1, one.id
    return found, None


def _page(ask: _Ask, seen: Sequence[tuple[str, str]], page: PageAsked) -> Found:
    """Return a page of what was seen: the key and the name of each."""
    shown = seen[: page.limit]
    cursor = shown[-1][0] if len(seen) > page.limit else None
    return _found(ask, [name for _, name in shown], cursor)


def _found(ask: _Ask, names: Sequence[str], cursor: str | None) -> Found:
    return Found(
        names=tuple(names),
        cursor=cursor,
        decision_id=ask.release.id,
        policy_revision=ask.rights.snapshot.revision,
        label_revision=ask.release.pinned.heads.label,
    )


def _about(party: Party) -> dict[str, object]:
    """Return whom a question is about, for the record; what is no identity is not repeated."""
    return {"about": party.identity or "", "claimed": party.claimed.names}


def _told(question: Question | None, *, decision: bool) -> dict[str, object]:
    if question is None:
        return {"malformed": True, "decision": decision}
    action = action_of(question.action)
    return {
        **_about(question.party),
        "action": action.value if action else "",
        "document": question.target.document_id,
        "decision": decision,
    }
