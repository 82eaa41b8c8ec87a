"""Operating an installation: `serve`, `status`, `fsck`, `audit verify`, `directory …`.

The laws of this file:

1. `serve` says on standard output where it listens; its log goes to standard error, as JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import structlog
import typer
from rich.text import Text

from acl.errors import AclError
from acl.labels import level_name
from acl.records.directory.types import DirectoryGroup, DirectoryUser, Slice, Wanted
from ingest.index.engine import EngineError
from retrieval.rights.policy_source import read_texts
from retrieval.service import logs
from retrieval.service.cli.render import (
    CommandError,
    Shown,
    count,
    in_words,
    out,
    safe,
    show,
    table,
)
from retrieval.service.cli.run import begin, command, now
from retrieval.service.cli.start import Json
from retrieval.service.http.tokens import levels
from retrieval.service.serve import serve as serve_until_signal
from retrieval.service.settings import SubjectSource, check_serving, load_settings
from retrieval.service.wiring import Parts, reconciler

_WARNING: Final = (
    "DEVELOPMENT MODE: anyone who holds this machine's key can be any person. Tokens signed here "
    "are accepted; never use it for real documents on a shared machine."
)

# A version younger than this may belong to an ingest that is still running.
_UNDER_WAY: Final = timedelta(hours=1)
_FOUND: Final = (
    ("half-done versions given up", "abandoned"),
    ("deletions carried out", "deletions"),
    ("labels brought to the engine", "projected"),
    ("points without a record removed", "orphans"),
    ("wrong labels corrected", "mislabelled"),
    ("documents with points too many", "surplus"),
    ("lost points made again", "missing"),
)
_PAGE: Final = 500
_SAID_ELSEWHERE: Final = "as the token says"
_Find = Callable[[str, Wanted, Slice], Awaitable[Sequence[Any]]]
_Entry = tuple[object, list[tuple[str, object]]]

app = typer.Typer()
audit = typer.Typer(help="Check the record of who read what.", no_args_is_help=True)
directory = typer.Typer(
    help="Look at the users and groups of your identity provider.", no_args_is_help=True
)
app.add_typer(audit, name="audit")
app.add_typer(directory, name="directory")
log = structlog.get_logger("strongroom.service")

Tenant = Annotated[str, typer.Option("--tenant", help="Whose directory, such as `acme`.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is stored, and what is in effect.

    Attributes:
        policy_folder: whether the folder has what is in effect; it fills an empty installation
            alone.
    """

    documents: int
    labels_not_yet_in_the_engine: int
    points_still_to_be_deleted: int
    engine: str
    policy_revision: int
    policy_rules: int
    policy_digest: str
    policy_folder: str
    audit_events: int
    audit_head: str
    now: datetime


@app.command()
def serve(*, as_json: Json = False) -> None:
    """Serve until Ctrl-C.

    Standard output says where it listens; standard error is the log, one JSON object a line.
    """
    settings = load_settings()
    logs.configure(settings.log_level)
    check_serving(settings)
    begin(settings)

    def started(address: str) -> None:
        log.info("listening", address=address)
        said = [safe(f"listening on {address}")]
        show(Shown({"address": address}, said), as_json=as_json)  # law 1
        out.file.flush()

    if settings.development:
        log.warning("development_mode", accepts="tokens signed on this machine")
        if not as_json:
            out.print(safe(_WARNING, "bold red"))
    asyncio.run(serve_until_signal(settings, started=started))


@command(app, "status")
async def status(parts: Parts) -> Shown:
    """Say what is stored, and which policy is in effect."""
    snapshot, records = parts.snapshots.pin(), parts.records
    head = await records.audit.head()
    shown = Status(
        documents=await records.catalog.count_documents(),
        labels_not_yet_in_the_engine=len(await records.projection.unprojected()),
        points_still_to_be_deleted=len(await records.projection.point_deletions()),
        engine=await _engine(parts),
        policy_revision=snapshot.revision,
        policy_rules=len(snapshot.policy.rules),
        policy_digest=snapshot.digest,
        policy_folder=await _folder(parts),
        audit_events=head.seq,
        audit_head=head.hash,
        now=now(),
    )
    return Shown(shown)


@command(app, "fsck")
async def fsck(parts: Parts) -> Shown:
    """Compare the records with the search engine, and repair differences."""
    begun = now()
    report = await reconciler(parts).run(now=begun, begun_before=begun - _UNDER_WAY)
    rows = [(said, getattr(report, name)) for said, name in _FOUND]
    lines = [table("", ("found and repaired", "number"), rows)]
    if report.unreadable:
        unreadable = [(document,) for document in report.unreadable]
        lines.append(table("Labels that cannot be read", ("document",), unreadable))
        hint = safe("set each anew: `strongroom label set DOCUMENT --set …`", "yellow")
        return Shown(report, lines, code=1, err=[hint])
    if report.differences:
        said = safe(f"{report.differences} differences, repaired", "yellow")
        return Shown(report, lines, code=1, err=[said])
    return Shown(report, [*lines, safe("records and engine agree", "green")])


@command(audit, "verify")
async def audit_verify(parts: Parts) -> Shown:
    """Check that no event of the audit was edited, removed or added."""
    report = await parts.records.audit.verify()
    if report.fault is not None:
        said = f"the chain fails at number {report.fault.seq}: {report.fault.reason}"
        return Shown(report, [], code=1, err=[safe(said, "bold red")])
    said = f"ok: {report.verified} events, head {report.head.hash}"
    return Shown(report, [safe(said, "green")])


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
        found = await _all(known.groups, tenant)
        listed = table(
            "", ("group", "changed"), [(group.identity, group.updated_at) for group in found]
        )
    else:
        found = await _all(known.users, tenant)
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
    find = _group if identity.startswith("group:") else _user
    entry, rows = await find(parts, tenant, identity)
    if entry is None:
        raise CommandError(f"the directory of {tenant} has no `{identity}`")
    return Shown(entry, [table("", ("what", "value"), rows)], err=_unused(parts))


async def _folder(parts: Parts) -> str:
    revision = parts.snapshots.pin().revision
    try:
        same = read_texts(parts.settings.policy_dir) == await parts.records.policies.texts(revision)
    except AclError:
        return "cannot be compared"
    if same:
        return "has what is in effect"
    return "has something else; `strongroom policy propose FOLDER` proposes it"


async def _engine(parts: Parts) -> str:
    try:
        await parts.engine.ping()
    except EngineError as error:
        return f"does not answer: {error}"
    return "answers"


async def _all(find: _Find, tenant: str) -> list[Any]:
    """Return every user or group of a tenant, page by page."""
    found: list[Any] = []
    after = ""
    while page := await find(tenant, Wanted(), Slice(after=after, limit=_PAGE)):
        found += page
        after = found[-1].identity
    return found


async def _user(parts: Parts, tenant: str, identity: str) -> _Entry:
    """Return a user of the directory, and what is told of it."""
    known = parts.records.directory
    entry = await known.resolve(tenant, identity)
    if entry is None:
        return None, []
    user = entry.user
    directly = {group.identity for group in await known.groups_directly(user.id)}
    name, shown, _, clearance, compartments = _row(parts, user)
    return entry, [
        ("user", name),
        ("called", user.state.name),
        ("name", shown),
        ("active", "yes" if user.state.active else "no; requests are refused"),
        ("clearance", clearance),
        ("compartments", compartments),
        ("groups, directly", sorted(directly)),
        ("groups, through those", sorted(entry.groups - directly)),
        *_about(user),
    ]


async def _group(parts: Parts, tenant: str, identity: str) -> _Entry:
    """Return a group of the directory, and what is told of it."""
    known = parts.records.directory
    group = await known.group(tenant, Wanted(identity=identity))
    if group is None:
        return None, []
    return group, [
        ("group", group.identity),
        ("called", group.name),
        ("members", [member.identity for member in group.members]),
        ("member of", [parent.identity for parent in await known.groups_directly(group.id)]),
        *_about(group),
    ]


def _about(entry: DirectoryUser | DirectoryGroup) -> list[tuple[str, object]]:
    return [
        ("external id", entry.state.external_id),
        ("id", entry.id),
        ("changed", entry.updated_at),
        ("version", entry.version),
    ]


def _row(parts: Parts, user: DirectoryUser) -> tuple[object, ...]:
    state = user.state
    clearance = compartments = _SAID_ELSEWHERE
    if state.says_rights:
        clearance = level_name(levels(parts.schema), state.clearance or 0)
        compartments = in_words(sorted(state.compartments or ()))
    name = state.display_name or state.name
    return user.identity, name, state.active, clearance, compartments


def _unused(parts: Parts) -> list[Text]:
    if parts.settings.directory is SubjectSource.SCIM:
        return []
    return [safe("not in use: with STRONGROOM_DIRECTORY=token, tokens say who is who", "yellow")]
