"""The HTTP service: routes, and what every error becomes."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from acl.errors import FilterTooLargeError, RequestError
from acl.records import RecordsUnavailableError
from acl.records.errors import AuditUnavailableError
from ingest.errors import ModelError
from ingest.index.engine import EngineError
from retrieval.documents import DocumentNotFoundError
from retrieval.service import problems, routes_documents, routes_health, routes_search
from retrieval.service.authentication import Authentication
from retrieval.service.envelope import Envelope, request_id
from retrieval.service.messages import Problem
from retrieval.service.problems import ProblemError, ProblemType
from retrieval.service.tokens import TokenVerifier
from retrieval.service.wiring import Parts

TITLE = "Strongroom"

log = structlog.get_logger("strongroom.service")

# The one table from errors of the packages below to problems.
ERRORS: dict[type[Exception], ProblemType] = {
    DocumentNotFoundError: ProblemType.NOT_FOUND,
    FilterTooLargeError: ProblemType.FILTER_TOO_LARGE,
    RequestError: ProblemType.INVALID,
    EngineError: ProblemType.UNAVAILABLE,
    RecordsUnavailableError: ProblemType.UNAVAILABLE,
    AuditUnavailableError: ProblemType.UNAVAILABLE,
    ModelError: ProblemType.UNAVAILABLE,
}


def create_app(parts: Parts, verifier: TokenVerifier) -> FastAPI:
    """Return the service on parts that are open and stay open as long as it serves."""
    app = FastAPI(
        title=TITLE,
        version=_version(),
        docs_url="/docs" if parts.settings.development else None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.state.body_limit = parts.settings.body_max_bytes
    for routes in (routes_search, routes_documents, routes_health):
        app.include_router(routes.router)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    _handle_errors(app)
    # The one added last is the outermost.
    app.add_middleware(Authentication, verifier=verifier)
    app.add_middleware(Envelope)
    return app


def _version() -> str:
    try:
        return version("strongroom")
    except PackageNotFoundError:
        # Run from a checkout that was not installed.
        return "0"


def _handle_errors(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_fields)
    for error in ERRORS:
        app.add_exception_handler(error, _of_package)


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if not isinstance(error, ProblemError):
        error = ProblemError(problems.of_status(error.status_code), headers=error.headers)
    return problems.response(error, request_id(request.scope))


async def _of_fields(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = ProblemError(ProblemType.INVALID, problems.field_faults(error.errors()))
    return problems.response(problem, request_id(request.scope))


async def _of_package(request: Request, error: Exception) -> Response:
    kind = next(ERRORS[one] for one in type(error).__mro__ if one in ERRORS)
    if kind is not ProblemType.NOT_FOUND:
        log.warning("refused", id=request_id(request.scope), error=type(error).__name__)
    return problems.response(ProblemError(kind), request_id(request.scope))


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with problems in place of FastAPI's own errors."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary="Passages for a question, out of the documents that the asker may read.",
            routes=app.routes,
        )
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for operations in document["paths"].values():
            for operation in operations.values():
                _drop_framework_errors(operation["responses"])
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs", {}) | {"Problem": problem}
        app.openapi_schema = document
    return app.openapi_schema


def _drop_framework_errors(answers: dict[str, Any]) -> None:
    """FastAPI declares its own 422 wherever there is a parameter."""
    declared = answers.get("422", {}).get("content", {})
    if "application/json" in declared:
        del declared["application/json"]
        if not declared:
            del answers["422"]
