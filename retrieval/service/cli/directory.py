"""`strongroom directory …`: who is known, and in which groups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.console import RenderableType

from acl.labels import Attribute
from acl.records.directory.directory import Directory
from acl.records.directory.types import DirectoryGroup, DirectoryUser, Slice, Wanted
from retrieval.rights.display import level_name
from retrieval.service.cli.render import CommandError, Shown, count, records, safe
from retrieval.service.cli.run import run_on_parts
from retrieval.service.cli.start import Json
from retrieval.service.http.token_wiring import levels
from retrieval.service.settings import SubjectSource
from retrieval.service.wiring import Parts

_PAGE: Final = 500
_BY_TOKEN: Final = "as the token says"  # noqa: S105 - not a secret

app = typer.Typer()
directory = typer.Typer(
    help="Look at the users and groups that the identity provider keeps here.",
    no_args_is_help=True,
)
app.add_typer(directory, name="directory")

Tenant = Annotated[str, typer.Option("--tenant", help="Whose directory, such as `acme`.")]


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A user in a list."""

    user: str
    name: str
    active: bool
    clearance: str
    compartments: tuple[str, ...] | str


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group in a list."""

    group: str
    changed: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """The users of a tenant, or its groups."""

    tenant: str
    users: tuple[ListedUser, ...] = ()
    groups: tuple[ListedGroup, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEntry:
    """A user with every group."""

    user: str
    name: str
    active: bool
    clearance: str
    compartments: tuple[str, ...] | str
    groups_directly: tuple[str, ...]
    groups_through_those: tuple[str, ...]
    external_id: str
    id: str
    changed: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEntry:
    """A group with its members."""

    group: str
    members: tuple[str, ...]
    member_of: tuple[str, ...]
    external_id: str
    id: str
    changed: datetime
    version: int


@directory.command("list")
def directory_list(
    *,
    tenant: Tenant,
    groups: Annotated[bool, typer.Option("--groups", help="The groups, not the users.")] = False,
    as_json: Json = False,
) -> None:
    """List the users of a tenant, or its groups."""

    async def work(parts: Parts) -> Shown:
        known = parts.records.directory
        if groups:
            listing = Listing(tenant, groups=tuple([row async for row in _groups(known, tenant)]))
        else:
            users = [row async for row in _users(known, tenant, levels(parts.schema))]
            listing = Listing(tenant, users=tuple(users))
        rows = listing.groups if groups else listing.users
        said = count(len(rows), "group" if groups else "user")
        return Shown(listing, [records(rows), safe(f"{said} of {tenant}")], err=_unused(parts))

    run_on_parts(work, as_json=as_json)


@directory.command("show")
def directory_show(
    identity: Annotated[str, typer.Argument(help="Such as `user:ada` or `group:finance`.")],
    *,
    tenant: Tenant,
    as_json: Json = False,
) -> None:
    """Show a user with every group that it is in, or a group with its members."""

    async def work(parts: Parts) -> Shown:
        known = parts.records.directory
        entry = (
            await _group(known, tenant, identity)
            if identity.startswith("group:")
            else await _user(known, tenant, identity, levels(parts.schema))
        )
        if entry is None:
            raise CommandError(f"the directory of {tenant} has no `{identity}`")
        return Shown(entry, err=_unused(parts))

    run_on_parts(work, as_json=as_json)


def _unused(parts: Parts) -> list[RenderableType]:
    if parts.settings.directory is SubjectSource.SCIM:
        return []
    return [safe("not in use: with STRONGROOM_DIRECTORY=token, tokens say who is who", "yellow")]


async def _users(
    directory: Directory, tenant: str, known: Attribute | None
) -> AsyncIterator[ListedUser]:
    last = ""
    while users := await directory.users(tenant, Wanted(), Slice(after=last, limit=_PAGE)):
        for user in users:
            state = user.state
            rights = _rights(user, known)
            yield ListedUser(state.identity, state.display_name, state.active, *rights)
        last = users[-1].state.identity


async def _groups(directory: Directory, tenant: str) -> AsyncIterator[ListedGroup]:
    last = ""
    while groups := await directory.groups(tenant, Wanted(), Slice(after=last, limit=_PAGE)):
        for group in groups:
            yield ListedGroup(group.identity, group.updated_at)
        last = groups[-1].identity


async def _user(
    directory: Directory, tenant: str, identity: str, known: Attribute | None
) -> UserEntry | None:
    entry = await directory.resolve(tenant, identity)
    if entry is None:
        return None
    user = entry.user
    directly = {group.identity for group in await directory.groups_directly(user.id)}
    clearance, compartments = _rights(user, known)
    return UserEntry(
        user=user.state.identity,
        name=user.state.display_name,
        active=user.state.active,
        clearance=clearance,
        compartments=compartments,
        groups_directly=tuple(sorted(directly)),
        groups_through_those=tuple(sorted(entry.groups - directly)),
        external_id=user.state.external_id,
        id=user.id,
        changed=user.updated_at,
        version=user.version,
    )


async def _group(directory: Directory, tenant: str, identity: str) -> GroupEntry | None:
    group: DirectoryGroup | None = await directory.group(tenant, Wanted(identity=identity))
    if group is None:
        return None
    above = await directory.groups_directly(group.id)
    return GroupEntry(
        group=group.identity,
        members=tuple(member.identity for member in group.members),
        member_of=tuple(parent.identity for parent in above),
        external_id=group.external_id,
        id=group.id,
        changed=group.updated_at,
        version=group.version,
    )


def _rights(user: DirectoryUser, known: Attribute | None) -> tuple[str, tuple[str, ...] | str]:
    state = user.state
    if not state.says_rights:
        return _BY_TOKEN, _BY_TOKEN
    return level_name(known, state.clearance or 0), tuple(sorted(state.compartments or ()))
