"""Commands that look at the directory: `directory list` and `directory show`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from acl.labels import Attribute
from acl.records.directory.directory import Directory
from acl.records.directory.types import DirectoryUser, Slice, Wanted
from retrieval.rights.display import level_name
from retrieval.service.cli.console import err, out, safe, table
from retrieval.service.http.tokens import levels
from retrieval.service.settings import Settings, SubjectSource
from retrieval.service.wiring import open_parts

_PAGE: Final = 500


async def listed(settings: Settings, tenant: str, *, groups: bool) -> int:
    """Print the users or groups of a tenant."""
    async with open_parts(settings) as parts:
        directory, known = parts.records.directory, levels(parts.schema)
        if groups:
            rows = await _group_rows(directory, tenant)
            out.print(table("", ("group", "changed"), rows))
        else:
            rows = await _user_rows(directory, tenant, known)
            out.print(table("", ("user", "name", "active", "clearance", "compartments"), rows))
    out.print(safe(f"{len(rows)} {'groups' if groups else 'users'} of {tenant}"))
    _say_unused(settings)
    return 0


async def shown(settings: Settings, tenant: str, identity: str) -> int:
    """Print what the directory says of one user or group."""
    async with open_parts(settings) as parts:
        directory = parts.records.directory
        if identity.startswith("group:"):
            rows = await _about_group(directory, tenant, identity)
        else:
            rows = await _about_user(directory, tenant, identity, levels(parts.schema))
    if not rows:
        err.print(safe(f"the directory of {tenant} has no `{identity}`", "bold red"))
        return 1
    out.print(table("", ("what", "value"), rows))
    _say_unused(settings)
    return 0


def _say_unused(settings: Settings) -> None:
    if settings.directory is not SubjectSource.SCIM:
        err.print(
            safe("not in use: with STRONGROOM_DIRECTORY=token, tokens say who is who", "yellow")
        )


async def _user_rows(
    directory: Directory, tenant: str, known: Attribute | None
) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    last = ""
    while users := await directory.users(tenant, Wanted(), Slice(after=last, limit=_PAGE)):
        for one in users:
            active = "yes" if one.state.active else "no"
            rows.append((one.state.identity, one.state.display_name, active, *_rights(one, known)))
        last = users[-1].state.identity
    return rows


async def _group_rows(directory: Directory, tenant: str) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    last = ""
    while groups := await directory.groups(tenant, Wanted(), Slice(after=last, limit=_PAGE)):
        rows += [(one.identity, f"{one.updated_at:%Y-%m-%d %H:%M} UTC") for one in groups]
        last = groups[-1].identity
    return rows


async def _about_user(
    directory: Directory, tenant: str, identity: str, known: Attribute | None
) -> list[Sequence[object]]:
    entry = await directory.resolve(tenant, identity)
    if entry is None:
        return []
    user = entry.user
    directly = {one.identity for one in await directory.groups_directly(user.id)}
    clearance, compartments = _rights(user, known)
    return [
        ("user", user.state.identity),
        ("name", user.state.display_name),
        ("active", "yes" if user.state.active else "no; requests are refused"),
        ("clearance", clearance),
        ("compartments", compartments),
        ("groups, directly", ", ".join(sorted(directly))),
        ("groups, through those", ", ".join(sorted(entry.groups - directly))),
        ("external id", user.state.external_id),
        ("id", user.id),
        ("changed", f"{user.updated_at:%Y-%m-%d %H:%M} UTC, version {user.version}"),
    ]


async def _about_group(directory: Directory, tenant: str, identity: str) -> list[Sequence[object]]:
    group = await directory.group(tenant, Wanted(identity=identity))
    if group is None:
        return []
    above = await directory.groups_directly(group.id)
    return [
        ("group", group.identity),
        ("members", ", ".join(one.identity for one in group.members)),
        ("member of", ", ".join(one.identity for one in above)),
        ("external id", group.external_id),
        ("id", group.id),
        ("changed", f"{group.updated_at:%Y-%m-%d %H:%M} UTC, version {group.version}"),
    ]


def _rights(user: DirectoryUser, known: Attribute | None) -> tuple[str, str]:
    state = user.state
    if not state.says_rights:
        return "as the token says", "as the token says"
    return level_name(known, state.clearance or 0), ", ".join(sorted(state.compartments or ()))
