"""`strongroom policy …`: rules proposed, looked at, proved, activated, taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import RenderableType
from rich.progress import Progress as Bar
from rich.text import Text

from acl.errors import PolicyError
from acl.labels import Attribute, level_name
from acl.records import ProofState, StalePolicyError
from retrieval.policy.edits import Edit, FailedTestsError, FourEyesError
from retrieval.policy.gate import OnProgress
from retrieval.policy.preview import LookBack
from retrieval.rights.authority import Asker
from retrieval.rights.policy_source import read_texts
from retrieval.service.api.policy import (
    ActivatedRevision,
    Count,
    OtherRight,
    PreviewAnswer,
    ProofProgress,
    ProposedRevision,
    Revision,
    RevisionDifference,
    RevisionList,
    RevisionWithTexts,
    RightsChange,
    Who,
)
from retrieval.service.cli.policy.check import Paired, check, refused
from retrieval.service.cli.policy.policy_lines import touched, warned
from retrieval.service.cli.render import CommandError, Shown, err, in_words, safe, table
from retrieval.service.cli.run import ActAs, asker_of, command, now
from retrieval.service.http.bodies import answer
from retrieval.service.http.tokens import levels
from retrieval.service.settings import SettingsError
from retrieval.service.wiring import Parts

_SHOWN: Final = 20
_NAMES: Final = 4
_DIGITS: Final = 12

app = typer.Typer()
policy = typer.Typer(
    help="Rules that say who may do what: propose, preview, prove, activate.",
    no_args_is_help=True,
)
app.add_typer(policy, name="policy")
policy.command("check", cls=Paired)(check)

Number = Annotated[int, typer.Argument(min=1, help="Number of the revision; see `policy log`.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who read the log.")]
Folder = Annotated[
    Path | None, typer.Argument(help="Folder with the whole policy: model.conf, policy.csv, …")
]
Add = Annotated[
    list[str] | None,
    typer.Option("--add", help='A line to add, such as "p, role:x, …". Repeatable.'),
]
Remove = Annotated[
    list[str] | None, typer.Option("--remove", help="A line to remove, as it stands. Repeatable.")
]


@command(policy, "log")
async def log(
    parts: Parts,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    asker: ActAs = "",
) -> Shown:
    """List revisions, the latest first: who proposed what, why, and what took effect when."""
    who = asker_of(parts, asker)
    current = (await parts.views.seeing(who, now())).snapshot.revision
    latest = await parts.views.latest(who, now(), limit=limit)
    revisions = [answer(Revision, revision) for revision in latest]
    rows = [
        (
            revision.revision,
            _state(revision, current),
            revision.author,
            revision.activated_at or revision.created_at,
            revision.reason,
        )
        for revision in revisions
    ]
    listed = table("", ("revision", "state", "author", "when", "reason"), rows)
    return Shown(RevisionList(revisions=revisions, in_effect=current), [listed])


@command(policy, "show")
async def show(  # noqa: PLR0913 - each is an option
    parts: Parts,
    number: Annotated[int | None, typer.Argument(help="By default the one in effect.")] = None,
    *,
    model: Annotated[bool, typer.Option("--model", help="model.conf, not policy.csv.")] = False,
    matching: Annotated[bool, typer.Option("--matching", help="matching.toml.")] = False,
    tests: Annotated[bool, typer.Option("--tests", help="tests.toml.")] = False,
    asker: ActAs = "",
) -> Shown:
    """Print the rules of a revision to the letter, so that they can be kept in a file."""
    who = asker_of(parts, asker)
    wanted = number or parts.snapshots.pin().revision
    texts = await parts.views.texts(who, wanted, now())
    whole = RevisionWithTexts.with_texts(await parts.views.revision(who, wanted, now()), texts)
    # To the letter: what is printed here is read again by `policy propose`.
    asked = ((texts.model, model), (texts.matching, matching), (texts.tests, tests))
    raw = "".join([text for text, wanted in asked if wanted] or [texts.rules])
    return Shown(whole, err=[safe(f"revision {wanted}", "dim")], raw=raw)


@command(policy, "diff")
async def diff(
    parts: Parts,
    number: Number,
    to: Annotated[
        int | None, typer.Argument(help="Compare with this one; by default with its base.")
    ] = None,
    *,
    asker: ActAs = "",
) -> Shown:
    """Show what a revision changes."""
    who = asker_of(parts, asker)
    other = to or (await parts.records.policies.revision(number)).base
    compared = await parts.views.compared(who, other or number, number, now())
    found = answer(RevisionDifference, compared)
    first = "This is the first revision; there is nothing to compare it with."
    return Shown(found, _difference_lines(found) if other else [first])


@command(policy, "propose")
async def propose(  # noqa: PLR0913 - each is an option
    parts: Parts,
    folder: Folder = None,
    *,
    add: Add = None,
    remove: Remove = None,
    reason: Reason = "",
    asker: ActAs = "",
) -> Shown:
    """Store a change of the policy as a numbered proposal. Nothing takes effect yet.

    Give a folder with the whole policy, or lines to add and to remove. Then look at it with
    `policy preview`, and let it take effect with `policy activate`.
    """
    edit = _edit(folder, add, remove)
    if edit is None:
        raise SettingsError("give a folder with a policy, or lines to `--add` and `--remove`")
    who, base = asker_of(parts, asker), parts.snapshots.pin().revision
    try:
        revision = await parts.desk.propose(who, edit, expected=base, reason=reason, now=now())
    except PolicyError as error:
        return refused(error)
    number = revision.revision
    changes = await parts.views.compared(who, base, number, now())
    failing = await parts.views.failing_tests(who, number, now())
    odd = list(await parts.views.cautions(who, number, now()))
    lines = [
        *_difference_lines(answer(RevisionDifference, changes)),
        *(safe(f"fails: {one}", "bold red") for one in failing),
        *warned(odd),
        safe(f"proposed as revision {number}; nothing has taken effect yet", "green"),
        safe(f"  strongroom policy preview {number}    who gains and who loses what", "cyan"),
        safe(f"  strongroom policy activate {number}   prove it, let it take effect", "cyan"),
    ]
    return Shown(
        answer(ProposedRevision, revision, failing_tests=list(failing), warnings=odd), lines
    )


@command(policy, "preview")
async def preview(  # noqa: PLR0913 - each is an option
    parts: Parts,
    number: Annotated[int | None, typer.Argument(help="Of a proposal; or give a change.")] = None,
    *,
    folder: Annotated[Path | None, typer.Option(help="A folder with the whole policy.")] = None,
    add: Add = None,
    remove: Remove = None,
    days: Annotated[int, typer.Option(min=0, max=366, help="Look so far back.")] = 30,
    asker: ActAs = "",
) -> Shown:
    """Show who would gain and who would lose which documents, and which past answers with them."""
    edit = _edit(folder, add, remove)
    wanted = number if edit is None else edit
    if wanted is None or (number is not None and edit is not None):
        raise SettingsError("name a revision, or give a change, and not both")
    who = asker_of(parts, asker)
    try:
        found = await parts.views.preview(who, wanted, LookBack(days=days), now())
    except PolicyError as error:
        return refused(error)
    seen = PreviewAnswer.of(found.preview, found.revision, parts.schema)
    return Shown(seen, _preview_lines(seen, days, levels(parts.schema)))


@command(policy, "activate")
async def activate(parts: Parts, number: Number, *, asker: ActAs = "") -> Shown:
    """Prove a proposal on the stored documents, and let it take effect.

    Its filters are compared with the rules for every role and every label. If they differ
    anywhere, nothing takes effect and the difference is shown.
    """
    return await _activated(parts, asker_of(parts, asker), number)


@command(policy, "rollback")
async def rollback(
    parts: Parts, number: Number, *, reason: Reason = "", asker: ActAs = ""
) -> Shown:
    """Bring back what an earlier revision said, under a new number, and activate it."""
    who, base = asker_of(parts, asker), parts.snapshots.pin().revision
    found = await parts.desk.roll_back(who, number, expected=base, reason=reason, now=now())
    err.print(safe(f"proposed as revision {found.revision}: {found.reason}"))
    return await _activated(parts, who, found.revision)


@command(policy, "prove")
async def prove(
    parts: Parts,
    number: Annotated[int | None, typer.Argument(help="By default the one in effect.")] = None,
) -> Shown:
    """Compare filters and rules for every role and every stored label, here and now."""
    wanted = number or parts.snapshots.pin().revision
    with _progress(wanted) as on_progress:
        proof = await parts.desk.prove(wanted, now(), on_progress=on_progress)
    mismatches = [mismatch.text for mismatch in proof.mismatches]
    found = answer(ProofProgress, proof, mismatches=mismatches)
    good = found.state == ProofState.PROVED
    said = f"{found.state} on {found.labels} labels of documents"
    lines = [safe(said, "green" if good else "bold red"), *map(safe, found.mismatches)]
    return Shown(found, lines, code=int(not good))


async def _activated(parts: Parts, who: Asker, number: int) -> Shown:
    base = parts.snapshots.pin().revision
    odd = list(await parts.views.cautions(who, number, now()))
    with _progress(number) as on_progress:
        try:
            done = await parts.desk.activate(
                who, number, expected=base, now=now(), on_progress=on_progress
            )
        except (FourEyesError, FailedTestsError) as error:
            raise CommandError(f"not activated: {error}") from error
        except StalePolicyError as error:
            reason = f"revision {base} took effect meanwhile, and this one was made on another"
            raise CommandError(f"not activated: {reason}; propose it again") from error
    found = answer(ActivatedRevision, done, warnings=odd)
    lines = [
        *warned(odd),
        safe(f"no difference: {found.proof.what}", "green"),
        safe(f"revision {number} is in effect; the next request obeys it", "bold green"),
        *([] if found.proof.everything else ["To compare every pair: `strongroom policy prove`."]),
    ]
    return Shown(found, lines)


@contextmanager
def _progress(number: int) -> Iterator[OnProgress]:
    with Bar(console=err, transient=True) as bar:
        task = bar.add_task(f"proving revision {number}", total=None)
        yield lambda done: bar.update(task, total=done.of, completed=done.compared)


def _edit(folder: Path | None, add: Add, remove: Remove) -> Edit | None:
    """Return the change that is asked for, if any is.

    Raises:
        PolicyError: a file cannot be read.
    """
    rows = Edit(add=tuple(add or ()), remove=tuple(remove or ()))
    if folder is None:
        return rows if add or remove else None
    texts = read_texts(folder)
    return replace(Edit.whole(texts), add=rows.add, remove=rows.remove)


def _state(revision: Revision, current: int) -> Text:
    if revision.revision == current:
        return safe("in effect", "bold green")
    if revision.activated_at is not None:
        return safe("was in effect", "dim")
    return safe("proposed", "yellow") if revision.base == current else safe("overtaken", "dim")


def _difference_lines(found: RevisionDifference) -> list[RenderableType]:
    lines: list[RenderableType] = [safe(f"- {line}", "red") for line in found.removed]
    lines += [safe(f"+ {line}", "green") for line in found.added]
    files = {
        "the model changes": found.model_changed,
        "the matching functions change": found.matching_changed,
        "the tests change": found.tests_changed,
    }
    lines += [safe(f"{said}:", "bold") for said, changed in files.items() if changed]
    if any(files.values()) or not (found.added or found.removed):
        lines.append(Text(found.text, style="dim"))
    return lines


def _preview_lines(
    found: PreviewAnswer, days: int, known: Attribute | None
) -> list[RenderableType]:
    refused = len(found.refused)
    rows = [
        (release.at, release.subject, len(release.documents) + release.hidden)
        for release in found.refused[:_SHOWN]
    ]
    return [
        f"{found.documents} documents were looked at.",
        *(safe(cut, "bold red") for cut in found.cut),
        *touched(found.lines),
        *warned(found.warnings),
        _changes("People seen lately", found.people, known),
        _changes("Roles that the policy knows", found.roles, known),
        _rights(found.rights, known),
        f"{found.releases} answers of the last {days} days: "
        + (f"{refused} would have been refused" if refused else "none refused"),
        table("", ("when", "who", "documents refused"), rows),
    ]


def _changes(
    title: str, changes: Sequence[RightsChange], known: Attribute | None
) -> RenderableType:
    rows = [
        (row.action, named(row.who, known), _counted(row.gained, "+"), _counted(row.lost, "-"))
        for row in changes[:_SHOWN]
    ]
    return _listed(title, ("action", "who", "gains", "loses"), rows)


def _rights(rights: Sequence[OtherRight], known: Attribute | None) -> RenderableType:
    rows = [
        (
            right.action,
            named(right.who, known),
            " and ".join(("gains",) * right.gained + ("loses",) * right.lost),
            in_words({k: v for k, v in right.example.items() if v != []}) if right.example else "",
        )
        for right in rights
    ]
    return _listed("Other actions than reading", ("action", "who", "what", "for example on"), rows)


def _listed(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> RenderableType:
    return table(title, columns, rows) if rows else f"{title}: nothing changes."


def _counted(tally: Count, sign: str) -> str:
    if not tally.documents:
        return ""
    levels = ", ".join(
        f"{number} {name}" for name, number in tally.by_classification.items() if number
    )
    return f"{sign}{tally.documents} ({levels})"


def named(subjects: Iterable[Who], known: Attribute | None) -> str:
    """Return who they are, each name once, with all that it was looked at with.

    Args:
        subjects: whose rights change.
        known: the attribute whose levels name clearances, if any.
    """
    seen: defaultdict[str, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for subject in subjects:
        name = ", ".join(subject.groups) or subject.subject
        needs = ", ".join(subject.compartments) or "no compartment"
        seen[name][needs].add(subject.clearance)
    told = [f"{name} ({_cleared(cleared, known)})" for name, cleared in seen.items()]
    more = f" and {len(told) - _NAMES} more" if len(told) > _NAMES else ""
    return "; ".join(told[:_NAMES]) + more


def _cleared(cleared: dict[str, set[int]], known: Attribute | None) -> str:
    """Return what decides beside the name; compartments of the same clearances are told at once."""
    alike: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
    for needs, clearances in cleared.items():
        alike[tuple(sorted(clearances))].append(needs)
    return "; ".join(
        f"clearance {_span(clearances, known)}, {' or '.join(needs)}"
        for clearances, needs in alike.items()
    )


def _span(clearances: Sequence[int], known: Attribute | None) -> str:
    """Return the names of clearances; those that follow each other by the first and the last."""
    runs: list[list[int]] = []
    for clearance in clearances:
        if runs and clearance == runs[-1][-1] + 1:
            runs[-1].append(clearance)
        else:
            runs.append([clearance])
    names = [[level_name(known, level) for level in (run[0], run[-1])] for run in runs]
    return ", ".join(first if first == last else f"{first} to {last}" for first, last in names)
