"""Reaching past the records into their tables, as somebody with the database file would."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def run(url: str, *statements: str) -> None:
    """Run SQL that both databases understand, in one transaction."""
    if not url.startswith("sqlite"):
        await server(url, *statements, isolation_level="READ COMMITTED")
        return
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
        for statement in statements:
            file.execute(statement)


async def server(url: str, *statements: str, isolation_level: str = "AUTOCOMMIT") -> None:
    """Run SQL on PostgreSQL."""
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
        isolation_level=isolation_level,
    )
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
