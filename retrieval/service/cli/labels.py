"""`strongroom label …`: labels seen and changed, of one document, of many, of folders.

The laws of this file:

1. A change is what the desk makes of it: here are its words, and what is printed of it.
2. Of those who lose or gain, people and groups are told; a role, only where a known person has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Final

import typer
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from acl.errors import AclError
from acl.policy.names import path_to_name
from acl.records import ChangeKind, ItemState, Job
from acl.subject import Subject
from retrieval.access.audience import Effect, Member
from retrieval.access.audience import effect as compared
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.folders import FolderRequest, FolderSet
from retrieval.labels.requests import HandOver, LabelRequest, ShareRequest
from retrieval.labels.selection import (
    Planned,
    Refused,
    Selection,
    checked_folder,
    handing_over,
)
from retrieval.labels.views import Changed, Target
from retrieval.rights.authority import Asker
from retrieval.rights.decisions import Decisions
from retrieval.service.api.folders import FolderAnswer, FolderList
from retrieval.service.api.jobs import PROBLEMS, JobList, ListedJob, ShownJob
from retrieval.service.api.labels import (
    ChangedLabel,
    LabelHistory,
    RelabelAnswer,
    ShownChange,
    ShownLabel,
)
from retrieval.service.cli.documents import read_flags
from retrieval.service.cli.render import Shown, count, err, in_words, records, safe, table
from retrieval.service.cli.run import (
    ActAs,
    Document,
    InTenant,
    Until,
    asked_about,
    asker_of,
    command,
    document_for,
    known_people,
    moment,
    now,
    tenant_of,
)
from retrieval.service.http.bodies import answer
from retrieval.service.settings import SettingsError
from retrieval.service.wiring import Parts

_SHOWN: Final = 20

app = typer.Typer()
label = typer.Typer(
    help="See who may read a document, and change it: classify, share, undo.",
    no_args_is_help=True,
)
app.add_typer(label, name="label")

Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the change.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, do nothing.")]
Version = Annotated[
    int | None,
    typer.Option(
        "--version",
        min=0,
        help="The version that you looked at, as `label show` prints it: if it was changed since, "
        "you are told and nothing is changed.",
    ),
]
Tenant = Annotated[
    str, typer.Option("--tenant", help="Whose folder, if it does not begin with the tenant's name.")
]
SetValues = Annotated[
    list[str] | None,
    typer.Option("--set", help="One attribute, as classification=confidential. Repeatable."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a change is asked for: by whom, why, on which version, and whether it is a trial."""

    asker: ActAs = ""
    reason: Reason = ""
    dry_run: DryRun = False
    version: Version = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentChange(Change):
    """How a change of one document is asked for."""

    tenant: InTenant = ""

    async def target(self, parts: Parts, name: str) -> tuple[Asker, Target]:
        """Return who asks, and the document in the version that they looked at."""
        who, record = await asked_about(parts, self.asker, name, self.tenant)
        version = record.label_version if self.version is None else self.version
        return who, Target(record.id, version)


@command(label, "show")
async def show(
    parts: Parts, document: Document, *, tenant: InTenant = "", asker: ActAs = ""
) -> Shown:
    """Show a document's label, where each value comes from, and its shares."""
    who, record = await asked_about(parts, asker, document, tenant)
    view = answer(ShownLabel, await parts.labels.show(who, record.id, now=now()))
    values = [(name, value, view.origins[name]) for name, value in view.label.items()]
    shares = [
        (share.principal, share.until or "for good", share.by, share.since) for share in view.shares
    ]
    lines = [
        safe(view.uri, "bold"),
        table("", ("", "value", "comes from"), values),
        table("Shared with", ("who", "until", "by", "since"), shares),
        records(view.proposals, "id by at reason", title="Waits for approval"),
        safe(f"label version {view.label_version}", "dim"),
    ]
    return Shown(view, lines)


@command(label, "set")
async def set_label(  # noqa: PLR0913 - options
    parts: Parts,
    documents: Annotated[
        list[str] | None,
        typer.Argument(help="One or more documents, or a folder that ends in `/` for all in it."),
    ] = None,
    *,
    owner: Annotated[
        str, typer.Option("--owner", help="All documents of this owner, instead of naming them.")
    ] = "",
    values: SetValues = None,
    inherit: Annotated[
        list[str] | None,
        typer.Option("--inherit", help="Take this attribute from the folder again. Repeatable."),
    ] = None,
    change: Change,
    tenant: Tenant = "",
) -> Shown:
    """Change the label of one document, of several, or of all documents in a folder now.

    What is set here stays, also when the folder changes, until `--inherit`. Raising needs the
    right to tag, a new reader the right to share, everything else the right to declassify.

    Try it first with `--dry-run`:
    strongroom label set acme/hr/plan.md --set classification=restricted --dry-run
    """
    if not values and not inherit:
        raise SettingsError("say what is to change: `--set classification=confidential`")
    flags = read_flags(values or [], parts.schema, option="--set")
    request = LabelRequest(values=flags, inherit=frozenset(inherit or []), reason=change.reason)
    if bool(owner) is bool(documents):
        raise SettingsError("name documents or a folder, or else `--owner user:olaf`")
    if owner:
        who = asker_of(parts, change.asker)
        whose = Selection(owner=owner, tenant=_whose(who, tenant))
        return await _job(parts, who, (whose, request), change)
    documents = documents or []
    if len(documents) == 1 and not documents[0].endswith("/"):
        given = {each.name: getattr(change, each.name) for each in fields(change)}
        one = DocumentChange(**given, tenant=tenant)
        return await _change(parts, documents[0], request, one)
    return await _change_many(parts, documents, request, change, tenant)


@command(label, "hand-over")
async def hand_over(  # noqa: PLR0913 - options
    parts: Parts,
    leaver: Annotated[str, typer.Argument(help="Whose documents, such as user:olaf.")],
    successor: Annotated[str, typer.Argument(help="Whose they will be, such as user:nora.")],
    *,
    readers: Annotated[
        bool, typer.Option("--readers", help="Also what the leaver reads by name or by a share.")
    ] = False,
    change: Change,
    tenant: Tenant = "",
) -> Shown:
    """Hand everything over that somebody owns in a tenant, as one job.

    Nothing else of a label changes. Try it first with `--dry-run`, which lists the documents:
    strongroom label hand-over user:olaf user:nora --tenant acme --dry-run
    """
    moved = HandOver(principal=leaver, successor=successor, readers=readers)
    who = asker_of(parts, change.asker)
    whose = _whose(who, tenant)
    return await _job(parts, who, handing_over(moved, whose, change.reason), change)


def _whose(who: Asker, tenant: str) -> str:
    """Return the tenant whose owners are meant."""
    found = who.tenant if isinstance(who, Subject) else tenant
    if not found:
        raise SettingsError("say whose documents: `--tenant acme`, or `--as user:stew`")
    return found


@command(label, "share")
async def share(
    parts: Parts,
    document: Document,
    principal: Annotated[str, typer.Argument(help="Who is to read: user:ada, group:finance …")],
    *,
    until: Until = "",
    change: DocumentChange,
) -> Shown:
    """Let a user or a group read a document, for a time or for good.

    It lifts nothing else: a person who lacks the clearance or a compartment still cannot read it.
    """
    shared = (ShareRequest(principal=principal, until=moment(until)),)
    request = LabelRequest(kind=ChangeKind.SHARE, share=shared, reason=change.reason)
    return await _change(parts, document, request, change)


@command(label, "unshare")
async def unshare(
    parts: Parts,
    document: Document,
    principal: Annotated[str, typer.Argument(help="Whose share is taken back.")],
    *,
    change: DocumentChange,
) -> Shown:
    """Take a share back."""
    names = frozenset({principal})
    request = LabelRequest(kind=ChangeKind.UNSHARE, unshare=names, reason=change.reason)
    return await _change(parts, document, request, change)


@command(label, "history")
async def history(
    parts: Parts, document: Document, *, tenant: InTenant = "", asker: ActAs = ""
) -> Shown:
    """List who changed a document's label, when and why, the last change first."""
    who, record = await asked_about(parts, asker, document, tenant)
    changes = await parts.labels.history(who, record.id, now=now())
    found = [ShownChange.of(change, parts.schema) for change in changes]
    rows = [
        (change.label_version, change.at, change.by, change.kind, _moved(change), change.reason)
        for change in found
    ]
    columns = ("version", "when", "who", "what", "change", "reason")
    return Shown(LabelHistory(changes=found), [table("", columns, rows)])


@command(label, "undo")
async def undo(parts: Parts, document: Document, *, change: DocumentChange) -> Shown:
    """Take the last change back, as a new change. Shares that ended meanwhile stay ended."""
    who, target = await change.target(parts, document)
    changed = await parts.labels.undo(
        who, target, reason=change.reason, now=now(), dry_run=change.dry_run
    )
    return changed_shown(changed, parts)


@command(label, "approve")
async def approve(
    parts: Parts,
    document: Document,
    proposal: Annotated[str, typer.Argument(help="The proposal; by default the only one.")] = "",
    *,
    tenant: InTenant = "",
    asker: ActAs = "",
) -> Shown:
    """Approve a lower label that another person proposed."""
    who, record = await asked_about(parts, asker, document, tenant)
    if not proposal:
        waiting = (await parts.labels.show(who, record.id, now=now())).proposals
        if len(waiting) != 1:
            raise SettingsError(
                f"{len(waiting)} proposals wait for this document; name one: "
                "`strongroom label show` lists them"
            )
        proposal = waiting[0].id
    changed = await parts.labels.approve(who, record.id, proposal, now=now())
    return changed_shown(changed, parts)


@command(label, "folder")
async def folder(  # noqa: PLR0913 - options
    parts: Parts,
    path: Annotated[
        str,
        typer.Argument(
            metavar="[FOLDER]", help="The folder, such as /acme/hr/; without it, all that are set."
        ),
    ] = "",
    *,
    values: SetValues = None,
    unset: Annotated[
        list[str] | None,
        typer.Option("--unset", help="Let the folder no longer say this. Repeatable."),
    ] = None,
    change: Change,
    tenant: Tenant = "",
    approve_proposal: Annotated[
        str, typer.Option("--approve", help="Approve this proposal of another person.")
    ] = "",
) -> Shown:
    """Set what every document in a folder inherits, those that come later as well.

    What was set on a document itself stays. Without `--set` and `--unset`, shows what is set, and
    what waits for approval.
    """
    who = asker_of(parts, change.asker)
    if approve_proposal:
        return await _folder_done(parts, await parts.folders.approve(who, approve_proposal))
    if not (path or tenant or change.asker):
        raise SettingsError("say whose folders: `--tenant acme`, or a folder such as /acme/hr/")
    owner = tenant or tenant_of(path)
    if not values and not unset:
        view = await parts.folders.view(who, owner)
        return _folders_shown(FolderList.of(view, parts.schema), path)
    request = FolderRequest(
        folder=path,
        tenant=owner,
        values=read_flags(values or [], parts.schema, option="--set"),
        unset=frozenset(unset or []),
        expected_version=change.version,
        reason=change.reason,
    )
    if change.dry_run:
        planned = await parts.folders.plan(who, request)
        return Shown(FolderAnswer.of_plan(planned, request), _plan_lines(planned, parts))
    return await _folder_done(parts, await parts.folders.set_folder(who, request))


@command(label, "jobs")
async def jobs(
    parts: Parts,
    *,
    resume: Annotated[
        str, typer.Option("--resume", help="Go on with a job that was interrupted.")
    ] = "",
) -> Shown:
    """List the changes of many documents, how far each has come, and go on with one."""
    if resume:
        job = await parts.records.jobs.job(resume)
        if job is None:
            raise SettingsError(f"there is no job `{resume}`")
        return await _carried_out(parts, job, ())
    found = [answer(ListedJob, job) for job in await parts.records.jobs.recent()]
    columns = "id created_at by total done pending conflict failed"
    return Shown(JobList(jobs=found), [records(found, columns)])


def changed_shown(changed: Changed, parts: Parts, more: Sequence[RenderableType] = ()) -> Shown:
    """Return what a change did or would do, as a table of before and after, and `more` below it."""
    rows = _differing(changed.before, changed.after)
    lines: list[RenderableType] = [
        safe(changed.document.uri, "bold"),
        table("", ("", "before", "after"), rows) if rows else "The label's values stay the same.",
        *_effect_lines(changed.effect, parts, changed),
    ]
    if changed.proposal:
        lines.append(_waits(changed.proposal))
    elif changed.dry:
        lines.append(safe("Nothing was changed; without --dry-run it would be.", "yellow"))
    else:
        lines.append(safe(f"Done: label version {changed.version}", "green"))
    return Shown(answer(ChangedLabel, changed), [*lines, *more])


async def _change(parts: Parts, name: str, request: LabelRequest, change: DocumentChange) -> Shown:
    who, target = await change.target(parts, name)
    changed = await parts.labels.change(who, target, request, now=now(), dry_run=change.dry_run)
    read = list[RenderableType]()
    if changed.effect is not None and changed.effect.loses:
        read = await _readers(parts, who, target.document_id)
    return changed_shown(changed, parts, read)


async def _change_many(
    parts: Parts, names: Sequence[str], request: LabelRequest, change: Change, tenant: str
) -> Shown:
    who = asker_of(parts, change.asker)
    selection = await _selection(parts, who, names, tenant)
    return await _job(parts, who, (selection, request), change)


async def _job(
    parts: Parts, who: Asker, asked: tuple[Selection, LabelRequest], change: Change
) -> Shown:
    if change.version is not None:
        raise SettingsError("`--version` is of one document, and these are many")
    if change.dry_run:
        planned = await parts.bulk.plan(who, *asked)
        return Shown(RelabelAnswer.planned(planned, job=""), _plan_lines(planned, parts))
    begun = await parts.bulk.begin(who, *asked)
    return await _carried_out(parts, begun.job, begun.refused)


async def _selection(parts: Parts, who: Asker, names: Sequence[str], tenant: str) -> Selection:
    folders = [name for name in names if name.endswith("/")]
    if folders and len(names) > 1:
        raise SettingsError("name one folder, or documents; not both")
    if folders:
        path = checked_folder(folders[0])
        return Selection(folder=path, tenant=tenant or tenant_of(path))
    found = [await document_for(parts, who, name, tenant) for name in names]
    # One that the asker may not know of is left out by the desk, as one that is not there.
    return Selection(ids=tuple(record.id for record in found if record is not None))


async def _readers(parts: Parts, who: Asker, document_id: str) -> list[RenderableType]:
    """Return who has read it: what they have seen, no label takes back."""
    try:
        readers = (await parts.history.readers(who, document_id, now=now())).readers
    except DocumentNotFoundError:
        # Who raises a label above their own clearance has done so, and is told no more.
        return [safe("It is beyond your rights now: who has read it is not shown.", "yellow")]
    seen = ", ".join(f"{reader.subject} ({reader.last:%Y-%m-%d})" for reader in readers[:_SHOWN])
    return [safe(f"has been read by: {seen}", "yellow")] if seen else []


async def _folder_done(parts: Parts, done: FolderSet) -> Shown:
    if done.job is not None:
        return await _carried_out(parts, done.job, done.refused)
    return Shown(FolderAnswer.of(done), [_waits(done.proposal)])


async def _carried_out(parts: Parts, begun: Job, refused: Sequence[Refused]) -> Shown:
    columns = (TextColumn("changing labels"), BarColumn(), MofNCompleteColumn())
    # Before it is done: an interrupted job is resumed by its id.
    err.print(safe(f"job {begun.id}", "dim"))
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=begun.total)

        def progress(job: Job) -> None:
            bar.update(task, completed=job.total - job.pending)

        job = await parts.bulk.run(begun.id, on_progress=progress)
    problems = [
        item
        for state in (ItemState.CONFLICT, ItemState.FAILED)
        for item in await parts.records.jobs.items(job.id, state=state, limit=PROBLEMS)
    ]
    shown = ShownJob.shown(job, problems[:PROBLEMS])
    not_done = shown.conflict + shown.failed
    lines = [
        _left_alone(refused),
        records(shown.problems[:_SHOWN], "document_id detail", title="Not changed"),
        safe(f"{shown.done} of {shown.total} documents changed, {not_done} not", "bold"),
    ]
    return Shown(shown, lines, code=int(bool(not_done or shown.pending)))


def _waits(proposal: str) -> RenderableType:
    return safe(f"Waits for the approval of another person: proposal {proposal}", "yellow")


def _plan_lines(planned: Planned, parts: Parts) -> list[RenderableType]:
    rows = [(uri,) for uri in sorted(planned.uris.values())[:_SHOWN]]
    total, left = len(planned.items), planned.not_compared
    title = f"Would change, and {total - len(rows)} more" if total > len(rows) else "Would change"
    lines = [
        table(title, ("document",), rows),
        _left_alone(planned.refused),
        *_effect_lines(planned.effect, parts),
    ]
    if left:
        said = f"{left} more changes of labels were not compared for this."
        lines.append(safe(said, "yellow"))
    if planned.waits:
        lines.append("It would wait for the approval of another person.")
    said = f"{count(total, 'document')} would change. Nothing was changed."
    return [*lines, safe(said, "yellow")]


def _left_alone(refused: Sequence[Refused]) -> RenderableType:
    return records(refused[:_SHOWN], "uri reason", title=f"Left alone: {len(refused)}")


def _effect_lines(
    effect: Effect | None, parts: Parts, changed: Changed | None = None
) -> list[RenderableType]:
    """Return who gains and who loses (law 2)."""
    if effect is None:
        return ["Who gains or loses is not shown: that needs the right to review access."]
    people = known_people(parts)
    moved = _people_moved(parts, people, changed) if changed else Effect(gains=(), loses=())
    lines: list[RenderableType] = []
    for what, names, known in (
        ("gain", effect.gains, moved.gains),
        ("lose", effect.loses, moved.loses),
    ):
        told = ", ".join(_told(parts, people, names))
        where = f", where cleared for it: {told}" if told else ": no one"
        lines.append(safe(f"{what} access{where}"))
        if known:
            lines.append(safe(f"   of the people in the subjects file: {', '.join(known)}"))
    return lines


def _told(parts: Parts, people: Sequence[Subject], names: Iterable[str]) -> list[str]:
    """Return the names without the roles that no known person has (law 2)."""
    policy = parts.snapshots.pin().policy
    return [
        name
        for name in names
        if not name.startswith("role:")
        or any(path_to_name(policy, person, name, now()) for person in people)
    ]


def _people_moved(parts: Parts, people: Sequence[Subject], changed: Changed) -> Effect:
    """Return which known people gain, and which lose."""
    snapshot, stored = parts.snapshots.pin(), changed.document.label_json
    members = [Member(person, (person.id,)) for person in people]
    try:
        before, after = (
            snapshot.schema.parse({**stored, **values})
            for values in (changed.before, changed.after)
        )
        return compared(snapshot, Decisions(), members, (before, after), now())
    except AclError:
        # The change has been made; a label that could not be read before has no effect to tell.
        return Effect(gains=(), loses=())


def _moved(change: ShownChange) -> str:
    if change.before is None:
        return "first label"
    moved = [
        f"{name}: {in_words(before)} → {in_words(after)}"
        for name, before, after in _differing(change.before, change.after)
    ]
    return "; ".join(moved) or "values as before"


def _differing(
    before: Mapping[str, object], after: Mapping[str, object]
) -> list[tuple[str, object, object]]:
    """Return each attribute whose values differ, with both."""
    names = sorted(before.keys() | after.keys())
    pairs = [(name, before.get(name), after.get(name)) for name in names]
    return [(name, old, new) for name, old, new in pairs if old != new]


def _folders_shown(found: FolderList, path: str) -> Shown:
    wanted = checked_folder(path) if path else ""
    folders = [
        shown
        for shown in found.folders
        if not wanted or wanted.startswith(shown.folder) or shown.folder.startswith(wanted)
    ]
    rows = [
        (shown.folder, name, value, shown.by, shown.at, shown.version)
        for shown in folders
        for name, value in shown.label.items()
    ]
    waiting = [(p.id, p.folder, p.label or "nothing", p.by, p.reason) for p in found.proposals]
    heads = ("proposal", "folder", "would say", "by", "reason")
    lines = [
        table("", ("folder", "attribute", "value", "set by", "when", "version"), rows),
        table("Waits for approval", heads, waiting),
    ]
    return Shown(found.model_copy(update={"folders": folders}), lines)
