"""Commands that change what is stored: `ingest` and `fsck`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from acl.labels import AttributeType, LabelSchema
from ingest.report import EventKind, IngestEvent, IngestReport
from retrieval.service.cli.console import err, out, safe, table
from retrieval.service.settings import Settings, SettingsError
from retrieval.service.wiring import Parts, open_parts, open_pipeline, reconciler

# A version younger than this may belong to an ingest that is still running.
_UNDER_WAY: Final = timedelta(hours=1)

_SILENT: Final = frozenset({EventKind.ENCODING, EventKind.OPTIMIZING, EventKind.UNCHANGED})


async def ingest(
    settings: Settings, root: Path, labels: Sequence[str], *, prune: bool, quiet: bool
) -> int:
    """Ingest a folder or a file, and print what became of each document."""
    async with open_parts(settings) as parts:
        flags = read_flags(labels, parts.schema)
        report = await ingest_into(parts, root, flags, prune=prune, quiet=quiet)
    print_report(report)
    return 1 if report.quarantined or report.failed else 0


async def ingest_into(
    parts: Parts, root: Path, flags: dict[str, object], *, prune: bool, quiet: bool
) -> IngestReport:
    """Ingest under a progress bar."""
    with _progress() as progress:
        task = progress.add_task("reading", total=None)

        def show(event: IngestEvent) -> None:
            what = safe(event.uri or event.detail or event.kind.value).plain
            total = event.total or None
            progress.update(task, completed=event.done, total=total, description=what[:48])
            if not quiet and event.kind not in _SILENT and event.uri:
                said = safe(f"{event.uri} {event.detail}")
                progress.console.print(Text.assemble(f"{event.kind.value:13} ", said))

        async with open_pipeline(parts) as pipeline:
            return await pipeline.ingest(root, flags=flags, on_event=show, prune=prune)


def print_report(report: IngestReport) -> None:
    """Print what a run did, and what is kept out."""
    if report.quarantined:
        rows = [(one.uri, one.reason) for one in report.quarantined]
        out.print(table("In quarantine, not searchable", ("document", "reason"), rows))
    if report.failed:
        rows = [(one.uri, one.reason) for one in report.failed]
        out.print(table("Changed meanwhile; run again", ("document", "reason"), rows))
    for raised in report.raised:
        kinds = ", ".join(raised.rules)
        out.print(safe(f"{raised.uri}: raised to {raised.level}, because it holds {kinds}"))
    for overruled in report.overruled:
        names = ", ".join(overruled.attributes)
        out.print(safe(f"{overruled.uri}: {names} stays as it was set here; the source says less"))
    if report.vanished:
        out.print(
            table(
                "Stored, but no longer in the source (`--prune` removes them)",
                ("document",),
                [(one,) for one in report.vanished],
            )
        )
    out.print(
        safe(
            f"{report.added} added, {report.updated} updated, {report.relabelled} relabelled, "
            f"{report.unchanged} unchanged, {report.removed} removed, "
            f"{len(report.quarantined)} in quarantine; {report.encoded} passages encoded",
            "bold",
        )
    )


def read_flags(
    labels: Sequence[str], schema: LabelSchema, *, option: str = "--label"
) -> dict[str, object]:
    """Return what `--label key=value` says; a set is written `a,b`.

    Raises:
        SettingsError: not of this form, or the attribute is not declared.
    """
    flags: dict[str, object] = {}
    for given in labels:
        name, equals, value = given.partition("=")
        attribute = schema.attributes.get(name)
        if not equals or attribute is None:
            known = ", ".join(schema.attributes)
            raise SettingsError(f"`{option} {given}`: write key=value, with one of {known}")
        match attribute.type:
            case AttributeType.KEYWORD_SET:
                flags[name] = [one.strip() for one in value.split(",") if one.strip()]
            case AttributeType.INTEGER if not attribute.levels:
                flags[name] = int(value) if value.lstrip("-").isdigit() else value
            case AttributeType.BOOLEAN:
                flags[name] = {"true": True, "false": False}.get(value.lower(), value)
            case _:
                flags[name] = value
    return flags


async def fsck(settings: Settings) -> int:
    """Compare records and engine, repair, and print what was found."""
    async with open_parts(settings) as parts:
        now = datetime.now(UTC)
        report = await reconciler(parts).run(now=now, begun_before=now - _UNDER_WAY)
    rows = [
        ("half-done versions given up", report.abandoned),
        ("deletions carried out", report.deletions),
        ("labels brought to the engine", report.projected),
        ("points without a record removed", report.orphans),
        ("wrong labels corrected", report.mislabelled),
        ("documents with points too many", report.surplus),
        ("lost points made again", report.missing),
    ]
    out.print(table("", ("found and repaired", "number"), rows))
    if report.unreadable:
        print_unreadable(report.unreadable)
        return 1
    if report.differences:
        err.print(safe(f"{report.differences} differences, repaired", "yellow"))
        return 1
    out.print(safe("records and engine agree", "green"))
    return 0


def print_unreadable(documents: Sequence[str]) -> None:
    """Print which documents nobody finds, because their label cannot be read."""
    out.print(table("Labels that cannot be read", ("document",), [(one,) for one in documents]))
    err.print(safe("set each anew: `strongroom label set DOCUMENT --set …`", "yellow"))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<48}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out,
        transient=True,
    )
