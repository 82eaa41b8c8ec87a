from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from functools import partial

import httpx2
import pytest
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acl.labels import LabelSchema
from retrieval.service import logs
from retrieval.service.http.authentication import Authentication
from retrieval.service.http.envelope import HEADERS, Envelope
from retrieval.service.http.token_keys import FetchedKeys, KeyAddress
from retrieval.service.http.tokens import Issuer, TokenRules, TokenVerifier, subject_of

SECRET = "the text of a secret document"


@pytest.fixture(name="lines")
def _lines() -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    logs.configure("info", stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def asked(app: ASGIApp, **headers: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.request("STRANGE", "/v1/documents", headers=headers)


async def failing(_: Scope, __: Receive, ___: Send) -> None:
    raise ValueError(SECRET)


async def test_an_unexpected_error_says_nothing_to_anyone(lines: io.StringIO) -> None:
    answer = await asked(Envelope(failing))
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:strongroom:problem:internal"
    assert all(answer.headers[name] == value for name, value in HEADERS.items())
    failed, request = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert failed["error"] == "ValueError"
    assert "test_envelope" in failed["at"][-1]
    assert (request["status"], request["method"], request["route"]) == (500, "other", "unknown")
    assert SECRET not in lines.getvalue()
    assert SECRET not in answer.text


async def test_without_the_issuer_s_keys_the_service_is_unavailable() -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("down")

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(refuse))
    keys = FetchedKeys(KeyAddress(url="https://issuer.test/keys"), client=client)
    rules = TokenRules(issuer="https://issuer.test", audience="strongroom")
    verifier = TokenVerifier(
        [Issuer(keys=keys, rules=rules, read=partial(subject_of, schema=LabelSchema({})))]
    )
    app = Envelope(Authentication(failing, verifier))
    # A header that passes: an access token, EdDSA, a key id.
    header = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIsImtpZCI6ImEifQ"
    token = f"{header}.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0In0.AAAA"
    answer = await asked(app, Authorization=f"Bearer {token}")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
    await verifier.close()


async def test_only_http_is_served() -> None:
    keys = FetchedKeys(KeyAddress(url="https://issuer.test/keys"))
    rules = TokenRules(issuer="https://issuer.test", audience="strongroom")
    verifier = TokenVerifier(
        [Issuer(keys=keys, rules=rules, read=partial(subject_of, schema=LabelSchema({})))]
    )
    app = Envelope(Authentication(failing, verifier))

    async def receive() -> Message:
        return {}

    async def send(_: Message) -> None:
        return

    with pytest.raises(NotImplementedError):
        await app({"type": "websocket", "path": "/v1/search"}, receive, send)
    await verifier.close()


def test_an_exception_in_a_library_is_logged_without_its_text(lines: io.StringIO) -> None:
    try:
        int(SECRET)
    except ValueError:
        logging.getLogger("library").exception("something\r\nfailed")
    structlog.get_logger("own").error("failed", exc_info=ValueError(SECRET))
    first, second = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (first["event"], first["error"]) == ("something\r\nfailed", "ValueError")
    assert second["error"] == "ValueError"
    assert SECRET not in lines.getvalue()
