"""Every wrong request gets a problem that names the field, quickly, and the service goes on."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import structlog

from retrieval.service import logs
from retrieval.service.http.problems import MEDIA_TYPE
from tests.serving import ADA, BOB, Service

GOOD = {"query": "hotel"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(name="client")
def _client(service: Service) -> Iterator[httpx2.Client]:
    with service.as_(ADA) as client:
        yield client
        # Whatever a test did, the service goes on.
        assert client.post("/v1/search", json=GOOD).status_code == 200


def problem(answer: httpx2.Response, status: int, pointer: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:strongroom:problem:")
    if pointer is not None:
        assert [one["pointer"] for one in body["errors"]] == [pointer]
    return body


FIELDS: list[tuple[dict[str, Any], str]] = [
    ({}, "/query"),
    ({"query": ""}, "/query"),
    ({"query": "   "}, "/query"),
    ({"query": "a\x00b"}, "/query"),
    ({"query": "x" * 4001}, "/query"),
    ({"query": 7}, "/query"),
    ({"query": None}, "/query"),
    ({"query": ["a"]}, "/query"),
    ({"query": "a", "top_k": 0}, "/top_k"),
    ({"query": "a", "top_k": -1}, "/top_k"),
    ({"query": "a", "top_k": 101}, "/top_k"),
    ({"query": "a", "top_k": 10**9}, "/top_k"),
    ({"query": "a", "top_k": 10**30}, "/top_k"),
    ({"query": "a", "top_k": "5"}, "/top_k"),
    ({"query": "a", "top_k": 5.0}, "/top_k"),
    ({"query": "a", "top_k": True}, "/top_k"),
    ({"query": "a", "mode": "magic"}, "/mode"),
    ({"query": "a", "tenant": "globex"}, "/tenant"),
    ({"query": "a", "subject": "user:mia"}, "/subject"),
    ({"query": "a", "actor": "agent:x"}, "/actor"),
    ({"query": "a", "offset": 10**9}, "/offset"),
    ({"query": "a", "with_vectors": True}, "/with_vectors"),
    ({"query": "a", "min_revision": -1}, "/min_revision"),
    ({"query": "a", "filter": {}}, "/filter"),
    ({"query": "a", "filter": [{"value": "x"}]}, "/filter/0/key"),
    ({"query": "a", "filter": [{"key": "owner", "value": "user:ada"}]}, "/filter/0/key"),
    ({"query": "a", "filter": [{"key": "label.owner", "value": "x"}]}, "/filter/0/key"),
    ({"query": "a", "filter": [{"key": "modified", "value": True}]}, "/filter/0/value"),
    ({"query": "a", "filter": [{"key": "modified", "value": 2**63}]}, "/filter/0/value"),
    ({"query": "a", "filter": [{"key": "format", "op": "gt", "value": "a"}]}, "/filter/0/value"),
    ({"query": "a", "filter": [{"key": "format", "op": "in", "value": []}]}, "/filter/0/value"),
    ({"query": "a", "filter": [{"key": "format", "op": "or", "value": "a"}]}, "/filter/0/op"),
    ({"query": "a", "filter": [{"key": "format", "value": "a\u0000"}]}, "/filter/0/value"),
    ({"query": "a", "filter": [{"key": "format", "value": "a"}] * 101}, "/filter"),
]


@pytest.mark.parametrize(("body", "pointer"), FIELDS)
def test_a_wrong_field_is_named(client: httpx2.Client, body: dict[str, Any], pointer: str) -> None:
    started = time.perf_counter()
    problem(client.post("/v1/search", json=body), 422, pointer)
    assert time.perf_counter() - started < 1


def test_an_unknown_name_that_is_not_plain_is_not_repeated(client: httpx2.Client) -> None:
    strange = "<script>\r\nX-Evil: 1"
    answer = client.post("/v1/search", json={"query": "a", strange: 1})
    problem(answer, 422, "")
    assert "script" not in answer.text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b'{"query": "a", "query": "b"}', 400),
        (b'{"query": "a", "top_k": NaN}', 400),
        (b'{"query": "a", "top_k": 1e400}', 400),
        (b"[" * 1000 + b"]" * 1000, 400),
        (b"\xff\xfe\x00", 400),
        (b'{"query": "\\ud800"}', 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"%PDF-1.7 binary \x00\x01", 400),
        (b'{"query": "' + b"a" * 1_000_000 + b'"}', 413),
        (b'{"query": "a"}' + b" " * 70_000, 413),
    ],
)
def test_a_wrong_body_is_refused(client: httpx2.Client, content: bytes, status: int) -> None:
    answer = client.post("/v1/search", content=content, headers=JSON)
    problem(answer, status)
    assert "aaaa" not in answer.text


def test_a_body_without_a_length_is_bounded_too(client: httpx2.Client) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    problem(client.post("/v1/search", content=parts(), headers=JSON), 413)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ],
)
def test_another_kind_of_body_is_refused(client: httpx2.Client, headers: dict[str, str]) -> None:
    content = json.dumps(GOOD).encode()
    problem(client.post("/v1/search", content=content, headers=headers), 415)


def test_unknown_addresses_and_methods_are_problems(client: httpx2.Client) -> None:
    problem(client.get("/v1/nothing"), 404)
    answer = client.get("/v1/search")
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    problem(client.get("/v1/documents", params={"limit": 0}), 422, "/limit")
    problem(client.get("/v1/documents", params={"token": "x"}), 422, "/token")


def test_without_a_token_nothing_is_said_about_addresses(service: Service) -> None:
    with service.client() as client:
        for method, path in (("GET", "/v1/nothing"), ("GET", "/v1/search"), ("POST", "/v1/search")):
            answer = client.request(method, path)
            problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_is_asked_for_before_the_body_is_read(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/v1/search", content=b"x" * 1_000_000, headers=JSON)
    problem(answer, 401)


def test_errors_come_quickly(client: httpx2.Client) -> None:
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        problem(client.post("/v1/search", json={"query": "a", "top_k": 0}), 422)
        taken.append(time.perf_counter() - started)
    assert sorted(taken)[10] < 0.05


def test_health_needs_no_token_and_says_no_more(service: Service) -> None:
    with service.client() as client:
        assert client.get("/livez").json() == {"status": "alive"}
        ready = client.get("/readyz").json()
        assert set(ready["parts"]) == {"records", "engine", "policy", "model"}
        text = client.get("/.well-known/security.txt").text
        assert text.startswith("Contact: ")
        document = client.get("/openapi.json").json()
    assert document["components"]["schemas"]["Problem"]


@pytest.fixture(name="lines")
def _lines() -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    logs.configure("info", stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_requests_leave_one_line_without_the_question(service: Service, lines: io.StringIO) -> None:
    with service.as_(BOB) as client:
        client.post("/v1/search", json={"query": "very private words"})
        client.get("/v1/documents/%0d%0a%22evil%22")
    # The line is written after the answer.
    deadline = time.monotonic() + 10
    while lines.getvalue().count('"request"') < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    noted = [json.loads(line) for line in lines.getvalue().splitlines()]
    requests = [line for line in noted if line["event"] == "request"]
    assert [line["route"] for line in requests] == ["/v1/search", "/v1/documents/{document_id}"]
    assert requests[0]["subject"] == "user:bob"
    assert "private" not in lines.getvalue()
    assert "evil" not in lines.getvalue()
