"""`strongroom`: the command line.

The laws of this file:

1. An error that is the user's to mend is one sentence on standard error and exit code 1 or 2;
   nobody is shown a traceback.
2. Every command reads the same settings as the service, and works while the service runs.
"""

# Commands import what they need when they run, so that `--help` does not wait seconds for it.
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from retrieval.service.cli import console
from retrieval.service.cli.cli_access import access_app
from retrieval.service.cli.cli_directory import directory_app
from retrieval.service.cli.cli_label import label_app
from retrieval.service.cli.cli_policy import policy_app
from retrieval.service.cli.running import run, settings_of_command
from retrieval.service.settings import SettingsError, load_settings

app = typer.Typer(
    name="strongroom",
    help="Answers questions with the passages that the asker may read, and with nothing else.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
documents_app = typer.Typer(help="Look at the documents that are stored.", no_args_is_help=True)
quarantine_app = typer.Typer(
    help="Look at the documents that are kept out, and why.", no_args_is_help=True
)
audit_app = typer.Typer(help="Look after the record of who read what.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")
app.add_typer(access_app, name="access")
app.add_typer(documents_app, name="documents")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(audit_app, name="audit")
app.add_typer(directory_app, name="directory")
app.add_typer(label_app, name="label")

AskAs = Annotated[
    str, typer.Option("--as", help="Who asks, such as `user:ada`; from the subjects file.")
]


class SearchMode(StrEnum):
    """How passages are found."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"


@app.command()
def ingest(
    path: Annotated[Path, typer.Argument(help="A folder, or one file.")],
    label: Annotated[
        list[str] | None,
        typer.Option(help="Say one attribute for all documents, as key=value. Repeatable."),
    ] = None,
    *,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove stored documents that the folder lacks.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the final report.")] = False,
) -> None:
    """Read documents in, and make them searchable for those who may read them.

    A document's label (tenant, owner, classification, readers …) comes from the `_label.toml`
    files of its folders, from its own front matter, and from `NAME.label.toml` beside it. What has
    no complete label, or cannot be read, waits in quarantine and is not searchable. Run it as
    often as you like: only what changed is read again.
    """
    from retrieval.service.cli import commands_write

    run(commands_write.ingest(settings_of_command(), path, label or [], prune=prune, quiet=quiet))


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="The question, in quotation marks.")],
    *,
    asker: AskAs,
    top_k: Annotated[int, typer.Option(min=1, max=100, help="At most so many passages.")] = 5,
    mode: Annotated[SearchMode, typer.Option(help="How to find.")] = SearchMode.HYBRID,
) -> None:
    """Ask a question as somebody, and see what that person finds."""
    from retrieval.search.search import SearchRequest
    from retrieval.search.store import Mode
    from retrieval.service.cli import commands_ask

    request = SearchRequest(query=question, top_k=top_k, mode=Mode(mode.value))
    run(commands_ask.search(settings_of_command(), asker, request))


@app.command()
def explain(
    subject: Annotated[str, typer.Argument(help="Who, such as `user:bob`.")],
    document: Annotated[str, typer.Argument(help="The document's id, or its path as ingested.")],
) -> None:
    """Say why somebody may or may not read a document, rule by rule."""
    from retrieval.service.cli import commands_ask

    run(commands_ask.explained(settings_of_command(), subject, document))


@documents_app.command("list")
def documents_list(*, asker: AskAs) -> None:
    """List every document that somebody may read."""
    from retrieval.service.cli import commands_ask

    run(commands_ask.documents(settings_of_command(), asker))


@quarantine_app.command("list")
def quarantine_list() -> None:
    """List the documents that are kept out, with the reason for each."""
    from retrieval.service.cli import commands_operate

    run(commands_operate.quarantine(settings_of_command()))


@audit_app.command("verify")
def audit_verify() -> None:
    """Check that no event of the audit was edited, removed or added."""
    from retrieval.service.cli import commands_operate

    run(commands_operate.verify_audit(settings_of_command()))


@app.command()
def token(
    subject: Annotated[str, typer.Argument(help="For whom, such as `user:ada`.")],
    lifetime: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds it is good for.")] = 900,
) -> None:
    """Sign a token for somebody, for trying the service out. Development mode only."""
    from retrieval.service.cli import commands_operate

    raise typer.Exit(commands_operate.token(settings_of_command(), subject, lifetime))


@app.command()
def serve() -> None:
    """Serve until Ctrl-C. Settings come from `STRONGROOM_…`; see docs/settings.md."""
    from retrieval.service.cli import commands_operate

    raise typer.Exit(commands_operate.serve(load_settings()))


@app.command()
def status() -> None:
    """Say what is stored, and which policy is in effect."""
    from retrieval.service.cli import commands_operate

    run(commands_operate.status(settings_of_command()))


@app.command()
def fsck() -> None:
    """Compare the records with the search engine, and repair differences."""
    from retrieval.service.cli import commands_write

    run(commands_write.fsck(settings_of_command()))


@app.command()
def demo(
    *,
    serving: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Leave the service running at the end.")
    ] = True,
    folder: Annotated[
        Path, typer.Option(help="Where the demo keeps its data; may be deleted.")
    ] = Path(".demo"),
) -> None:
    """Show it with two small companies: one question, three people, three answers."""
    from retrieval.service.cli import demo as demonstration

    run(demonstration.run(folder, serving=serving))


def main() -> None:
    """Run the command line; the entry point of the installed program."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not isinstance(error, _expected()):
            raise
        console.fail(str(error))
        sys.exit(1)


def _expected() -> tuple[type[Exception], ...]:
    """Return the errors whose text is a sentence for whoever typed the command."""
    from acl.errors import AclError
    from ingest.errors import IngestError
    from ingest.index.engine import EngineError

    return (SettingsError, AclError, IngestError, EngineError)
