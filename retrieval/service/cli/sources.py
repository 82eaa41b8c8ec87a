"""Sources: where documents come from. Added, listed, run and removed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from acl.records import AuditKind, RecordsConflictError, SourceRecord
from acl.subject import OPERATOR
from ingest.project import event_of
from ingest.sources.registry import registered, source_event, source_of_path
from retrieval.rights.policy_source import read_schema
from retrieval.service.cli.documents import (
    Asked,
    At,
    Prune,
    Sure,
    compared,
    ran,
    read_flags,
)
from retrieval.service.cli.render import Shown, count, records, safe, table
from retrieval.service.cli.run import command, now
from retrieval.service.cli.start import command_settings
from retrieval.service.settings import SettingsError
from retrieval.service.wiring import Parts, open_pipeline

app = typer.Typer()
source = typer.Typer(
    help="Where documents come from: added, listed, run, removed.", no_args_is_help=True
)
app.add_typer(source, name="source")

Name = Annotated[str, typer.Argument(help="The source's name.")]


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A source, and how many of its documents can be found."""

    name: str
    kind: str
    root: str
    place: str
    documents: int
    label: dict[str, Any]
    last_run_at: datetime | None
    last_run: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SourceList:
    """All sources."""

    sources: tuple[SourceLine, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """A source that is forgotten, and how many documents left the search."""

    name: str
    documents: int


@command(source, "add", new=True)
async def add(
    parts: Parts,
    name: Name,
    root: Annotated[Path, typer.Option("--root", help="The folder.")],
    label: Annotated[
        list[str] | None,
        typer.Option(help="One attribute for all its documents, as key=value. Repeatable."),
    ] = None,
    *,
    at: At = "",
) -> Shown:
    """Make a folder a source, or change its root, its place or its label. Nothing is read yet."""
    if not root.is_dir():
        raise SettingsError(f"there is no folder `{root}`")
    flags = read_flags(label or [], read_schema(command_settings().policy_dir))
    try:
        made = await source_of_path(parts.records, root, name=name, at=at, label=flags)
        await registered(parts.records, made)
    except RecordsConflictError as error:
        raise SettingsError(str(error)) from error
    return _shown(await _line(parts, name), f"`strongroom source run {name}` reads it in")


@command(source, "list")
async def list_sources(parts: Parts) -> Shown:
    """List the sources, with what their last runs did."""
    lines = await _lines(parts)
    return Shown(
        SourceList(lines),
        [records(lines, "name root place documents last_run_at"), count(len(lines), "source")],
    )


@command(source, "show")
async def show(parts: Parts, name: Name) -> Shown:
    """Show one source."""
    return _shown(await _line(parts, name))


@command(source, "run")
async def run(
    parts: Parts,
    name: Name,
    *,
    prune: Prune = False,
    sure: Sure = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come and go, and change nothing.")
    ] = False,
) -> Shown:
    """Bring the index to what a source holds."""
    record = await _named(parts, name)
    root = Path(record.root)
    if dry_run:
        return await compared(parts, root, record)
    return await ran(parts, Asked(root, record, prune=prune, sure=sure))


@command(source, "remove")
async def remove(parts: Parts, name: Name, *, sure: Sure = False) -> Shown:
    """Forget a source, and take its documents out of the search. Their labels are kept."""
    record = await _named(parts, name)
    live = [each for each in await parts.records.sources.documents(record.id) if each.is_live]
    if live and not sure:
        raise SettingsError(
            f"{count(len(live), 'document')} of `{name}` would leave the search; "
            "if that is meant, say `--yes`"
        )
    async with open_pipeline(parts) as pipeline:
        for document in live:
            event = event_of(
                AuditKind.DELETE,
                document.id,
                tenant=document.tenant,
                actor=OPERATOR,
                at=now(),
                detail={"uri": document.uri, "why": "source removed"},
            )
            await pipeline.withdraw(document.id, event)
    await parts.records.sources.remove(record.id, source_event(record, by=OPERATOR, what="removed"))
    said = f"removed; {count(len(live), 'document')} left the search"
    return Shown(Removed(name, len(live)), [safe(said, "bold")])


async def _named(parts: Parts, name: str) -> SourceRecord:
    record = await parts.records.sources.named(name)
    if record is None:
        known = ", ".join(line.name for line in await _lines(parts)) or "none"
        raise SettingsError(f"there is no source `{name}`; there are: {known}")
    return record


async def _lines(parts: Parts) -> tuple[SourceLine, ...]:
    return tuple(
        SourceLine(
            name=each.source.name,
            kind=each.source.kind,
            root=each.source.root,
            place=each.source.at or "/",
            documents=each.live,
            label=dict(each.source.label),
            last_run_at=each.source.last_run_at,
            last_run=dict(each.source.last_run),
        )
        for each in await parts.records.sources.listed()
    )


async def _line(parts: Parts, name: str) -> SourceLine:
    await _named(parts, name)
    return next(line for line in await _lines(parts) if line.name == name)


def _shown(line: SourceLine, *more: str) -> Shown:
    values = [(key, value) for key, value in asdict(line).items() if value not in ("", None, {})]
    return Shown(line, [table("", ("", "value"), values), *more])
