"""`strongroom policy …`: what administrators type."""

# Commands import what they need when they run, so that `--help` does not wait seconds for it.
# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.service.cli.running import run, settings_of_command

policy_app = typer.Typer(
    help="Rules that say who may do what: propose, look at the effect, prove, activate, go back.",
    no_args_is_help=True,
)

As = Annotated[
    str | None,
    typer.Option(
        "--as",
        help="Act with this person's rights, such as `user:ada` of the subjects file. Without it "
        "you act as the operator of this machine, who may do everything.",
    ),
]
Number = Annotated[int, typer.Argument(min=1, help="Number of the revision; see `policy log`.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who read the log.")]
Folder = Annotated[
    Path | None, typer.Argument(help="Folder with model.conf and policy.csv, whole.")
]
Add = Annotated[
    list[str] | None,
    typer.Option("--add", help='A line to add, such as "p, role:x, …". Repeatable.'),
]
Remove = Annotated[
    list[str] | None, typer.Option("--remove", help="A line to remove, as it stands. Repeatable.")
]


@policy_app.command("check")
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder with the policy; the configured one by default.")
    ] = None,
) -> None:
    """Read a policy in a folder strictly, and name every line that could not be enforced.

    Nothing is stored. What is in effect is in the records; see `policy show`.
    """
    from retrieval.service.cli import commands_policy

    raise typer.Exit(commands_policy.check(folder or settings_of_command().policy_dir))


@policy_app.command("log")
def log(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    asker: As = None,
) -> None:
    """List revisions, the latest first: who proposed what, why, and what took effect when."""
    from retrieval.service.cli import commands_policy

    run(commands_policy.log(settings_of_command(), asker, limit))


@policy_app.command("show")
def show(
    number: Annotated[int | None, typer.Argument(help="By default the one in effect.")] = None,
    *,
    model: Annotated[bool, typer.Option("--model", help="The model instead of the rules.")] = False,
    asker: As = None,
) -> None:
    """Print a revision to the letter, so that it can be edited and proposed again."""
    from retrieval.service.cli import commands_policy

    run(commands_policy.show(settings_of_command(), asker, number, model=model))


@policy_app.command("diff")
def diff(
    number: Number,
    to: Annotated[
        int | None, typer.Argument(help="Compare with this one; by default with its base.")
    ] = None,
    *,
    asker: As = None,
) -> None:
    """Show what a revision changes."""
    from retrieval.service.cli import commands_policy

    run(commands_policy.diff(settings_of_command(), asker, number, to))


@policy_app.command("propose")
def propose(
    folder: Folder = None,
    *,
    add: Add = None,
    remove: Remove = None,
    reason: Reason = "",
    asker: As = None,
) -> None:
    """Store a change of the policy as a numbered proposal. Nothing takes effect yet.

    Give a folder with the whole policy, or lines to add and to remove. Then look at it with
    `policy preview`, and let it take effect with `policy activate`.
    """
    from retrieval.service.cli import commands_policy

    wanted = commands_policy.Wanted(folder, tuple(add or ()), tuple(remove or ()))
    run(commands_policy.propose(settings_of_command(), asker, wanted, reason))


@policy_app.command("preview")
def preview(  # noqa: PLR0913 - each is an option
    number: Annotated[int | None, typer.Argument(help="Of a proposal; or give a change.")] = None,
    *,
    folder: Annotated[Path | None, typer.Option(help="A folder with the whole policy.")] = None,
    add: Add = None,
    remove: Remove = None,
    days: Annotated[int, typer.Option(min=0, max=366, help="Look so far back.")] = 30,
    asker: As = None,
) -> None:
    """Show who would gain and who would lose which documents, and which past answers with them."""
    from retrieval.service.cli import commands_policy

    wanted = commands_policy.Wanted(folder, tuple(add or ()), tuple(remove or ()))
    run(commands_policy.preview(settings_of_command(), asker, number, wanted, days))


@policy_app.command("activate")
def activate(number: Number, *, asker: As = None) -> None:
    """Prove a proposal on the stored documents, and let it take effect.

    Its filters are compared with the rules for every role and every label. If they differ
    anywhere, nothing takes effect and the difference is shown.
    """
    from retrieval.service.cli import commands_policy

    run(commands_policy.activate(settings_of_command(), asker, number))


@policy_app.command("rollback")
def rollback(number: Number, *, reason: Reason = "", asker: As = None) -> None:
    """Bring back what an earlier revision said, under a new number, and activate it."""
    from retrieval.service.cli import commands_policy

    run(commands_policy.roll_back(settings_of_command(), asker, number, reason))


@policy_app.command("prove")
def prove(
    number: Annotated[int | None, typer.Argument(help="By default the one in effect.")] = None,
) -> None:
    """Compare every pair of a revision, here and now; a difference raises the alarm."""
    from retrieval.service.cli import commands_policy

    run(commands_policy.prove(settings_of_command(), number))
