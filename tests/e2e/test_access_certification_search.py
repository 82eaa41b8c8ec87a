"""The level Search of the AuthZEN certification scenario, over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.access_service import (
    ARCHIVIST,
    GATEWAY,
    ONE,
    READ,
    TWO,
    WRITE,
    AccessService,
    question,
)


def subjects(access: AccessService, action: str, path: str, **more: Any) -> list[str]:
    body = {**question({"type": "user"}, action, access.id(path)), **more}
    answer = access.ask(GATEWAY, "search/subject", body)
    assert all(one["type"] == "user" for one in answer["results"])
    return [one["id"] for one in answer["results"]]


def resources(access: AccessService, subject: object, action: str) -> list[str]:
    body = {**question(subject, action, ""), "resource": {"type": "document"}}
    answer = access.ask(GATEWAY, "search/resource", body)
    assert set(answer) == {"results", "page", "context"}
    assert all(one["type"] == "document" for one in answer["results"])
    return [one["id"] for one in answer["results"]]


def actions(access: AccessService, subject: object, path: str) -> list[str]:
    body = question(subject, "", access.id(path))
    del body["action"]
    answer = access.ask(GATEWAY, "search/action", body)
    return [one["name"] for one in answer["results"]]


def test_searches(access: AccessService) -> None:
    assert subjects(access, READ, ONE) == ["ann", "ben"]
    assert subjects(access, READ, ONE, context={"a": 1}) == ["ann", "ben"]
    assert subjects(access, WRITE, TWO) == ["ben"]
    assert resources(access, "ann", READ) == [access.id(ONE), access.id(TWO)]
    assert resources(access, "ann", WRITE) == [access.id(ONE)]
    assert resources(access, ARCHIVIST, WRITE) == [access.id(TWO)]
    assert actions(access, "ann", ONE) == ["access:review", READ, WRITE]
    assert actions(access, ARCHIVIST, TWO) == [WRITE]


def test_a_search_comes_in_pages(access: AccessService) -> None:
    body = question({"type": "user"}, READ, access.id(ONE))
    pages: list[dict[str, Any]] = []
    token = ""
    while token or not pages:
        page = {"limit": 1, "token": token}
        pages.append(access.ask(GATEWAY, "search/subject", {**body, "page": page}))
        token = pages[-1]["page"]["next_token"]
    # A page may be shorter than asked for and still not be the last.
    assert [found["id"] for one in pages for found in one["results"]] == ["ann", "ben"]
    first = pages[0]["page"]["next_token"]
    rest = access.ask(GATEWAY, "search/subject", {**body, "page": {"token": first}})
    assert [one["id"] for one in rest["results"]] == ["ben"]
    assert rest["page"] == {"next_token": ""}
    whole = access.ask(GATEWAY, "search/subject", {**body, "page": {"limit": 10**9}})
    assert len(whole["results"]) == 2


@pytest.mark.parametrize(
    "page", [{"limit": 0}, {"limit": -1}, {"limit": "5"}, {"token": "x"}, {"token": 7}, []]
)
def test_a_page_that_is_none_is_400(access: AccessService, page: object) -> None:
    body = {**question({"type": "user"}, READ, access.id(ONE)), "page": page}
    access.ask(GATEWAY, "search/subject", body, status=400)


def test_nobody_and_nothing_unknown_is_found(access: AccessService) -> None:
    for kind in ("user", "spaceship", "group", "role", ""):
        body = question({"type": kind}, READ, "no-such-document")
        assert access.ask(GATEWAY, "search/subject", body)["results"] == []
    body = question({"type": "spaceship"}, READ, access.id(ONE))
    assert access.ask(GATEWAY, "search/subject", body)["results"] == []
    for subject in ("nobody", "", "Ann", "user:", "service:ann", "a\0b", {"type": "x", "id": "y"}):
        assert actions(access, subject, ONE) == []
        assert resources(access, subject, READ) == []
        assert access.decision(GATEWAY, subject, READ, ONE) is False
    assert resources(access, "ann", "document:dance") == []
    assert subjects(access, "document:dance", ONE) == []
    body = {**question("ann", READ, ""), "resource": {"type": "spaceship"}}
    assert access.ask(GATEWAY, "search/resource", body)["results"] == []


@pytest.mark.parametrize(
    ("address", "leave_out"),
    [
        ("search/subject", "action"),
        ("search/subject", "subject"),
        ("search/resource", "subject"),
        ("search/resource", "resource"),
        ("search/action", "resource"),
        ("search/action", "subject"),
    ],
)
def test_a_search_without_a_required_part_is_400(
    access: AccessService, address: str, leave_out: str
) -> None:
    body = question("ann", READ, access.id(ONE))
    del body[leave_out]
    problem = access.ask(GATEWAY, address, body, status=400)
    assert [one["pointer"] for one in problem["errors"]] == [f"/{leave_out}"]


def test_a_search_needs_the_ids_that_it_does_not_look_for(access: AccessService) -> None:
    body = question("ann", READ, access.id(ONE))
    no_document = {**body, "resource": {"type": "document"}}
    access.ask(GATEWAY, "search/subject", no_document, status=400)
    access.ask(GATEWAY, "search/action", no_document, status=400)
    access.ask(GATEWAY, "search/resource", {**body, "subject": {"type": "user"}}, status=400)
