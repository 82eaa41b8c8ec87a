"""The HTTP service: routes, and what every error becomes."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from retrieval.service.api import (
    access,
    authzen,
    documents,
    folders,
    health,
    jobs,
    labels,
    policy,
    review,
    search,
    welcome,
)
from retrieval.service.errors import handle_errors
from retrieval.service.http.authentication import Authentication
from retrieval.service.http.envelope import Envelope
from retrieval.service.http.problems import Problem
from retrieval.service.http.tokens import TokenVerifier
from retrieval.service.scim import routes as scim
from retrieval.service.wiring import Parts

TITLE = "Strongroom"


def create_app(parts: Parts, verifier: TokenVerifier) -> FastAPI:
    """Return the service on parts that are open and stay open as long as it serves."""
    app = FastAPI(
        title=TITLE,
        version=_version(),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.state.body_limit = parts.settings.body_max_bytes
    for routes in (
        search,
        documents,
        authzen,
        policy,
        labels,
        folders,
        jobs,
        access,
        review,
        health,
        welcome,
    ):
        app.include_router(routes.router)
    scim.mount(app, parts)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    handle_errors(app)
    # The one added last is the outermost.
    app.add_middleware(Authentication, verifier=verifier)
    app.add_middleware(Envelope, forms={scim.PREFIX: scim.refusal})
    return app


def _version() -> str:
    try:
        return version("strongroom")
    except PackageNotFoundError:
        # Run from a checkout that was not installed.
        return "0"


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
