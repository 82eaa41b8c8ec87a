"""Logs: one JSON object a line, on standard error, without a query, a token or a raw path.

structlog makes every line, those of the libraries included. JSON escapes line ends and control
characters, so that nothing a stranger sends can begin a line of its own.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

# What these say at `info` is either in the line of the request already, or names addresses.
_QUIET: Final = (
    "uvicorn.access",
    "httpx2",
    "httpcore2",
    "httpx",
    "alembic",
    "sentence_transformers",
)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send every log of the process to `stream` as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_text,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _without_text(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401 - structlog's signature
    """Replace an exception by its class and place: its text may hold text of a document."""
    info = event.pop("exc_info", None)
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        event["error"] = info[0].__name__
        event["at"] = places(info[1])
    return event


def places(error: BaseException) -> list[str]:
    """Return the last places of a traceback as `module:line`, without source text or values."""
    found: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        found.append(f"{frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return found[-6:]
