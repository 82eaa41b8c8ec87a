"""The parser's child process: reads one file's bytes from a pipe, answers with its text.

The laws of this file:

1. Limits come first: memory, processor time, no core dump, no writing of files, no network where
   the system allows to take it away. They are in force before the first byte of a file arrives.
2. The child ends by itself when its parent is gone, and when a file outlasts its time.
3. Nothing but frames goes out: what a library prints to standard output goes nowhere.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from typing import BinaryIO, Final

from ingest.errors import FaultKind, ParseError
from ingest.frames import LENGTH, FrameError, Message, pack, unpack
from ingest.read.extract import extract
from ingest.read.parsed import MAX_ANSWER_BYTES, Fault, File, Ready

GRACE_SECONDS: Final = 5

NO_MEMORY: Final = Fault(FaultKind.TOO_MUCH_MEMORY, "needs more memory than allowed")
NOT_UNICODE: Final = Fault(FaultKind.BROKEN, "holds text that is not Unicode")

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_PR_SET_NO_NEW_PRIVS: Final = 38


def main(arguments: list[str]) -> None:  # pragma: no cover - runs in the child
    """Serve the parent until it closes the pipe; `arguments` are memory bytes and seconds."""
    memory, seconds = map(int, arguments)
    inward, outward = sys.stdin.buffer, _claim_output()
    isolate_network()
    limit_process(memory)  # law 1
    serve(inward, outward, seconds=seconds)


def serve(inward: BinaryIO, outward: BinaryIO, *, seconds: int) -> None:
    """Answer frames until the input ends."""
    _send(outward, Ready())
    while (request := _receive(inward)) is not None:
        _allow(seconds)
        _send(outward, _answer(unpack(request, File)))
        signal.alarm(0)


def _answer(file: File) -> Message:
    try:
        return extract(file.name, file.content)
    except ParseError as error:
        return Fault(error.kind, error.reason)
    except MemoryError:
        return NO_MEMORY
    except UnicodeError:
        return NOT_UNICODE


def _receive(inward: BinaryIO) -> bytes | None:
    head = inward.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = inward.read(length)
    return body if len(body) == length else None


def _send(outward: BinaryIO, message: Message) -> None:
    try:
        frame = pack(message, limit=MAX_ANSWER_BYTES)
    except MemoryError:
        frame = pack(NO_MEMORY, limit=MAX_ANSWER_BYTES)
    except FrameError:
        frame = pack(NOT_UNICODE, limit=MAX_ANSWER_BYTES)
    outward.write(frame)
    outward.flush()


def _allow(seconds: int) -> None:
    """Give one file its time; both signals end the process by default."""
    signal.alarm(seconds + GRACE_SECONDS)  # law 2
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    used = int(time.process_time()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, hard))


def _claim_output() -> BinaryIO:  # pragma: no cover - runs in the child
    """Return the pipe to the parent, and send everything else that is printed nowhere."""
    outward = os.fdopen(os.dup(1), "wb")  # law 3
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return outward


def limit_process(memory: int) -> None:  # pragma: no cover - runs in the child
    """Take away what parsing does not need. There is no way back for this process."""
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (limit, limit))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def isolate_network() -> bool:  # pragma: no cover - runs in the child
    """Move into a network of its own that has no way out; say whether the system allowed it."""
    try:
        unshare = ctypes.CDLL(None).unshare
    except (OSError, AttributeError):
        return False
    return any(unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))
