"""The command line, run in this process as a person would run it in a shell."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from retrieval.service.cli import render
from retrieval.service.cli.main import main
from tests.scanning import compiled_rules

WIDTH = 160


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed."""

    stdout: str
    stderr: str


def strongroom(folder: Path, *arguments: str, code: int = 0, **settings: str) -> Done:
    """Run a command in `folder`; `settings` are set as `STRONGROOM_…`."""
    with _wide(WIDTH):
        return _done(folder, arguments, code, settings, "")


def narrow(folder: Path, *arguments: str) -> Done:
    """Run a command in `folder`, in a terminal of 80 columns."""
    with _wide(80):
        return _done(folder, arguments, 0, {}, "")


def interrupted(folder: Path, *arguments: str, at: str, **settings: str) -> Done:
    """Run a command in `folder`, and press Ctrl-C when it has printed `at`."""
    with _wide(WIDTH):
        return _done(folder, arguments, 0, settings, at)


def _done(
    folder: Path, arguments: tuple[str, ...], code: int, settings: dict[str, str], at: str
) -> Done:
    out, err = io.StringIO(), io.StringIO()
    if arguments[0] == "ingest" and not code:
        compiled_rules(folder / settings.get("data_dir", "data"))
    if at:
        threading.Thread(target=_interrupt, args=(at, out, err), daemon=True).start()
    with (
        _surroundings(folder, arguments, settings),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            ended = end.code
        else:
            raise AssertionError("a command ends with an exit code")
    assert ended == code, out.getvalue() + err.getvalue()
    return Done(out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _wide(width: int) -> Iterator[None]:
    widths = render.out.width, render.err.width
    render.out.width = render.err.width = width
    try:
        yield
    finally:
        render.out.width, render.err.width = widths


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _interrupt(at: str, *streams: io.StringIO) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if any(at in stream.getvalue() for stream in streams):
            os.kill(os.getpid(), signal.SIGINT)
            return
        time.sleep(0.05)


@contextlib.contextmanager
def _surroundings(
    folder: Path, arguments: tuple[str, ...], settings: dict[str, str]
) -> Iterator[None]:
    root = logging.getLogger()
    before = dict(os.environ), Path.cwd(), sys.argv, root.handlers, root.level
    for name in [name for name in os.environ if name.startswith("STRONGROOM_")]:
        del os.environ[name]
    os.environ |= {f"STRONGROOM_{name.upper()}": value for name, value in settings.items()}
    os.environ |= {"NO_COLOR": "1"}
    os.chdir(folder)
    sys.argv = ["strongroom", *arguments]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        os.chdir(before[1])
        sys.argv, root.handlers = before[2], before[3]
        root.setLevel(before[4])
        structlog.reset_defaults()
