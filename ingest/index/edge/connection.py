"""One connection to the engine's process, shared by every coroutine of a client.

The laws of this file:

1. No question waits for ever: each has a time-out, and when the connection ends, every question
   in flight fails at once.
2. A question that failed may still have been carried out. Every write of the engine can be
   repeated, so the asker repeats it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from ingest.index.edge.frames import (
    FrameError,
    Operation,
    Reply,
    Request,
    pack_request,
    read_frame,
    unpack_reply,
)
from ingest.index.edge.rendezvous import Streams
from ingest.index.engine import EngineError, EngineUnavailableError


class Connection:
    """Questions out, answers back, matched by number."""

    def __init__(self, streams: Streams, *, lost: Callable[[Connection], None]) -> None:
        self._reader, self._writer = streams
        self._lost = lost
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._ended = False
        self._listener = asyncio.create_task(self._listen())

    async def ask(self, operation: Operation, body: Mapping[str, Any], *, patience: float) -> Any:  # noqa: ANN401 - what a frame can carry
        """Return the result of `operation`.

        Raises:
            EngineError: the engine refused it.
            EngineUnavailableError: no answer within `patience` seconds, or the connection ended.
        """
        if self._ended:
            raise EngineUnavailableError("the engine's process has ended")
        request = Request(next(self._numbers), operation, body)
        reply = await self._exchange(request, _packed(request), patience)
        if reply.fault is not None:
            raise EngineError(reply.text)
        return reply.result

    async def close(self) -> None:
        """End the connection without calling `lost`."""
        self._end()
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)

    async def _exchange(self, request: Request, frame: bytes, patience: float) -> Reply:
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[request.number] = answer
        try:
            async with asyncio.timeout(patience):
                self._writer.write(frame)
                await self._writer.drain()
                return await answer
        except TimeoutError as error:
            raise EngineUnavailableError(f"no answer within {patience:g} s") from error
        except ConnectionError as error:
            raise EngineUnavailableError("the engine's process has ended") from error
        finally:
            del self._waiting[request.number]
            # An answer that failed after its asker had gone is nobody's error any more.
            if answer.done() and not answer.cancelled():
                answer.exception()

    async def _listen(self) -> None:
        try:
            while (content := await read_frame(self._reader)) is not None:
                reply = unpack_reply(content)
                answer = self._waiting.get(reply.number)
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        except FrameError:
            pass  # What is not a frame is the end, like the end itself.
        self._end()
        self._lost(self)

    def _end(self) -> None:
        self._ended = True
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(EngineUnavailableError("the engine's process has ended"))


def _packed(request: Request) -> bytes:
    try:
        return pack_request(request)
    except FrameError as error:
        raise EngineError(str(error)) from error
