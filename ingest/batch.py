"""Documents that wait for their vectors: encoded together, live one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from acl.records import (
    AuditEvent,
    AuditKind,
    FoldersMovedOnError,
    NewVersion,
    StaleLabelError,
    StaleVersionError,
    UnstorableError,
)
from ingest.context import Context
from ingest.errors import IngestError, ParserUnavailableError
from ingest.index.engine import EngineError, EngineUnavailableError, Vector
from ingest.report import EventKind, Overruled, RaisedLabel

ATTEMPTS: Final = 5
"""So often a label is made again because folders were set meanwhile."""

# What is one document's own matter; the others go on.
_OF_ONE: Final = (FoldersMovedOnError, StaleLabelError, StaleVersionError, UnstorableError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A version that waits for its vectors.

    Attributes:
        raised: why its label was raised, if it was.
        overruled: attributes for which the source says less than what stands.
        again: makes the same version under what folders say at that moment.
    """

    new: NewVersion
    update: bool
    raised: RaisedLabel | None
    overruled: tuple[str, ...]
    again: Callable[[], Awaitable[Prepared]]


class Batch:
    """Gathers prepared documents until there are passages enough."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: list[Prepared] = []
        self._passages = 0

    async def add(self, prepared: Prepared) -> None:
        """Take a document; when there are passages enough, let everything that waits go live."""
        self._waiting.append(prepared)
        self._passages += len(prepared.new.chunks)
        if self._passages >= self._context.settings.batch_chunks:
            await self.flush()

    async def flush(self) -> None:
        """Encode what waits, and let each document go live by itself.

        Raises:
            EngineUnavailableError, RecordsError: no document is to blame.
        """
        waiting, self._waiting, self._passages = self._waiting, [], 0
        vectors = await self._encoded([one.text for each in waiting for one in each.new.chunks])
        at = 0
        for one in waiting:
            size = len(one.new.chunks)
            await self._publish(one, vectors[at : at + size])
            at += size

    async def _encoded(self, texts: list[str]) -> list[Vector]:
        vectors: list[Vector] = []
        size = self._context.settings.batch_chunks
        for start in range(0, len(texts), size):
            part = texts[start : start + size]
            vectors += await self._context.tools.encoder.encode_passages(part)
            self._context.progress.encoding(len(part))
        return vectors

    async def _publish(self, one: Prepared, vectors: list[Vector]) -> None:
        progress, uri = self._context.progress, one.new.uri
        try:
            live = await self._live(one, vectors)
        except (EngineUnavailableError, ParserUnavailableError):
            raise
        except (*_OF_ONE, EngineError, IngestError) as error:
            progress.failed(uri, str(error))
            return
        if live.raised is not None:
            progress.raised.append(live.raised)
        if live.overruled:
            progress.overruled.append(Overruled(uri, live.overruled))
        progress.settled(EventKind.UPDATED if live.update else EventKind.ADDED, uri)

    async def _live(self, one: Prepared, vectors: list[Vector]) -> Prepared:
        """Let a version go live, made again where folders moved on; return it."""
        for _ in range(ATTEMPTS - 1):
            try:
                await self._context.projector.publish(one.new, vectors, self._event(one))
            except FoldersMovedOnError:
                one = await one.again()
            else:
                return one
        await self._context.projector.publish(one.new, vectors, self._event(one))
        return one

    def _event(self, one: Prepared) -> AuditEvent:
        new, secrets = one.new, list(one.raised.rules) if one.raised else []
        return self._context.event(
            AuditKind.INGEST, new.tenant, new.uri, passages=len(new.chunks), secrets=secrets
        )
