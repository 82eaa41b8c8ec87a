"""Review: who may read a document, what may a subject read, and why not.

Asking about others needs `access:review` on the document's label; owners hold it for theirs. Any
other document does not exist.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field

from acl.errors import RequestError
from acl.records.directory.types import MAX_CLEARANCE
from acl.subject import MAX_GROUPS
from retrieval.access.subjects import Footing, kind_of
from retrieval.access.types import MAX_PAGE, Claimed, PageAsked, Party
from retrieval.service.api.documents import ExplainedRule, ExplainedSubject
from retrieval.service.cursors import MAX_CURSOR
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, Asked, StrictRoute, answer
from retrieval.service.http.dependencies import Open, Revised, Revisions, opened, sealed
from retrieval.service.http.problems import ANSWERS

STANDING = (
    "Whether the subject is `known` here, `described` by the question, `unknown`, or `suspended`. "
    "The last two read nothing."
)

# Half a surrogate pair has no length, and so is refused.
Text = Annotated[str, Field(max_length=1024)]


class AboutSubject(Asked):
    """Whom a question is about. What is not said is taken from the directory, or is the weakest.

    One of whom nothing is known or said reads nothing.
    """

    id: str = Field(min_length=1, max_length=200, description="Such as `user:eve`.")
    clearance: int | None = Field(None, ge=0, le=MAX_CLEARANCE)
    compartments: list[Text] | None = Field(None, max_length=MAX_GROUPS)
    groups: list[Text] | None = Field(None, max_length=MAX_GROUPS)

    def party(self) -> Party:
        """Return the subject as a review takes it.

        Raises:
            RequestError: it is no subject.
        """
        claimed = Claimed.of(self.clearance, self.compartments, self.groups)
        party = Party(kind=kind_of(self.id), name=self.id, claimed=claimed)
        if party.identity is None:
            raise RequestError("the subject's id is not an identity such as user:ada")
        return party


class WhyQuestion(Revised):
    """Why somebody may or may not read a document."""

    subject: AboutSubject
    document_id: str = Field(min_length=1, max_length=200)


class WhatQuestion(Revised):
    """What somebody may read."""

    subject: AboutSubject
    after: str = Field("", max_length=4096, description="The last uri of the page before.")
    limit: int = Field(50, ge=1, le=MAX_PAGE)


def _text(line: Any) -> Any:  # noqa: ANN401 - pydantic's input
    return getattr(line, "text", line)


class FirstObstacle(Answered):
    """The first thing that stands between a subject and a document."""

    subject: str
    what: str = Field(validation_alias="hindrance")
    rule: ExplainedRule | None
    condition: Annotated[str | None, BeforeValidator(_text)]


class SingleGrant(Answered):
    """One change after which the subject may read the document."""

    kind: str
    subject: str
    value: str
    opens: int = Field(description="How many documents it opens, of those the asker may review.")


class WhyAnswer(Answered):
    """Why somebody may or may not read a document."""

    allowed: bool = Field(validation_alias="permitted")
    subjects: list[ExplainedSubject]
    obstacle: FirstObstacle | None
    standing: Footing = Field(validation_alias="footing", description=STANDING)
    grants: list[SingleGrant] = Field(description="Single changes that permit it, smallest first.")
    incomplete: bool = Field(description="Whether there are more changes than were tried.")
    decision_id: str
    policy_revision: int
    label_revision: int


class WhoAnswer(Answered):
    """Who may read a document."""

    subjects: list[str] = Field(description="Those who are known and may read it.")
    principals: list[list[str]] = Field(
        description="Names that give the right to somebody who is cleared for it; where a list "
        "holds several, it takes all of them. On the first page alone."
    )
    incomplete: bool = Field(description="Whether people or names are missing; see `reason`.")
    reason: str = Field(description="Why the lists are incomplete; empty where they are not.")
    next_token: str = Field(
        description='Asks for the next page of subjects; `""` at the end. A page can be short.'
    )
    decision_id: str
    policy_revision: int
    label_revision: int


class ListedDocument(Answered):
    """A document in a list."""

    id: str
    uri: str


class WhatAnswer(Answered):
    """What somebody may read, as far as the asker may review it."""

    documents: list[ListedDocument]
    more: bool
    standing: Footing | None = Field(validation_alias="footing", description=STANDING)
    decision_id: str
    policy_revision: int
    label_revision: int


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
    page = PageAsked(after=opened(parts.cursors, token, subject, listing), limit=limit)
    found = await parts.questions.who_may_read(
        subject, document_id, page=page, now=datetime.now(UTC), at_least=at_least
    )
    following = sealed(parts.cursors, found.cursor or "", subject, listing)
    return answer(WhoAnswer, found, next_token=following)


@router.post(
    "/v1/access:readable",
    operation_id="whatMayRead",
    summary="List what somebody may read",
    responses=ANSWERS["body"] | ANSWERS["revision"],
)
async def what(question: WhatQuestion, subject: Asker, parts: Open) -> WhatAnswer:
    """Return what they may read, of what the asker may review."""
    found = await parts.questions.what_may_read(
        subject,
        question.subject.party(),
        now=datetime.now(UTC),
        after=question.after,
        limit=question.limit,
        at_least=question.at_least(),
    )
    return answer(WhatAnswer, found)


@router.post(
    "/v1/access:explain",
    operation_id="whyMayRead",
    summary="Explain why somebody may or may not read a document",
    responses=ANSWERS["body"] | ANSWERS["document"] | ANSWERS["revision"],
)
async def why(question: WhyQuestion, subject: Asker, parts: Open) -> WhyAnswer:
    """Return the rules, the first obstacle, and the smallest single change that lifts it."""
    found = await parts.questions.why(
        subject,
        question.subject.party(),
        question.document_id,
        now=datetime.now(UTC),
        at_least=question.at_least(),
    )
    return answer(WhyAnswer, found)
