"""Where the engine's process and its clients meet: one directory, one socket, two locks.

The laws of this file:

1. `engine.lock` is held by the client that is starting a process, `worker.lock` by the process
   itself. A lock is the kernel's, so it goes with its holder, however that ends.
2. A client that finds no process starts one. Of several that find none, one does.
3. The process gets none of the client's secrets: a short list of variables, and a pipe that
   tells it when the client has gone.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from ingest.index.engine import EngineUnavailableError

SOCKET: Final = "engine.sock"
WORKER_LOCK: Final = "worker.lock"
STARTER_LOCK: Final = "engine.lock"

_POLL_SECONDS: Final = 0.01
_INHERITED: Final = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH"})
_PACKAGES: Final = Path(__file__).resolve().parents[3]

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Meeting:
    """An open connection, and the process when this client is the one that started it."""

    streams: Streams
    process: subprocess.Popen[bytes] | None


async def meet(directory: Path, *, patience: float) -> Meeting:
    """Connect to the process of `directory`, or start it.

    Raises:
        EngineUnavailableError: there is none, and none could be started in `patience` seconds.
    """
    _prepare(directory)
    if streams := await _connect(directory):
        return Meeting(streams, None)
    deadline = time.monotonic() + patience
    handle = await asyncio.to_thread(lock, directory / STARTER_LOCK, patience=patience)  # law 2
    if handle is None:
        raise EngineUnavailableError("another client is still starting the engine")
    try:
        if streams := await _connect(directory):
            return Meeting(streams, None)
        process = _start(directory)
        return Meeting(await _reach(directory, process, deadline), process)
    finally:
        os.close(handle)


def lock(path: Path, *, patience: float) -> int | None:
    """Return the handle of an exclusive lock, or `None` when someone keeps it that long."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(handle)
                return None
            time.sleep(_POLL_SECONDS)
        else:
            return handle


def stop(process: subprocess.Popen[bytes], *, patience: float) -> None:
    """Let a process that this client started flush and end."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _prepare(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


async def _connect(directory: Path) -> Streams | None:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.setblocking(False)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # A socket's path ends at 108 bytes; the directory's own handle is a short way to it.
        short = f"/proc/self/fd/{handle}/{SOCKET}" if sys.platform == "linux" else None
        address = short or str(directory / SOCKET)
        await asyncio.get_running_loop().sock_connect(client, address)
    except OSError:
        client.close()
        return None
    finally:
        os.close(handle)
    return await asyncio.open_unix_connection(sock=client)


def _start(directory: Path) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if name in _INHERITED}
    # `-P` keeps the working directory off the import path: nothing in it is ever imported.
    command = [sys.executable, "-P", "-m", "ingest.index.edge.process", str(directory)]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=kept | {"PYTHONPATH": str(_PACKAGES)},  # law 3
        start_new_session=True,
    )


async def _reach(directory: Path, process: subprocess.Popen[bytes], deadline: float) -> Streams:
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if streams := await _connect(directory):
                return streams
            await asyncio.sleep(_POLL_SECONDS)
    except BaseException:
        await asyncio.to_thread(stop, process, patience=0)
        raise
    await asyncio.to_thread(stop, process, patience=0)
    raise EngineUnavailableError("the engine's process did not start")
