"""Operating an installation: `status`, `fsck`, `audit verify`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

from acl.errors import AclError
from ingest.index.engine import EngineError
from ingest.report import ReconcileReport
from retrieval.rights.policy_source import read_texts
from retrieval.service.cli.render import Shown, safe, table
from retrieval.service.cli.run import command
from retrieval.service.wiring import Parts, reconciler

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

app = typer.Typer()
audit = typer.Typer(help="Check the record of who read what.", no_args_is_help=True)
app.add_typer(audit, name="audit")


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


@command(app, "status")
async def status(parts: Parts) -> Shown:
    """Say what is stored, and which policy is in effect."""
    return Shown(await _status(parts))


@command(app, "fsck")
async def fsck(parts: Parts) -> Shown:
    """Compare the records with the search engine, and repair differences."""
    now = datetime.now(UTC)
    return _checked(await reconciler(parts).run(now=now, begun_before=now - _UNDER_WAY))


@command(audit, "verify")
async def audit_verify(parts: Parts) -> Shown:
    """Check that no event of the audit was edited, removed or added."""
    report = await parts.records.audit.verify()
    if report.fault is not None:
        said = f"the chain fails at number {report.fault.seq}: {report.fault.reason}"
        return Shown(report, [], code=1, err=[safe(said, "bold red")])
    said = f"ok: {report.verified} events, head {report.head.hash}"
    return Shown(report, [safe(said, "green")])


def _checked(report: ReconcileReport) -> Shown:
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


async def _status(parts: Parts) -> Status:
    snapshot, records = parts.snapshots.pin(), parts.records
    head = await records.audit.head()
    return Status(
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
        now=datetime.now(UTC),
    )


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
