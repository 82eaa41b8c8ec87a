"""The HTTP service: its routes, and which problem each error becomes."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from acl.errors import FilterTooLargeError, PolicyError, Refusal, RequestError
from acl.gates.policy_tests import TESTS_FILE
from acl.language.matching_file import MATCHING_FILE
from acl.language.model_file import MODEL_FILE
from acl.records import (
    AlteredRevisionError,
    RecordsConflictError,
    RecordsUnavailableError,
    RefutedRevisionError,
    StaleFolderError,
    StaleLabelError,
    StalePolicyError,
    UnknownDocumentError,
    UnknownRevisionError,
    UnstorableError,
)
from acl.records.database.errors import AuditUnavailableError, UnknownEntryError
from acl.records.labels.approvals import TooManyRequestsError
from ingest.errors import ModelError
from ingest.index.engine import EngineError
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.access_requests import UnknownRequestError
from retrieval.labels.requests import LabelRequestError
from retrieval.labels.views import OtherOutcomeError, OwnProposalError
from retrieval.policy.edits import (
    FailedTestsError,
    FourEyesError,
    OverreachError,
    RefutedError,
    UnchangedError,
)
from retrieval.policy.gate import LabelsKeepChangingError, ProofError
from retrieval.rights.authority import ForbiddenError
from retrieval.rights.directory import UnknownSubjectError
from retrieval.rights.standing import NotReachedError, PolicyUnreadableError, UnsettledError
from retrieval.search.narrow import NarrowingError
from retrieval.service.api import (
    access,
    authzen,
    documents,
    folders,
    health,
    jobs,
    labels,
    policy,
    provisioners,
    review,
    revocations,
    search,
)
from retrieval.service.http import problems
from retrieval.service.http.authentication import Authentication
from retrieval.service.http.envelope import Envelope, refusal, request_id
from retrieval.service.http.problems import FieldFault, Problem, ProblemError, ProblemType
from retrieval.service.http.tokens import TokenVerifier
from retrieval.service.scim import routes as scim
from retrieval.service.wiring import Parts

log = structlog.get_logger("strongroom.service")

_MAX_REFUSALS: Final = 50
_TEXTS: Final = {MODEL_FILE: "/model", MATCHING_FILE: "/matching", TESTS_FILE: "/tests"}

# The one table from errors of the packages below to problems.
ERRORS: dict[type[Exception], ProblemType] = {
    DocumentNotFoundError: ProblemType.NOT_FOUND,
    FilterTooLargeError: ProblemType.FILTER_TOO_LARGE,
    RequestError: ProblemType.INVALID,
    UnknownSubjectError: ProblemType.UNAUTHENTICATED,
    EngineError: ProblemType.UNAVAILABLE,
    RecordsUnavailableError: ProblemType.UNAVAILABLE,
    AuditUnavailableError: ProblemType.UNAVAILABLE,
    ModelError: ProblemType.UNAVAILABLE,
    NotReachedError: ProblemType.NOT_REACHED,
    UnknownRevisionError: ProblemType.NOT_FOUND,
    UnknownRequestError: ProblemType.NOT_FOUND,
    TooManyRequestsError: ProblemType.QUOTA_EXCEEDED,
    StalePolicyError: ProblemType.STALE,
    ForbiddenError: ProblemType.FORBIDDEN,
    UnknownDocumentError: ProblemType.NOT_FOUND,
    UnknownEntryError: ProblemType.NOT_FOUND,
    StaleLabelError: ProblemType.STALE,
    StaleFolderError: ProblemType.STALE,
    OwnProposalError: ProblemType.REFUSED,
    OtherOutcomeError: ProblemType.REFUSED,
    # Two asked for the same thing at once, and the other was first.
    RecordsConflictError: ProblemType.REFUSED,
    FourEyesError: ProblemType.REFUSED,
    OverreachError: ProblemType.REFUSED,
    RefutedError: ProblemType.REFUSED,
    FailedTestsError: ProblemType.REFUSED,
    UnchangedError: ProblemType.REFUSED,
    # A proof found a difference before; the same texts can be proposed again.
    RefutedRevisionError: ProblemType.REFUSED,
    # Its sentence names a field and never what stands there.
    UnstorableError: ProblemType.INVALID,
    ProofError: ProblemType.UNAVAILABLE,
    LabelsKeepChangingError: ProblemType.UNAVAILABLE,
    UnsettledError: ProblemType.UNAVAILABLE,
    # The policy of record cannot be read: nothing may be answered under another one.
    PolicyUnreadableError: ProblemType.UNAVAILABLE,
    AlteredRevisionError: ProblemType.UNAVAILABLE,
    PolicyError: ProblemType.INVALID,
}


def handle_errors(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_fields)
    for error in ERRORS:
        app.add_exception_handler(error, _of_package)


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if not isinstance(error, ProblemError):
        error = ProblemError(problems.of_status(error.status_code), headers=error.headers)
    return refusal(error, request.scope)


async def _of_fields(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = ProblemError(ProblemType.INVALID, problems.field_faults(error.errors()))
    return refusal(problem, request.scope)


async def _of_package(request: Request, error: Exception) -> Response:
    kind = next(ERRORS[one] for one in type(error).__mro__ if one in ERRORS)
    if kind is not ProblemType.NOT_FOUND:
        log.warning("refused", id=request_id(request.scope), error=type(error).__name__)
    return refusal(ProblemError(kind, _faults(error)), request.scope)


def _faults(error: Exception) -> list[FieldFault]:
    match error:
        case NarrowingError():
            part = "key" if error.unknown else "value"
            return [FieldFault(f"/filter/{error.place}/{part}", error.reason)]
        case NotReachedError():
            return [FieldFault(f"/{error.field}", "is a revision that is not reached")]
        case PolicyError():
            return [_refusal(one) for one in error.refusals[:_MAX_REFUSALS]]
        case ForbiddenError():
            return [FieldFault("", error.needs)]
        case LabelRequestError():
            return [
                FieldFault(problems.pointer((one.attribute,)), one.reason) for one in error.faults
            ]
        case (
            LabelsKeepChangingError()
            | FourEyesError()
            | UnchangedError()
            | OwnProposalError()
            | OtherOutcomeError()
            | UnstorableError()
        ):
            return [FieldFault("", str(error))]
        case OverreachError():
            return [FieldFault("", one) for one in error.reasons[:_MAX_REFUSALS]]
        case RefutedError() | FailedTestsError():
            return [FieldFault("", one) for one in error.shown[:_MAX_REFUSALS]]
        case _:
            return []


def _refusal(one: Refusal) -> FieldFault:
    """Name the place and the reason; what stands there is not repeated."""
    place = f"{one.where}, column {one.column}" if one.column else one.where
    place += f", position {one.position}" if one.position else ""
    file = one.where.split(" ", 1)[0]
    return FieldFault(_TEXTS.get(file, "/rules"), f"{place}: {one.reason}")


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
        provisioners,
        revocations,
        health,
    ):
        app.include_router(routes.router)
    scim.mount(app, parts)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    handle_errors(app)
    # The one added last is the outermost.
    doors = {scim.PREFIX: parts.provisioners}
    app.add_middleware(
        Authentication, verifier=verifier, doors=doors, revoked=parts.revocations.meets
    )
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
