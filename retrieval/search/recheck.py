"""The label of record has the last word on every hit.

The laws of this file:

1. A hit passes if its chunk belongs to the version that is live now, and the document's label of
   record is permitted (`retrieval.rights.decisions`). Text, label and document come from one read.
2. A hit that fails is dropped, whatever the reason, and the reason is counted:
   *stale* - its version is no longer live; normal while documents change;
   *lagging* - the record says that the engine has yet to follow a change, or that the label
   changed after the request began, or a share has just ended; normal while it follows;
   *refuted* - Casbin denies what the compiled filter permits, under a revision that was refuted;
   *alarm* - the engine was believed to carry the label of record and answered as if it carried
   another one. Somebody should look; the reconciler repairs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import structlog

from acl.errors import LabelError
from acl.labels import Label
from acl.records import Passage, Records
from retrieval.rights.decisions import Decided
from retrieval.search.rank import Ranked

_LOG = structlog.stdlib.get_logger("strongroom.recheck")


class Drop(StrEnum):
    """Why a hit was dropped."""

    STALE = "stale"
    LAGGING = "lagging"
    REFUTED = "refuted"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many hits were dropped since the start, by reason."""

    stale: int = 0
    lagging: int = 0
    refuted: int = 0
    alarm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """When a request began.

    Attributes:
        now: its moment.
        label_revision: every change of a label up to this number was in the engine by then.
    """

    now: datetime
    label_revision: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """A hit that may leave, with the label that lets it."""

    ranked: Ranked
    passage: Passage
    label: Label


class Recheck:
    """Rechecks hits and counts what it drops."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.counts = Counts()

    async def cleared(self, decided: Decided, hits: Sequence[Ranked], as_of: AsOf) -> list[Cleared]:
        """Return the hits that pass, in their order.

        Raises:
            RecordsUnavailableError: the records cannot be asked, so nothing passes.
        """
        passages = await self._records.catalog.passages(hit.id for hit in hits)

        def verdicts() -> list[Cleared | Drop]:
            return [_verdict(decided, hit, passages.get(hit.id), as_of) for hit in hits]

        # To ask Casbin takes longer than a loop may.
        told = verdicts() if decided.enforced is None else await asyncio.to_thread(verdicts)
        found: list[Cleared] = []
        for hit, verdict in zip(hits, told, strict=True):
            if isinstance(verdict, Cleared):
                found.append(verdict)
            else:
                self._count(verdict, hit)
        return found

    def _count(self, drop: Drop, hit: Ranked) -> None:
        self.counts = replace(self.counts, **{drop.value: getattr(self.counts, drop.value) + 1})
        if drop is Drop.ALARM:
            # The id alone: whose question it was stands in the audit.
            _LOG.warning("recheck_disagreement", chunk_id=hit.id, document_id=hit.document)


def _verdict(decided: Decided, hit: Ranked, passage: Passage | None, as_of: AsOf) -> Cleared | Drop:
    if passage is None:
        return Drop.STALE
    document = passage.document
    if (hit.document, hit.version) != (document.id, passage.version):
        return Drop.ALARM
    try:
        label = document.label(decided.schema, as_of.now)
    except LabelError:
        return Drop.ALARM
    if decided.permits(label):
        return Cleared(hit, passage, label)
    if decided.compiled(label):
        return Drop.REFUTED
    behind = (
        document.projected_label_version < document.label_version
        or document.label_revision > as_of.label_revision
        or document.overdue(as_of.now)
    )
    return Drop.LAGGING if behind else Drop.ALARM
