"""`/v1/policy`: revisions, proposals, previews and proofs, for administrators.

Rights to it are actions under the policy itself. What a subject may not see of it is 403: that
there is a policy is no secret.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response, status

from acl.actions import Action
from retrieval.policy.outlook import LookBack
from retrieval.service.api.messages import MAX_REVISION
from retrieval.service.api.policy_messages import (
    ActivatedRevision,
    PolicyPreviewQuestion,
    PolicyProposal,
    PreviewAnswer,
    ProofProgress,
    Reinstated,
    Revision,
    RevisionDifference,
    RevisionList,
    RevisionWithTexts,
    RollBackReason,
    SuspendedRole,
)
from retrieval.service.http.access import Open
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import StrictRequest, StrictRoute
from retrieval.service.http.preconditions import Expected, tag
from retrieval.service.http.responses import ANSWERS

BODY_BYTES: Final = 8 * 1024 * 1024
MAX_PAGE: Final = 200


class PolicyRequest(StrictRequest):
    """A request whose body can hold a whole policy."""

    @property
    def limit(self) -> int:
        """How many bytes a body may have."""
        return BODY_BYTES


class PolicyRoute(StrictRoute):
    """A route for bodies that can hold a whole policy."""

    request_class = PolicyRequest


router = APIRouter(route_class=PolicyRoute, tags=["policy"], responses=ANSWERS["policy"])

Number = Annotated[int, Path(ge=1, le=MAX_REVISION)]
Change = ANSWERS["change"] | ANSWERS["body"]


@router.get("/v1/policy", operation_id="readPolicy", summary="Read the policy in effect")
async def read_policy(subject: Asker, parts: Open, response: Response) -> RevisionWithTexts:
    """Return the revision in effect with its texts; its number is the ETag."""
    now = datetime.now(UTC)
    number = (await parts.desk.seeing(subject, now)).snapshot.revision
    found = await parts.desk.revision(subject, number, now)
    texts = await parts.desk.texts(subject, number, now)
    tag(response, number)
    return RevisionWithTexts.with_texts(found, texts)


@router.put(
    "/v1/policy",
    operation_id="proposePolicy",
    summary="Propose a change of the policy",
    status_code=status.HTTP_201_CREATED,
    responses=Change,
)
async def propose(
    proposal: PolicyProposal, expected: Expected, subject: Asker, parts: Open, response: Response
) -> Revision:
    """Store a proposal. It takes effect when it is activated, and not before."""
    found = await parts.desk.propose(
        subject, proposal.edit(), expected=expected, reason=proposal.reason, now=datetime.now(UTC)
    )
    response.headers["Location"] = f"/v1/policy/revisions/{found.revision}"
    return Revision.of(found)


@router.post(
    "/v1/policy:preview",
    operation_id="previewPolicy",
    summary="See who would gain and who would lose what",
    responses=ANSWERS["body"],
)
async def preview(question: PolicyPreviewQuestion, subject: Asker, parts: Open) -> PreviewAnswer:
    """Compare a revision, or what is wanted, with the policy in effect. Nothing is stored."""
    wanted = question.edit() if question.revision is None else question.revision
    back = LookBack(days=question.days)
    found = await parts.desk.preview(subject, wanted, back, datetime.now(UTC))
    return PreviewAnswer.of(found.preview, found.revision, parts.schema)


@router.get(
    "/v1/policy/revisions", operation_id="listRevisions", summary="List revisions in their order"
)
async def revisions(
    subject: Asker,
    parts: Open,
    after: Annotated[int, Query(ge=0, le=MAX_REVISION)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> RevisionList:
    """Return proposals and activations: when, and who and why as far as they concern the asker."""
    now = datetime.now(UTC)
    authority = await parts.desk.seeing(subject, now)
    found = await parts.desk.revisions(subject, now, after=after, limit=limit)
    return RevisionList(
        revisions=[Revision.of(one) for one in found], in_effect=authority.snapshot.revision
    )


@router.get("/v1/policy/revisions/{number}", operation_id="readRevision", summary="Read a revision")
async def revision(number: Number, subject: Asker, parts: Open) -> RevisionWithTexts:
    """Return a revision with its texts."""
    now = datetime.now(UTC)
    texts = await parts.desk.texts(subject, number, now)
    return RevisionWithTexts.with_texts(await parts.desk.revision(subject, number, now), texts)


@router.get(
    "/v1/policy/revisions/{number}/diff",
    operation_id="compareRevisions",
    summary="Compare a revision with another",
)
async def compare(
    number: Number,
    subject: Asker,
    parts: Open,
    to: Annotated[
        int | None, Query(ge=1, le=MAX_REVISION, description="By default its base.")
    ] = None,
) -> RevisionDifference:
    """Return what a revision says and the other, by default its base, does not."""
    now = datetime.now(UTC)
    await parts.desk.seeing(subject, now)
    other = to or (await parts.records.policies.revision(number)).base or number
    return RevisionDifference.of(await parts.desk.compared(subject, other, number, now))


@router.get(
    "/v1/policy/revisions/{number}/proof",
    operation_id="readProof",
    summary="See how far a proof is",
)
async def proof(number: Number, subject: Asker, parts: Open) -> ProofProgress:
    """Return how far the proof of a revision has come."""
    authority = await parts.desk.seeing(subject, datetime.now(UTC))
    await parts.records.policies.revision(number)
    everywhere = authority.holds(Action.POLICY_ADMINISTER)
    tenant = None if everywhere else subject.tenant
    return ProofProgress.of(await parts.records.policies.proof(number), tenant)


@router.post(
    "/v1/policy/revisions/{number}:activate",
    operation_id="activateRevision",
    summary="Prove a proposal and let it take effect",
    responses=ANSWERS["change"],
)
async def activate(
    number: Number, expected: Expected, subject: Asker, parts: Open, response: Response
) -> ActivatedRevision:
    """Compare its filters with Casbin on the live labels, and if they are equal, activate it."""
    found = await parts.desk.activate(subject, number, expected=expected, now=datetime.now(UTC))
    tag(response, found.revision.revision)
    return ActivatedRevision.of(found)


@router.post(
    "/v1/policy/revisions/{number}:rollback",
    operation_id="rollBack",
    summary="Propose what an earlier revision said",
    status_code=status.HTTP_201_CREATED,
    responses=Change,
)
async def roll_back(
    number: Number, reason: RollBackReason, expected: Expected, subject: Asker, parts: Open
) -> Revision:
    """Store a proposal with the texts of an earlier revision; activate it like any other."""
    return Revision.of(
        await parts.desk.roll_back(
            subject, number, expected=expected, reason=reason.reason, now=datetime.now(UTC)
        )
    )


@router.get(
    "/v1/policy/suspended", operation_id="listSuspended", summary="List roles that are suspended"
)
async def suspended(subject: Asker, parts: Open) -> list[SuspendedRole]:
    """Return the roles for which filter and policy were found to differ."""
    authority = await parts.desk.seeing(subject, datetime.now(UTC))
    everywhere = authority.holds(Action.POLICY_ADMINISTER)
    return [
        SuspendedRole.of(one)
        for one in await parts.records.policies.suspended()
        if everywhere or one.tenant == subject.tenant
    ]


@router.post(
    "/v1/policy/suspended:reinstate",
    operation_id="reinstateRole",
    summary="Give a suspended role its rights again",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=ANSWERS["body"],
)
async def reinstate(role: Reinstated, subject: Asker, parts: Open) -> None:
    """Decide that a role may act again, whatever the proof found."""
    await parts.desk.reinstate(subject, role.tenant, role.principal, datetime.now(UTC))
