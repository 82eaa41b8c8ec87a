"""`strongroom policy check`: a folder is read, its tests are run, promises are decided.

The laws of this file:

1. The exit code says what came of it: 0 everything holds; 1 a line is refused, or warned of where
   warnings are errors; 2 the command line cannot be read; 3 a test or a promise does not hold.
2. Nothing is stored. An installation is opened only to read the revision that is compared with.
"""

from __future__ import annotations

import ast
import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from acl.admission.cautions import NOTHING_KNOWN, Known, cautions_of
from acl.errors import Caution, PolicyError, SchemaError
from acl.labels import LabelSchema
from acl.policy.policy import Policy
from acl.records import RevisionTexts
from retrieval.policy.check import CheckReport, DemandError, Demands, Never, checked
from retrieval.rights.policy_source import read_source, source_of
from retrieval.service.cli.identity.people import read_people
from retrieval.service.cli.policy.policy_lines import warned
from retrieval.service.cli.render import CommandError, Shown, safe
from retrieval.service.cli.run import now
from retrieval.service.cli.start import Json, command_settings, finish, require_begun
from retrieval.service.settings import Settings
from retrieval.service.wiring import open_parts

DIGITS: Final = 12

GATE: Final = 3
"""Exit code of `policy check`: the policy can be read, and something that must hold does not."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A policy in a folder that can be enforced.

    Attributes:
        rules: how many it has.
        digest: of all that it is.
        tests: how many of its tests were run.
        tests_left: how many were not, because they name a document or a person of record.
        promises: how many were asked for with `--never` and `--no-new-access`.
        failing: what does not hold, and why.
        warnings: what may be meant and does nothing today.
    """

    rules: int
    digest: str
    tests: int
    tests_left: int
    promises: int
    failing: tuple[str, ...]
    warnings: tuple[Caution, ...]


class Paired(TyperCommand):
    """A command whose option `--never` takes two values each time; typer declares none of these."""

    def __init__(self, *args: Any, **values: Any) -> None:  # noqa: ANN401 - as typer gives them
        super().__init__(*args, **values)
        for each in self.params:
            if each.name == "never":
                each.nargs = 2


def check(  # noqa: PLR0913 - each is an option
    folder: Annotated[
        Path | None, typer.Argument(help="Folder with the policy; the configured one by default.")
    ] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="A warning is an error.")] = False,
    base: Annotated[
        str, typer.Option("--base", help="A revision in effect or kept, or a folder.")
    ] = "",
    no_new_access: Annotated[
        bool, typer.Option("--no-new-access", help="Nobody gains what `--base` does not give.")
    ] = False,
    never: Annotated[
        list[str] | None,
        typer.Option(
            "--never",
            metavar="WHO CONDITION",
            help='WHO never reads what satisfies CONDITION: "group:guests" "classification >= 2". '
            "Repeatable.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a policy in a folder strictly, and name every line that could not be enforced.

    The tests in `tests.toml` are run. Warnings name what may be meant and does nothing today, such
    as a role that nobody has. Nothing is stored. What is in effect is in the records; see `policy
    show`. `--no-new-access` and `--never` are decided for every asker and every label that there
    can be. Exit code 1: a line is refused, or with `--strict` warned of; 3: a test or one of these
    does not hold.
    """
    settings = command_settings()
    if no_new_access != bool(base):
        raise typer.BadParameter("`--no-new-access` and `--base` go together")
    try:
        source = read_source(folder or settings.policy_dir)
        before = _base(settings, base, source.policy.schema) if base else None
        # Each value stands in the text of a pair.
        pairs = tuple(Never(*ast.literal_eval(text)) for text in never or ())
        report = checked(source, Demands(before, pairs), now())
    except DemandError as error:
        raise typer.BadParameter(str(error)) from None
    except SchemaError as error:
        raise CommandError(f"refused: {error}") from None
    except PolicyError as error:
        finish(refused(error), as_json=as_json)
    known = _known(settings.people_file, source.policy.schema)
    answered = _answered(source.policy, report, known)
    finish(_checked(answered, len(report.tests.failures), strict=strict), as_json=as_json)


def _answered(policy: Policy, report: CheckReport, known: Known) -> Checked:
    tests = report.tests
    return Checked(
        rules=len(policy.rules),
        digest=policy.digest,
        tests=tests.run,
        tests_left=tests.left,
        promises=report.promises,
        failing=(*map(str, tests.failures), *report.broken),
        warnings=cautions_of(policy, known),
    )


def _base(settings: Settings, named: str, schema: LabelSchema) -> Policy:
    """Return the policy of a revision, or the one in a folder."""
    if not named.isdigit():
        return read_source(Path(named)).policy
    require_begun(settings)

    async def texts() -> RevisionTexts:
        async with open_parts(settings) as parts:
            return await parts.records.policies.texts(int(named))

    return source_of(asyncio.run(texts()), schema).policy


def _checked(checked: Checked, failed: int, *, strict: bool) -> Shown:
    said = f"{checked.rules} rules, digest {checked.digest[:DIGITS]}"
    if checked.tests or checked.tests_left:
        said += f", {checked.tests - failed} of {checked.tests} tests hold"
    if checked.tests_left:
        said += f"; {checked.tests_left} tests of documents or people of record were not run"
    if checked.promises:
        kept = checked.promises - (len(checked.failing) - failed)
        said += f", {kept} of {checked.promises} promises are kept"
    err = [*warned(checked.warnings), *(safe(one, "bold red") for one in checked.failing)]
    if checked.failing or (strict and checked.warnings):
        code = GATE if checked.failing else 1
        return Shown(checked, [], code=code, err=[*err, safe(f"fails: {said}", "bold red")])
    return Shown(checked, [safe(f"ok: {said}", "green")], err=err)


def _known(path: Path, schema: LabelSchema) -> Known:
    """Return whom the file of people names, if there is one."""
    if not path.exists():
        return NOTHING_KNOWN
    people = [person.subject for person in read_people(path, schema).values()]
    names = (name for person in people for name in person.principals)
    return Known(tenants=frozenset(one.tenant for one in people), principals=frozenset(names))


def refused(error: PolicyError) -> Shown:
    """Return what is said of a policy that cannot be read."""
    lines = [safe(str(refusal)) for refusal in error.refusals]
    said = f"refused: {len(error.refusals)} place(s); nothing of it takes effect"
    return Shown({"refused": error.refusals}, [], code=1, err=[*lines, safe(said, "bold red")])
