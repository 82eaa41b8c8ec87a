"""How a command begins and ends: its settings, its answer, its exit code.

The laws of this file:

1. Every command takes `--json`: then standard output holds the answer in the words of the API, and
   nothing else.
2. What is missing or wrong is said before the data folder is made: a command that fails leaves no
   folder behind.
"""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from retrieval.service import logs
from retrieval.service.cli.render import Shown, show
from retrieval.service.settings import Settings, SettingsError, load_settings

Json = Annotated[
    bool, typer.Option("--json", help="Answer in JSON, with the fields that the API has.")
]


def command_settings() -> Settings:
    """Read the settings for a command; its log is for people, and says warnings alone."""
    logs.configure("warning")
    return load_settings()


def finish(shown: Shown, *, as_json: bool) -> NoReturn:
    """Print an answer, and exit with its code."""
    show(shown, as_json=as_json)
    raise typer.Exit(shown.code)


def is_begun(settings: Settings) -> bool:
    """Say whether there is an installation: records that were opened before."""
    return settings.database_url_file is not None or (settings.data_dir / "records.db").exists()


def require_begun(settings: Settings) -> None:
    """Refuse to make a data folder that the command would leave empty (law 2).

    Raises:
        SettingsError: nothing is stored.
    """
    if not is_begun(settings):
        raise SettingsError(
            f"nothing is stored in `{settings.data_dir}` yet: `strongroom ingest FOLDER` begins, "
            "or set `STRONGROOM_DATA_DIR` to the folder that you mean"
        )
