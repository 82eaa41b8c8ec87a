"""`/v1/policy`: revisions, proposals, previews and proofs, for administrators.

Rights to it are actions under the policy itself. What a subject may not see of it is 403: that
there is a policy is no secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response, status
from pydantic import AliasPath, BeforeValidator, Field, model_validator

from acl.labels import LabelSchema, label_of
from acl.preview.preview import Change, Preview, Shift
from acl.records import PolicyRevision, RevisionTexts
from retrieval.policy.edits import Edit
from retrieval.policy.preview import LookBack, PolicyPreview
from retrieval.service.api.policy_lines import TouchedLine, Warned
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, Asked, StrictRequest, StrictRoute, answer
from retrieval.service.http.dependencies import MAX_REVISION, Expected, Open, tag
from retrieval.service.http.problems import ANSWERS

MAX_TEXT: Final = 4 * 1024 * 1024
MAX_ROWS: Final = 1000
MAX_DAYS: Final = 366


class WantedPolicy(Asked):
    """What is wanted: whole texts, or rows of policy.csv added to and removed from it."""

    model: str | None = Field(None, min_length=1, max_length=MAX_TEXT, description="model.conf")
    rules: str | None = Field(None, max_length=MAX_TEXT, description="policy.csv, whole.")
    matching: str | None = Field(
        None, max_length=MAX_TEXT, description="matching.toml, whole; empty for none."
    )
    tests: str | None = Field(
        None, max_length=MAX_TEXT, description="tests.toml, whole; empty for none."
    )
    add: list[str] = Field(
        default_factory=list, max_length=MAX_ROWS, description="Rows such as `p, role:x, …`."
    )
    remove: list[str] = Field(
        default_factory=list, max_length=MAX_ROWS, description="Rows as they stand."
    )

    def edit(self) -> Edit:
        """Return it as the desk takes it."""
        return Edit(
            model=self.model,
            rules=self.rules,
            matching=self.matching,
            tests=self.tests,
            add=tuple(self.add),
            remove=tuple(self.remove),
        )


class PolicyProposal(WantedPolicy):
    """A proposal, with the reason for those who read the log."""

    reason: str = Field("", max_length=1000)


class PolicyPreviewQuestion(WantedPolicy):
    """What to look at: a stored revision, or what is wanted."""

    revision: int | None = Field(None, ge=1, le=MAX_REVISION)
    days: int = Field(30, ge=0, le=MAX_DAYS, description="How far back to look at past releases.")

    @model_validator(mode="after")
    def _one_of_both(self) -> PolicyPreviewQuestion:
        if (self.revision is None) == (self.edit() == Edit()):
            raise ValueError("name a revision, or what is wanted")
        return self


class RollBackReason(Asked):
    """Why an earlier revision is to come back."""

    reason: str = Field("", max_length=1000)


class Revision(Answered):
    """A revision, without its texts."""

    revision: int
    base: int = Field(description="The revision in effect when it was proposed.")
    digest: str
    author: str = Field(description="Empty where nothing of the asker's own changes.")
    reason: str = Field(description="Likewise.")
    created_at: datetime
    activated_at: datetime | None
    activated_by: str = Field(description="Likewise.")


class ProposedRevision(Revision):
    """A proposal that was stored."""

    failing_tests: list[str] = Field(
        description="Its tests that do not hold, each with the reason; it can take no effect."
    )
    warnings: list[Warned] = Field(description="What is odd about the lines that it adds.")


class RevisionTests(Answered):
    """What the tests of a revision come to now."""

    hold: bool
    failing: list[str] = Field(description="Those that do not hold, each with the reason.")


class RevisionWithTexts(Revision):
    """A revision, to the letter."""

    model: str
    rules: str
    matching: str = Field(description="matching.toml, or empty.")
    tests: str = Field(description="tests.toml, or empty; for administrators of every tenant.")

    @classmethod
    def with_texts(cls, found: PolicyRevision, texts: RevisionTexts) -> RevisionWithTexts:
        """Return the revision as it is sent."""
        return cls.model_validate({**asdict(found), **asdict(texts)})


class RevisionList(Answered):
    """Revisions in their order; ask for more with the last number as `after`."""

    revisions: list[Revision]
    in_effect: int


class RevisionDifference(Answered):
    """What one revision says and another does not."""

    added: list[str]
    removed: list[str]
    model_changed: bool
    matching_changed: bool
    tests_changed: bool
    text: str


class ProofProgress(Answered):
    """What the last proof of a revision came to."""

    state: str = Field(
        description="`none`; `sampled`: the gate was passed; `proved`: so was the whole plan; "
        "`refuted`: filters and policy differ"
    )
    labels: int = Field(description="Distinct labels of documents.")
    mismatches: list[str] = Field(
        description="Counter-examples; of other tenants' only that there is one."
    )


class ProofSummary(Answered):
    """The proof that let a revision take effect."""

    compared: int = Field(validation_alias="stop")
    what: Annotated[str, BeforeValidator(str)] = Field(validation_alias="plan")
    everything: bool = Field(validation_alias=AliasPath("plan", "everything"))


class ActivatedRevision(Answered):
    """A revision that took effect."""

    revision: Revision
    proof: ProofSummary
    warnings: list[Warned] = Field(description="What is odd about the lines that it added.")


class Count(Answered):
    """Documents on one side of a change."""

    documents: int
    by_classification: Annotated[dict[str, int], BeforeValidator(dict)] = Field(
        validation_alias="by_level"
    )
    samples: list[str] = Field(description="Ids of some, among those that the asker may read.")


Sorted = Annotated[list[str], BeforeValidator(sorted)]


class Who(Answered):
    """Somebody whose rights change, with what decides beside the name."""

    subject: str = Field(validation_alias="id")
    tenant: str
    groups: Sorted
    clearance: int
    compartments: Sorted


class RightsChange(Answered):
    """What some subjects would gain and lose, all of them alike."""

    action: str
    who: list[Who] = Field(validation_alias="subjects")
    gained: Count
    lost: Count
    error: str = Field(description='Why they would have no filter at all, or `""`.')

    @classmethod
    def of(cls, action: str, change: Change) -> RightsChange:
        """Return the change as it is sent."""
        return cls.model_validate({"action": action, **_fields(change)})


class OtherRight(Answered):
    """Another action than reading that some subjects gain or lose, on labels that there could be.

    What `document:tag` or `policy:edit` lets somebody do shows in no count of documents.
    """

    action: str
    who: list[Who] = Field(validation_alias="subjects")
    gained: bool
    lost: bool
    example: dict[str, Any] | None = Field(
        description="A label on which one of them gains it or, if none does, loses it; null where "
        "that was too much to be decided."
    )

    @classmethod
    def of(cls, shift: Shift, schema: LabelSchema) -> OtherRight:
        """Return the shift as it is sent."""
        example = None if shift.example is None else label_of(shift.example, schema)
        return cls.model_validate({**_fields(shift), "example": example})


class Refused(Answered):
    """A past answer that the proposed policy would not have given in full."""

    decision_id: str = Field(validation_alias=AliasPath("release", "id"))
    subject: str = Field(validation_alias=AliasPath("release", "subject", "id"))
    at: datetime = Field(validation_alias=AliasPath("release", "at"))
    documents: list[str] = Field(
        validation_alias="refused", description="Ids, as far as the asker may read them."
    )
    hidden: int = Field(description="How many further ones.")


class PreviewAnswer(Answered):
    """Who would gain and who would lose what."""

    documents: int
    lines: list[TouchedLine] = Field(description="What each new line touches today.")
    warnings: list[Warned] = Field(description="What is odd about new lines.")
    roles: list[RightsChange]
    people: list[RightsChange]
    rights: list[OtherRight] = Field(description="Other actions that roles gain or lose.")
    releases: int = Field(description="Past releases that were looked at.")
    refused: list[Refused]
    cut: list[str] = Field(description="What was too much to be looked at.")
    policy_revision: int

    @classmethod
    def of(cls, found: PolicyPreview, revision: int, schema: LabelSchema) -> PreviewAnswer:
        """Return the preview as it is sent."""
        return cls(
            documents=found.documents,
            lines=[TouchedLine.of(one, found.cautions) for one in found.touches],
            warnings=[Warned.model_validate(one) for one in found.cautions],
            roles=list(_changes(found.roles)),
            people=list(_changes(found.people)),
            rights=[OtherRight.of(one, schema) for one in found.rights],
            releases=found.releases.releases,
            refused=[Refused.model_validate(one) for one in found.releases.refused],
            cut=list(found.cut),
            policy_revision=revision,
        )


def _fields(value: Change | Shift) -> dict[str, Any]:
    """Return the fields of a value, which are converted as they are."""
    return {one.name: getattr(value, one.name) for one in fields(value)}


def _changes(previews: Iterable[Preview]) -> Iterable[RightsChange]:
    for one in previews:
        for change in one.changes:
            yield RightsChange.of(one.action, change)


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
_CHANGE = ANSWERS["change"] | ANSWERS["body"]


@router.get("/v1/policy", operation_id="readPolicy", summary="Read the policy in effect")
async def read_policy(subject: Asker, parts: Open, response: Response) -> RevisionWithTexts:
    """Return the revision in effect with its texts; its number is the ETag."""
    now = datetime.now(UTC)
    number = (await parts.views.seeing(subject, now)).snapshot.revision
    found = await parts.views.revision(subject, number, now)
    texts = await parts.views.texts(subject, number, now)
    tag(response, number)
    return RevisionWithTexts.with_texts(found, texts)


@router.put(
    "/v1/policy",
    operation_id="proposePolicy",
    summary="Propose a change of the policy",
    status_code=status.HTTP_201_CREATED,
    responses=_CHANGE,
)
async def propose(
    proposal: PolicyProposal, expected: Expected, subject: Asker, parts: Open, response: Response
) -> ProposedRevision:
    """Store a proposal. It takes effect when it is activated, and not before."""
    now = datetime.now(UTC)
    found = await parts.desk.propose(
        subject, proposal.edit(), expected=expected, reason=proposal.reason, now=now
    )
    response.headers["Location"] = f"/v1/policy/revisions/{found.revision}"
    failing = await parts.views.failing_tests(subject, found.revision, now)
    odd = await parts.views.cautions(subject, found.revision, now)
    return answer(ProposedRevision, found, failing_tests=list(failing), warnings=list(odd))


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
    found = await parts.views.preview(subject, wanted, back, datetime.now(UTC))
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
    authority = await parts.views.seeing(subject, now)
    found = await parts.views.revisions(subject, now, after=after, limit=limit)
    return RevisionList(
        revisions=[Revision.model_validate(one) for one in found],
        in_effect=authority.snapshot.revision,
    )


@router.get("/v1/policy/revisions/{number}", operation_id="readRevision", summary="Read a revision")
async def revision(number: Number, subject: Asker, parts: Open) -> RevisionWithTexts:
    """Return a revision with its texts."""
    now = datetime.now(UTC)
    texts = await parts.views.texts(subject, number, now)
    return RevisionWithTexts.with_texts(await parts.views.revision(subject, number, now), texts)


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
    await parts.views.seeing(subject, now)
    other = to or (await parts.records.policies.revision(number)).base or number
    compared = await parts.views.compared(subject, other, number, now)
    return RevisionDifference.model_validate(compared)


@router.get(
    "/v1/policy/revisions/{number}/proof",
    operation_id="readProof",
    summary="See what the last proof came to",
)
async def proof(number: Number, subject: Asker, parts: Open) -> ProofProgress:
    """Return what the last proof of a revision came to."""
    found = await parts.views.proof(subject, number, datetime.now(UTC))
    return ProofProgress.model_validate(found)


@router.get(
    "/v1/policy/revisions/{number}/tests",
    operation_id="readTests",
    summary="See whether the tests of a revision hold",
)
async def tests(number: Number, subject: Asker, parts: Open) -> RevisionTests:
    """Decide each test of a revision, on the documents and people of this moment."""
    failing = await parts.views.failing_tests(subject, number, datetime.now(UTC))
    return RevisionTests(hold=not failing, failing=list(failing))


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
    now = datetime.now(UTC)
    odd = await parts.views.cautions(subject, number, now)
    found = await parts.desk.activate(subject, number, expected=expected, now=now)
    tag(response, found.revision.revision)
    return answer(ActivatedRevision, found, warnings=list(odd))


@router.post(
    "/v1/policy/revisions/{number}:rollback",
    operation_id="rollBack",
    summary="Propose what an earlier revision said",
    status_code=status.HTTP_201_CREATED,
    responses=_CHANGE,
)
async def roll_back(
    number: Number, reason: RollBackReason, expected: Expected, subject: Asker, parts: Open
) -> Revision:
    """Store a proposal with the texts of an earlier revision; activate it like any other."""
    found = await parts.desk.roll_back(
        subject, number, expected=expected, reason=reason.reason, now=datetime.now(UTC)
    )
    return Revision.model_validate(found)
