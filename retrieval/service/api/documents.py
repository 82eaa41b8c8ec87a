"""`/v1/documents`: what the subject may read, one page or one document at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from acl.records.tables.types import canonical_id
from retrieval.service.api.messages import (
    DocumentList,
    ExplainAnswer,
    ExplainedSubject,
    ExplainQuestion,
    FetchedDocument,
)
from retrieval.service.cursors import MAX_CURSOR
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import StrictRoute
from retrieval.service.http.dependencies import Open, Revisions, opened, sealed, tag
from retrieval.service.http.problems import ANSWERS

MAX_PAGE: Final = 200
LISTING: Final = "documents"

# Stands for an id that is none, so that the same work is done for it as for an absent one.

router = APIRouter(route_class=StrictRoute, tags=["documents"])


@router.get(
    "/v1/documents",
    operation_id="listDocuments",
    summary="List the documents that the subject may read",
    responses=ANSWERS["query"] | ANSWERS["revision"],
)
async def list_documents(
    subject: Asker,
    parts: Open,
    at_least: Revisions,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    token: Annotated[str, Query(max_length=MAX_CURSOR, description="A `next_token`.")] = "",
) -> DocumentList:
    """Return one page, in the order of uris."""
    page = await parts.reader.list_documents(
        subject,
        after=opened(parts.cursors, token, subject, LISTING) or None,
        limit=limit,
        now=datetime.now(UTC),
        at_least=at_least,
    )
    following = sealed(parts.cursors, page.cursor or "", subject, LISTING)
    return DocumentList.of(page, following)


@router.get(
    "/v1/documents/{document_id}",
    operation_id="fetchDocument",
    summary="Fetch a document that the subject may read",
    responses=ANSWERS["query"] | ANSWERS["document"] | ANSWERS["revision"],
)
async def fetch_document(
    document_id: str, subject: Asker, parts: Open, response: Response, at_least: Revisions
) -> FetchedDocument:
    """Return a document with its text. One that is hidden does not exist.

    The ETag names the version of its label, for a change of that.
    """
    known = canonical_id(document_id)
    fetched = await parts.reader.document(subject, known, now=datetime.now(UTC), at_least=at_least)
    tag(response, fetched.document.label_version)
    return FetchedDocument.of_text(fetched)


@router.post(
    "/v1/explain",
    operation_id="explain",
    summary="Explain why the subject may read a document",
    responses=ANSWERS["body"] | ANSWERS["document"] | ANSWERS["revision"],
)
async def explain(question: ExplainQuestion, subject: Asker, parts: Open) -> ExplainAnswer:
    """Name the rules that let the subject read a document. One that is hidden does not exist."""
    document_id = canonical_id(question.document_id)
    explained = await parts.explainer.own(
        subject, document_id, now=datetime.now(UTC), at_least=question.at_least()
    )
    return ExplainAnswer(
        document_id=document_id,
        action="document:read",
        subjects=[
            ExplainedSubject.of(one)
            for one in (explained.explanation, *explained.explanation.actors)
        ],
        decision_id=explained.decision_id,
        policy_revision=explained.policy_revision,
        label_revision=explained.label_revision,
    )
