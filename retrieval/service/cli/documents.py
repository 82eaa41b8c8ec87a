"""Documents: read in with `ingest`, listed, and kept out in quarantine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from acl.labels import AttributeType, LabelSchema
from acl.records import Quarantined, RecordsConflictError, SourceRecord
from acl.subject import OPERATOR as OPERATOR_ID
from ingest.report import EventKind, IngestEvent, IngestReport
from ingest.sources.registry import source_of_path
from retrieval.access.strangers import strangers
from retrieval.rights.policy_source import read_schema
from retrieval.service.api.documents import DocumentList
from retrieval.service.cli.render import Shown, count, out, records, safe, table
from retrieval.service.cli.run import (
    AskAs,
    Document,
    InTenant,
    command,
    document_named,
    known_people,
    now,
    person_of,
    quarantined,
    run_on_parts,
    whole,
)
from retrieval.service.cli.start import Json, command_settings
from retrieval.service.settings import SettingsError
from retrieval.service.wiring import Parts, open_pipeline

At = Annotated[
    str,
    typer.Option("--at", help="The place under which its documents stand, such as /archive."),
]
Prune = Annotated[
    bool, typer.Option("--prune", help="Remove stored documents that the source lacks.")
]
Sure = Annotated[bool, typer.Option("--yes", help="What is removed is meant, be it much.")]

_PAGE: Final = 200
_NAMED: Final = 3
_SILENT: Final = frozenset({EventKind.ENCODING, EventKind.OPTIMIZING, EventKind.UNCHANGED})

app = typer.Typer()
documents = typer.Typer(help="Look at the documents that are stored.", no_args_is_help=True)
quarantine = typer.Typer(
    help="Look at the documents that are kept out, and why.", no_args_is_help=True
)
app.add_typer(documents, name="documents")
app.add_typer(quarantine, name="quarantine")


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What is kept out."""

    entries: tuple[Quarantined, ...]


@app.command()
def ingest(  # noqa: PLR0913 - the options of one command
    path: Annotated[Path, typer.Argument(help="A folder, or one file.")],
    label: Annotated[
        list[str] | None,
        typer.Option(help="Set one attribute for all documents, as key=value. Repeatable."),
    ] = None,
    *,
    source: Annotated[
        str, typer.Option("--source", help="The folder's name as a source; it is made if new.")
    ] = "",
    at: At = "",
    prune: Prune = False,
    sure: Sure = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come and go, and change nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the final report.")] = False,
    as_json: Json = False,
) -> None:
    """Read documents in, so that those who may read them can find them.

    A document's label (tenant, owner, classification, readers …) comes from the `_label.toml`
    files of its folders, from its own front matter, and from `NAME.label.toml` beside it. What has
    no complete label, or cannot be read, waits in quarantine and is not searchable. Run it as
    often as you like: only what changed is read again.

    The folder is a source from its first run on: what `--label` said is remembered, a renamed file
    keeps its document, and no run touches what came from another source.
    """
    settings = command_settings()
    if not path.exists():
        raise SettingsError(f"there is no folder or file `{path}`")
    flags = read_flags(label or [], read_schema(settings.policy_dir))

    async def work(parts: Parts) -> Shown:
        try:
            where = await source_of_path(parts.records, path, name=source, at=at, label=flags)
            if dry_run:
                return await compared(parts, path, where)
            asked = Asked(path, where, prune=prune, sure=sure, quiet=quiet or as_json)
            return await ran(parts, asked)
        except RecordsConflictError as error:
            raise SettingsError(str(error)) from error

    run_on_parts(work, as_json=as_json, settings=settings, new=True)


@command(documents, "list")
async def documents_list(parts: Parts, *, asker: AskAs) -> Shown:
    """List every document that a person may read."""
    person = person_of(parts, asker)
    found = await whole(
        DocumentList,
        "documents",
        lambda after: parts.reader.list_documents(person, after=after, limit=_PAGE, now=now()),
    )
    said = count(len(found.documents), "document")
    return Shown(found, [records(found.documents, "uri title classification owner"), said])


@dataclass(frozen=True, slots=True)
class Deleted:
    """A document that is gone.

    Attributes:
        points_left: how many of its points the engine still has.
    """

    document_id: str
    uri: str
    points_left: int


@command(documents, "delete")
async def documents_delete(
    parts: Parts, document: Document, *, tenant: InTenant = "", sure: Sure = False
) -> Shown:
    """Delete a document for good: text, vectors, label, shares and history; its audit stays.

    While its file is in the source, the next run reads it in again, under the label of the file.
    """
    record = await document_named(parts, document, tenant)
    if not sure:
        raise SettingsError(
            f"`{record.uri}` would be deleted for good; if that is meant, say `--yes`"
        )
    async with open_pipeline(parts) as pipeline:
        left = await pipeline.delete(record.id, actor=OPERATOR_ID)
    said = f"deleted {record.uri}: no text, no label, {count(left, 'point')} left in the engine"
    return Shown(Deleted(record.id, record.uri, left), [safe(said, "bold")], code=int(left > 0))


@command(quarantine, "list")
async def quarantine_list(parts: Parts) -> Shown:
    """List the documents that are kept out, with the reason for each."""
    kept = await quarantined(parts)
    lines = records(kept, "tenant uri reason last_seen")
    return Shown(Quarantine(tuple(kept)), [lines, f"{len(kept)} in quarantine"])


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is asked to do.

    Attributes:
        sure: whether removing a large share is meant.
    """

    path: Path
    source: SourceRecord
    prune: bool = False
    sure: bool = False
    quiet: bool = False


async def ran(parts: Parts, asked: Asked) -> Shown:
    """Run a source, and return what it did."""
    report = await ingest_into(parts, asked)
    met = await strangers(parts.records, parts.snapshots.pin(), known_people(parts), now())
    report = replace(report, strangers=met)
    incomplete = bool(report.quarantined or report.failed)
    return Shown(report, report_lines(report), code=int(incomplete))


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would find."""

    known: int
    new: tuple[str, ...]
    gone: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]


async def compared(parts: Parts, path: Path, source: SourceRecord) -> Shown:
    """Return what a run would find, and change nothing."""
    async with open_pipeline(parts) as pipeline:
        found = await pipeline.compare(path, flags={}, source=source)
    preview = Preview(
        known=found.known,
        new=found.new,
        gone=tuple(document.uri for document in found.gone),
        renamed=tuple((document.uri, uri) for uri, document in found.moved.items()),
    )
    lines = [
        table("Renamed", ("was", "is"), preview.renamed),
        table("No longer in the source", ("document",), [(uri,) for uri in preview.gone]),
        safe(
            f"{len(preview.new)} new, {len(preview.renamed)} renamed, {len(preview.gone)} gone "
            f"of {preview.known}; nothing was changed",
            "bold",
        ),
    ]
    return Shown(preview, lines)


async def ingest_into(parts: Parts, asked: Asked) -> IngestReport:
    """Ingest under a progress bar, and remember what the run did."""
    text = TextColumn("{task.description:<48}", markup=False)
    columns = (
        text,
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    hidden = asked.quiet and not out.is_terminal
    with Progress(*columns, console=out, transient=True, disable=hidden) as progress:
        task, last = (
            progress.add_task("reading", total=None, rate=""),
            IngestEvent(kind=EventKind.ADDED),
        )

        def show(event: IngestEvent) -> None:
            nonlocal last
            last = event
            what = safe(event.uri or event.detail or event.kind.value).plain
            elapsed = progress.tasks[task].elapsed or 0.0
            if event.kind is EventKind.ENCODING and elapsed:
                progress.update(task, rate=f"{event.passages / elapsed:.0f} passages/s")
            total = event.total or None
            progress.update(task, completed=event.done, total=total, description=what[:48])
            if not asked.quiet and event.kind not in _SILENT and event.uri:
                said = safe(f"{event.uri} {event.detail}")
                progress.console.print(Text.assemble(f"{event.kind.value:13} ", said))

        async with open_pipeline(parts) as pipeline:
            try:
                report = await pipeline.ingest(
                    asked.path,
                    flags={},
                    on_event=show,
                    prune=asked.prune,
                    sure=asked.sure,
                    source=asked.source,
                )
            except asyncio.CancelledError:
                out.print(
                    safe(
                        f"interrupted: {last.done} of {last.total} files are done and stay "
                        "stored; the same command goes on from there"
                    )
                )
                raise
    await parts.records.sources.ran(asked.source.id, numbers(report), at=now())
    return report


def numbers(report: IngestReport) -> dict[str, int]:
    """Return what a run did, by number."""
    counted = ("added", "updated", "relabelled", "unchanged", "removed")
    listed = ("renamed", "quarantined", "failed", "vanished")
    return {
        **{name: getattr(report, name) for name in counted},
        **{name: len(getattr(report, name)) for name in listed},
    }


def report_lines(report: IngestReport) -> list[RenderableType]:
    """Return what a run did, and what is kept out."""
    raised = [
        f"{label.uri}: raised to {label.level}, because it holds {', '.join(label.rules)}"
        for label in report.raised
    ]
    overruled = [
        f"{label.uri}: {', '.join(label.attributes)} stays as it was set here; the source says less"
        for label in report.overruled
    ]
    renamed = "Renamed; label, shares and history stay"
    vanished = "Stored, but no longer in the source (`--prune` removes them)"
    return [
        records(report.quarantined, "uri reason", title="In quarantine, not searchable"),
        records(report.failed, "uri reason", title="Changed meanwhile; run again"),
        *map(safe, [*raised, *overruled]),
        table(renamed, ("was", "is"), report.renamed),
        table(vanished, ("document",), [(uri,) for uri in report.vanished]),
        table(
            "Owners and readers who match no one that is known",
            ("name", "tenant", "did you mean", "documents"),
            [
                (each.principal, each.tenant, each.nearest, ", ".join(each.uris[:_NAMED]))
                for each in report.strangers
            ],
        ),
        safe(
            f"{report.added} added, {report.updated} updated, {report.relabelled} relabelled, "
            f"{report.unchanged} unchanged, {report.removed} removed, "
            f"{len(report.quarantined)} in quarantine; {report.encoded} passages encoded",
            "bold",
        ),
    ]


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
                flags[name] = [part.strip() for part in value.split(",") if part.strip()]
            case AttributeType.INTEGER if not attribute.levels:
                flags[name] = int(value) if value.lstrip("-").isdigit() else value
            case AttributeType.BOOLEAN:
                flags[name] = {"true": True, "false": False}.get(value.lower(), value)
            case _:
                flags[name] = value
    return flags
