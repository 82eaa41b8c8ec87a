"""How a command runs: its settings, its event loop, its answer, its exit code.

The laws of this file:

1. Every command takes `--json`: then standard output holds the answer in the words of the API, and
   nothing else.
2. What is missing or wrong is said before the data folder is made: a command that fails leaves no
   folder behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, NoReturn

import typer

from ingest.index.engine import EngineError
from retrieval.rights.policy_source import read_source
from retrieval.service import logs
from retrieval.service.cli.render import CommandError, Shown, show
from retrieval.service.settings import Settings, SettingsError, load_settings
from retrieval.service.wiring import Parts, open_parts

Json = Annotated[
    bool, typer.Option("--json", help="Answer in JSON, with the fields that the API has.")
]
Work = Callable[[Parts], Awaitable[Shown]]


def command_settings() -> Settings:
    """Read the settings for a command; its log is for people, and says warnings alone."""
    logs.configure("warning")
    return load_settings()


def finish(shown: Shown, *, as_json: bool) -> NoReturn:
    """Print an answer, and exit with its code."""
    show(shown, as_json=as_json)
    raise typer.Exit(shown.code)


def run(work: Coroutine[Any, Any, Shown], *, as_json: bool) -> NoReturn:
    """Do what a command does, print its answer, and exit with its code."""
    finish(asyncio.run(work), as_json=as_json)


def run_on_parts(
    work: Work, *, as_json: bool, settings: Settings | None = None, new: bool = False
) -> NoReturn:
    """Open every part, do what a command does, print its answer, and exit with its code.

    Args:
        work: what the command does.
        as_json: whether the answer is printed as JSON.
        settings: those of the environment, unless others are given.
        new: whether the command may begin an installation.
    """
    run(_on_parts(settings or command_settings(), work, new=new), as_json=as_json)


async def _on_parts(settings: Settings, work: Work, *, new: bool) -> Shown:
    require_ground(settings, new=new)
    try:
        async with open_parts(settings) as parts:
            return await work(parts)
    except EngineError as error:
        raise CommandError(str(error)) from error


def require_ground(settings: Settings, *, new: bool) -> None:
    """Refuse to make a data folder that the command would leave empty (law 2).

    Raises:
        SettingsError: nothing is stored, and the command does not begin an installation.
        PolicyError, SchemaError: the policy that an installation would begin with is refused.
    """
    known = settings.database_url_file is not None or (settings.data_dir / "records.db").exists()
    if known:
        return
    if not new:
        raise SettingsError(
            f"nothing is stored in `{settings.data_dir}` yet: `strongroom ingest FOLDER` begins, "
            "or set `STRONGROOM_DATA_DIR` to the folder that you mean"
        )
    read_source(settings.policy_dir)
