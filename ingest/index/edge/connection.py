"""One connection to the engine's process, shared by every coroutine of a client.

The laws of this file:

1. No question waits for ever: each has a time-out, and when the connection ends, every question
   in flight fails at once.
2. A question that failed may still have been carried out. Every write of the engine can be
   repeated, so the asker repeats it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import TypeVar

from ingest.frames import FrameError, pack, read_frame, unpack
from ingest.index.edge.messages import MAX_FRAME, Operation, Outcome, Refused, Reply, Request
from ingest.index.edge.rendezvous import Streams
from ingest.index.engine import EngineError, EngineUnavailableError

_Outcome = TypeVar("_Outcome", bound=Outcome)


class Connection:
    """Questions out, answers back, matched by number."""

    def __init__(self, streams: Streams, *, lost: Callable[[Connection], None]) -> None:
        self._reader, self._writer = streams
        self._lost = lost
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._ended = False
        self._listener = asyncio.create_task(self._listen())

    async def ask(
        self, operation: Operation, expected: type[_Outcome], *, patience: float
    ) -> _Outcome:
        """Return the outcome of `operation`.

        Raises:
            EngineError: the engine refused it.
            EngineUnavailableError: no answer within `patience` seconds, or the connection ended.
        """
        if self._ended:
            raise EngineUnavailableError("the engine's process has ended")
        outcome = await self._exchange(Request(next(self._numbers), operation), patience)
        if isinstance(outcome, Refused):
            raise EngineError(outcome.text)
        if not isinstance(outcome, expected):
            raise EngineError("the engine's process answered another question")
        return outcome

    async def close(self) -> None:
        """End the connection without calling `lost`."""
        self._end()
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)

    async def _exchange(self, request: Request, patience: float) -> Outcome:
        frame = _packed(request)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
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
                reply = unpack(await read_frame(self._reader, limit=MAX_FRAME), Reply)
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


def _packed(request: Request) -> bytearray:
    try:
        return pack(request, limit=MAX_FRAME)
    except FrameError as error:
        raise EngineError(str(error)) from error
