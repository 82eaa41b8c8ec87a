"""`strongroom directory …`: who is known, and in which groups."""

# Commands import what they need when they run, so that `--help` does not wait seconds for it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated

import typer

from retrieval.service.cli.running import run, settings_of_command

directory_app = typer.Typer(
    help="Look at the users and groups that the identity provider keeps here.",
    no_args_is_help=True,
)

Tenant = Annotated[str, typer.Option("--tenant", help="Whose directory, such as `acme`.")]


@directory_app.command("list")
def directory_list(
    *,
    tenant: Tenant,
    groups: Annotated[bool, typer.Option("--groups", help="The groups, not the users.")] = False,
) -> None:
    """List the users of a tenant, or its groups."""
    from retrieval.service.cli import commands_directory

    work = commands_directory.listed(settings_of_command(), tenant, groups=groups)
    run(work)


@directory_app.command("show")
def directory_show(
    identity: Annotated[str, typer.Argument(help="Such as `user:ada` or `group:finance`.")],
    *,
    tenant: Tenant,
) -> None:
    """Show a user with every group that it is in, or a group with its members."""
    from retrieval.service.cli import commands_directory

    work = commands_directory.shown(settings_of_command(), tenant, identity)
    run(work)
