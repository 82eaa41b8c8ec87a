"""The first flow, over real HTTP: who finds what, and what an answer looks like."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving import ADA, AGENT, BOB, GUS, OTHER_ADA, Service

HOTEL = {"query": "What is the hotel limit and the hotel budget?"}


def found(service: Service, who: dict[str, Any], body: dict[str, Any] = HOTEL) -> set[str]:
    with service.as_(who) as client:
        answer = client.post("/v1/search", json=body)
    assert answer.status_code == 200, answer.text
    return {hit["uri"] for hit in answer.json()["hits"]}


@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
def test_three_people_find_what_they_may_read(service: Service, mode: str) -> None:
    asked = {**HOTEL, "mode": mode}
    assert "file:acme/finance/budget.md" in found(service, ADA, asked)
    bobs = found(service, BOB, asked)
    assert "file:acme/handbook/travel.md" in bobs
    assert "file:acme/finance/budget.md" not in bobs
    assert found(service, GUS, asked) == {"file:globex/handbook/travel.md"}


def test_an_answer_has_the_published_shape(service: Service) -> None:
    with service.as_(ADA) as client:
        answer = client.post("/v1/search", json={**HOTEL, "top_k": 1})
    body = answer.json()
    assert set(body) == {"hits", "decision_id", "policy_revision", "label_revision"}
    (hit,) = body["hits"]
    assert set(hit) == {
        *("chunk_id", "document_id", "title", "uri", "media_type", "text"),
        *("score", "classification", "owner", "span", "page", "last_page", "modified", "updated"),
    }
    assert hit["span"]["end"] - hit["span"]["start"] == len(hit["text"])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


def test_the_same_name_in_two_tenants_is_two_people(service: Service) -> None:
    assert found(service, ADA) & found(service, OTHER_ADA) == set()


def test_an_agent_takes_away_and_never_adds(service: Service) -> None:
    assert "file:acme/finance/budget.md" not in found(service, {**ADA, "act": AGENT})
    strong = {**ADA, "sub": "agent:strong"}
    del strong["tenant"]
    assert found(service, {**BOB, "act": strong}) == found(service, BOB)


def test_a_filter_narrows(service: Service) -> None:
    every = found(service, ADA)
    markdown = {"key": "format", "op": "eq", "value": "markdown"}
    assert found(service, ADA, {**HOTEL, "filter": [markdown]}) == every
    assert found(service, ADA, {**HOTEL, "filter": [{**markdown, "op": "ne"}]}) == set()


def test_nothing_older_than_asked_for_is_answered(service: Service) -> None:
    with service.as_(ADA) as client:
        first = client.post("/v1/search", json=HOTEL).json()
        reached = {
            "min_revision": first["policy_revision"],
            "min_label_revision": first["label_revision"],
        }
        assert client.post("/v1/search", json={**HOTEL, **reached}).status_code == 200
        for field, value in reached.items():
            answer = client.post("/v1/search", json={**HOTEL, field: value + 1})
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:strongroom:problem:not-reached"
            assert answer.json()["errors"][0]["pointer"] == f"/{field}"
            assert answer.headers["retry-after"] == "2"


def test_what_has_no_label_is_in_quarantine(service: Service) -> None:
    assert [one.uri for one in service.report.quarantined] == ["file:acme/inbox/quote.txt"]
