"""What is late in labels and engine: shares that ended, and labels that the engine does not carry.

A label that the engine could not take, or whose writer was interrupted, is brought to it here, so
that what was acknowledged shows without a restart. A round takes a bounded number; what fails is
passed over until the others had their turn.

That a share has ended takes effect without this: every read excludes it from its moment on. What is
done here keeps the records short, the engine narrow, and the history complete.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

from acl.records import AuditEvent, AuditKind, Records
from acl.subject import PROGRAM
from ingest.project import Projector

SWEEPER: Final = PROGRAM
_TOGETHER: Final = 50
_ROUND: Final = 500


class Sweeper:
    """Takes out what has ended: the record first, the engine after."""

    def __init__(self, records: Records, projector: Projector) -> None:
        self._records = records
        self._projector = projector
        self._after = ""

    async def sweep(self, *, now: datetime) -> int:
        """Take out every share that ended by `now`; return how many documents had one.

        Raises:
            RecordsError: the rest is found again by the next sweep.
        """
        done = 0
        while due := await self._records.labels.due(now, limit=_TOGETHER):
            for document_id in due:
                await self._records.labels.expire(document_id, _event(document_id, now))
            await self._projector.follow_all(due, at=now)
            done += len(due)
        return done

    async def catch_up(self, *, now: datetime) -> int:
        """Bring to the engine labels that it is not known to carry; return how many were tried.

        Raises:
            RecordsError: the rest is found again by the next round.
        """
        behind = await self._records.projection.unprojected(after=self._after, limit=_ROUND)
        ids = [one.id for one in behind]
        for start in range(0, len(ids), _TOGETHER):
            some = ids[start : start + _TOGETHER]
            self._after = some[-1]
            if not await self._projector.follow_all(some, at=now):
                return start + len(some)
        if len(ids) < _ROUND:
            self._after = ""
        return len(ids)


def _event(document_id: str, now: datetime) -> AuditEvent:
    return AuditEvent(
        kind=AuditKind.RELABEL,
        time=now,
        subject=SWEEPER,
        decision_id=str(uuid.uuid4()),
        resources=(document_id,),
        detail={"change": "expiry"},
    )
