"""`strongroom access …`: asking for access, deciding about it, and looking back."""

# Commands import what they need when they run, so that `--help` does not wait seconds for it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated

import typer

from retrieval.service.cli.running import run, settings_of_command

access_app = typer.Typer(
    help="See who may read a document and who did; ask for access, and decide about requests.",
    no_args_is_help=True,
)

Document = Annotated[
    str, typer.Argument(help="The document's path as ingested, such as acme/hr/plan.md, or its id.")
]
As = Annotated[
    str,
    typer.Option(
        "--as",
        help="On whose rights, such as `user:ada`. Without it: as whoever runs this machine.",
    ),
]
Person = Annotated[str, typer.Option("--as", help="Who asks, such as `user:bob`.")]
Request = Annotated[str, typer.Argument(help="The request's id; see `access requests`.")]


@access_app.command("who")
def who(document: Document, *, asker: As = "") -> None:
    """Say who may read a document: people of the subjects file, and the groups and roles."""
    from retrieval.service.cli import commands_access

    run(commands_access.who(settings_of_command(), asker, document))


@access_app.command("what")
def what(
    subject: Annotated[str, typer.Argument(help="Who, such as `user:bob`.")], *, asker: As = ""
) -> None:
    """List what somebody may read, of what you may review."""
    from retrieval.service.cli import commands_access

    run(commands_access.what(settings_of_command(), asker, subject))


@access_app.command("did")
def did(document: Document, *, asker: As = "") -> None:
    """Say who got passages of a document, when, and whether they still may."""
    from retrieval.service.cli import commands_access

    run(commands_access.did(settings_of_command(), asker, document))


@access_app.command("request")
def request(
    document: Annotated[str, typer.Argument(help="The document's id.")],
    *,
    asker: Person,
    reason: Annotated[str, typer.Option("--reason", help="Why; the owner reads it.")] = "",
) -> None:
    """Ask for access to a document whose id you were given.

    You are told the same whether or not there is such a document; once it is granted, you find it.
    """
    from retrieval.service.cli import commands_access

    run(commands_access.request(settings_of_command(), asker, document, reason))


@access_app.command("requests")
def requests(*, asker: As = "", tenant: Annotated[str, typer.Option(help="Whose.")] = "") -> None:
    """List requests that you may decide about: for documents that you may share."""
    from retrieval.service.cli import commands_access

    run(commands_access.requests(settings_of_command(), asker, tenant))


@access_app.command("grant")
def grant(
    request_id: Request,
    *,
    until: Annotated[
        str, typer.Option("--until", help="When it ends: 2026-03-31, 2026-03-31T18:00, 7d or 12h.")
    ] = "",
    asker: As = "",
    tenant: Annotated[str, typer.Option(help="Whose.")] = "",
) -> None:
    """Share the document with whoever asked for it."""
    from retrieval.service.cli import commands_access

    run(commands_access.grant(settings_of_command(), asker, tenant, request_id, until))


@access_app.command("refuse")
def refuse(
    request_id: Request,
    *,
    asker: As = "",
    tenant: Annotated[str, typer.Option(help="Whose.")] = "",
) -> None:
    """Take a request off the list; whoever asked is not told."""
    from retrieval.service.cli import commands_access

    run(commands_access.refuse(settings_of_command(), asker, tenant, request_id))
