"""What every test needs that kills writers: the process that forks them.

Everything is imported once; a writer is there a few milliseconds after it was asked for. For each
line on standard input one writer is forked, which is given the line. A writer says on standard
output what it is about to do and what was acknowledged, until somebody kills it.

`STRONGROOM_KILLS` says how many writers each of the long tests kills; `make nightly` asks for
1,000.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

KILLS = int(os.environ.get("STRONGROOM_KILLS", "20"))
ROOT = Path(__file__).parents[2]

_LONGEST_LINE = 2**22
_PATIENCE = 60.0


def say(**what: object) -> None:
    """Say something to the parent, with the moment at which it is said."""
    os.write(1, json.dumps({"at": time.monotonic(), **what}).encode() + b"\n")


def fork_writers(work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Fork a writer that does `work` for each line, until there are no more."""
    for line in sys.stdin:
        writer = os.fork()
        if writer == 0:
            # Whatever a writer dies of but a signal is told as an end that was no kill.
            try:
                asyncio.run(work(line))
            finally:
                os._exit(0)
        say(say="writer", pid=writer)
        _, status = os.waitpid(writer, 0)
        say(say="end", killed=os.WIFSIGNALED(status))


class Writers:
    """The process that forks writers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def one(self, order: str) -> int:
        """Let a writer be forked, and return its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n".encode())
        await self._process.stdin.drain()
        return int((await self.line())["pid"])

    async def line(self) -> dict[str, Any]:
        """Return what is said next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_PATIENCE):
            line: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return line


@asynccontextmanager
async def forking(module: str, home: Path) -> AsyncIterator[Writers]:
    """Start the process that forks the writers of `module`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(home)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    yield Writers(process)
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


def kill(writer: int, worker: int = 0) -> None:
    """Kill a writer, and the engine's process if one is given."""
    os.kill(writer, signal.SIGKILL)
    if worker:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
