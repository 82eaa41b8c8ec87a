"""Running the service: one process, one event loop, and an orderly end.

The laws of this file:

1. Settings are checked before anything is opened, and parts are open before a socket is.
2. The first signal lets requests under way finish, for `GRACE` seconds; then every part is closed.
3. Nothing of a request but the line of `envelope` goes to the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI

from retrieval.service.app import create_app
from retrieval.service.background import background
from retrieval.service.http.issuers import verifier
from retrieval.service.settings import Settings, SettingsError, check_serving
from retrieval.service.wiring import Parts, open_parts

GRACE: Final = 10
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """uvicorn's server; a signal ends it, and is not raised again when it has ended.

    Attributes:
        address: where it listens, once it does.
    """

    def __init__(self, config: uvicorn.Config, started: Callable[[str], None]) -> None:
        super().__init__(config)
        self.address = ""
        self._on_start = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            self._on_start(self.address)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let a signal end the server, where this thread may handle signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for one in _SIGNALS:
            loop.add_signal_handler(one, self.handle_exit, one, None)
        try:
            yield
        finally:
            for one in _SIGNALS:
                loop.remove_signal_handler(one)


async def serve(settings: Settings, *, started: Callable[[str], None]) -> None:
    """Open every part, serve until a signal comes, and close.

    Args:
        settings: checked here.
        started: told the address when requests are answered.

    Raises:
        SettingsError: the settings do not allow to serve, or the port is in use.
    """
    check_serving(settings)
    await require_free_port(settings)
    async with open_parts(settings) as parts:
        await serve_parts(parts, started=started)


async def require_free_port(settings: Settings) -> None:
    """Look whether the port is free, before seconds go into opening parts.

    Raises:
        SettingsError: another program listens there, or the address is not this machine's.
    """
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(
            asyncio.Protocol, settings.host, settings.port, start_serving=False
        )
    except OSError as error:
        raise SettingsError(
            f"port {settings.port} of {settings.host} is in use, or not to be had: set "
            "`STRONGROOM_PORT` to another (0 takes a free one)"
        ) from error
    server.close()


async def serve_parts(parts: Parts, *, started: Callable[[str], None]) -> None:
    """Serve on parts that are open, until a signal comes.

    Raises:
        SettingsError: the settings do not allow to serve.
    """
    settings = parts.settings
    check_serving(settings)
    tokens = verifier(settings, parts.schema)
    try:
        async with background(parts):
            await make_server(parts, create_app(parts, tokens), started).serve()
    finally:
        await tokens.close()


def make_server(parts: Parts, app: FastAPI, started: Callable[[str], None]) -> Server:
    """Return the server for `app`, not yet running."""
    config = uvicorn.Config(
        app,
        host=parts.settings.host,
        port=parts.settings.port,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
    )
    return Server(config, started)
