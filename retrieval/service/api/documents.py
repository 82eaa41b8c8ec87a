"""`/v1/documents`: what the subject may read, one page or one document at a time, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BeforeValidator, Field

from retrieval.access.types import MAX_PAGE
from retrieval.service.cursors import MAX_CURSOR
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, StrictRoute, answer
from retrieval.service.http.dependencies import Open, Revised, Revisions, opened, sealed, tag
from retrieval.service.http.problems import ANSWERS

LISTING: Final = "documents"


class Document(Answered):
    """A document that the subject may read."""

    id: str
    uri: str
    title: str
    media_type: str
    metadata: dict[str, Any]
    classification: str
    owner: str
    updated_at: datetime


class DocumentList(Answered):
    """One page of what the subject may read."""

    documents: list[Document]
    next_token: str = Field(description='Asks for the next page; `""` at the end.')
    decision_id: str
    policy_revision: int
    label_revision: int


class FetchedDocument(Document):
    """A document with its text."""

    text: str
    decision_id: str
    policy_revision: int
    label_revision: int


class ExplainQuestion(Revised):
    """Which of one's own documents to explain."""

    document_id: str = Field(min_length=1, max_length=200)


class ExplainedCondition(Answered):
    """One condition of a rule, as its author wrote it."""

    text: str
    status: str


class ExplainedRule(Answered):
    """A rule of the policy that lets the subject read the document."""

    rule: Annotated[str, BeforeValidator(str)]
    text: str
    effect: str
    path: list[str] = Field(
        description="From a name of the subject, through roles, to the name in the rule."
    )
    conditions: list[ExplainedCondition]


class ExplainedSubject(Answered):
    """Why the subject, or one of its actors, may read the document."""

    subject: str
    rules: list[ExplainedRule] = Field(validation_alias="deciding")


class ExplainAnswer(Answered):
    """Why the asker may read a document."""

    document_id: str
    action: str
    allowed: Literal[True] = True
    subjects: list[ExplainedSubject] = Field(
        description="The subject, and each actor that acts for it."
    )
    decision_id: str
    policy_revision: int
    label_revision: int


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
        after=opened(parts.cursors, token, subject, LISTING),
        limit=limit,
        now=datetime.now(UTC),
        at_least=at_least,
    )
    following = sealed(parts.cursors, page.cursor or "", subject, LISTING)
    return answer(DocumentList, page, next_token=following)


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
    fetched = await parts.reader.document(
        subject, document_id, now=datetime.now(UTC), at_least=at_least
    )
    tag(response, fetched.document.label_version)
    return answer(
        FetchedDocument,
        fetched.document,
        text=fetched.text,
        decision_id=fetched.decision_id,
        policy_revision=fetched.policy_revision,
        label_revision=fetched.label_revision,
    )


@router.post(
    "/v1/explain",
    operation_id="explain",
    summary="Explain why the subject may read a document",
    responses=ANSWERS["body"] | ANSWERS["document"] | ANSWERS["revision"],
)
async def explain(question: ExplainQuestion, subject: Asker, parts: Open) -> ExplainAnswer:
    """Name the rules that let the subject read a document. One that is hidden does not exist."""
    explained = await parts.reader.explain(
        subject, question.document_id, now=datetime.now(UTC), at_least=question.at_least()
    )
    return answer(
        ExplainAnswer, explained, document_id=question.document_id, action="document:read"
    )
