"""The process in which the embedded engine lives: `python -m ingest.index.edge.process DATA_DIR`.

The engine holds the interpreter for the length of every call and allows one opener, so it has a
process of its own, which any number of clients share through a Unix socket.

The laws of this file:

1. One process per directory, held by a lock for as long as the shard may be open.
2. The socket is for the directory's owner alone: mode 0600 in a directory of mode 0700.
3. Requests are answered one after the other, whole; a bad frame costs its sender an answer, and
   costs no other client anything.
4. The process ends when the one that started it does: its standard input closes, or its parent
   changes. It flushes first. Other clients then start the next one.
5. Writes are on disk before they are answered; segments are flushed in a pause, or when replaying
   the log would take long.
6. A panic of the engine ends the process: what is in memory then is not to be trusted, what is
   on disk is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final, assert_never

from ingest.frames import FrameError, read_frame
from ingest.index.edge import messages
from ingest.index.edge.messages import (
    Refused,
    number_of,
    pack_reply,
    unpack_request,
)
from ingest.index.edge.rendezvous import SOCKET, WORKER_LOCK, lock
from ingest.index.edge.shard import Collection, Shard
from ingest.index.engine import EngineError

# How long a new process waits for the last one to flush and let go.
_HANDOVER_SECONDS: Final = 10.0
_PARENT_SECONDS: Final = 1.0
# The log is flushed in the first pause of this length, or after so many points; replaying them
# takes about 27 µs each.
_PAUSE_SECONDS: Final = 1.0
_MOST_UNFLUSHED: Final = 20_000
# What the log keeps of the engine's own text; the client is told the operation alone.
_LOGGED_CHARACTERS: Final = 200

_LOG: Final = logging.getLogger("strongroom.engine")


class Worker:
    """Answers frames from one shard, which the first `open` attaches."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._shard: Shard | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._asked = 0
        self.ended = asyncio.Event()

    async def flush_in_pauses(self) -> None:
        """Flush after each moment without a question, until cancelled."""
        while True:
            asked = self._asked
            await asyncio.sleep(_PAUSE_SECONDS)
            if asked == self._asked and self._shard is not None and self._shard.unflushed:
                self._shard.flush()

    def answer(self, content: bytes) -> bytearray:
        """Return the frame that answers the frame's `content`, good or bad."""
        try:
            request = unpack_request(content)
        except FrameError as error:
            return pack_reply(number_of(content), Refused(str(error)))  # law 3
        self._asked += 1
        return pack_reply(request.number, self._outcome(request.operation))

    async def close(self) -> None:
        """Send the clients away, flush, and let go of the shard."""
        for writer in self._clients:
            writer.close()
        await asyncio.gather(*filter(None, self._clients.values()))
        if self._shard is not None:
            self._shard.close()
            self._shard = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it leaves."""
        self._clients[writer] = asyncio.current_task()
        try:
            while True:
                writer.write(self.answer(await read_frame(reader, limit=messages.MAX_FRAME)))
                await writer.drain()
        except FrameError as error:
            # Nothing after an oversized frame can be told apart, so the connection ends.
            writer.write(pack_reply(0, Refused(str(error))))
        except (EOFError, ConnectionError):
            _LOG.debug("a client left")
        finally:
            del self._clients[writer]
            writer.close()

    def _outcome(self, operation: messages.Operation) -> messages.Outcome:
        try:
            return self._perform(operation)
        except (FrameError, EngineError) as error:
            return Refused(str(error))
        except Exception as error:  # noqa: BLE001 - the engine raises bare Exceptions
            name = operation.__struct_config__.tag
            _LOG.error("`%s` failed: %s", name, str(error)[:_LOGGED_CHARACTERS])
            return Refused(f"the engine refused `{name}`: {type(error).__name__}")
        except BaseException:  # noqa: BLE001 - law 6: a panic is not an Exception
            self._shard = None  # without a flush
            self.ended.set()
            return Refused("the engine gave up")

    def _perform(self, operation: messages.Operation) -> messages.Outcome:
        match operation:
            case messages.Ping():
                pass
            case messages.Open():
                self._open(operation)
            case messages.Upsert(points):
                self._opened.upsert(points)
                if self._opened.unflushed > _MOST_UNFLUSHED:  # law 5
                    self._opened.flush()
            case messages.SetLabel(where, label):
                self._opened.set_label(where, label)
            case messages.Delete(where):
                self._opened.delete(where)
            case messages.Query(leaves):
                return messages.Answers(self._opened.query(leaves))
            case messages.Count(where, exact):
                return messages.Counted(self._opened.count(where, exact=exact))
            case messages.Scroll(where, after, limit):
                return messages.Page(*self._opened.scroll(where, after=after, limit=limit))
            case messages.Optimize():
                self._opened.optimize()
            case _:
                assert_never(operation)
        return messages.Done()

    @property
    def _opened(self) -> Shard:
        if self._shard is None:
            raise EngineError("the collection is not open")
        return self._shard

    def _open(self, wanted: messages.Open) -> None:
        if wanted.protocol != messages.PROTOCOL:
            raise EngineError("the engine's process speaks another protocol; restart it")
        collection = Collection(
            schema=wanted.schema, dimension=wanted.dimension, indexes=wanted.indexes
        )
        if self._shard is None:
            self._shard = Shard.attach(self._directory, collection)
        elif self._shard.collection.facts != collection.facts:
            raise EngineError("the shard was made for another schema or dimension")
        else:
            self._shard.index(wanted.indexes)


async def serve(worker: Worker) -> None:
    """Listen in the current directory until the worker has ended.

    The socket is bound by its short name, because the path of a socket ends at 108 bytes.
    """
    _unlink()
    server = await asyncio.start_unix_server(worker.serve, SOCKET)
    try:
        await worker.ended.wait()
    finally:
        # Out of sight first, so that no client connects to a process that is going.
        _unlink()
        server.close()
        await worker.close()


async def run(directory: Path) -> None:
    """Serve `directory`, which is the current one, until the starter of this process ends."""
    worker = Worker(directory)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.ended.set)
    _watch_input(loop, worker.ended)  # law 4
    watchers = [
        asyncio.create_task(_watch_parent(os.getppid(), worker.ended)),
        asyncio.create_task(worker.flush_in_pauses()),
    ]
    try:
        await serve(worker)
    finally:
        for watcher in watchers:
            watcher.cancel()


def main(arguments: list[str], *, patience: float = _HANDOVER_SECONDS) -> int:
    """Run the process; the exit status is 0, or 1 when another one keeps the directory."""
    os.umask(0o077)  # law 2
    directory = Path(arguments[0]).resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    os.chdir(directory)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    handle = lock(Path(WORKER_LOCK), patience=patience)  # law 1
    if handle is None:
        _LOG.error("another process keeps the directory")
        return 1
    asyncio.run(run(Path()))
    return 0


def _unlink() -> None:
    Path(SOCKET).unlink(missing_ok=True)


def _watch_input(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    def wait() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait, daemon=True).start()


async def _watch_parent(parent: int, ended: asyncio.Event) -> None:
    """Notice a parent that is gone although some other child keeps the pipe open."""
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel sets no event for this
        await asyncio.sleep(_PARENT_SECONDS)
    ended.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
