"""What a policy's addresses show to others, and what they make of values beyond bounds."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from tests.integration.policies import changed, put_in_effect
from tests.serving import ADA, BOB, POLICY, Service, running

ADMIN: dict[str, Any] = {**ADA, "sub": "user:root", "groups": ["role:policy-admin"]}
READER: dict[str, Any] = {**BOB, "sub": "user:aud", "groups": ["role:reader"]}
ROWS = (
    "p, role:reader, acme, /acme/*, policy:read, True, allow",
    "p, role:x, globex, /globex/secret-plan/*, document:read, True, allow",
)
GOOD = "p, role:q, acme, /acme/z/*, document:read, True, allow"
HUGE = 10**20


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with rules of two tenants."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for service in running(tmp_path_factory.mktemp("shared")):
        source = changed(POLICY, service.parts.schema, add=ROWS)
        now = datetime.now(UTC)
        service.run(put_in_effect(service.parts.records, source, now=now))
        yield service
    structlog.reset_defaults()


def etag(service: Service) -> dict[str, str]:
    with service.as_(ADMIN) as client:
        return {"If-Match": client.get("/v1/policy").headers["etag"]}


def test_the_rules_of_others_are_shown_by_no_address(shared: Service) -> None:
    tagged = etag(shared)
    number = json.loads(tagged["If-Match"].strip('"'))
    with shared.as_(ADMIN) as client:
        assert "secret-plan" in client.get("/v1/policy").text
        body = {"add": [ROWS[1].replace("plan", "merger")], "reason": "the secret merger"}
        proposed = client.put("/v1/policy", json=body, headers=tagged).json()["revision"]
    with shared.as_(READER) as client:
        current = client.get("/v1/policy")
        assert current.json()["revision"] == number
        assert ROWS[0] in current.json()["rules"]
        answers = [
            current,
            client.get(f"/v1/policy/revisions/{number}"),
            client.get(f"/v1/policy/revisions/{proposed}"),
            client.get(f"/v1/policy/revisions/{proposed}/diff"),
            client.get(f"/v1/policy/revisions/{number}/diff", params={"to": 1}),
            client.get("/v1/policy/revisions"),
        ]
        listed = answers[-1].json()["revisions"]
    assert {one.status_code for one in answers} == {200}
    assert not [one.text for one in answers if "secret" in one.text]
    assert [one["revision"] for one in listed] == list(range(1, proposed + 1))
    assert (listed[-1]["author"], listed[-1]["reason"], listed[-1]["base"]) == ("", "", number)
    assert listed[0]["reason"]


@pytest.mark.parametrize("number", [HUGE, 2**63, 2**31])
@pytest.mark.parametrize("way", ["", "/proof", "/diff"])
def test_a_number_beyond_bounds_is_refused(shared: Service, number: int, way: str) -> None:
    with shared.as_(ADMIN) as client:
        answer = client.get(f"/v1/policy/revisions/{number}{way}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["detail"].startswith("is more than")


def test_every_other_number_is_bounded_too(shared: Service) -> None:
    tagged = etag(shared)
    document = next(iter(shared.documents.values()))
    with shared.as_(ADMIN) as client:
        answers = [
            client.get("/v1/policy/revisions", params={"after": HUGE}),
            client.get("/v1/policy/revisions", params={"limit": HUGE}),
            client.get("/v1/policy/revisions/1/diff", params={"to": HUGE}),
            client.post(f"/v1/policy/revisions/{HUGE}:activate", headers=tagged),
            client.post(f"/v1/policy/revisions/{HUGE}:rollback", json={}, headers=tagged),
            client.post("/v1/policy:preview", json={"revision": HUGE}),
            client.post("/v1/policy:preview", json={"revision": 1, "days": HUGE}),
            client.get("/v1/documents", params={"limit": HUGE}),
            client.get(f"/v1/documents/{document}/label/history", params={"below": HUGE}),
            client.post("/v1/search", json={"query": "hotel", "top_k": HUGE}),
            client.post("/v1/search", json={"query": "hotel", "min_revision": HUGE}),
        ]
    assert [one.status_code for one in answers] == [422] * len(answers)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"add": [GOOD.replace("role:q", "role:q\0")]}, "rules"),
        ({"add": [GOOD], "reason": "a\0b"}, "reason"),
        ({"model": "\0"}, "model"),
        ({"rules": "\0"}, "rules"),
    ],
)
def test_what_no_database_stores_is_refused_by_field(
    shared: Service, body: dict[str, Any], field: str
) -> None:
    tagged = etag(shared)
    with shared.as_(ADMIN) as client:
        answer = client.put("/v1/policy", json=body, headers=tagged)
        wanted = {name: value for name, value in body.items() if name != "reason"}
        preview = client.post("/v1/policy:preview", json=wanted)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["detail"] == f"`{field}` holds a NUL character"
    assert preview.status_code == (422 if field != "reason" else 200)


def test_reasons_elsewhere_that_cannot_be_stored_are_refused(shared: Service) -> None:
    document = next(iter(shared.documents.values()))
    with shared.as_(BOB) as client:
        asked = client.post(f"/v1/documents/{document}/access-requests", json={"reason": "a\0b"})
    assert asked.status_code == 422


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"rules": "\n" * 20_001}, "policy.csv: has more than 20000 lines"),
        ({"rules": GOOD + " " * 70_000}, "policy.csv line 1: has more than 65536 characters"),
        ({"model": "#" * 70_000}, "model.conf: has more than 65536 characters"),
        ({"add": [GOOD, 'p, "role:x']}, "added line 2: is not comma-separated text"),
        ({"add": [GOOD, "#"]}, "added line 2: is not a row"),
        ({"add": [f"{GOOD}\n{GOOD}"]}, "added line 1: a row is one line"),
        ({"remove": [ROWS[0], '"'], "add": []}, "removed line 2: is not comma-separated text"),
    ],
)
def test_what_is_too_large_or_no_row_is_told_by_its_place(
    shared: Service, body: dict[str, Any], detail: str
) -> None:
    with shared.as_(ADMIN) as client:
        proposed = client.put("/v1/policy", json=body, headers=etag(shared))
        previewed = client.post("/v1/policy:preview", json=body)
    for answer in (proposed, previewed):
        assert answer.status_code == 422
        assert detail in answer.json()["errors"][0]["detail"]


def test_a_preview_tells_of_other_actions_than_reading(shared: Service) -> None:
    row = "p, user:eve, acme, /acme/none/*, policy:administer, True, allow"
    with shared.as_(READER) as client:
        found = client.post("/v1/policy:preview", json={"add": [row]}).json()
    assert found["roles"] == []
    (right,) = found["rights"]
    assert (right["action"], right["gained"], right["lost"]) == ("policy:administer", True, False)
    assert {one["subject"] for one in right["who"]} == {"user:eve"}
    assert right["example"]["path"].startswith("/acme/none/")


def test_a_body_beyond_bounds_is_not_read(shared: Service) -> None:
    with shared.as_(READER) as client:
        answer = client.post("/v1/policy:preview", json={"rules": "x" * (9 * 1024 * 1024)})
    assert answer.status_code == 413


def test_questions_go_on_while_a_large_policy_is_read(shared: Service) -> None:
    """Reading thousands of rules stops nobody; the last of them is refused, so that is all."""
    rules = "".join(
        f'p, user:u{n}, acme, /acme/z{n}/*, document:read, "r.obj.owner == ""user:z{n}""", allow\n'
        for n in range(6000)
    )
    waited: list[float] = []
    done = threading.Event()

    def ping() -> None:
        with shared.client() as client:
            while not done.is_set():
                began = time.monotonic()
                assert client.get("/livez").status_code == 200
                waited.append(time.monotonic() - began)
                time.sleep(0.05)

    thread = threading.Thread(target=ping)
    thread.start()
    try:
        with shared.as_(READER) as client:
            body = {"rules": rules + GOOD.replace("read", "raed")}
            began = time.monotonic()
            answer = client.post("/v1/policy:preview", json=body, timeout=120)
            took = time.monotonic() - began
    finally:
        done.set()
        thread.join()
    assert answer.status_code == 422
    assert "line 6001" in answer.json()["errors"][0]["detail"]
    assert max(waited) < took / 2
