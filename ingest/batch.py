"""Documents that wait for their vectors: encoded together, live one by one."""

from __future__ import annotations

from dataclasses import dataclass

from acl.records import AuditKind, NewVersion, StaleLabelError, StaleVersionError
from ingest.context import Context
from ingest.index.engine import EngineError, EngineUnavailableError, Vector
from ingest.report import EventKind, RaisedLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A version that waits for its vectors.

    Attributes:
        raised: why its label was raised, if it was.
    """

    new: NewVersion
    update: bool
    raised: RaisedLabel | None


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
            self._context.tally.encoding(len(part))
        return vectors

    async def _publish(self, one: Prepared, vectors: list[Vector]) -> None:
        new, tally = one.new, self._context.tally
        secrets = list(one.raised.rules) if one.raised else []
        event = self._context.event(
            AuditKind.INGEST, new.tenant, new.uri, passages=len(vectors), secrets=secrets
        )
        try:
            await self._context.projector.publish(new, vectors, event)
        except EngineUnavailableError:
            raise
        except (StaleLabelError, StaleVersionError, EngineError) as error:
            tally.failed(new.uri, str(error))
            return
        if one.raised is not None:
            tally.raised(one.raised)
        tally.settled(EventKind.UPDATED if one.update else EventKind.ADDED, new.uri)
