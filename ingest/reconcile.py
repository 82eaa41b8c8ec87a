"""Signatures; bodies follow."""

from __future__ import annotations

from datetime import datetime

from ingest.parts import Encoding, Stores
from ingest.report import ReconcileReport


class Reconciler:
    def __init__(self, stores: Stores, encoder: Encoding) -> None:
        raise NotImplementedError

    async def run(
        self, *, now: datetime, begun_before: datetime | None = None
    ) -> ReconcileReport:
        raise NotImplementedError
