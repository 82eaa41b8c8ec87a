"""The embedded engine as its clients see it: `VectorEngine` over a process of its own.

The laws of this file:

1. Nothing waits for ever. Each question has a time-out, and when the connection ends, every
   question in flight fails at once. While the process is gone, every call raises
   `EngineUnavailableError`; a new process is started in the background, more patiently each time.
2. Any number of clients share one process. The client that started it ends it on leaving, and
   the others start the next one.
3. A write is acknowledged when the log that holds it is on disk. One that raised may have
   happened all the same; it can be repeated without harm, because points are written by id and
   labels as a whole.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

from acl.engine.payload import payload_indexes
from acl.engine.wire import Filter
from acl.labels import LabelSchema
from ingest.frames import FrameError, read_frame, unpack
from ingest.index.edge import messages
from ingest.index.edge.rendezvous import Streams, meet, stop
from ingest.index.engine import (
    DIMENSION,
    Candidate,
    EngineError,
    EngineUnavailableError,
    Leaf,
    Payload,
    Point,
)

_POINTS_PER_FRAME: Final = 500
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0

_Outcome = TypeVar("_Outcome", bound=messages.Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How many seconds each kind of call may take."""

    ping: float = 2.0
    read: float = 10.0
    write: float = 60.0
    start: float = 60.0
    optimize: float = 1800.0


class EdgeEngine:
    """`VectorEngine` on Qdrant's embedded engine."""

    def __init__(
        self, directory: Path, *, dimension: int = DIMENSION, patience: Patience | None = None
    ) -> None:
        self._directory = Path(directory).absolute()
        self._dimension = dimension
        self._patience = patience or Patience()
        self._greeting: messages.Open | None = None
        self._connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._return: asyncio.Task[None] | None = None

    async def open(self, schema: LabelSchema) -> None:
        """Create the collection or attach to it, starting the process where there is none.

        Raises:
            EngineError: the collection was made for another label schema.
            EngineUnavailableError: no process could be reached or started.
        """
        if self._greeting is not None:
            raise EngineError("the engine is open already")
        indexes = dict(payload_indexes(schema))
        self._greeting = messages.Open(messages.PROTOCOL, schema.digest, self._dimension, indexes)
        try:
            await self._open_in_time(self._greeting, time.monotonic() + self._patience.start)
        except BaseException:
            await self.close()
            raise

    async def upsert(self, points: Sequence[Point]) -> None:
        """Write points; on disk when this returns."""
        for start in range(0, len(points), _POINTS_PER_FRAME):
            operation = messages.Upsert(list(points[start : start + _POINTS_PER_FRAME]))
            await self._ask(operation, messages.Done, self._patience.write)

    async def set_label(self, where: Filter, payload: Payload) -> None:
        """Replace the label of every point in `where`; on disk when this returns."""
        operation = messages.SetLabel(where, payload)
        await self._ask(operation, messages.Done, self._patience.write)

    async def delete(self, where: Filter) -> None:
        """Delete every point in `where`; on disk when this returns."""
        await self._ask(messages.Delete(where), messages.Done, self._patience.write)

    async def query(self, leaves: Sequence[Leaf]) -> list[list[Candidate]]:
        """Answer each leaf, best first, in one exchange."""
        question = messages.Query(list(leaves))
        return (await self._ask(question, messages.Answers, self._patience.read)).leaves

    async def count(self, where: Filter, *, exact: bool) -> int:
        """Count the points in `where`, or estimate their number."""
        question = messages.Count(where, exact)
        return (await self._ask(question, messages.Counted, self._patience.read)).number

    async def scroll(self, where: Filter, *, batch: int = 1000) -> AsyncIterator[Candidate]:
        """Walk over every point in `where` in the order of ids."""
        after: str | None = None
        while True:
            question = messages.Scroll(where, after, batch)
            page = await self._ask(question, messages.Page, self._patience.read)
            for candidate in page.points:
                yield candidate
            if (after := page.following) is None:
                return

    async def optimize(self) -> None:
        """Build the graph; every other call waits meanwhile, or gives up."""
        await self._ask(messages.Optimize(), messages.Done, self._patience.optimize)

    async def ping(self) -> None:
        """Return when the process answers."""
        await self._ask(messages.Ping(), messages.Done, self._patience.ping)

    async def close(self) -> None:
        """Leave, and take the process along if this client started it."""
        self._greeting = None
        if self._return is not None:
            self._return.cancel()
            await asyncio.gather(self._return, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        await self._let_go(self._patience.start)  # law 2

    async def _ask(
        self, operation: messages.Operation, expected: type[_Outcome], patience: float
    ) -> _Outcome:
        if self._greeting is None:
            raise EngineError("the engine is not open")
        if self._connection is None:
            raise EngineUnavailableError("the engine's process is being restarted")  # law 1
        return await self._connection.ask(operation, expected, patience=patience)

    async def _open_in_time(self, greeting: messages.Open, deadline: float) -> None:
        """Try again when the process that was found was about to leave."""
        while True:
            try:
                return await self._join(greeting)
            except EngineUnavailableError:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(_FIRST_PAUSE)

    async def _join(self, greeting: messages.Open) -> None:
        await self._let_go(0)
        meeting = await meet(self._directory, patience=self._patience.start)
        self._process = meeting.process
        connection = Connection(meeting.streams, lost=self._lose)
        try:
            await connection.ask(greeting, messages.Done, patience=self._patience.start)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection

    def _lose(self, connection: Connection) -> None:
        if connection is self._connection and self._greeting is not None:
            self._connection = None
            self._return = asyncio.create_task(self._come_back(self._greeting))

    async def _come_back(self, greeting: messages.Open) -> None:
        pause = _FIRST_PAUSE
        while True:
            with suppress(EngineError, OSError):
                return await self._join(greeting)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _let_go(self, patience: float) -> None:
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(stop, process, patience=patience)


class Connection:
    """Questions out, answers back, matched by number; every coroutine of a client shares it."""

    def __init__(self, streams: Streams, *, lost: Callable[[Connection], None]) -> None:
        self._reader, self._writer = streams
        self._lost = lost
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[messages.Outcome]] = {}
        self._ended = False
        self._listener = asyncio.create_task(self._listen())

    async def ask(
        self, operation: messages.Operation, expected: type[_Outcome], *, patience: float
    ) -> _Outcome:
        """Return the outcome of `operation`.

        Raises:
            EngineError: the engine refused it.
            EngineUnavailableError: no answer within `patience` seconds, or the connection ended.
        """
        if self._ended:
            raise EngineUnavailableError("the engine's process has ended")
        outcome = await self._exchange(messages.Request(next(self._numbers), operation), patience)
        if isinstance(outcome, messages.Refused):
            raise EngineError(outcome.text)
        if not isinstance(outcome, expected):
            raise EngineError("the engine's process answered another question")
        return outcome

    async def close(self) -> None:
        """End the connection without calling `lost`."""
        self._end()
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)

    async def _exchange(self, request: messages.Request, patience: float) -> messages.Outcome:
        frame = _packed(request)
        answer: asyncio.Future[messages.Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[request.number] = answer
        try:
            async with asyncio.timeout(patience):  # law 1
                self._writer.write(frame)
                await self._writer.drain()
                return await answer
        except TimeoutError as error:
            raise EngineUnavailableError(f"no answer within {patience:g} s") from error
        except ConnectionError as error:
            raise EngineUnavailableError("the engine's process has ended") from error
        finally:
            del self._waiting[request.number]
            # An answer that failed after its asker had gone is no error any more.
            if answer.done() and not answer.cancelled():
                answer.exception()

    async def _listen(self) -> None:
        # What is not a frame is the end, like the end itself.
        with suppress(FrameError, EOFError, ConnectionError):
            while True:
                reply = unpack(
                    await read_frame(self._reader, limit=messages.MAX_FRAME), messages.Reply
                )
                answer = self._waiting.get(reply.number)
                if answer is not None and not answer.done():
                    answer.set_result(reply.outcome)
        self._end()
        self._lost(self)

    def _end(self) -> None:
        self._ended = True
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(EngineUnavailableError("the engine's process has ended"))


def _packed(request: messages.Request) -> bytearray:
    try:
        return messages.pack_request(request)
    except FrameError as error:
        raise EngineError(str(error)) from error
