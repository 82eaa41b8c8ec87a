"""`strongroom label …`: who may read a document, seen and changed by whoever owns it."""

# Commands import what they need when they run, so that `--help` does not wait seconds for it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated

import typer

from retrieval.service.cli.running import run, settings_of_command

label_app = typer.Typer(
    help="See who may read a document, and change it: classify, share, take back, undo.",
    no_args_is_help=True,
)

Document = Annotated[
    str, typer.Argument(help="The document's path as ingested, such as acme/hr/plan.md, or its id.")
]
Who = Annotated[
    str,
    typer.Option(
        "--as",
        help="On whose rights, such as `user:ada`. Without it: as whoever runs this machine, who "
        "may do everything.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the change.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, do nothing.")]
Version = Annotated[
    int | None,
    typer.Option(
        "--version",
        min=0,
        help="The version that you looked at, as `label show` prints it: if somebody changed it "
        "since, you are told and nothing is changed.",
    ),
]
Tenant = Annotated[
    str, typer.Option("--tenant", help="Whose folder, if it does not begin with the tenant's name.")
]
SetValues = Annotated[
    list[str] | None,
    typer.Option("--set", help="One attribute, as classification=confidential. Repeatable."),
]


@label_app.command("show")
def label_show(document: Document, *, asker: Who = "") -> None:
    """Show a document's label, where each value comes from, and whom it is shared with."""
    from retrieval.service.cli import commands_label

    run(commands_label.show(settings_of_command(), asker, document))


@label_app.command("set")
def label_set(  # noqa: PLR0913 - options
    documents: Annotated[
        list[str],
        typer.Argument(help="One or more documents, or a folder that ends in `/` for all in it."),
    ],
    *,
    values: SetValues = None,
    inherit: Annotated[
        list[str] | None,
        typer.Option("--inherit", help="Take this attribute from the folder again. Repeatable."),
    ] = None,
    asker: Who = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = "",
    version: Version = None,
) -> None:
    """Change the label of one document, of several, or of all documents in a folder now.

    What is set here stays, whatever the folder says later, until `--inherit`. Raising needs the
    right to tag, a new reader the right to share, everything else the right to declassify.

    Try it first with `--dry-run`:
    strongroom label set acme/hr/plan.md --set classification=restricted --dry-run
    """
    from retrieval.service.cli import commands_label, commands_label_bulk

    settings = settings_of_command()
    change = commands_label.Asked(
        asker=asker,
        reason=reason,
        dry_run=dry_run,
        values=values or [],
        inherit=inherit or [],
        version=version,
    )
    if len(documents) == 1 and not documents[0].endswith("/"):
        run(commands_label.change(settings, documents[0], change))
    else:
        run(commands_label_bulk.change(settings, documents, change, tenant))


@label_app.command("share")
def label_share(  # noqa: PLR0913 - options
    document: Document,
    principal: Annotated[str, typer.Argument(help="Who is to read: user:ada, group:finance …")],
    *,
    until: Annotated[
        str,
        typer.Option("--until", help="When it ends: 2026-03-31, 2026-03-31T18:00, 7d or 12h."),
    ] = "",
    asker: Who = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    version: Version = None,
) -> None:
    """Let somebody read a document, for a time or for good.

    It lifts nothing else: who lacks the clearance or a compartment still cannot read it.
    """
    from retrieval.service.cli import commands_label

    asked = commands_label.Asked(asker=asker, reason=reason, dry_run=dry_run, version=version)
    run(commands_label.share(settings_of_command(), document, principal, until, asked))


@label_app.command("unshare")
def label_unshare(  # noqa: PLR0913 - options
    document: Document,
    principal: Annotated[str, typer.Argument(help="Whose share is taken back.")],
    *,
    asker: Who = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    version: Version = None,
) -> None:
    """Take a share back."""
    from retrieval.service.cli import commands_label

    asked = commands_label.Asked(asker=asker, reason=reason, dry_run=dry_run, version=version)
    run(commands_label.unshare(settings_of_command(), document, principal, asked))


@label_app.command("history")
def label_history(document: Document, *, asker: Who = "") -> None:
    """List who changed a document's label, when and why, the last change first."""
    from retrieval.service.cli import commands_label

    run(commands_label.history(settings_of_command(), asker, document))


@label_app.command("undo")
def label_undo(
    document: Document,
    *,
    asker: Who = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    version: Version = None,
) -> None:
    """Take the last change back, as a new change. Shares that ended meanwhile stay ended."""
    from retrieval.service.cli import commands_label

    asked = commands_label.Asked(asker=asker, reason=reason, dry_run=dry_run, version=version)
    run(commands_label.undo(settings_of_command(), document, asked))


@label_app.command("approve")
def label_approve(
    document: Document,
    proposal: Annotated[str, typer.Argument(help="The proposal; by default the only one.")] = "",
    *,
    asker: Who = "",
) -> None:
    """Approve a lower label that somebody else proposed."""
    from retrieval.service.cli import commands_label

    run(commands_label.approve(settings_of_command(), asker, document, proposal))


@label_app.command("folder")
def label_folder(  # noqa: PLR0913 - options
    folder: Annotated[
        str, typer.Argument(help="The folder, such as /acme/hr/; without it, all that are set.")
    ] = "",
    *,
    values: SetValues = None,
    unset: Annotated[
        list[str] | None,
        typer.Option("--unset", help="Let the folder say no longer. Repeatable."),
    ] = None,
    asker: Who = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = "",
    approve: Annotated[
        str, typer.Option("--approve", help="Approve this proposal, which somebody else made.")
    ] = "",
    version: Version = None,
) -> None:
    """Set what every document in a folder inherits, those that come later as well.

    What was set on a document itself stays. Without `--set` and `--unset`, shows what is set, and
    what waits for approval.
    """
    from retrieval.service.cli import commands_label, commands_label_bulk

    if approve:
        run(commands_label_bulk.approve_folder(settings_of_command(), approve, asker))
        return
    asked = commands_label.Asked(
        asker=asker, reason=reason, dry_run=dry_run, values=values or [], version=version
    )
    work = commands_label_bulk.folder(settings_of_command(), folder, unset or [], asked, tenant)
    run(work)


@label_app.command("jobs")
def label_jobs(
    *,
    resume: Annotated[
        str, typer.Option("--resume", help="Go on with a job that was interrupted.")
    ] = "",
) -> None:
    """List the changes of many documents, how far each has come, and go on with one."""
    from retrieval.service.cli import commands_label_bulk

    run(commands_label_bulk.jobs(settings_of_command(), resume))
