"""`strongroom policy …`: what the commands do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import Progress as Bar
from rich.text import Text

from acl.errors import PolicyError, SchemaError
from acl.labels import Attribute, Label, LabelSchema
from acl.preview.preview import Preview, Shift, Tally
from acl.records import PolicyRevision, Proof, ProofState, StalePolicyError
from retrieval.policy.edits import Difference, Edit, FourEyesError
from retrieval.policy.preview import LookBack, PolicyPreview
from retrieval.policy.prover import OnProgress
from retrieval.rights.authority import OPERATOR, Asker
from retrieval.rights.display import label_of
from retrieval.rights.policy_source import read_source, read_texts
from retrieval.service.cli.commands_ask import person_of
from retrieval.service.cli.console import err, in_words, out, safe, table
from retrieval.service.cli.console_subjects import named
from retrieval.service.http.tokens import levels
from retrieval.service.settings import Settings, SettingsError
from retrieval.service.wiring import Parts, open_parts

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command asks for: a whole policy, or lines."""

    folder: Path | None
    add: tuple[str, ...]
    remove: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """Whether nothing was asked for."""
        return self.folder is None and not self.add and not self.remove

    def edit(self) -> Edit:
        """Return it as the desk takes it.

        Raises:
            PolicyError: a file cannot be read.
        """
        if self.folder is None:
            return Edit(add=self.add, remove=self.remove)
        texts = read_texts(self.folder)
        return Edit(model=texts.model, rules=texts.rules, add=self.add, remove=self.remove)


def check(folder: Path) -> int:
    """Print whether the policy in `folder` can take effect, or every refusal."""
    try:
        policy = read_source(folder).policy
    except SchemaError as error:
        err.print(safe(f"refused: {error}", "bold red"))
        return 1
    except PolicyError as error:
        return _refused(error)
    out.print(safe(f"ok: {len(policy.rules)} rules, digest {policy.digest[:16]}", "green"))
    return 0


async def log(settings: Settings, asker: str | None, limit: int) -> int:
    """Print revisions, the latest first."""
    async with _desk(settings, asker) as (parts, who):
        current = (await parts.views.seeing(who, _now())).snapshot.revision
        found = await parts.views.latest(who, _now(), limit=limit)
        rows = [
            (one.revision, _state(one, current), one.author, _when(one), one.reason)
            for one in found
        ]
        proof = await parts.records.policies.proof(current)
    out.print(table("", ("revision", "state", "author", "when", "reason"), rows))
    if proof is not None:
        out.print(safe(f"proof of {current}: {_told(proof)}"))
    return 0


async def show(settings: Settings, asker: str | None, number: int | None, *, model: bool) -> int:
    """Print the rules or the model of a revision, and nothing else on standard output."""
    async with _desk(settings, asker) as (parts, who):
        wanted = number or parts.snapshots.pin().revision
        texts = await parts.views.texts(who, wanted, _now())
    out.out(texts.model if model else texts.rules, end="", highlight=False)
    err.print(safe(f"revision {wanted}", "dim"))
    return 0


async def diff(settings: Settings, asker: str | None, number: int, to: int | None) -> int:
    """Print what a revision changes."""
    async with _desk(settings, asker) as (parts, who):
        other = to or (await parts.records.policies.revision(number)).base
        if not other:
            out.print("This is the first revision; there is nothing to compare it with.")
            return 0
        found = await parts.views.compared(who, other, number, _now())
    _print_difference(found)
    return 0


async def propose(settings: Settings, asker: str | None, wanted: Wanted, reason: str) -> int:
    """Store a proposal, and say what to do with it."""
    if wanted.nothing:
        raise SettingsError("give a folder with a policy, or lines to `--add` and `--remove`")
    async with _desk(settings, asker) as (parts, who):
        base = parts.snapshots.pin().revision
        try:
            found = await parts.desk.propose(
                who, wanted.edit(), expected=base, reason=reason, now=_now()
            )
        except PolicyError as error:
            return _refused(error)
        changes = await parts.views.compared(who, base, found.revision, _now())
    _print_difference(changes)
    number = found.revision
    out.print(safe(f"proposed as revision {number}; nothing has taken effect yet", "green"))
    out.print(safe(f"  strongroom policy preview {number}    who gains and who loses what", "cyan"))
    out.print(
        safe(f"  strongroom policy activate {number}   prove it and let it take effect", "cyan")
    )
    return 0


async def preview(
    settings: Settings, asker: str | None, number: int | None, wanted: Wanted, days: int
) -> int:
    """Print who would gain and who would lose what."""
    if (number is None) == wanted.nothing:
        raise SettingsError("name a revision, or give a change, and not both")
    async with _desk(settings, asker) as (parts, who):
        try:
            asked = wanted.edit() if number is None else number
            found = await parts.views.preview(who, asked, LookBack(days=days), _now())
        except PolicyError as error:
            return _refused(error)
    _print_preview(found.preview, days, parts.schema)
    return 0


async def activate(settings: Settings, asker: str | None, number: int) -> int:
    """Prove a proposal and activate it."""
    async with _desk(settings, asker) as (parts, who):
        return await _activate(parts, who, number)


async def roll_back(settings: Settings, asker: str | None, to: int, reason: str) -> int:
    """Propose what an earlier revision said, and activate it."""
    async with _desk(settings, asker) as (parts, who):
        base = parts.snapshots.pin().revision
        found = await parts.desk.roll_back(who, to, expected=base, reason=reason, now=_now())
        out.print(safe(f"proposed as revision {found.revision}: {found.reason}"))
        return await _activate(parts, who, found.revision)


async def prove(settings: Settings, number: int | None) -> int:
    """Prove the whole plan of a revision, by default of the one in effect."""
    async with _desk(settings, None) as (parts, _):
        wanted = number or parts.snapshots.pin().revision
        with _progress(wanted) as on_progress:
            found = await parts.desk.prove(wanted, _now(), on_progress=on_progress)
    good = found.state is ProofState.PROVED
    out.print(safe(_told(found), "green" if good else "bold red"))
    for one in found.mismatches:
        out.print(safe(one.text))
    return 0 if good else 1


async def _activate(parts: Parts, who: Asker, number: int) -> int:
    base = parts.snapshots.pin().revision
    with _progress(number) as on_progress:
        try:
            found = await parts.desk.activate(
                who, number, expected=base, now=_now(), on_progress=on_progress
            )
        except FourEyesError as error:
            err.print(safe(f"not activated: {error}", "bold red"))
            return 1
        except StalePolicyError:
            reason = f"revision {base} took effect meanwhile, and this one was made on another"
            err.print(safe(f"not activated: {reason}; propose it again", "bold red"))
            return 1
    out.print(safe(f"no difference: {found.proof.plan}", "green"))
    out.print(safe(f"revision {number} is in effect; the next request obeys it", "bold green"))
    if not found.proof.plan.everything:
        out.print("To compare every pair: `strongroom policy prove`.")
    return 0


@contextmanager
def _progress(number: int) -> Iterator[OnProgress]:
    with Bar(console=err, transient=True) as bar:
        task = bar.add_task(f"proving revision {number}", total=None)
        yield lambda now: bar.update(task, total=now.of, completed=now.compared)


@asynccontextmanager
async def _desk(settings: Settings, asker: str | None) -> AsyncIterator[tuple[Parts, Asker]]:
    async with open_parts(settings) as parts:
        yield parts, OPERATOR if asker is None else person_of(parts, asker).subject


def _told(proof: Proof) -> str:
    return f"{proof.state} on {proof.labels} labels of documents"


def _now() -> datetime:
    return datetime.now(UTC)


def _refused(error: PolicyError) -> int:
    rows = [(one.where, one.column, one.operator, one.reason) for one in error.refusals]
    err.print(table("", ("where", "column", "operator", "reason"), rows))
    err.print(safe(f"refused: {len(rows)} place(s); nothing of it takes effect", "bold red"))
    return 1


def _state(one: PolicyRevision, current: int) -> Text:
    if one.revision == current:
        return safe("in effect", "bold green")
    if one.activated_at is not None:
        return safe("was in effect", "dim")
    return safe("proposed", "yellow") if one.base == current else safe("overtaken", "dim")


def _when(one: PolicyRevision) -> str:
    return f"{one.activated_at or one.created_at:%Y-%m-%d %H:%M}"


def _print_difference(found: Difference) -> None:
    for line in found.removed:
        out.print(safe(f"- {line}", "red"))
    for line in found.added:
        out.print(safe(f"+ {line}", "green"))
    if found.model_changed:
        out.print(safe("the model changes:", "bold"))
    if found.model_changed or not (found.added or found.removed):
        out.print(Text(found.text, style="dim"))


def _print_preview(found: PolicyPreview, days: int, schema: LabelSchema) -> None:
    known = levels(schema)
    out.print(f"{found.documents} documents were looked at.")
    for one in found.cut:
        out.print(safe(one, "bold red"))
    _print_changes("People seen lately", found.people, known)
    _print_changes("Roles that the policy knows", found.roles, known)
    _print_rights(found.rights, schema)
    refused = found.releases.refused
    said = f"{found.releases.releases} answers of the last {days} days: "
    out.print(said + (f"{len(refused)} would have been refused" if refused else "none refused"))
    rows = [
        (one.release.at, one.release.subject.id, len(one.refused) + one.hidden)
        for one in refused[:_SHOWN]
    ]
    if rows:
        out.print(table("", ("when", "who", "documents refused"), rows))


def _print_changes(title: str, previews: Sequence[Preview], known: Attribute | None) -> None:
    rows = [
        (
            one.action,
            named(change.subjects, known),
            _counted(change.gained, "+"),
            _counted(change.lost, "-"),
        )
        for one in previews
        for change in one.changes[:_SHOWN]
    ]
    if not rows:
        out.print(f"{title}: nothing changes.")
        return
    out.print(table(title, ("action", "who", "gains", "loses"), rows))


def _print_rights(shifts: Sequence[Shift], schema: LabelSchema) -> None:
    rows = [
        (
            one.action,
            named(one.subjects, levels(schema)),
            " and ".join(("gains",) * one.gained + ("loses",) * one.lost),
            _example(one.example, schema),
        )
        for one in shifts
    ]
    if not rows:
        out.print("Other actions than reading: nothing changes.")
        return
    columns = ("action", "who", "what", "for example on")
    out.print(table("Other actions than reading", columns, rows))


def _example(label: Label | None, schema: LabelSchema) -> str:
    """Return what a label says; where it says nothing, nothing."""
    if label is None:
        return ""
    said = label_of(label, schema).items()
    return "; ".join(f"{name} {in_words(value)}" for name, value in said if value != [])


def _counted(tally: Tally, sign: str) -> str:
    if not tally.documents:
        return ""
    levels = ", ".join(f"{count} {name}" for name, count in tally.by_level if count)
    return f"{sign}{tally.documents} ({levels})"
