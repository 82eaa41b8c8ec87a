"""Review: who may read a document, what may somebody read, and why not.

Asking about others needs `access:review` on the document's label; owners hold it for theirs. Any
other document does not exist.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field

from acl.errors import RequestError
from acl.explain.explain import Obstacle
from acl.explain.grants import Grant
from acl.subject import MAX_GROUPS, Subject
from retrieval.access.review import MAX_PAGE
from retrieval.access.review_types import People, Readable, Readership, Reviewed
from retrieval.service.api.messages import (
    Answered,
    Asked,
    ExplainedRule,
    ExplainedSubject,
    Revised,
)
from retrieval.service.cursors import MAX_CURSOR
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import StrictRoute
from retrieval.service.http.dependencies import Open, Revisions, opened, sealed
from retrieval.service.http.problems import ANSWERS
from retrieval.service.wiring import Parts

_MAX_LEVEL: Final = 1000

# Half a surrogate pair has no length, and so is refused.
Text = Annotated[str, Field(max_length=1024)]


class AboutSubject(Asked):
    """Whom a question is about. What is not said is taken from the directory, or is the weakest."""

    id: str = Field(min_length=1, max_length=200, description="Such as `user:eve`.")
    clearance: int | None = Field(None, ge=0, le=_MAX_LEVEL)
    compartments: list[Text] | None = Field(None, max_length=MAX_GROUPS)
    groups: list[Text] | None = Field(None, max_length=MAX_GROUPS)

    def over(self, known: Subject | None, tenant: str) -> Subject:
        """Return the subject with what is said here over what is known.

        Raises:
            RequestError: it is no subject.
        """
        if not self.id.startswith(("user:", "service:", "agent:")):
            raise RequestError("the subject's id is not an identity such as user:ada")
        base = known or Subject(id=self.id, tenant=tenant)
        given = self.groups
        return Subject(
            id=self.id,
            tenant=tenant,
            clearance=base.clearance if self.clearance is None else self.clearance,
            compartments=base.compartments
            if self.compartments is None
            else frozenset(self.compartments),
            groups=base.groups if given is None else frozenset(given) - {"group:everyone"},
        )


class WhyQuestion(Revised):
    """Why somebody may or may not read a document."""

    subject: AboutSubject
    document_id: str = Field(min_length=1, max_length=200)


class WhatQuestion(Revised):
    """What somebody may read."""

    subject: AboutSubject
    after: str = Field("", max_length=4096, description="The last uri of the page before.")
    limit: int = Field(50, ge=1, le=MAX_PAGE)


class FirstObstacle(Answered):
    """The first thing that stands between a subject and a document."""

    subject: str
    what: str
    rule: ExplainedRule | None
    condition: str | None

    @classmethod
    def of(cls, found: Obstacle) -> FirstObstacle:
        """Return the obstacle as it is sent."""
        return cls(
            subject=found.subject,
            what=found.hindrance.value,
            rule=ExplainedRule.of(found.rule) if found.rule else None,
            condition=found.condition.text if found.condition else None,
        )


class SingleGrant(Answered):
    """One change after which the subject may read the document."""

    kind: str
    subject: str
    value: str
    opens: int = Field(description="How many documents it opens, of those the asker may review.")

    @classmethod
    def of(cls, found: Grant) -> SingleGrant:
        """Return the grant as it is sent."""
        return cls(
            kind=found.kind.value, subject=found.subject, value=found.value, opens=found.opens
        )


class WhyAnswer(Answered):
    """Why somebody may or may not read a document."""

    allowed: bool
    subjects: list[ExplainedSubject]
    obstacle: FirstObstacle | None
    grants: list[SingleGrant] = Field(description="Single changes that permit it, smallest first.")
    incomplete: bool = Field(description="Whether there are more changes than were tried.")
    decision_id: str
    policy_revision: int
    label_revision: int

    @classmethod
    def of(cls, found: Reviewed) -> WhyAnswer:
        """Return the review as it is sent."""
        explanation = found.explanation
        return cls(
            allowed=found.permitted,
            subjects=[ExplainedSubject.of(one) for one in (explanation, *explanation.actors)],
            obstacle=FirstObstacle.of(explanation.obstacle) if explanation.obstacle else None,
            grants=[SingleGrant.of(one) for one in found.grants],
            incomplete=found.incomplete,
            decision_id=found.decision_id,
            policy_revision=found.policy_revision,
            label_revision=found.label_revision,
        )


class WhoAnswer(Answered):
    """Who may read a document."""

    subjects: list[str] = Field(description="Those who are known and may read it.")
    principals: list[list[str]] = Field(
        description="Names that give the right to somebody who is cleared for it; where a list "
        "holds several, it takes all of them. On the first page alone."
    )
    incomplete: bool = Field(description="Whether there are more names than were tried.")
    next_token: str = Field(
        description='Asks for the next page of subjects; `""` at the end. A page can be short.'
    )
    decision_id: str
    policy_revision: int
    label_revision: int

    @classmethod
    def of(cls, found: Readership, next_token: str) -> WhoAnswer:
        """Return the readership as it is sent."""
        return cls(
            subjects=list(found.subjects),
            principals=[list(one) for one in found.principals],
            incomplete=found.incomplete,
            next_token=next_token,
            decision_id=found.decision_id,
            policy_revision=found.policy_revision,
            label_revision=found.label_revision,
        )


class ListedDocument(Answered):
    """A document in a list."""

    id: str
    uri: str


class WhatAnswer(Answered):
    """What somebody may read, as far as the asker may review it."""

    documents: list[ListedDocument]
    more: bool
    decision_id: str
    policy_revision: int
    label_revision: int

    @classmethod
    def of(cls, found: Readable) -> WhatAnswer:
        """Return the list as it is sent."""
        return cls(
            documents=[ListedDocument(id=one.id, uri=one.uri) for one in found.documents],
            more=found.more,
            decision_id=found.decision_id,
            policy_revision=found.policy_revision,
            label_revision=found.label_revision,
        )


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
