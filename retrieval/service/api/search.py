"""`POST /v1/search`: questions in, passages out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter

from acl.labels import LabelSchema
from retrieval.search.narrow import NarrowingError, narrow
from retrieval.service.api.messages import FilterCondition, SearchAnswer, SearchQuestion
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import StrictRoute
from retrieval.service.http.dependencies import Open, Policy
from retrieval.service.http.problems import ANSWERS, FieldFault, ProblemError, ProblemType

router = APIRouter(route_class=StrictRoute, tags=["search"])


@router.post(
    "/v1/search",
    operation_id="search",
    summary="Find passages that the subject may read",
    responses=ANSWERS["body"] | ANSWERS["revision"],
)
async def search(
    question: SearchQuestion, subject: Asker, parts: Open, snapshot: Policy
) -> SearchAnswer:
    """Answer with the best passages among those that the subject may read, and with no other."""
    _check_filter(question.filter, snapshot.schema)
    page = await parts.searcher.search(
        subject, question.request(), datetime.now(UTC), at_least=question.at_least()
    )
    return SearchAnswer.of(page)


def _check_filter(conditions: Sequence[FilterCondition], schema: LabelSchema) -> None:
    """Compile each condition by itself, so that a refusal can say which one it is."""
    for place, condition in enumerate(conditions):
        try:
            narrow([condition.narrowing()], schema)
        except NarrowingError as error:
            unknown = condition.key not in schema.metadata
            where = f"/filter/{place}/{'key' if unknown else 'value'}"
            raise ProblemError(ProblemType.INVALID, [FieldFault(where, error.reason)]) from error
