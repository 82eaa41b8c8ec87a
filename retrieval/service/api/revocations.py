"""Revoked tokens over HTTP: with `directory:edit`, and about the asker's own tenant alone."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, status
from pydantic import AwareDatetime, Field, model_validator

from acl.records.directory.revocations import Revocation, RevokedKind
from retrieval.rights.revocations import MAX_ID
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, Asked, StrictRoute
from retrieval.service.http.dependencies import Open
from retrieval.service.http.problems import ANSWERS


class NewRevocation(Asked):
    """Which tokens are refused: one by its id, or those of a subject."""

    token_id: str | None = Field(
        None, min_length=1, max_length=MAX_ID, description="The `jti` of one token."
    )
    subject: str | None = Field(
        None, min_length=1, max_length=200, description="Whose tokens, such as `user:ada`."
    )
    issued_until: AwareDatetime | None = Field(
        None, strict=False, description="Tokens issued until this moment; by default, until now."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> NewRevocation:
        if (self.token_id is None) == (self.subject is None):
            raise ValueError("names either a token or a subject")
        if self.token_id is not None and self.issued_until is not None:
            raise ValueError("a moment goes with a subject")
        return self


class ShownRevocation(Answered):
    """A revocation."""

    kind: RevokedKind
    name: str = Field(description="The id of the token, or the subject.")
    until: datetime = Field(description="Of a subject, what was issued until then is refused.")
    at: datetime
    by: str


class RevocationList(Answered):
    """The revocations of a tenant, the newest first."""

    revocations: list[ShownRevocation]

    @classmethod
    def shown(cls, known: tuple[Revocation, ...]) -> RevocationList:
        """Return them as they are sent."""
        return cls(revocations=[ShownRevocation.model_validate(each) for each in known])


router = APIRouter(route_class=StrictRoute, tags=["directory"], responses=ANSWERS["policy"])


@router.get(
    "/v1/token-revocations",
    operation_id="listTokenRevocations",
    summary="List the tokens that are refused",
)
async def list_revocations(subject: Asker, parts: Open) -> RevocationList:
    """Return the revocations of the asker's tenant, as long as a token could be met by them."""
    return RevocationList.shown(await parts.revocations.listed(subject, subject.tenant))


@router.post(
    "/v1/token-revocations",
    operation_id="revokeTokens",
    summary="Refuse tokens before their time",
    status_code=status.HTTP_201_CREATED,
    responses=ANSWERS["body"],
)
async def revoke_tokens(asked: NewRevocation, subject: Asker, parts: Open) -> ShownRevocation:
    """Refuse one token, or what a subject has, from the next request on."""
    desk, tenant = parts.revocations, subject.tenant
    if asked.token_id is not None:
        made = await desk.revoke_token(subject, tenant, asked.token_id)
    else:
        named = asked.subject or ""
        made = await desk.revoke_subject(subject, tenant, named, asked.issued_until)
    return ShownRevocation.model_validate(made)
