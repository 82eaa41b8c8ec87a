"""`strongroom serve`: sentences go to standard output, the log to standard error, as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
import typer

from retrieval.service import logs
from retrieval.service.cli.render import Shown, out, safe, show
from retrieval.service.cli.run import begin
from retrieval.service.cli.start import Json
from retrieval.service.serve import serve as serve_until_signal
from retrieval.service.settings import check_serving, load_settings

_WARNING: Final = (
    "DEVELOPMENT MODE: anyone who holds this machine's key can be any person. Tokens signed here "
    "are accepted; never use it for real documents on a shared machine."
)

app = typer.Typer()
log = structlog.get_logger("strongroom.service")


@app.command()
def serve(*, as_json: Json = False) -> None:
    """Serve until Ctrl-C.

    Standard output says where it listens; standard error is the log, one JSON object a line.
    """
    settings = load_settings()
    logs.configure(settings.log_level)
    check_serving(settings)
    begin(settings)
    if settings.development:
        log.warning("development_mode", accepts="tokens signed on this machine")
        if not as_json:
            out.print(safe(_WARNING, "bold red"))
    asyncio.run(serve_until_signal(settings, started=_started(as_json=as_json)))


def _started(*, as_json: bool) -> Callable[[str], None]:
    """Return what says where the service listens."""

    def say(address: str) -> None:
        log.info("listening", address=address)
        show(Shown({"address": address}, [safe(f"listening on {address}")]), as_json=as_json)
        out.file.flush()

    return say
