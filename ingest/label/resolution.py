"""Which label a document gets from what its source says now and what is known of it.

The laws of this file:

1. A label that people changed survives a new text. Where the source says nothing new it stands as
   it is; secrets in a new text may raise it all the same.
2. Where the source says something new, source and folders have the word on what was not set on the
   document. What was set there gives way to a stronger value alone
   (`ingest.label.inherit.renewed`): the writer of a text does not lower what a person with the
   right to declassify decided.
3. Shares go on, wherever the rest of the label comes from. One that has ended does not come back.
4. A label that rests on folders says which state of them it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from acl.errors import LabelError
from acl.labels import Label, LabelSchema
from acl.records import DocumentRecord, LabelState, Records
from acl.records.labels.types import folders_version
from acl.records.tables.types import without
from ingest.errors import SourceError
from ingest.label.description import Described, Labeller, SourceState
from ingest.label.inherit import CLASSIFICATION, Origins, renewed, shared

Clock: TypeAlias = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A label, and how it came about.

    Attributes:
        rules: kinds of secrets for which it was raised.
        overruled: attributes for which the source says less than was set on the document.
        folders: the state of the folders that it rests on; `None` if it rests on none.
    """

    label: Label
    rules: tuple[str, ...]
    origins: Origins
    overruled: tuple[str, ...] = ()
    folders: int | None = None


class Resolution:
    """Puts labels together."""

    def __init__(
        self, records: Records, schema: LabelSchema, labeller: Labeller, clock: Clock
    ) -> None:
        self._records = records
        self._schema = schema
        self._labeller = labeller
        self._clock = clock

    async def of_text(
        self,
        described: Described,
        state: SourceState,
        secrets: Sequence[str],
        known: LabelState | None,
    ) -> Resolved:
        """Return the label of a new text.

        Raises:
            SourceError: what is said makes no label.
        """
        if known is not None and self._stands(known.document, state):
            return self._raised(self._kept(known), secrets)  # law 1
        return self._raised(await self.anew(described, known), secrets)  # law 2

    async def anew(self, described: Described, known: LabelState | None) -> Resolved:
        """Return the label that follows from everything that is said (laws 2 and 3).

        Raises:
            SourceError: what is said makes no label.
        """
        now = self._clock()
        folders = await self._records.folders.of_tenant(described.tenant)
        fresh = Origins(source=described.label.as_json(), raised=bool(described.rules))
        before = fresh if known is None else Origins.of(known.origins)
        own = {} if known is None else self._legible(known.document)
        own_names = before.own.difference(_spoiled(known, own))
        shares = () if known is None else known.document.shares
        try:
            label, origins, overruled = renewed(
                self._schema, own, replace(before, own=own_names), fresh, folders
            )
            label = shared(self._schema, label, [one for one in shares if not one.over(now)])
        except LabelError as error:
            raise SourceError(f"folders and shares make no label of it: {error}") from error
        ours = CLASSIFICATION in origins.own
        return Resolved(
            label=label,
            rules=() if ours else described.rules,
            origins=origins,
            overruled=tuple(sorted(overruled)),
            folders=folders_version(folders),  # law 4
        )

    def _stands(self, document: DocumentRecord, state: SourceState) -> bool:
        """Say whether the label of record stands as it is (law 1)."""
        label = document.label_or_none(self._schema, self._clock())
        said = SourceState.of(document).label == state.label
        return document.is_live and said and label is not None

    def _kept(self, known: LabelState) -> Resolved:
        label = known.document.label(self._schema, self._clock())
        return Resolved(label=label, rules=(), origins=Origins.of(known.origins))

    def _raised(self, found: Resolved, secrets: Sequence[str]) -> Resolved:
        label, rules = self._labeller.raised(found.label, secrets)
        if not rules:
            return found
        own = found.origins.own | {CLASSIFICATION}
        origins = replace(found.origins, own=own, raised=True)
        return replace(found, label=label, rules=rules, origins=origins)

    def _legible(self, document: DocumentRecord) -> dict[str, object]:
        """Return the label of record in its stored form, without those who read by a share."""
        label = document.legible(self._schema, self._clock())
        names = frozenset(one.principal for one in document.shares)
        return dict(without(label.as_json(), names))


def _spoiled(known: LabelState | None, legible: dict[str, object]) -> frozenset[str]:
    """Return the attributes of the label of record whose value cannot be read."""
    return frozenset() if known is None else frozenset(known.document.label_json) - legible.keys()
