"""Which documents a request about many means, and what it would do to each.

The laws of this file:

1. A document that the asker may know of and may not change is named, with the reason. One that they
   may not know of is no part of it, and nothing tells of it. Of one that they may read and do
   nothing more with, the reason is always the same.
2. What a job takes up is what it was planned for: each document with the version of its label.
3. What is left out of an answer for its length is counted in it.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from acl.actions import Action
from acl.errors import LabelFault
from acl.labels import OWNER
from acl.records import ChangeKind, DocumentRecord, FolderLabel, LabelState
from retrieval.access.audience import Effect
from retrieval.labels.desk import LabelDesk
from retrieval.labels.requests import HandOver, LabelRequest, LabelRequestError, Wanted
from retrieval.labels.views import SecondPersonError
from retrieval.rights.authority import MANAGING, Authority, ForbiddenError

MAX_SELECTED: Final = 100_000
_PAGE: Final = 500
# So many documents are judged before others get their turn.
_TURN: Final = 20
COMPARED: Final = 100
"""Who gains and who loses is found out on so many different changes of a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which documents: named by their ids, lying in a folder, or somebody's.

    Attributes:
        folder: begins and ends with a slash; `""` where it does not choose.
        owner: whose documents; `""` where it does not choose.
        readers: whether those are meant too that `owner` reads by name.
        tenant: whose folder or owner; for a subject it is always their own.
    """

    ids: tuple[str, ...] = ()
    folder: str = ""
    owner: str = ""
    readers: bool = False
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A document that the asker may know of and that the job leaves alone, and why."""

    document_id: str
    uri: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a job would do.

    Attributes:
        items: the documents that would change, with the version that each must still have.
        uris: what these are called.
        effect: who gains and who loses on any of the first hundred different changes; `None`
            where the asker may not review access.
        not_compared: how many different changes there are beyond these.
        waits: whether it would begin when a second person has approved it.
    """

    items: Mapping[str, int]
    uris: Mapping[str, str]
    refused: tuple[Refused, ...]
    effect: Effect | None
    not_compared: int = 0
    waits: bool = False


class _Draft:
    """A plan in the making."""

    def __init__(self) -> None:
        self.items = dict[str, int]()
        self.uris = dict[str, str]()
        self.refused: list[Refused] = []
        self.changes = set[tuple[str, str]]()
        self.compared: list[tuple[str, Wanted]] = []

    def add(self, document: DocumentRecord, outcome: Wanted) -> None:
        """Take up a document that would change."""
        self.items[document.id] = document.label_version
        self.uris[document.id] = document.uri
        if len(self.items) > MAX_SELECTED:
            fault = LabelFault("folder", f"holds more than {MAX_SELECTED} documents")
            raise LabelRequestError(fault)
        change = outcome.before.digest, outcome.after.digest
        if change not in self.changes:
            self.changes.add(change)
            if len(self.compared) < COMPARED:
                self.compared.append((document.tenant, outcome))

    def refuse(self, document: DocumentRecord, reason: str) -> None:
        """Leave a document alone."""
        self.refused.append(Refused(document_id=document.id, uri=document.uri, reason=reason))


def _concerns_one(
    authority: Authority, document: DocumentRecord, request: LabelRequest, error: Exception
) -> bool:
    """Say whether what is wrong with a document must not keep the request from the others.

    So it is with a right that is lacking, with a label that a folder's rule does not fit, and with
    one that cannot be read; what is wrong with the request itself is wrong for every document.
    """
    if not isinstance(error, LabelRequestError):
        return True
    return request.kind is ChangeKind.FOLDER or not authority.reads(document)


class Planner:
    """Finds what is meant, and what would come of it."""

    def __init__(self, desk: LabelDesk) -> None:
        self._desk = desk
        self._records = desk.parts.records

    async def plan(  # noqa: PLR0913 - each is a part of the question
        self,
        authority: Authority,
        selection: Selection,
        request: LabelRequest,
        *,
        setting: FolderLabel | None = None,
        tell: bool = True,
        approved: bool = False,
    ) -> Planned:
        """Return what a job would do.

        Args:
            authority: who asks, and when.
            selection: which documents.
            request: what is to be done to each.
            setting: a folder as it is about to be set.
            tell: whether to find out who gains and who loses, which costs more than the rest.
            approved: whether it lowers with a second person's approval.

        Raises:
            ForbiddenError: the asker may change no document at all.
            LabelRequestError: the selection or the request is none.
        """
        authority.require_one(*MANAGING)
        draft = _Draft()
        tenants: dict[str, Sequence[FolderLabel]] = {}
        async for state in self._selected(authority, selection):
            document = state.document
            if document.tenant not in tenants:
                tenants[document.tenant] = await self._folders(document.tenant, setting)
            folders = tenants[document.tenant]
            try:
                outcome = await self.judged(authority, state, request, folders, approved=approved)
            except (ForbiddenError, SecondPersonError, LabelRequestError) as error:
                if not _concerns_one(authority, document, request, error):
                    raise
                draft.refuse(document, str(error))
            else:
                if outcome.changes:
                    draft.add(document, outcome)
        return Planned(
            items=draft.items,
            uris=draft.uris,
            refused=tuple(draft.refused),
            effect=await self._effect(authority, draft.compared) if tell else None,
            not_compared=len(draft.changes) - len(draft.compared) if tell else 0,
        )

    async def judged(
        self,
        authority: Authority,
        state: LabelState,
        request: LabelRequest,
        folders: Sequence[FolderLabel],
        *,
        approved: bool,
    ) -> Wanted:
        """Return what would come of a request on a document that the asker may know of.

        Raises:
            ForbiddenError: they lack a right.
            SecondPersonError: it lowers, and that takes an approval.
            LabelRequestError: it cannot be done.
        """
        if not authority.manages(state.document):
            raise ForbiddenError(Action.DOCUMENT_TAG)
        outcome = await self._desk.outcomes.of(authority, state, request, folders=folders)
        lowers = Action.DOCUMENT_DECLASSIFY in outcome.actions
        if self._desk.parts.settings.four_eyes and lowers and not approved:
            raise SecondPersonError
        authority.require_change(outcome.actions, outcome.before, outcome.after)
        return outcome

    async def _effect(
        self, authority: Authority, outcomes: Sequence[tuple[str, Wanted]]
    ) -> Effect | None:
        told: list[Effect] = []
        for one in outcomes:
            found = self._desk.outcomes.effect(authority, *one)
            if found is None:
                return None
            told.append(found)
            await asyncio.sleep(0)
        return Effect(
            gains=tuple(dict.fromkeys(name for one in told for name in one.gains)),
            loses=tuple(dict.fromkeys(name for one in told for name in one.loses)),
        )

    async def _selected(
        self, authority: Authority, selection: Selection
    ) -> AsyncIterator[LabelState]:
        """Yield the documents that are meant and that the asker may know of (law 1)."""
        every = self._by_folder if selection.folder else self._by_id
        every = self._by_owner if selection.owner else every
        number = 0
        async for state in every(authority, selection):
            if authority.knows_of(state.document):
                yield state
            number += 1
            if number % _TURN == 0:
                await asyncio.sleep(0)

    async def _by_id(self, _: Authority, selection: Selection) -> AsyncIterator[LabelState]:
        distinct = list(dict.fromkeys(selection.ids))
        for start in range(0, len(distinct), _PAGE):
            ids = distinct[start : start + _PAGE]
            states = await self._records.labels.states(ids)
            for one in ids:
                if one in states:
                    yield states[one]

    async def _by_folder(
        self, authority: Authority, selection: Selection
    ) -> AsyncIterator[LabelState]:
        folder, after = checked_folder(selection.folder), ""
        tenant = authority.tenant or selection.tenant
        labels = self._records.labels
        while page := await labels.below(tenant, folder, after=after, limit=_PAGE):
            for state in page:
                yield state
            after = page[-1].document.uri

    async def _by_owner(
        self, authority: Authority, selection: Selection
    ) -> AsyncIterator[LabelState]:
        owner, after = selection.owner, ""
        tenant = authority.tenant or selection.tenant
        labels = self._records.labels
        while page := await labels.naming(tenant, owner, after=after, limit=_PAGE):
            for state in page:
                if selection.readers or state.document.label_json.get(OWNER) == owner:
                    yield state
            after = page[-1].document.uri

    async def _folders(self, tenant: str, setting: FolderLabel | None) -> tuple[FolderLabel, ...]:
        """Return what is set for folders, with one of them as it is about to be set."""
        found = await self._records.folders.of_tenant(tenant)
        if setting is None:
            return found
        return (*(one for one in found if one.path != setting.path), setting)


def handing_over(moved: HandOver, tenant: str, reason: str) -> tuple[Selection, LabelRequest]:
    """Return which documents a hand-over means, and what it does to each."""
    selection = Selection(owner=moved.principal, readers=moved.readers, tenant=tenant)
    return selection, LabelRequest(hand_over=moved, reason=reason)


def checked_folder(path: str) -> str:
    """Return a folder's path as labels spell it, with the slashes that it begins and ends with.

    Raises:
        LabelRequestError: it has an empty segment, or one that is no name.
    """
    path = unicodedata.normalize("NFC", path)
    whole = "/" + path.strip("/") + "/" if path.strip("/") else "/"
    if "\0" in whole or any(one in {"", ".", ".."} for one in whole.split("/")[1:-1]):
        raise LabelRequestError(LabelFault("folder", "is no path such as /acme/finance/"))
    return whole
