"""Credentials for provisioning over HTTP: made, listed, replaced, revoked.

A secret is in the answer that makes it, and in no other. All of it needs `directory:edit`, and is
about the asker's own tenant.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response, status
from pydantic import Field

from acl.records.directory.credentials import Credential
from retrieval.rights.provisioners import MAX_OVERLAP, Issued
from retrieval.service.http.authentication import Asker
from retrieval.service.http.bodies import Answered, Asked, StrictRoute
from retrieval.service.http.dependencies import Open
from retrieval.service.http.problems import ANSWERS

_HOURS = timedelta(hours=1)


class NewProvisioner(Asked):
    """For which service a credential is made."""

    service: str = Field(
        "service:idp",
        min_length=1,
        max_length=200,
        description="The service that it acts as; the policy gives it `directory:edit`.",
    )


class Replacement(Asked):
    """How a credential is replaced."""

    overlap_hours: int = Field(
        24,
        ge=0,
        le=MAX_OVERLAP // _HOURS,
        description="For how long the old one is taken beside the new one.",
    )


class ShownProvisioner(Answered):
    """A credential without its secret."""

    id: str
    tenant: str
    service: str
    created_at: datetime
    created_by: str
    used_at: datetime | None = Field(description="The last use, to the minute.")
    ends_at: datetime | None = Field(
        description="When it ends or was revoked; null while it lives."
    )


class IssuedProvisioner(ShownProvisioner):
    """A credential with its secret, which is shown this once."""

    secret: str

    @classmethod
    def shown(cls, issued: Issued) -> IssuedProvisioner:
        """Return it as it is sent."""
        known = ShownProvisioner.model_validate(issued.credential)
        return cls(**known.model_dump(), secret=issued.secret)


class ProvisionerList(Answered):
    """The credentials of a tenant, the newest first."""

    provisioners: list[ShownProvisioner]

    @classmethod
    def shown(cls, known: tuple[Credential, ...]) -> ProvisionerList:
        """Return them as they are sent."""
        return cls(provisioners=[ShownProvisioner.model_validate(each) for each in known])


router = APIRouter(route_class=StrictRoute, tags=["directory"], responses=ANSWERS["policy"])

Id = Annotated[str, Path(max_length=100)]
_CHANGE = ANSWERS["body"]


@router.get("/v1/provisioners", operation_id="listProvisioners", summary="List credentials")
async def list_provisioners(subject: Asker, parts: Open) -> ProvisionerList:
    """Return the credentials for provisioning of the asker's tenant, ended ones too."""
    return ProvisionerList.shown(await parts.provisioners.listed(subject, subject.tenant))


@router.post(
    "/v1/provisioners",
    operation_id="createProvisioner",
    summary="Make a credential for provisioning",
    status_code=status.HTTP_201_CREATED,
    responses=_CHANGE,
)
async def create_provisioner(
    asked: NewProvisioner, subject: Asker, parts: Open
) -> IssuedProvisioner:
    """Make a credential that is taken at `/scim/v2` alone, until it is revoked."""
    issued = await parts.provisioners.create(subject, subject.tenant, asked.service)
    return IssuedProvisioner.shown(issued)


@router.post(
    "/v1/provisioners/{provisioner_id}:rotate",
    operation_id="rotateProvisioner",
    summary="Replace a credential",
    status_code=status.HTTP_201_CREATED,
    responses=_CHANGE,
)
async def rotate_provisioner(
    provisioner_id: Id, asked: Replacement, subject: Asker, parts: Open
) -> IssuedProvisioner:
    """Make a successor; the old credential lives on for the overlap, and then ends."""
    overlap = timedelta(hours=asked.overlap_hours)
    issued = await parts.provisioners.rotate(subject, subject.tenant, provisioner_id, overlap)
    return IssuedProvisioner.shown(issued)


@router.delete(
    "/v1/provisioners/{provisioner_id}",
    operation_id="revokeProvisioner",
    summary="Revoke a credential",
    status_code=status.HTTP_204_NO_CONTENT,
)
async def revoke_provisioner(provisioner_id: Id, subject: Asker, parts: Open) -> Response:
    """End a credential: the next request that shows it is refused."""
    await parts.provisioners.revoke(subject, subject.tenant, provisioner_id)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
