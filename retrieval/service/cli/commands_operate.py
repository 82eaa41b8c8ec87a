"""Commands for whoever runs it: `token`, `serve`, `quarantine list`, `audit verify`, `status`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from acl.errors import AclError
from acl.labels import LabelSchema
from ingest.index.engine import EngineError
from retrieval.rights.policy_source import read_schema, read_texts
from retrieval.service import logs
from retrieval.service.cli.console import err, out, safe, table
from retrieval.service.cli.people import person_named, read_people
from retrieval.service.http.tokens import development_issuer, levels
from retrieval.service.serve import serve as run
from retrieval.service.settings import Settings, check_serving
from retrieval.service.wiring import Parts, open_parts

_PAGE = 500
_WARNING = (
    "DEVELOPMENT MODE: whoever holds this machine's key is anybody. Tokens signed here are "
    "accepted; never use it for real documents on a shared machine."
)


def token(settings: Settings, asker: str, seconds: int) -> int:
    """Print a token for `asker`, and nothing else on standard output."""
    issuer = development_issuer(settings)
    schema: LabelSchema = read_schema(settings.policy_dir)
    person = person_named(read_people(settings.people_file, levels(schema)), asker)
    out.out(issuer.issue(person.subject, seconds=min(seconds, settings.token_max_seconds)))
    return 0


def serve(settings: Settings) -> int:
    """Serve until a signal comes."""
    logs.configure(settings.log_level)
    check_serving(settings)
    if settings.development:
        err.print(safe(_WARNING, "bold red"))
    asyncio.run(run(settings, started=_started))
    return 0


def _started(address: str) -> None:
    err.print(safe(f"listening on {address}"))


async def quarantine(settings: Settings) -> int:
    """Print what is kept out, and why."""
    rows: list[tuple[object, ...]] = []
    async with open_parts(settings) as parts:
        after = 0
        while entries := await parts.records.quarantine.entries(after=after, limit=_PAGE):
            rows += [(one.tenant or "?", one.uri, one.reason, one.last_seen) for one in entries]
            after = entries[-1].id
    out.print(table("", ("tenant", "document", "reason", "last seen"), rows))
    out.print(f"{len(rows)} in quarantine")
    return 0


async def verify_audit(settings: Settings) -> int:
    """Walk the audit chain and print whether it holds."""
    async with open_parts(settings) as parts:
        report = await parts.records.audit.verify()
    if report.fault is not None:
        fault = report.fault
        err.print(safe(f"the chain fails at number {fault.seq}: {fault.reason}", "bold red"))
        return 1
    out.print(safe(f"ok: {report.verified} events, head {report.head.hash}", "green"))
    return 0


async def status(settings: Settings) -> int:
    """Print what is stored and which policy is in effect."""
    async with open_parts(settings) as parts:
        rows = await _status(parts)
    out.print(table("", ("what", "state"), rows))
    return 0


async def _status(parts: Parts) -> list[tuple[object, ...]]:
    snapshot, records = parts.snapshots.pin(), parts.records
    head = await records.audit.head()
    return [
        ("documents", await records.catalog.count_documents()),
        ("labels not yet in the engine", len(await records.projection.unprojected())),
        ("points still to be deleted", len(await records.projection.point_deletions())),
        ("engine", await _engine(parts)),
        ("policy", f"revision {snapshot.revision}, {len(snapshot.policy.rules)} rules"),
        ("policy digest", snapshot.digest),
        ("policy folder", await _folder(parts)),
        ("policy is refuted", "yes" if snapshot.refuted else "no"),
        ("audit events", head.seq),
        ("audit head", head.hash),
        ("now", datetime.now(UTC).isoformat(timespec="seconds")),
    ]


async def _folder(parts: Parts) -> str:
    """Say whether the folder says what is in effect; it fills an empty installation alone."""
    revision = parts.snapshots.pin().revision
    try:
        same = read_texts(parts.settings.policy_dir) == await parts.records.policies.texts(revision)
    except AclError:
        return "cannot be compared"
    if same:
        return "says what is in effect"
    return "says something else; `strongroom policy propose FOLDER` proposes it"


async def _engine(parts: Parts) -> str:
    try:
        await parts.engine.ping()
    except EngineError as error:
        return f"does not answer: {error}"
    return "answers"
