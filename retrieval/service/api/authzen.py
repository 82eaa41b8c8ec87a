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
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from acl.errors import RequestError
from acl.subject import Subject
from retrieval.access.subjects import kind_of
from retrieval.access.types import (
    MAX_PAGE,
    Found,
    PageAsked,
    Sought,
)
from retrieval.service.api.authzen_questions import (
    ActionSearchQuestion,
    EvaluationQuestion,
    EvaluationsQuestion,
    Page,
    ResourceSearchQuestion,
    SearchQuestion,
    SubjectSearchQuestion,
)
from retrieval.service.cursors import CursorError
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, StrictRoute, answer
from retrieval.service.http.dependencies import Open, sealed
from retrieval.service.http.envelope import origin_of
from retrieval.service.http.problems import (
    ANSWERS,
    FieldFault,
    ProblemError,
    ProblemType,
    field_faults,
)
from retrieval.service.http.tokens import levels
from retrieval.service.wiring import Parts

PAGE: Final = 100
CONFIGURATION: Final = "/.well-known/authzen-configuration"


class DecisionContext(Answered):
    """Where the answer stands on record, and which policy and labels it regards."""

    decision_id: str
    policy_revision: int
    label_revision: int


class Decision(Answered):
    """One decision."""

    decision: bool


class EvaluationAnswer(Decision):
    """The decision on one question."""

    context: DecisionContext


class EvaluationsAnswer(Answered):
    """The decisions, in the order of the questions."""

    evaluations: list[Decision]
    context: DecisionContext


class Entity(Answered):
    """A subject or a resource that was found."""

    type: str
    id: str


class NamedAction(Answered):
    """An action that was found."""

    name: str


class NextPage(Answered):
    """How to go on: `""` at the end."""

    next_token: str


class EntitiesAnswer(Answered):
    """One page of subjects or resources."""

    results: list[Entity]
    page: NextPage
    context: DecisionContext


class ActionsAnswer(Answered):
    """One page of actions."""

    results: list[NamedAction]
    page: NextPage
    context: DecisionContext


class Configuration(Answered):
    """The metadata of the policy decision point."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
    search_subject_endpoint: str
    search_resource_endpoint: str
    search_action_endpoint: str

    @classmethod
    def at(cls, address: str) -> Configuration:
        """Return the metadata of the service that clients reach at `address`."""
        api = f"{address}/access/v1"
        return cls(
            policy_decision_point=address,
            access_evaluation_endpoint=f"{api}/evaluation",
            access_evaluations_endpoint=f"{api}/evaluations",
            search_subject_endpoint=f"{api}/search/subject",
            search_resource_endpoint=f"{api}/search/resource",
            search_action_endpoint=f"{api}/search/action",
        )


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
    evaluated = await parts.questions.evaluate(
        asker,
        list(body.questions(levels(parts.schema))),
        semantic=body.semantic,
        now=datetime.now(UTC),
        at_least=body.newest,
    )
    decisions = [Decision(decision=decision) for decision in evaluated.decisions]
    return answer(EvaluationsAnswer, evaluated, evaluations=decisions)


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
    found = await parts.questions.search_resources(
        asker,
        body.subject.party(levels(parts.schema)),
        Sought(kind=body.resource.type, action=body.action.name),
        page=_page(body, asker, parts),
        now=datetime.now(UTC),
    )
    results = [Entity(type=body.resource.type, id=name) for name in found.names]
    return answer(EntitiesAnswer, found, results=results, page=_next(found, body, asker, parts))


@router.post(
    "/access/v1/search/subject",
    operation_id="searchSubjects",
    summary="Who may do this with the document?",
    responses=ANSWERS["access"] | ANSWERS["revision"],
)
async def search_subjects(body: SubjectSearchQuestion, asker: Asker, parts: Open) -> EntitiesAnswer:
    """Return one page, in the order of ids."""
    found = await parts.questions.search_subjects(
        asker,
        body.resource.target(),
        Sought(kind=body.subject.type, action=body.action.name),
        page=_page(body, asker, parts),
        now=datetime.now(UTC),
    )
    results = [
        Entity(type=kind_of(name), id=name.removeprefix(f"{kind_of(name)}:"))
        for name in found.names
    ]
    return answer(EntitiesAnswer, found, results=results, page=_next(found, body, asker, parts))


@router.post(
    "/access/v1/search/action",
    operation_id="searchActions",
    summary="What may the subject do with the document?",
    responses=ANSWERS["access"] | ANSWERS["revision"],
)
async def search_actions(body: ActionSearchQuestion, asker: Asker, parts: Open) -> ActionsAnswer:
    """Return one page, in the order of names."""
    found = await parts.questions.search_actions(
        asker,
        body.subject.party(levels(parts.schema)),
        body.resource.target(),
        page=_page(body, asker, parts),
        now=datetime.now(UTC),
    )
    results = [NamedAction(name=name) for name in found.names]
    return answer(ActionsAnswer, found, results=results, page=_next(found, body, asker, parts))


@router.get(CONFIGURATION, operation_id="authzenConfiguration", summary="Where the API is")
async def configuration(request: Request, parts: Open) -> Configuration:
    """Return the metadata of this policy decision point."""
    return Configuration.at(origin_of(parts.settings.public_url, request.scope))


async def _single(body: EvaluationQuestion, asker: Subject, parts: Parts) -> EvaluationAnswer:
    question = body.question(levels(parts.schema))
    evaluated = await parts.questions.evaluate(
        asker, [question], now=datetime.now(UTC), at_least=body.at_least
    )
    return answer(EvaluationAnswer, evaluated, decision=evaluated.decisions[0])


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


def _next(found: Found, body: BaseModel, asker: Subject, parts: Parts) -> NextPage:
    return NextPage(next_token=sealed(parts.cursors, found.cursor or "", asker, _listing(body)))


def _listing(body: BaseModel) -> str:
    """Return a name for the question, whatever its page."""
    asked = body.model_dump(mode="json", exclude={"page", "context"})
    text = json.dumps([type(body).__name__, asked], sort_keys=True)
    return f"access/{hashlib.sha256(text.encode()).hexdigest()}"
