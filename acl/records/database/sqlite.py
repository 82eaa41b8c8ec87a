"""Records in one SQLite file: WAL mode, flushed at every commit, one writer at a time.

Writers queue on one thread, in order, instead of polling for the file's lock; `BEGIN IMMEDIATE`
and the busy time-out settle it with writers of other processes. Readers have connections that
cannot write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from acl.records.database.database import Database, translated
from acl.records.database.errors import RecordsError, RecordsUnavailableError

P = ParamSpec("P")
T = TypeVar("T")

READERS: Final = 4
BUSY_MILLISECONDS: Final = 5000

_PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
)


class SqliteDatabase(Database):
    """A file beside the program."""

    def __init__(self, url: URL) -> None:
        file = _file(url)
        self._writer = _Lane(file, 1, begin="BEGIN IMMEDIATE", pragma="journal_mode = WAL")
        self._reader = _Lane(file, READERS, begin="BEGIN", pragma="query_only = ON")

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` over one snapshot; it cannot write."""
        return await self._reader.run(lambda connection: work(connection, *args, **kwargs))

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` in one transaction, durable when this returns; an exception undoes it."""
        return await self._writer.run(lambda connection: work(connection, *args, **kwargs))

    async def require_durable(self) -> None:
        """Nothing to check: every connection is told to flush."""

    def lock_migration(self, connection: Connection) -> None:
        """Nothing to do: the transaction began with the write lock."""

    async def close(self) -> None:
        """Finish what is under way; the last one out folds the log into the file."""
        await self._reader.close()
        await self._writer.close()


class _Lane:
    """Threads with a connection each."""

    def __init__(self, file: Path, size: int, *, begin: str, pragma: str) -> None:
        self._engine = create_engine(
            URL.create("sqlite", database=str(file)),
            # The driver begins nothing by itself; `begin` says how a transaction begins.
            connect_args={"isolation_level": None, "timeout": BUSY_MILLISECONDS / 1000},
            pool_size=size,
            max_overflow=0,
            hide_parameters=True,
        )
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="records")
        self._closed = False
        _prepare(self._engine, begin=begin, pragma=pragma)

    async def run(self, work: Callable[[Connection], T]) -> T:
        if self._closed:
            raise RecordsUnavailableError("the records are closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._transaction, work)

    async def close(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        with translated(), self._engine.begin() as connection:
            return work(connection)


def _file(url: URL) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise RecordsError("records in SQLite need a file")
    file = Path(url.database)
    if not file.parent.is_dir():
        raise RecordsError(f"the directory `{file.parent}` does not exist")
    # It holds every text and label: only its owner may read it. The log inherits the mode.
    file.touch(mode=0o600)
    return file


def _prepare(engine: Engine, *, begin: str, pragma: str) -> None:
    def on_connect(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = dbapi.cursor()
        for statement in (*_PRAGMAS, f"PRAGMA {pragma}"):
            cursor.execute(statement)
        cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
