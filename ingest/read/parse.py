"""Parsing in a child process that may hang, crash or eat memory, and takes nothing with it.

The laws of this file:

1. The parent reads the file, once, and sends the bytes: what was hashed is what was parsed, and the
   child needs no file of its own.
2. A child that hangs, crashes or breaks the protocol is ended by its own process id; the file is
   reported, and the next file gets a new child. A child also serves a bounded number of files.
3. The child inherits no secret: its environment is the few names below. It has no folder for
   temporary files, so that nothing is left when it is killed.
4. What the child answers is checked before it is believed.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.errors import FaultKind, ParseError, ParserUnavailableError
from ingest.frames import FrameError, pack, read_frame, unpack
from ingest.read.parsed import (
    MAX_ANSWER_BYTES,
    MAX_FILE_BYTES,
    Answer,
    Fault,
    File,
    Parsed,
    believed,
)

START_SECONDS: Final = 60
MAX_NAME_BYTES: Final = 64 * 1024

# Isolated mode ignores the environment and the folder it starts in, so the path is handed over.
_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from ingest.read.parse_worker import main; main(sys.argv[2:])"
)
_PACKAGES: Final = str(Path(__file__).resolve().parents[2])
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "XDG_CACHE_HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
    # Each arena of the allocator reserves address space, which is what is limited.
    "MALLOC_ARENA_MAX": "2",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseLimits:
    """What one file may cost.

    Attributes:
        file_bytes: size of the file.
        seconds: time on the clock, and of the processor.
        memory_bytes: address space of the child.
        files_per_child: how many files one child reads before it is replaced.
    """

    file_bytes: int = MAX_FILE_BYTES
    seconds: int = 30
    memory_bytes: int = 1024 * 1024 * 1024
    files_per_child: int = 200


@dataclass(slots=True)
class _Child:
    process: Process
    served: int = 0


class Parser:
    """One child process and the files it reads, one after the other."""

    def __init__(self, limits: ParseLimits | None = None) -> None:
        self._limits = limits or ParseLimits()
        self._lock = asyncio.Lock()
        self._child: _Child | None = None

    async def parse_bytes(self, name: str, content: bytes) -> Parsed:  # law 1
        """Return the text of a file named `name`; of the name only the suffix counts.

        Raises:
            ParseError: it has none; the kind and the reason say why.
            ParserUnavailableError: the child cannot be started.
        """
        if len(content) > self._limits.file_bytes:
            raise ParseError(FaultKind.TOO_LARGE, f"is larger than {self._limits.file_bytes} bytes")
        async with self._lock:
            try:
                return believed(await self._ask(File(name, content)))  # law 4
            except FrameError as error:
                await self._end()
                raise ParseError(FaultKind.CRASHED, "the parser gave a broken answer") from error

    async def close(self) -> None:
        """End the child."""
        async with self._lock:
            await self._end()

    async def _ask(self, file: File) -> Answer:
        child = await self._ready()
        child.served += 1
        try:
            async with asyncio.timeout(self._limits.seconds):
                answer = await _exchange(child.process, file)
        except TimeoutError as error:
            await self._end()
            reason = f"took longer than {self._limits.seconds} seconds"
            raise ParseError(FaultKind.TOO_SLOW, reason) from error
        except (EOFError, ConnectionError) as error:
            raise _crash(await self._end()) from error
        except BaseException:
            # The pipe may hold half an answer, which must never be taken for the next one.
            await self._end()
            raise
        if child.served >= self._limits.files_per_child or _spoiled(answer):
            await self._end()
        return answer

    async def _ready(self) -> _Child:
        if self._child is None:
            self._child = _Child(await self._start())
            try:
                async with asyncio.timeout(START_SECONDS):
                    await _read(self._child.process)
            except (TimeoutError, EOFError, FrameError) as error:
                await self._end()
                raise ParserUnavailableError("the parser's process does not start") from error
        return self._child

    async def _start(self) -> Process:
        limits = (str(self._limits.memory_bytes), str(self._limits.seconds))
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", _BOOT, _PACKAGES, *limits),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=_ENVIRONMENT,  # law 3
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise ParserUnavailableError("the parser's process does not start") from error

    async def _end(self) -> int:
        """End the child, if there is one, and return how it ended."""
        child, self._child = self._child, None
        if child is None:
            return 0
        return await asyncio.shield(_reaped(child.process))  # law 2


async def _reaped(process: Process) -> int:
    """End `process` and wait for it; a child that has ended already keeps its own exit code."""
    assert process.stdin is not None
    with suppress(TimeoutError):
        # A crash closes the pipe a moment before the system knows how the process ended.
        async with asyncio.timeout(0.05):
            await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    process.stdin.close()
    code = await process.wait()
    with suppress(ConnectionError):
        await process.stdin.wait_closed()
    return code


async def _exchange(process: Process, file: File) -> Answer:
    assert process.stdin is not None
    process.stdin.write(pack(file, limit=len(file.content) + MAX_NAME_BYTES))
    await process.stdin.drain()
    return await _read(process)


async def _read(process: Process) -> Answer:
    assert process.stdout is not None
    content = await read_frame(process.stdout, limit=MAX_ANSWER_BYTES)
    answer: Answer = unpack(content, Answer)  # type: ignore[arg-type]
    return answer


def _crash(code: int) -> ParseError:
    if code == -signal.SIGXCPU:
        return ParseError(FaultKind.TOO_SLOW, "took more processor time than allowed")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return ParseError(FaultKind.CRASHED, f"the parser ended with {how}")


def _spoiled(answer: Answer) -> bool:
    """Say whether the child ran short of memory: what it holds now is not to be relied on."""
    return isinstance(answer, Fault) and answer.kind is FaultKind.TOO_MUCH_MEMORY
