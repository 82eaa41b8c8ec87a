"""`strongroom label …` for many documents: a selection, a folder, and the jobs that do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from acl.labels import LabelSchema
from acl.records import ItemState, Job
from retrieval.labels.folders import FolderRequest, FolderSet, FolderView
from retrieval.labels.selection import Planned, Refused, Selection, checked_folder
from retrieval.rights.authority import Asker
from retrieval.service.cli.commands_label import (
    Asked,
    asker_of,
    found_document,
    print_effect,
    shown_value,
)
from retrieval.service.cli.commands_write import read_flags
from retrieval.service.cli.console import err, out, safe, table
from retrieval.service.settings import Settings, SettingsError
from retrieval.service.wiring import Parts, open_parts

_SHOWN = 20


async def change(settings: Settings, names: Sequence[str], asked: Asked, tenant: str) -> int:
    """Change the labels of several documents or of all in a folder."""
    async with open_parts(settings) as parts:
        who = asker_of(parts, asked.asker)
        selection = await _selection(parts, who, names, tenant)
        request = asked.request(parts.schema)
        if asked.version is not None:
            raise SettingsError("`--version` is of one document, and these are many")
        if asked.dry_run:
            _print_plan(await parts.bulk.plan(who, selection, request))
            return 0
        begun = await parts.bulk.begin(who, selection, request)
        return await _carried_out(parts, begun.job, begun.refused)


async def folder(
    settings: Settings, path: str, unset: Sequence[str], asked: Asked, tenant: str
) -> int:
    """Set what a folder's documents inherit, or show what is set."""
    async with open_parts(settings) as parts:
        who = asker_of(parts, asked.asker)
        if not (path or tenant or asked.asker):
            raise SettingsError("say whose folders: `--tenant acme`, or a folder such as /acme/hr/")
        if not asked.values and not unset:
            _print_folders(
                await parts.folders.view(who, tenant or _tenant(path)), path, parts.schema
            )
            return 0
        request = FolderRequest(
            folder=path,
            tenant=tenant or _tenant(path),
            values=read_flags(asked.values, parts.schema, option="--set"),
            unset=frozenset(unset),
            expected_version=asked.version,
            reason=asked.reason,
        )
        if asked.dry_run:
            _print_plan(await parts.folders.plan(who, request))
            return 0
        return await _folder_set(parts, await parts.folders.set_folder(who, request))


async def approve_folder(settings: Settings, proposal: str, asker: str) -> int:
    """Approve what somebody else proposed for a folder, and bring it to the documents."""
    async with open_parts(settings) as parts:
        done = await parts.folders.approve(asker_of(parts, asker), proposal)
        return await _folder_set(parts, done)


async def jobs(settings: Settings, resume: str) -> int:
    """List jobs, or go on with one."""
    async with open_parts(settings) as parts:
        if resume:
            job = await parts.records.jobs.job(resume)
            if job is None:
                raise SettingsError(f"there is no job `{resume}`")
            return await _carried_out(parts, job, ())
        found = await parts.records.jobs.recent()
    rows = [(one.id, f"{one.created_at:%Y-%m-%d %H:%M}", one.by, *_counts(one)) for one in found]
    out.print(table("", ("job", "begun", "by", "documents", "done", "to do", "not done"), rows))
    return 0


async def _selection(parts: Parts, who: Asker, names: Sequence[str], tenant: str) -> Selection:
    folders = [name for name in names if name.endswith("/")]
    if folders and len(names) > 1:
        raise SettingsError("name one folder, or documents; not both")
    if folders:
        path = checked_folder(folders[0])
        return Selection(folder=path, tenant=tenant or _tenant(path))
    found = [await found_document(parts, who, name) for name in names]
    # One that the asker may not know of is left out by the desk, as one that is not there.
    return Selection(ids=tuple(one.id for one in found if one is not None))


async def _folder_set(parts: Parts, done: FolderSet) -> int:
    if done.job is not None:
        return await _carried_out(parts, done.job, done.refused)
    out.print(safe(f"Waits for somebody else's approval: proposal {done.proposal}", "yellow"))
    return 0


async def _carried_out(parts: Parts, begun: Job, refused: Sequence[Refused]) -> int:
    columns = (TextColumn("changing labels"), BarColumn(), MofNCompleteColumn())
    out.print(safe(f"job {begun.id}", "dim"))
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=begun.total)

        def show(job: Job) -> None:
            bar.update(task, completed=job.total - job.pending)

        job = await parts.bulk.run(begun.id, on_progress=show)
    _print_refused(refused)
    return await _report(parts, job)


async def _report(parts: Parts, job: Job) -> int:
    rows = [
        (item.document_id, item.detail)
        for state in (ItemState.CONFLICT, ItemState.FAILED)
        for item in await parts.records.jobs.items(job.id, state=state, limit=_SHOWN)
    ]
    if rows:
        out.print(table("Not changed", ("document", "why"), rows))
    total, done, pending, not_done = _counts(job)
    out.print(safe(f"{done} of {total} documents changed, {not_done} not", "bold"))
    return 1 if not_done or pending else 0


def _counts(job: Job) -> tuple[int, int, int, int]:
    done = job.counts.get(ItemState.DONE, 0)
    return job.total, done, job.pending, job.total - done - job.pending


def _print_plan(planned: Planned) -> None:
    rows = [(uri,) for uri in sorted(planned.uris.values())[:_SHOWN]]
    if rows:
        more = len(planned.items) - len(rows)
        title = "Would change" if more <= 0 else f"Would change, and {more} more"
        out.print(table(title, ("document",), rows))
    _print_refused(planned.refused)
    print_effect(planned.effect)
    if planned.not_compared:
        left = f"{planned.not_compared} more changes of labels were not compared for this."
        out.print(safe(left, "yellow"))
    if planned.waits:
        out.print("It would wait for somebody else's approval.")
    text = f"{len(planned.items)} documents would change. Nothing was changed."
    out.print(safe(text, "yellow"))


def _print_refused(refused: Sequence[Refused]) -> None:
    if refused:
        rows = [(one.uri, one.reason) for one in refused[:_SHOWN]]
        out.print(table(f"Left alone: {len(refused)}", ("document", "why"), rows))


def _print_folders(view: FolderView, path: str, schema: LabelSchema) -> None:
    wanted = checked_folder(path) if path else ""
    rows = [
        (
            one.path,
            name,
            shown_value(name, one.attributes, schema),
            one.by,
            f"{one.at:%Y-%m-%d %H:%M}",
            one.version,
        )
        for one in view.folders
        for name in one.attributes
        if not wanted or wanted.startswith(one.path) or one.path.startswith(wanted)
    ]
    columns = ("folder", "attribute", "value", "set by", "when", "version")
    out.print(table("", columns, rows))
    waiting = [
        (one.id, one.about, _said(one.wanted, schema), one.by, one.reason) for one in view.proposals
    ]
    if waiting:
        heads = ("proposal", "folder", "would say", "by", "reason")
        out.print(table("Waits for approval", heads, waiting))


def _said(attributes: Mapping[str, object], schema: LabelSchema) -> str:
    said = (f"{name}={shown_value(name, attributes, schema)}" for name in sorted(attributes))
    return "; ".join(said) or "nothing"


def _tenant(path: str) -> str:
    return path.strip("/").partition("/")[0]
