"""Documents: read in with `ingest`, listed, and kept out in quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from acl.labels import AttributeType, LabelSchema
from acl.records import Quarantined
from ingest.report import EventKind, IngestEvent, IngestReport
from retrieval.access.strangers import strangers
from retrieval.rights.policy_source import read_schema
from retrieval.service.api.documents import DocumentList
from retrieval.service.cli.render import Shown, count, out, records, safe, table
from retrieval.service.cli.run import (
    AskAs,
    command,
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
def ingest(
    path: Annotated[Path, typer.Argument(help="A folder, or one file.")],
    label: Annotated[
        list[str] | None,
        typer.Option(help="Set one attribute for all documents, as key=value. Repeatable."),
    ] = None,
    *,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove stored documents that the folder lacks.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the final report.")] = False,
    as_json: Json = False,
) -> None:
    """Read documents in, so that those who may read them can find them.

    A document's label (tenant, owner, classification, readers …) comes from the `_label.toml`
    files of its folders, from its own front matter, and from `NAME.label.toml` beside it. What has
    no complete label, or cannot be read, waits in quarantine and is not searchable. Run it as
    often as you like: only what changed is read again.
    """
    settings = command_settings()
    if not path.exists():
        raise SettingsError(f"there is no folder or file `{path}`")
    flags = read_flags(label or [], read_schema(settings.policy_dir))

    async def work(parts: Parts) -> Shown:
        report = await ingest_into(parts, path, flags, prune=prune, quiet=quiet or as_json)
        met = await strangers(parts.records, parts.snapshots.pin(), known_people(parts), now())
        report = replace(report, strangers=met)
        incomplete = bool(report.quarantined or report.failed)
        return Shown(report, report_lines(report), code=int(incomplete))

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


@command(quarantine, "list")
async def quarantine_list(parts: Parts) -> Shown:
    """List the documents that are kept out, with the reason for each."""
    kept = await quarantined(parts)
    lines = records(kept, "tenant uri reason last_seen")
    return Shown(Quarantine(tuple(kept)), [lines, f"{len(kept)} in quarantine"])


async def ingest_into(
    parts: Parts, root: Path, flags: dict[str, object], *, prune: bool, quiet: bool
) -> IngestReport:
    """Ingest under a progress bar."""
    text = TextColumn("{task.description:<48}", markup=False)
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = quiet and not out.is_terminal
    with Progress(*columns, console=out, transient=True, disable=hidden) as progress:
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
    vanished = "Stored, but no longer in the source (`--prune` removes them)"
    return [
        records(report.quarantined, "uri reason", title="In quarantine, not searchable"),
        records(report.failed, "uri reason", title="Changed meanwhile; run again"),
        *map(safe, [*raised, *overruled]),
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
