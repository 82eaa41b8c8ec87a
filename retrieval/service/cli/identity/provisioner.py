"""`strongroom provisioner`: credentials with which an identity provider keeps the directory.

The laws of this file:

1. A secret is printed by the command that makes it, alone on its line, and by no other.
2. A command acts as the operator of the machine.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from acl.records.database.errors import UnknownEntryError
from acl.records.directory.credentials import Credential
from retrieval.rights.authority import OPERATOR
from retrieval.rights.provisioners import Issued
from retrieval.service.api.provisioners import IssuedProvisioner, ProvisionerList
from retrieval.service.cli.render import CommandError, Shown, count, safe, table
from retrieval.service.cli.run import command, now
from retrieval.service.wiring import Parts

app = typer.Typer()
provisioner = typer.Typer(
    help="Credentials for identity providers: made, replaced, revoked.", no_args_is_help=True
)
app.add_typer(provisioner, name="provisioner")

Tenant = Annotated[str, typer.Option("--tenant", help="Whose directory, such as `acme`.")]
Id = Annotated[str, typer.Argument(help="The credential's id, as `provisioner list` shows it.")]


@command(provisioner, "create")
async def create(
    parts: Parts,
    service: Annotated[str, typer.Argument(help="The service that it acts as.")] = "service:idp",
    *,
    tenant: Tenant,
) -> Shown:
    """Make a credential, which is taken at /scim/v2 alone and lives until it is revoked."""
    issued = await parts.provisioners.create(OPERATOR, tenant, service)
    if await parts.provisioners.may_edit(issued.credential):
        return _shown(issued)
    return _shown(
        issued,
        f"the policy in effect gives {service} no `directory:edit` in {tenant}: /scim/v2 answers "
        f"403; it needs a line such as `p, {service}, {tenant}, /*, directory:edit, True, allow`",
    )


@command(provisioner, "list")
async def list_credentials(parts: Parts, *, tenant: Tenant) -> Shown:
    """List the credentials of a tenant, without their secrets."""
    known = await parts.provisioners.listed(OPERATOR, tenant)
    columns = ("id", "service", "made", "by", "last used", "state")
    listed = table("", columns, [_row(each) for each in known])
    said = safe(f"{count(len(known), 'credential')} of {tenant}")
    return Shown(ProvisionerList.shown(known), [listed, said])


@command(provisioner, "rotate")
async def rotate(
    parts: Parts,
    credential: Id,
    *,
    tenant: Tenant,
    overlap_hours: Annotated[
        int, typer.Option("--overlap-hours", help="How long the old one lives on.", min=0)
    ] = 24,
) -> Shown:
    """Make a successor of a credential; the old one is taken for some time beside it."""
    overlap = timedelta(hours=overlap_hours)
    try:
        issued = await parts.provisioners.rotate(OPERATOR, tenant, credential, overlap)
    except UnknownEntryError:
        raise _unknown(tenant, credential) from None
    return _shown(issued, f"the old one ends in {count(overlap_hours, 'hour')}")


@command(provisioner, "revoke")
async def revoke(parts: Parts, credential: Id, *, tenant: Tenant) -> Shown:
    """End a credential: the next request that shows it is refused."""
    try:
        await parts.provisioners.revoke(OPERATOR, tenant, credential)
    except UnknownEntryError:
        raise _unknown(tenant, credential) from None
    return Shown({"revoked": credential}, [safe(f"revoked {credential}", "green")])


def _shown(issued: Issued, more: str = "") -> Shown:
    made = issued.credential
    said = f"{made.id}: acts as {made.service} of {made.tenant} at /scim/v2, until it is revoked"
    hints = [safe("shown this once: enter it as the provider's bearer token", "yellow")]
    if more:
        hints.append(safe(more))
    return Shown(IssuedProvisioner.shown(issued), [safe(said), safe(issued.secret)], err=hints)


def _row(known: Credential) -> tuple[object, ...]:
    state = "lives" if known.lives(now()) else "ended"
    if known.ends_at is not None and state == "lives":
        state = f"ends {known.ends_at:%Y-%m-%d %H:%M}"
    return known.id, known.service, known.created_at, known.created_by, known.used_at or "", state


def _unknown(tenant: str, credential: str) -> CommandError:
    return CommandError(f"{tenant} has no living credential `{credential}`")
