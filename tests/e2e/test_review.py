"""Who may read, what may somebody read, and why not: over HTTP, for those who may review."""

from __future__ import annotations

import uuid
from typing import Any

from tests.serving import ADA, BOB, Service

BUDGET = "file:acme/finance/budget.md"
LUNCH = "file:acme/handbook/lunch.md"
STEWARD: dict[str, Any] = {**ADA, "sub": "user:stew", "groups": ["role:steward"]}
CLEARED = {"clearance": 3, "compartments": ["finance"]}


def test_an_owner_sees_who_may_read_and_why_not(service: Service) -> None:
    document = service.documents[BUDGET]
    with service.as_(ADA) as client:
        who = client.get(f"/v1/documents/{document}/audience").json()
        eve = {"id": "user:eve", **CLEARED}
        why = client.post("/v1/access:explain", json={"subject": eve, "document_id": document})
        low = client.post(
            "/v1/access:explain", json={"subject": {"id": "user:eve"}, "document_id": document}
        )
        ok = client.post(
            "/v1/access:explain",
            json={"subject": {**eve, "groups": ["group:finance"]}, "document_id": document},
        )

    assert ["group:finance"] in who["principals"]
    answer = why.json()
    assert not answer["allowed"]
    assert answer["obstacle"]["subject"] == "user:eve"
    assert answer["grants"]
    assert answer["grants"][0]["opens"] == min(one["opens"] for one in answer["grants"])
    assert low.json()["grants"] == [] or not low.json()["allowed"]
    assert ok.json()["allowed"]
    assert ok.json()["obstacle"] is None
    assert ok.json()["subjects"][0]["rules"]


def test_what_may_somebody_read_of_what_one_may_review(service: Service) -> None:
    question = {"subject": {"id": "user:eve", **CLEARED, "groups": ["group:finance"]}, "limit": 1}
    with service.as_(STEWARD) as client:
        found: list[str] = []
        more = True
        while more:
            page = client.post("/v1/access:readable", json=question).json()
            found += [one["uri"] for one in page["documents"]]
            more = page["more"]
            question["after"] = found[-1]
    assert found == sorted(found)
    assert {BUDGET, LUNCH} <= set(found)
    with service.as_(BOB) as client:
        page = client.post("/v1/access:readable", json=question).json()
    assert page["documents"] == []


def test_an_audience_without_a_directory_says_that_people_are_missing(service: Service) -> None:
    with service.as_(ADA) as client:
        who = client.get(f"/v1/documents/{service.documents[BUDGET]}/audience").json()
    assert who["incomplete"]
    assert "people are not known here" in who["reason"]
    assert who["principals"]


def test_of_other_documents_nothing_is_told(service: Service) -> None:
    hidden, absent = service.documents[BUDGET], str(uuid.uuid4())
    answers = []
    with service.as_(BOB) as client:
        for document in (hidden, absent, service.documents[LUNCH], "nonsense"):
            answers.append(client.get(f"/v1/documents/{document}/audience"))
            answers.append(
                client.post(
                    "/v1/access:explain",
                    json={"subject": {"id": "user:bob"}, "document_id": document},
                )
            )
    assert {one.status_code for one in answers} == {404}
    assert len({one.content for one in answers}) == 1


def test_who_is_asked_about_is_a_subject(service: Service) -> None:
    with service.as_(STEWARD) as client:
        for subject in ({"id": "group:finance"}, {"id": "user:Ä"}, {"id": "user:eve", "x": 1}, {}):
            question = {"subject": subject, "document_id": str(uuid.uuid4())}
            assert client.post("/v1/access:explain", json=question).status_code == 422


def test_half_a_surrogate_pair_is_no_compartment(service: Service) -> None:
    document = service.documents[BUDGET]
    text = '{"subject": {"id": "user:eve", "compartments": ["\\ud800"]}, "document_id": "%s"}'
    headers = {"Content-Type": "application/json"}
    with service.as_(ADA) as client:
        answer = client.post("/v1/access:explain", content=text % document, headers=headers)
    assert answer.status_code == 422
