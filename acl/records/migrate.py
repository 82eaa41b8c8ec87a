"""Bringing the tables to the version that this program knows, when the records are opened.

The laws of this file:

1. One transaction, under a lock: of several processes that start at once, one migrates and the
   others find it done.
2. A database of a version that this program does not know is refused, never guessed at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection

from acl.records.audit.chain import Chain
from acl.records.audit.log import begin_chain
from acl.records.database.database import Database
from acl.records.database.errors import RecordsMismatchError

MIGRATIONS: Final = Path(__file__).parent / "migrations"


async def migrate(database: Database, chain: Chain) -> None:
    """Create or upgrade the tables; a new database gets the head of its audit chain.

    Raises:
        RecordsMismatchError: the tables are of a version that this program does not know.
    """
    await database.write(_migrate, database, chain)


def _migrate(connection: Connection, database: Database, chain: Chain) -> None:
    database.lock_migration(connection)  # law 1
    if _upgrade(connection) is None:
        begin_chain(connection, chain)


def _upgrade(connection: Connection) -> str | None:
    """Upgrade and return the version before."""
    before = MigrationContext.configure(connection).get_current_revision()
    try:
        command.upgrade(alembic_config(connection), "head")
    except CommandError as error:
        raise RecordsMismatchError(  # law 2
            f"the records are of version `{before}`, which this program does not know: open them "
            "with the program that made them, or begin with an empty database and ingest again"
        ) from error
    return before


def alembic_config(connection: Connection) -> Config:
    """Return what alembic needs to find the migrations and to use this connection."""
    config = Config()
    # A `%` begins an interpolation in alembic's options.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
