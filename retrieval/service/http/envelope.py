"""What stands around every request: its id, the headers of its answer, one line in the log.

The laws of this file:

1. Every answer carries the security headers and `Cache-Control: no-store`.
2. Every request leaves one line: method, route as declared, status, time, subject. No path as
   sent, no query, no header, no body.
3. An error that was not expected becomes a problem that says nothing; the line names its class.
4. An `X-Request-ID` that came with the request goes back as it came, if it is plain and short. It
   is the caller's own; the log and the audit have another.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import structlog
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acl.subject import Subject
from retrieval.service.http import problems
from retrieval.service.http.problems import ProblemError, ProblemType
from retrieval.service.logs import places

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Form: TypeAlias = Callable[[ProblemError], Response]

REQUEST_ID: Final = "X-Request-ID"
_PLAIN: Final = re.compile(r"[\x20-\x7e]{1,200}\Z")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger("strongroom.request")


class Envelope:
    """The outermost layer of the service."""

    def __init__(self, app: ASGIApp, forms: Mapping[str, Form] | None = None) -> None:
        """Wrap `app`; below each prefix of `forms` an error has another form than a problem."""
        self._app = app
        self._forms = forms or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        forms = [form for prefix, form in self._forms.items() if scope["path"].startswith(prefix)]
        scope.setdefault("state", {}).update(request_id=str(uuid.uuid4()), forms=forms)
        answer = _Answer(send, Headers(scope=scope).get(REQUEST_ID, ""))
        started = time.perf_counter()
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - law 3: nothing gets past this layer
            log.error("failed", error=type(error).__name__, at=places(error), id=request_id(scope))  # noqa: TRY400 - the text of an error may hold content
            if answer.status == 0:
                answered = refusal(ProblemError(ProblemType.INTERNAL), scope)
                await answered(scope, receive, answer.send)
        finally:
            _note(scope, answer.status, time.perf_counter() - started)


def request_id(scope: Scope) -> str:
    """Return the id of the request."""
    return str(scope["state"]["request_id"])


def origin_of(public_url: str | None, scope: Scope) -> str:
    """Return the address of the service that answers name (law 5)."""
    if public_url is not None:
        return public_url
    host, port = scope["server"]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def refusal(error: ProblemError, scope: Scope) -> Response:
    """Return the answer for `error`, in the form that errors have at this address."""
    forms: Sequence[Form] = scope["state"]["forms"]
    return forms[0](error) if forms else problems.response(error, request_id(scope))


class _Answer:
    """Passes an answer on, with the headers of laws 1 and 4."""

    def __init__(self, send: Send, given_id: str) -> None:
        self._send = send
        self._given_id = given_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if _PLAIN.match(self._given_id):
                headers[REQUEST_ID] = self._given_id
        await self._send(message)


def _note(scope: Scope, status: int, seconds: float) -> None:
    subject: Subject | None = scope["state"].get("subject")
    route = scope.get("route")
    log.info(
        "request",
        id=request_id(scope),
        method=scope["method"] if scope["method"] in _METHODS else "other",
        route=route.path_format if isinstance(route, APIRoute) else "unknown",
        status=status,
        ms=round(seconds * 1000, 1),
        subject=subject.id if subject else None,
        actors=[one.id for one in subject.actors] if subject else [],
        tenant=subject.tenant if subject else None,
    )
