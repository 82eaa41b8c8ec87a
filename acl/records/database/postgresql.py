"""Records in PostgreSQL, for more than one process.

The rows that a decision rests on are locked (`FOR UPDATE`) before they are read; a reader's
transaction is read-only at one snapshot. A server that does not flush is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, func, select
from sqlalchemy.ext.asyncio import create_async_engine

from acl.records.database.database import Database, translated
from acl.records.database.errors import RecordsError

P = ParamSpec("P")
T = TypeVar("T")

CONNECTIONS: Final = 10
CONNECT_SECONDS: Final = 10
STATEMENT_SECONDS: Final = 30

# Any number will do, as long as no other program takes it in the same database.
_MIGRATION_LOCK: Final = 0x5354_524F_4E47


class PostgresDatabase(Database):
    """A server that several processes share."""

    def __init__(self, url: URL) -> None:
        self._writer = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
            # A server that was restarted costs one ping, not one failed request a connection.
            pool_pre_ping=True,
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS},
            hide_parameters=True,
        )
        self._reader = self._writer.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` over one snapshot; it cannot write."""
        with translated():
            async with self._reader.begin() as connection:
                return await connection.run_sync(work, *args, **kwargs)

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` in one transaction, durable when this returns; an exception undoes it."""
        with translated():
            async with self._writer.begin() as connection:
                return await connection.run_sync(work, *args, **kwargs)

    async def require_durable(self) -> None:
        """Refuse a server that acknowledges before its log is flushed.

        Raises:
            RecordsError: `fsync` or `synchronous_commit` is off.
        """
        for setting in ("fsync", "synchronous_commit"):
            if await self.read(_setting, setting) == "off":
                raise RecordsError(f"PostgreSQL runs with `{setting}` off")

    def lock_migration(self, connection: Connection) -> None:
        """Let no other process migrate until this transaction ends."""
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))

    async def close(self) -> None:
        """Let every connection go."""
        await self._writer.dispose()


def _setting(connection: Connection, name: str) -> str | None:
    return connection.scalar(select(func.current_setting(name)))
