"""Addresses without a token: what this is, whether it lives and is ready, whom to tell.

The laws of this file:

1. The page at `/` says what the OpenAPI document says, and nothing of this installation: no
   setting, no document, no name. So it needs no token.
2. It works without a network: no script, no font, no picture, no address of another place.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from acl.records import RecordsError
from ingest.index.engine import EngineError
from retrieval.service.http.bodies import Answered
from retrieval.service.http.dependencies import Open
from retrieval.service.http.problems import ANSWERS, FieldFault, ProblemError, ProblemType

SECONDS: Final = 2.0

router = APIRouter(tags=["operation"])


class Readiness(Answered):
    """Which parts answer."""

    status: Literal["ready"] = "ready"
    parts: dict[str, str]


@router.get("/livez", operation_id="live", summary="Whether the process answers")
async def live() -> dict[str, str]:
    """Answer."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    operation_id="ready",
    summary="Whether every part answers",
    responses=ANSWERS["readiness"],
)
async def ready(parts: Open) -> Readiness:
    """Ask records and engine, and look whether policy and model are loaded."""
    records, engine = await asyncio.gather(
        _answers(parts.records.ping()), _answers(parts.engine.ping())
    )
    states = {
        "records": records,
        "engine": engine,
        "policy": parts.snapshots.pin().revision > 0,
        "model": parts.encoder.ready,
    }
    missing = [FieldFault(f"/{name}", "is not ready") for name, good in states.items() if not good]
    if missing:
        raise ProblemError(ProblemType.UNAVAILABLE, missing)
    return Readiness(parts=dict.fromkeys(states, "ready"))


@router.get("/.well-known/security.txt", operation_id="securityContact", include_in_schema=False)
async def security_contact(parts: Open) -> Response:
    """Say whom to tell about a vulnerability (RFC 9116)."""
    expires = (datetime.now(UTC) + timedelta(days=180)).strftime("%Y-%m-%dT%H:%M:%SZ")
    contact = parts.settings.security_contact
    text = f"Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\n"
    return Response(text, media_type="text/plain; charset=utf-8")


async def _answers(ping: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(SECONDS):
            await ping
    except (TimeoutError, EngineError, RecordsError):
        return False
    return True


_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

# Addresses are relative, so that they hold behind a proxy too.
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Strongroom</title><style>{style}</style></head>
<body>
<h1>Strongroom {version}</h1>
<p>Answers a question with the passages that the asker may read, and with nothing else. Send
<code>POST /v1/search</code> with an access token: <code>Authorization: Bearer …</code>.</p>
<ul>
<li><a href="openapi.json">openapi.json</a>: every address below, with its fields and answers</li>
<li><a href="livez">livez</a>: whether the process answers;
<a href="readyz">readyz</a>: whether every part does</li>
<li><a href=".well-known/authzen-configuration">authzen-configuration</a>: where applications ask
for decisions (AuthZEN)</li>
<li><a href=".well-known/security.txt">security.txt</a>: whom to tell about a vulnerability</li>
</ul>
<table>
{rows}
</table>
</body>
</html>
"""


@router.get("/", operation_id="welcome", include_in_schema=False)
async def welcome(request: Request) -> HTMLResponse:
    """Return the page."""
    app = request.app
    rows = "\n".join(_rows(app.openapi()))
    page = _PAGE.format(style=_STYLE, version=escape(app.version), rows=rows)
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


def _rows(document: dict[str, Any]) -> Iterator[str]:
    """Yield one row for each operation."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            cells = (f"{method.upper()} {path}", operation["summary"])
            yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
