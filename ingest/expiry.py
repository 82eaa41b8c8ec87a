"""Shares that ended, taken out of labels and engine.

That a share has ended takes effect without this: every read excludes it from its moment on. What is
done here keeps the records short, the engine narrow, and the history complete.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

from acl.records import AuditEvent, AuditKind, Records
from ingest.project import Projector

SWEEPER: Final = "service:strongroom"
_TOGETHER: Final = 50


class Sweeper:
    """Takes out what has ended: the record first, the engine after."""

    def __init__(self, records: Records, projector: Projector) -> None:
        self._records = records
        self._projector = projector

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


def _event(document_id: str, now: datetime) -> AuditEvent:
    return AuditEvent(
        kind=AuditKind.RELABEL,
        time=now,
        subject=SWEEPER,
        decision_id=str(uuid.uuid4()),
        resources=(document_id,),
        detail={"change": "expiry"},
    )
