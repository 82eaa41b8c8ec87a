"""Review: who may read a document, what may somebody read, and why not.

Asking about others needs `access:review` on the document's label; owners hold it for theirs. Any
other document does not exist.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter

from acl.subject import Subject
from retrieval.service.access import Open
from retrieval.service.authentication import Asker
from retrieval.service.bodies import StrictRoute
from retrieval.service.messages_review import (
    AboutSubject,
    WhatAnswer,
    WhatQuestion,
    WhoAnswer,
    WhyAnswer,
    WhyQuestion,
)
from retrieval.service.responses import ANSWERS
from retrieval.service.wiring import Parts

MAX_KNOWN: Final = 2000
"""Of more known subjects than these nobody is told one by one."""

router = APIRouter(route_class=StrictRoute, tags=["review"])


@router.get(
    "/v1/documents/{document_id}/audience",
    operation_id="whoMayRead",
    summary="List who may read a document",
    responses=ANSWERS["document"],
)
async def who(document_id: str, subject: Asker, parts: Open) -> WhoAnswer:
    """Return the known subjects who may read it, and the names that give the right."""
    known = [one async for one in parts.known_subjects.subjects(subject.tenant)]
    return WhoAnswer.of(
        await parts.review.who_may_read(
            subject, document_id, subjects=known[:MAX_KNOWN], now=datetime.now(UTC)
        )
    )


@router.post(
    "/v1/access:readable",
    operation_id="whatMayRead",
    summary="List what somebody may read",
    responses=ANSWERS["body"],
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
        )
    )


@router.post(
    "/v1/access:explain",
    operation_id="whyMayRead",
    summary="Explain why somebody may or may not read a document",
    responses=ANSWERS["body"] | ANSWERS["document"],
)
async def why(question: WhyQuestion, subject: Asker, parts: Open) -> WhyAnswer:
    """Return the rules, the first obstacle, and the smallest single change that lifts it."""
    about = await _about(parts, question.subject, subject)
    return WhyAnswer.of(
        await parts.review.why(subject, about, question.document_id, now=datetime.now(UTC))
    )


async def _about(parts: Parts, about: AboutSubject, asker: Subject) -> Subject:
    known = await parts.known_subjects.subject(asker.tenant, about.id)
    return about.over(known, asker.tenant)
