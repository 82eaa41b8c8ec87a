"""Which documents a request about many means, and what it would do to each.

The laws of this file:

1. A document that the asker may know of and may not change is named, with the reason. One that they
   may not know of is no part of it, and nothing tells of it.
2. What a job takes up is what it was planned for: each document with the version of its label.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from acl.actions import Action
from acl.errors import LabelFault
from acl.records import FolderLabel, LabelState
from ingest.inherit import PATH
from retrieval.audience import Effect
from retrieval.authority import Authority, ForbiddenError
from retrieval.label_requests import LabelRequest, LabelRequestError, Wanted
from retrieval.labels import LabelDesk

MAX_SELECTED: Final = 100_000
_PAGE: Final = 500
# Who gains and who loses is found out on so many different labels.
_COMPARED: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which documents: named by their ids, or lying in a folder.

    Attributes:
        folder: begins and ends with a slash; `""` where ids are given.
        tenant: whose folder; a subject's own is taken whatever stands here.
    """

    ids: tuple[str, ...] = ()
    folder: str = ""
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
        effect: who gains and who loses on any of them, up to a hundred different labels; `None`
            where the asker may not review access.
    """

    items: Mapping[str, int]
    uris: Mapping[str, str]
    refused: tuple[Refused, ...]
    effect: Effect | None


class Planner:
    """Finds what is meant, and what would come of it."""

    def __init__(self, desk: LabelDesk) -> None:
        self._desk = desk
        self._records = desk.parts.records

    async def plan(
        self,
        authority: Authority,
        selection: Selection,
        request: LabelRequest,
        *,
        setting: FolderLabel | None = None,
        tell: bool = True,
    ) -> Planned:
        """Return what a job would do.

        Args:
            authority: who asks, and when.
            selection: which documents.
            request: what is to be done to each.
            setting: a folder as it is about to be set.
            tell: whether to find out who gains and who loses, which costs more than the rest.

        Raises:
            LabelRequestError: the selection or the request is none.
        """
        items, uris = dict[str, int](), dict[str, str]()
        refused: list[Refused] = []
        outcomes: dict[tuple[str, str], tuple[str, Wanted]] = {}
        tenants: dict[str, Sequence[FolderLabel]] = {}
        async for state in self._selected(authority, selection):
            document = state.document
            if document.tenant not in tenants:
                tenants[document.tenant] = await self._folders(document.tenant, setting)
            try:
                outcome = await self._desk.outcome(
                    authority, state, request, folders=tenants[document.tenant]
                )
            except LabelRequestError as error:
                if authority.reads(document):
                    raise
                refused.append(
                    Refused(document_id=document.id, uri=document.uri, reason=str(error))
                )
                continue
            reason = self._against(authority, outcome)
            if reason:
                refused.append(Refused(document_id=document.id, uri=document.uri, reason=reason))
            elif outcome.changes:
                items[document.id] = document.label_version
                uris[document.id] = document.uri
                pair = outcome.before.digest, outcome.after.digest
                if len(outcomes) < _COMPARED:
                    outcomes[pair] = document.tenant, outcome
            if len(items) > MAX_SELECTED:
                fault = LabelFault("folder", f"holds more than {MAX_SELECTED} documents")
                raise LabelRequestError(fault)
        return Planned(
            items=items,
            uris=uris,
            refused=tuple(refused),
            effect=self._effect(authority, list(outcomes.values())) if tell else None,
        )

    def _against(self, authority: Authority, outcome: Wanted) -> str:
        """Return why a document is left alone, or `""`."""
        if self._desk.parts.settings.four_eyes and Action.DOCUMENT_DECLASSIFY in outcome.actions:
            return "lowering needs a second person: change it by itself"
        try:
            authority.require_change(outcome.actions, outcome.before, outcome.after)
        except ForbiddenError as error:
            return str(error)
        return ""

    def _effect(
        self, authority: Authority, outcomes: Sequence[tuple[str, Wanted]]
    ) -> Effect | None:
        found = [self._desk.effect_of(authority, *one) for one in outcomes]
        told = [one for one in found if one is not None]
        if len(told) < len(found):
            return None
        return Effect(
            gains=tuple(dict.fromkeys(name for one in told for name in one.gains)),
            loses=tuple(dict.fromkeys(name for one in told for name in one.loses)),
        )

    async def _selected(
        self, authority: Authority, selection: Selection
    ) -> AsyncIterator[LabelState]:
        """Yield the documents that are meant and that the asker may know of (law 3)."""
        pages = self._by_folder(authority, selection) if selection.folder else _pages(selection.ids)
        async for ids in pages:
            states = await self._records.labels.states(ids)
            for one in ids:
                state = states.get(one)
                if state is not None and authority.knows_of(state.document):
                    yield state
            await asyncio.sleep(0)

    async def _by_folder(
        self, authority: Authority, selection: Selection
    ) -> AsyncIterator[list[str]]:
        folder, after = checked_folder(selection.folder), ""
        tenant = authority.tenant or selection.tenant
        while page := await self._records.catalog.list_documents(tenant, after=after, limit=_PAGE):
            yield [one.id for one in page if str(one.label_json.get(PATH, "")).startswith(folder)]
            after = page[-1].uri

    async def _folders(self, tenant: str, setting: FolderLabel | None) -> tuple[FolderLabel, ...]:
        """Return what is set for folders, with one of them as it is about to be set."""
        found = await self._records.folders.of_tenant(tenant)
        if setting is None:
            return found
        return (*(one for one in found if one.path != setting.path), setting)


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


async def _pages(ids: Sequence[str]) -> AsyncIterator[list[str]]:
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), _PAGE):
        yield distinct[start : start + _PAGE]
