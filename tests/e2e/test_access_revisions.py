"""Nothing older than asked for is answered, by whichever way is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.access_service import ANN, GATEWAY, AccessService, question
from tests.serving import ADA, Service

ONE = "/shelf/one"
FIELDS = {"min_revision": "policy_revision", "min_label_revision": "label_revision"}


@pytest.mark.parametrize("field", FIELDS)
def test_a_decision_regards_what_its_context_asks_for(access: AccessService, field: str) -> None:
    good = question("ann", "document:read", access.id(ONE))
    whole = {**good, "subject": {"type": "user", "id": "ann"}}
    asked = {
        "evaluation": whole,
        "evaluations": {**whole, "evaluations": [{}]},
        "search/subject": {**whole, "subject": {"type": "user"}},
        "search/resource": {**whole, "resource": {"type": "document"}},
        "search/action": {name: one for name, one in whole.items() if name != "action"},
    }

    def answered(address: str) -> None:
        body = asked[address]
        answer = access.ask(GATEWAY, address, body)
        reached = answer["context"][FIELDS[field]]
        context = {field: reached, "other": "is not read"}
        access.ask(GATEWAY, address, {**body, "context": context})
        access.ask(GATEWAY, address, {**body, "context": {field: "7"}}, status=400)
        problem = access.ask(
            GATEWAY, address, {**body, "context": {field: reached + 999}}, status=503
        )
        assert [one["pointer"] for one in problem["errors"]] == [f"/{field}"]

    access.client(GATEWAY)  # made once, before several threads ask for it
    with ThreadPoolExecutor(len(asked)) as at_once:
        list(at_once.map(answered, asked))
    inner = {**whole, "evaluations": [{"context": {field: 10**6}}, {"context": {field: []}}]}
    access.ask(ANN, "evaluations", inner, status=503)


@pytest.mark.parametrize("field", FIELDS)
def test_documents_regard_what_the_query_asks_for(service: Service, field: str) -> None:
    document = service.documents["file:acme/finance/budget.md"]
    about = {"id": "user:eve"}
    asked: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
        ("GET", "/v1/documents", None),
        ("GET", f"/v1/documents/{document}", None),
        ("GET", f"/v1/documents/{document}/audience", None),
        ("GET", f"/v1/documents/{document}/readers", None),
        ("GET", "/v1/access-requests/mine", None),
        ("GET", "/v1/access-requests", None),
        ("POST", "/v1/explain", {"document_id": document}),
        ("POST", "/v1/access:explain", {"subject": about, "document_id": document}),
        ("POST", "/v1/access:readable", {"subject": about}),
    )

    def answered(question: tuple[str, str, dict[str, Any] | None]) -> None:
        method, address, body = question
        for number, status in ((1, 200), (10**6, 503), (0, 422)):
            if body is None:
                answer = client.request(method, address, params={field: number})
            else:
                answer = client.request(method, address, json={**body, field: number})
            assert answer.status_code == status, (address, number, answer.text)
            if status == 200:
                assert answer.json()["policy_revision"] >= 1
                assert answer.json()["label_revision"] >= 1

    # What is asked for too much waits a second for it.
    with service.as_(ADA) as client, ThreadPoolExecutor(len(asked)) as at_once:
        list(at_once.map(answered, asked))
