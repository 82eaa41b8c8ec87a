"""`strongroom directory …`: who is known, and in which groups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from acl.records.directory.types import DirectoryGroup, DirectoryUser, Slice, Wanted
from retrieval.rights.display import level_name
from retrieval.service.cli.render import CommandError, Shown, count, safe, table
from retrieval.service.cli.run import command
from retrieval.service.http.tokens import levels
from retrieval.service.settings import SubjectSource
from retrieval.service.wiring import Parts

_PAGE: Final = 500
_BY_TOKEN: Final = ("as the token says", "as the token says")
_Find = Callable[[str, Wanted, Slice], Awaitable[Sequence[Any]]]

app = typer.Typer()
directory = typer.Typer(
    help="Look at the users and groups of your identity provider.", no_args_is_help=True
)
app.add_typer(directory, name="directory")

Tenant = Annotated[str, typer.Option("--tenant", help="Whose directory, such as `acme`.")]


@command(directory, "list")
async def directory_list(
    parts: Parts,
    *,
    tenant: Tenant,
    groups: Annotated[bool, typer.Option("--groups", help="The groups, not the users.")] = False,
) -> Shown:
    """List the users of a tenant, or its groups."""
    known = parts.records.directory
    if groups:
        found = await _all(known.groups, tenant, lambda group: str(group.identity))
        listed = table("", ("group", "changed"), [(one.identity, one.updated_at) for one in found])
    else:
        found = await _all(known.users, tenant, lambda user: str(user.state.identity))
        columns = ("user", "name", "active", "clearance", "compartments")
        listed = table("", columns, [_row(parts, user) for user in found])
    said = f"{count(len(found), 'group' if groups else 'user')} of {tenant}"
    return Shown(found, [listed, safe(said)], err=_unused(parts))


@command(directory, "show")
async def directory_show(
    parts: Parts,
    identity: Annotated[str, typer.Argument(help="Such as `user:ada` or `group:finance`.")],
    *,
    tenant: Tenant,
) -> Shown:
    """Show a user with every group that it is in, or a group with its members."""
    if identity.startswith("group:"):
        shown = await _group(parts, tenant, identity)
    else:
        shown = await _user(parts, tenant, identity)
    if shown is None:
        raise CommandError(f"the directory of {tenant} has no `{identity}`")
    return shown


async def _all(find: _Find, tenant: str, identity: Callable[[Any], str]) -> list[Any]:
    """Return every user or group of a tenant, page by page."""
    found: list[Any] = []
    while page := await find(
        tenant, Wanted(), Slice(after=identity(found[-1]) if found else "", limit=_PAGE)
    ):
        found += page
    return found


async def _user(parts: Parts, tenant: str, identity: str) -> Shown | None:
    known = parts.records.directory
    entry = await known.resolve(tenant, identity)
    if entry is None:
        return None
    user = entry.user
    directly = {group.identity for group in await known.groups_directly(user.id)}
    name, shown, _, clearance, compartments = _row(parts, user)
    rows = [
        ("user", name),
        ("name", shown),
        ("active", "yes" if user.state.active else "no; requests are refused"),
        ("clearance", clearance),
        ("compartments", compartments),
        ("groups, directly", sorted(directly)),
        ("groups, through those", sorted(entry.groups - directly)),
        *_about(user),
    ]
    return Shown(entry, [table("", ("what", "value"), rows)], err=_unused(parts))


async def _group(parts: Parts, tenant: str, identity: str) -> Shown | None:
    known = parts.records.directory
    group = await known.group(tenant, Wanted(identity=identity))
    if group is None:
        return None
    above = await known.groups_directly(group.id)
    rows = [
        ("group", group.identity),
        ("members", [member.identity for member in group.members]),
        ("member of", [parent.identity for parent in above]),
        *_about(group),
    ]
    return Shown(group, [table("", ("what", "value"), rows)], err=_unused(parts))


def _about(entry: DirectoryUser | DirectoryGroup) -> list[tuple[str, object]]:
    external = entry.state.external_id if isinstance(entry, DirectoryUser) else entry.external_id
    return [
        ("external id", external),
        ("id", entry.id),
        ("changed", entry.updated_at),
        ("version", entry.version),
    ]


def _row(parts: Parts, user: DirectoryUser) -> tuple[object, ...]:
    state = user.state
    clearance = level_name(levels(parts.schema), state.clearance or 0)
    rights = (clearance, sorted(state.compartments or ())) if state.says_rights else _BY_TOKEN
    return state.identity, state.display_name, state.active, *rights


def _unused(parts: Parts) -> list[Text]:
    if parts.settings.directory is SubjectSource.SCIM:
        return []
    return [safe("not in use: with STRONGROOM_DIRECTORY=token, tokens say who is who", "yellow")]
