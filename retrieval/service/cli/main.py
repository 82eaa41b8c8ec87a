"""`strongroom`: the command line.

The laws of this file:

1. An error that the user can mend is one sentence on standard error and exit code 1 or 2, without
   a traceback.
2. Every command reads the same settings as the service, and works while the service runs.
3. A command's module is imported when the command is called: `--help` waits for none of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from acl.errors import AclError
from ingest.errors import IngestError
from retrieval.service.cli import render
from retrieval.service.settings import SettingsError

COMMANDS: Final = {
    "ingest": ("documents", "Read documents in, so that those who may read them can find them."),
    "search": ("ask", "Ask a question as a person, and see what that person finds."),
    "explain": ("explain", "Say why a person may or may not read a document, rule by rule."),
    "token": (
        "identity.token",
        "Sign a token to try the service, and see how a token would be read.",
    ),
    "serve": ("operate", "Serve until Ctrl-C."),
    "status": ("operate", "Say what is stored, and which policy is in effect."),
    "fsck": ("operate", "Compare the records with the search engine, and repair differences."),
    "demo": ("demo", "Show it with two small companies: one question, four people, four answers."),
    "policy": (
        "policy.policy",
        "Rules that say who may do what: propose, preview, prove, activate.",
    ),
    "access": ("access", "See who may read a document and who did; ask for access, and decide."),
    "source": ("sources", "Where documents come from: added, listed, run, removed."),
    "documents": ("documents", "Look at the documents that are stored."),
    "quarantine": ("documents", "Look at the documents that are kept out, and why."),
    "audit": ("operate", "Check the record of who read what."),
    "directory": ("operate", "Look at the users and groups of your identity provider."),
    "provisioner": (
        "identity.provisioner",
        "Credentials for identity providers: made, replaced, revoked.",
    ),
    "label": ("labels", "See who may read a document, and change it: classify, share, undo."),
}
"""Each command: the module that holds it, and what it does in one line."""


class Deferred(TyperCommand):
    """Stands for a command in the list of commands, until it is called (law 3)."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401 - as the library declares it
        **extra: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Become the command."""
        module = import_module(f"{__package__}.{COMMANDS[str(self.name)][0]}")
        command = typer.main.get_group(module.app).commands[str(self.name)]
        return command.make_context(info_name, args, parent, **extra)


class Commands(TyperGroup):
    """Every command, none of them imported."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - as the library has it
        """Return the names, in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ANN401, ARG002 - as the library has it
        """Return what stands for a command."""
        if cmd_name not in COMMANDS:
            return None
        return Deferred(cmd_name, help=COMMANDS[cmd_name][1], rich_markup_mode="rich")


app = typer.Typer(
    name="strongroom",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def strongroom() -> None:
    """Answer questions with the passages that the asker may read, and with nothing else.

    Settings come from `STRONGROOM_…` in the environment; see docs/settings.md.
    """


def main() -> None:
    """Run the command line; the entry point of the installed program."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except (SettingsError, AclError, IngestError, render.CommandError) as error:
        render.fail(str(error))  # law 1
        sys.exit(1)
