"""Review: who may read a document, what may somebody read, and why not.

Asking about others needs `access:review` on the document's label; owners hold it for theirs. Any
other document does not exist.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from acl.subject import Subject
from retrieval.access.review import MAX_PAGE
from retrieval.access.review_types import People
from retrieval.service.api.review_messages import (
    AboutSubject,
    WhatAnswer,
    WhatQuestion,
    WhoAnswer,
    WhyAnswer,
    WhyQuestion,
)
from retrieval.service.cursors import MAX_CURSOR
from retrieval.service.http.access import Open
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import StrictRoute
from retrieval.service.http.paging import opened, sealed
from retrieval.service.http.responses import ANSWERS
from retrieval.service.http.revisions import Revisions
from retrieval.service.wiring import Parts

router = APIRouter(route_class=StrictRoute, tags=["review"])


@router.get(
    "/v1/documents/{document_id}/audience",
    operation_id="whoMayRead",
    summary="List who may read a document",
    responses=ANSWERS["query"] | ANSWERS["document"] | ANSWERS["revision"],
)
async def who(  # noqa: PLR0913, PLR0917 - the route's parameters
    document_id: str,
    subject: Asker,
    parts: Open,
    at_least: Revisions,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    token: Annotated[str, Query(max_length=MAX_CURSOR, description="A `next_token`.")] = "",
) -> WhoAnswer:
    """Return the known subjects who may read it, page by page, and the names that give the right.

    A page regards 100 subjects at most. It can be short, or empty, and still not be the last.
    """
    listing = f"audience/{document_id}"
    people = People(
        of_tenant=lambda tenant, after: parts.known_subjects.subjects(tenant, after=after),
        after=opened(parts.cursors, token, subject, listing),
        limit=limit,
    )
    found = await parts.review.who_may_read(
        subject, document_id, people=people, now=datetime.now(UTC), at_least=at_least
    )
    return WhoAnswer.of(found, sealed(parts.cursors, found.cursor or "", subject, listing))


@router.post(
    "/v1/access:readable",
    operation_id="whatMayRead",
    summary="List what somebody may read",
    responses=ANSWERS["body"] | ANSWERS["revision"],
)
async def what(question: WhatQuestion, subject: Asker, parts: Open) -> WhatAnswer:
    """Return what they may read, of what the asker may review."""
    about = await _about(parts, question.subject, subject)
    return WhatAnswer.of(
        await parts.review.what_may_read(
            subject,
            about,
            now=datetime.now(UTC),
            after=question.after,
            limit=question.limit,
            at_least=question.at_least(),
        )
    )


@router.post(
    "/v1/access:explain",
    operation_id="whyMayRead",
    summary="Explain why somebody may or may not read a document",
    responses=ANSWERS["body"] | ANSWERS["document"] | ANSWERS["revision"],
)
async def why(question: WhyQuestion, subject: Asker, parts: Open) -> WhyAnswer:
    """Return the rules, the first obstacle, and the smallest single change that lifts it."""
    about = await _about(parts, question.subject, subject)
    return WhyAnswer.of(
        await parts.review.why(
            subject,
            about,
            question.document_id,
            now=datetime.now(UTC),
            at_least=question.at_least(),
        )
    )


async def _about(parts: Parts, about: AboutSubject, asker: Subject) -> Subject:
    known = await parts.known_subjects.subject(asker.tenant, about.id)
    return about.over(known, asker.tenant)
