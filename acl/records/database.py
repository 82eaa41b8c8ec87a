"""Connections: how a transaction begins, what durable means, and which errors leave.

The laws of this file:

1. An acknowledged write is on disk: SQLite in WAL mode with `synchronous=FULL`; PostgreSQL is
   refused when it answers before its log is flushed.
2. A writer takes the write lock when it begins (`BEGIN IMMEDIATE`), never half-way. In PostgreSQL
   the rows that a decision rests on are locked before they are read.
3. A reader sees one snapshot and cannot write.
4. No exception of the driver leaves, and no statement's parameters stand in an error's text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from acl.records.errors import RecordsConflictError, RecordsError, RecordsUnavailableError

READERS: Final = 4
POSTGRES_CONNECTIONS: Final = 10
BUSY_MILLISECONDS: Final = 5000
POOL_SECONDS: Final = 10

_PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
)


class Database:
    """A database with one road for readers and one for writers."""

    def __init__(self, reader: AsyncEngine, writer: AsyncEngine) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    def at(cls, url: str) -> Database:
        """Return the database at `url`, without connecting yet.

        Raises:
            RecordsError: neither a SQLite file nor PostgreSQL.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise RecordsError("the URL of the records cannot be read") from error
        match parsed.get_backend_name():
            case "sqlite":
                return _sqlite(parsed)
            case "postgresql" | "postgres":
                return _postgresql(parsed)
            case other:
                raise RecordsError(f"records cannot be kept in `{other}`")

    @property
    def postgresql(self) -> bool:
        """Whether this is PostgreSQL."""
        return self._writer.dialect.name == "postgresql"

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One snapshot; nothing can be written.

        Raises:
            RecordsUnavailableError: the database cannot be reached.
        """
        async with _translated(), self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end and durable then; undone by any exception.

        Raises:
            RecordsConflictError: the write contradicts what is stored.
            RecordsUnavailableError: the database cannot be reached or is busy for too long.
        """
        async with _translated(), self._writer.begin() as connection:
            yield connection

    async def require_durable(self) -> None:
        """Check law 1 where the program cannot set it.

        Raises:
            RecordsError: PostgreSQL acknowledges before its log is flushed.
        """
        if not self.postgresql:
            return
        async with self.reading() as connection:
            for setting in ("fsync", "synchronous_commit"):
                value = await connection.scalar(text(f"SHOW {setting}"))
                if value == "off":
                    raise RecordsError(f"PostgreSQL runs with `{setting}` off")

    async def close(self) -> None:
        """Let every connection go; SQLite folds its log into the file."""
        await self._reader.dispose()
        await self._writer.dispose()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise RecordsConflictError("the write contradicts what is stored") from error
    except DBAPIError as error:
        kind = type(error.orig).__name__
        raise RecordsUnavailableError(f"the records failed to answer ({kind})") from error
    except (SQLAlchemyError, OSError) as error:
        raise RecordsUnavailableError("the records cannot be reached") from error


def _sqlite(url: URL) -> Database:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise RecordsError("records in SQLite need a file")
    path = Path(url.database)
    if not path.parent.is_dir():
        raise RecordsError(f"the directory `{path.parent}` does not exist")
    # The file holds every text and label: only its owner may read it. The log inherits the mode.
    path.touch(mode=0o600)
    options: dict[str, Any] = {
        "url": url.set(drivername="sqlite+aiosqlite"),
        # The driver begins nothing by itself, so that law 2 decides how a transaction begins.
        "connect_args": {"isolation_level": None, "timeout": BUSY_MILLISECONDS / 1000},
        "max_overflow": 0,
        "pool_timeout": POOL_SECONDS,
        "hide_parameters": True,
    }
    # One connection for writers: they queue here, in order, instead of polling for the file lock.
    writer = create_async_engine(pool_size=1, **options)
    reader = create_async_engine(pool_size=READERS, **options)
    _prepare(writer, begin="BEGIN IMMEDIATE", pragmas=("PRAGMA journal_mode = WAL",))
    _prepare(reader, begin="BEGIN", pragmas=("PRAGMA query_only = ON",))
    return Database(reader, writer)


def _prepare(engine: AsyncEngine, *, begin: str, pragmas: tuple[str, ...]) -> None:
    def on_connect(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = dbapi.cursor()
        for statement in (*_PRAGMAS, *pragmas):
            cursor.execute(statement)
        cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", on_begin)


def _postgresql(url: URL) -> Database:
    writer = create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=POSTGRES_CONNECTIONS,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        # A server that was restarted costs one ping, not one failed request for each connection.
        pool_pre_ping=True,
        connect_args={"timeout": POOL_SECONDS, "command_timeout": 30},
        hide_parameters=True,
    )
    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Database(reader, writer)
