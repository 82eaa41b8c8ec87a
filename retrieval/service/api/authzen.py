"""`/access/v1`: the AuthZEN Authorization API 1.0, and where to find it.

The laws of this file:

1. A deny is an answer: 200 and `false`. What cannot be read is 400, whatever is wrong with it.
2. A page token is good for its asker and its question alone.
3. The address that the metadata names comes from the settings or from the socket, never from a
   header.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from acl.errors import RequestError
from acl.labels import Attribute
from acl.subject import Subject
from retrieval.access.types import Found, PageAsked, Sought
from retrieval.service.api.authzen_messages import (
    ActionsAnswer,
    ActionSearchQuestion,
    Configuration,
    EntitiesAnswer,
    EvaluationAnswer,
    EvaluationQuestion,
    EvaluationsAnswer,
    EvaluationsQuestion,
    Page,
    ResourceSearchQuestion,
    SubjectSearchQuestion,
)
from retrieval.service.cursors import CursorError
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import StrictRoute
from retrieval.service.http.dependencies import Open
from retrieval.service.http.problems import (
    ANSWERS,
    FieldFault,
    ProblemError,
    ProblemType,
    field_faults,
)
from retrieval.service.http.token_wiring import levels
from retrieval.service.wiring import Parts

PAGE: Final = 100
MAX_PAGE: Final = 200
SearchQuestion: TypeAlias = ResourceSearchQuestion | SubjectSearchQuestion | ActionSearchQuestion
CONFIGURATION: Final = "/.well-known/authzen-configuration"


class AuthzenRoute(StrictRoute):
    """A route that says 400 of whatever it cannot read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def lenient(request: Request) -> Response:
            try:
                return await handle(request)
            except (RequestValidationError, ValidationError) as error:
                faults = field_faults(error.errors())
            except RequestError:
                # Nothing but a subject's properties is read that far.
                faults = [FieldFault("/subject/properties", "is none that a subject can have")]
            except ProblemError as error:
                if error.kind is not ProblemType.UNSUPPORTED_MEDIA_TYPE:
                    raise
                faults = [FieldFault("", "the body is not `application/json`")]
            raise ProblemError(ProblemType.MALFORMED, faults)

        return lenient


router = APIRouter(route_class=AuthzenRoute, tags=["access"])


@router.post(
    "/access/v1/evaluation",
    operation_id="evaluate",
    summary="May the subject do this?",
    responses=ANSWERS["access"] | ANSWERS["revision"],
)
async def evaluate(body: EvaluationQuestion, asker: Asker, parts: Open) -> EvaluationAnswer:
    """Decide on one document. One that is hidden is answered like one that does not exist."""
    return await _single(body, asker, parts)


@router.post(
    "/access/v1/evaluations",
    operation_id="evaluateAll",
    summary="May the subjects do these?",
    responses=ANSWERS["access"] | ANSWERS["revision"],
)
async def evaluate_all(
    body: EvaluationsQuestion, asker: Asker, parts: Open
) -> EvaluationsAnswer | EvaluationAnswer:
    """Decide on several, in their order. One that cannot be read is `false`."""
    if not body.evaluations:
        return await _single(body.single(), asker, parts)
    evaluated = await parts.decision_point.evaluate(
        asker,
        list(body.questions(_levels(parts))),
        semantic=body.semantic,
        now=datetime.now(UTC),
        at_least=body.newest,
    )
    return EvaluationsAnswer.of(evaluated)


@router.post(
    "/access/v1/search/resource",
    operation_id="searchResources",
    summary="With which documents may the subject do this?",
    responses=ANSWERS["access"] | ANSWERS["revision"],
)
async def search_resources(
    body: ResourceSearchQuestion, asker: Asker, parts: Open
) -> EntitiesAnswer:
    """Return one page, in the order of uris."""
    found = await parts.decision_point.search_resources(
        asker,
        body.subject.party(_levels(parts)),
        Sought(kind=body.resource.type, action=body.action.name),
        page=_page(body, asker, parts),
        now=datetime.now(UTC),
    )
    return EntitiesAnswer.of_resources(found, body.resource.type, _token(found, body, asker, parts))


@router.post(
    "/access/v1/search/subject",
    operation_id="searchSubjects",
    summary="Who may do this with the document?",
    responses=ANSWERS["access"] | ANSWERS["revision"],
)
async def search_subjects(body: SubjectSearchQuestion, asker: Asker, parts: Open) -> EntitiesAnswer:
    """Return one page, in the order of ids."""
    found = await parts.decision_point.search_subjects(
        asker,
        body.resource.target(),
        Sought(kind=body.subject.type, action=body.action.name),
        page=_page(body, asker, parts),
        now=datetime.now(UTC),
    )
    return EntitiesAnswer.of_subjects(found, _token(found, body, asker, parts))


@router.post(
    "/access/v1/search/action",
    operation_id="searchActions",
    summary="What may the subject do with the document?",
    responses=ANSWERS["access"] | ANSWERS["revision"],
)
async def search_actions(body: ActionSearchQuestion, asker: Asker, parts: Open) -> ActionsAnswer:
    """Return one page, in the order of names."""
    found = await parts.decision_point.search_actions(
        asker,
        body.subject.party(_levels(parts)),
        body.resource.target(),
        page=_page(body, asker, parts),
        now=datetime.now(UTC),
    )
    return ActionsAnswer.of(found, _token(found, body, asker, parts))


@router.get(CONFIGURATION, operation_id="authzenConfiguration", summary="Where the API is")
async def configuration(request: Request, parts: Open) -> Configuration:
    """Return the metadata of this policy decision point."""
    return Configuration.at(parts.settings.public_url or _own_address(request))


async def _single(body: EvaluationQuestion, asker: Subject, parts: Parts) -> EvaluationAnswer:
    question = body.question(_levels(parts))
    return EvaluationAnswer.of(
        await parts.decision_point.evaluate(
            asker, [question], now=datetime.now(UTC), at_least=body.at_least
        )
    )


def _levels(parts: Parts) -> Attribute | None:
    return levels(parts.schema)


def _page(body: SearchQuestion, asker: Subject, parts: Parts) -> PageAsked:
    asked = body.page or Page()  # type: ignore[call-arg]
    limit = min(asked.limit or PAGE, MAX_PAGE)
    if not asked.token:
        return PageAsked(limit=limit, at_least=body.at_least)
    try:
        after = parts.cursors.open(asked.token, asker, _listing(body))
    except CursorError as error:
        faults = [FieldFault("/page/token", "is not a token of this subject's search")]
        raise ProblemError(ProblemType.MALFORMED, faults) from error
    return PageAsked(after=after, limit=limit, at_least=body.at_least)


def _token(found: Found, body: BaseModel, asker: Subject, parts: Parts) -> str:
    return parts.cursors.seal(found.cursor, asker, _listing(body)) if found.cursor else ""


def _listing(body: BaseModel) -> str:
    """Return a name for the question, whatever its page."""
    asked = body.model_dump(mode="json", exclude={"page", "context"})
    text = json.dumps([type(body).__name__, asked], sort_keys=True)
    return f"access/{hashlib.sha256(text.encode()).hexdigest()}"


def _own_address(request: Request) -> str:
    host, port = request.scope["server"]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
