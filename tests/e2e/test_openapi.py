"""The service does what its OpenAPI document says, for requests that nobody thought of."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok

from tests.serving import ADA, Service


def no_failure(
    context: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: schemathesis.Case[Any],
) -> bool | None:
    """A revision that is not reached is declared, and no failure."""
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and NOT_REACHED in response.text:
        return None
    return not_a_server_error(context, response, case)


NOT_REACHED = "urn:strongroom:problem:not-reached"
CHECKS = [
    no_failure,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_generated_requests_get_declared_answers(service: Service) -> None:
    with service.client() as client:
        document: dict[str, Any] = client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=service.server.address)
    headers = {"Authorization": f"Bearer {service.keys.token(ADA)}"}
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        cases = st.one_of(
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
        )

        @given(case=cases)
        @settings(
            max_examples=15,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def check(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        check()


def test_every_operation_declares_its_errors_as_problems(service: Service) -> None:
    with service.client() as client:
        document = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in str(document)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            errors = {code for code in operation["responses"] if code >= "400"}
            if path.startswith("/v1/"):
                assert {"401", "503"} <= errors
                assert operation["security"] == [{"access token": []}]
