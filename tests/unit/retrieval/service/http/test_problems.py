from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from retrieval.service.api.search import SearchQuestion
from retrieval.service.http.problems import (
    KINDS,
    FieldFault,
    ProblemError,
    ProblemType,
    field_faults,
    of_status,
    pointer,
    response,
)


def test_every_type_is_in_the_table() -> None:
    assert set(KINDS) == set(ProblemType)


@pytest.mark.parametrize("kind", list(ProblemType))
def test_a_problem_says_its_instance_unless_it_is_not_found(kind: ProblemType) -> None:
    answer = response(ProblemError(kind, [FieldFault("/a", "b")]), "id")
    body = json.loads(bytes(answer.body))
    assert answer.status_code == body["status"] == KINDS[kind].status
    assert ("instance" in body) is (kind is not ProblemType.NOT_FOUND)
    assert body["errors"] == [{"pointer": "/a", "detail": "b"}]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, ProblemType.NOT_FOUND),
        (405, ProblemType.METHOD_NOT_ALLOWED),
        (418, ProblemType.MALFORMED),
        (500, ProblemType.INTERNAL),
        (502, ProblemType.INTERNAL),
        (503, ProblemType.UNAVAILABLE),
    ],
)
def test_what_the_framework_raises_has_a_type(status: int, kind: ProblemType) -> None:
    assert of_status(status) is kind


def test_a_pointer_ends_before_a_name_that_is_not_plain() -> None:
    assert pointer(["filter", 0, "key"]) == "/filter/0/key"
    assert pointer(["filter", "a/b", "c"]) == "/filter"
    assert pointer(["\r\n"]) == ""


def test_no_word_of_the_request_is_repeated() -> None:
    secret = "hunter2"
    body: dict[str, Any] = {"query": [secret], "top_k": secret, "mode": secret, "filter": secret}
    with pytest.raises(ValidationError) as caught:
        SearchQuestion.model_validate(body)
    # As FastAPI reports them: with the part of the request in front.
    found = [{**one, "loc": ("body", *one["loc"])} for one in caught.value.errors()]
    faults = field_faults(found)
    assert {fault.pointer for fault in faults} == {"/query", "/top_k", "/mode", "/filter"}
    assert secret not in str(faults)
