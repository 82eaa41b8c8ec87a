"""`POST /v1/search`: questions in, passages out."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter

from retrieval.search.narrow import NarrowingError
from retrieval.service.api.messages import SearchAnswer, SearchQuestion
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import StrictRoute
from retrieval.service.http.dependencies import Open
from retrieval.service.http.problems import ANSWERS, FieldFault, ProblemError, ProblemType

router = APIRouter(route_class=StrictRoute, tags=["search"])


@router.post(
    "/v1/search",
    operation_id="search",
    summary="Find passages that the subject may read",
    responses=ANSWERS["body"] | ANSWERS["revision"],
)
async def search(question: SearchQuestion, subject: Asker, parts: Open) -> SearchAnswer:
    """Answer with the best passages among those that the subject may read, and with no other."""
    try:
        page = await parts.searcher.search(
            subject, question.request(), datetime.now(UTC), at_least=question.at_least()
        )
    except NarrowingError as error:
        where = f"/filter/{error.place}/{'key' if error.unknown else 'value'}"
        raise ProblemError(ProblemType.INVALID, [FieldFault(where, error.reason)]) from error
    return SearchAnswer.of(page)
