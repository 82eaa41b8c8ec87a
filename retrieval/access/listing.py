"""Listing what somebody may see of a tenant's documents, however little that is.

The laws of this file:

1. What is listed is decided document by document, on the label of record at this moment.
2. Where the first documents do not fill a page, each distinct label is decided about once, and only
   documents that carry a fitting one, or whose label a share's end has changed, are read further.
   So a page takes as long as the labels are many, not as the documents are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from acl.errors import LabelError
from acl.labels import Label, LabelSchema
from acl.records import DocumentRecord
from acl.records.documents.catalog import Catalog

T = TypeVar("T")

SCANNED: Final = 500
MAX_LABELS: Final = 1000
_TURN: Final = 50
"""After so many labels other requests get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """A list of the documents of one tenant, for one decision.

    Attributes:
        fits: says whether documents of a label are listed.
        shown: what is listed of a document of such a label.
        most: of more fitting labels the documents are read one after the other.
    """

    catalog: Catalog
    schema: LabelSchema
    tenant: str
    now: datetime
    fits: Callable[[Label], bool]
    shown: Callable[[DocumentRecord, Label], T]
    most: int = MAX_LABELS

    async def page(self, behind: str, wanted: int) -> list[T]:
        """Return what is listed behind a uri, up to as many as wanted."""
        found: list[T] = []
        digests: frozenset[str] | None = None
        known = False
        while True:
            page = await self.catalog.list_documents(
                self.tenant, after=behind, limit=SCANNED, labels=digests, at=self.now
            )
            for one in page:
                label = self._label(one)
                if label is not None and self.fits(label):
                    found.append(self.shown(one, label))
            if len(found) >= wanted or len(page) < SCANNED:
                return found[:wanted]
            behind = page[-1].uri
            if not known:
                digests, known = await self._fitting(), True

    def _label(self, document: DocumentRecord) -> Label | None:
        try:
            return document.label(self.schema, self.now)
        except LabelError:
            return None

    async def _fitting(self) -> frozenset[str] | None:
        """Return the digests of fitting labels, or None where they are too many."""
        found: set[str] = set()
        for number, one in enumerate(await self.catalog.distinct_labels(self.tenant)):
            try:
                if self.fits(self.schema.parse(one.label_json)):
                    found.add(one.digest)
            except LabelError:
                continue
            if number % _TURN == _TURN - 1:
                await asyncio.sleep(0)
        return frozenset(found) if len(found) <= self.most else None
