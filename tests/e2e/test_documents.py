"""Lists, single documents and explanations, over real HTTP."""

from __future__ import annotations

from typing import Any

from tests.serving import ADA, BOB, GUS, Service

BUDGET = "file:acme/finance/budget.md"
ABSENT = "5b0f4b0e-9d5d-4f0b-8b39-0d1f7f7f7f7f"


def listed(service: Service, who: dict[str, Any], limit: int) -> list[str]:
    uris: list[str] = []
    token = ""
    with service.as_(who) as client:
        while True:
            page = client.get("/v1/documents", params={"limit": limit, "token": token}).json()
            uris += [one["uri"] for one in page["documents"]]
            token = page["next_token"]
            if not token:
                return uris


def test_a_list_holds_what_the_subject_may_read_on_any_page_size(service: Service) -> None:
    every = [BUDGET, "file:acme/handbook/lunch.md", "file:acme/handbook/travel.md"]
    assert listed(service, ADA, 1) == listed(service, ADA, 200) == every
    assert listed(service, BOB, 1) == every[1:]
    assert listed(service, GUS, 1) == ["file:globex/handbook/travel.md"]


def test_a_page_token_is_good_for_its_subject_alone(service: Service) -> None:
    with service.as_(ADA) as client:
        token = client.get("/v1/documents", params={"limit": 1}).json()["next_token"]
        assert client.get("/v1/documents", params={"token": token}).status_code == 200
    with service.as_(BOB) as client:
        answer = client.get("/v1/documents", params={"token": token})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/token"


def test_a_document_comes_with_its_text_and_without_its_readers(service: Service) -> None:
    with service.as_(ADA) as client:
        body = client.get(f"/v1/documents/{service.documents[BUDGET]}").json()
    assert "EUR 4.2 million" in body["text"]
    assert body["classification"] == "confidential"
    assert not {"label", "readers", "compartments"} & body.keys()


def test_hidden_absent_and_malformed_are_the_same_bytes(service: Service) -> None:
    hidden = service.documents[BUDGET]
    names = (hidden, ABSENT, "not-an-id", hidden.upper(), "x" * 300, "%00", "..%2f..", "*")
    with service.as_(BOB) as client:
        answers = [client.get(f"/v1/documents/{name}") for name in names]
    for answer in answers:
        assert answer.status_code == 404
        assert answer.content == answers[0].content
        first, this = dict(answers[0].headers), dict(answer.headers)
        del first["date"], this["date"]
        assert this == first
    with service.as_(ADA) as client:
        assert client.get(f"/v1/documents/{hidden}").status_code == 200


def test_an_explanation_names_the_rule_and_hides_like_a_fetch(service: Service) -> None:
    hidden = service.documents[BUDGET]
    with service.as_(ADA) as client:
        body = client.post("/v1/explain", json={"document_id": hidden}).json()
    assert body["allowed"] is True
    assert any("group:finance" in rule["text"] for rule in body["subjects"][0]["rules"])
    with service.as_(BOB) as client:
        answers = [
            client.post("/v1/explain", json={"document_id": one})
            for one in (hidden, ABSENT, "not-an-id")
        ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_the_audit_holds_after_all_of_it(service: Service) -> None:
    report = service.run(service.parts.records.audit.verify())
    assert report.fault is None
    assert report.verified > 0
