"""One road for readers and one for writers, the same for either database.

The laws of this file and its two kinds, `sqlite` and `postgresql`:

1. An acknowledged write is on disk.
2. A writer holds what its decision rests on from before it reads it until it commits.
3. A reader sees one snapshot and cannot write.
4. No exception of the driver leaves, and no statement's parameters stand in an error's text.

A transaction is a plain function over a connection, run as a whole: in SQLite on a thread of its
own, so that it costs one hop and never stops the event loop; in PostgreSQL on the loop itself.
What SQLAlchemy spells once for each database, and how much one statement takes, stands here too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

from sqlalchemy import JSON, Column, ColumnElement, Connection, Table, cast, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from acl.records.database.errors import RecordsConflictError, RecordsUnavailableError

P = ParamSpec("P")
T = TypeVar("T")


class Database(ABC):
    """Where the records are kept."""

    @abstractmethod
    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` over one snapshot; it cannot write.

        Raises:
            RecordsUnavailableError: the database cannot be reached.
        """

    @abstractmethod
    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` in one transaction, durable when this returns; an exception undoes it.

        Raises:
            RecordsConflictError: the write contradicts what is stored.
            RecordsUnavailableError: the database cannot be reached or is busy for too long.
        """

    @abstractmethod
    async def require_durable(self) -> None:
        """Check law 1 where the program cannot set it.

        Raises:
            RecordsError: the server acknowledges what is not on disk yet.
        """

    @abstractmethod
    def lock_migration(self, connection: Connection) -> None:
        """Let no other process migrate until this transaction ends."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way and let every connection go."""


class Part:
    """A part of the records, whose methods each run in one transaction.

    Attributes:
        database: where they run.
    """

    def __init__(self, database: Database) -> None:
        self.database = database


S = TypeVar("S", bound=Part)


def snapshot(
    work: Callable[Concatenate[S, Connection, P], T],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Run the method over one snapshot (law 3); it is awaited, and called without connection."""

    @wraps(work)
    async def read(part: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await part.database.read(lambda connection: work(part, connection, *args, **kwargs))

    return read


def transaction(
    work: Callable[Concatenate[S, Connection, P], T],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Run the method in one transaction; it is awaited, and called without connection."""

    @wraps(work)
    async def write(part: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await part.database.write(lambda connection: work(part, connection, *args, **kwargs))

    return write


@contextmanager
def translated() -> Iterator[None]:
    """Turn every exception of the driver into one of the records (law 4)."""
    try:
        yield
    except IntegrityError as error:
        raise RecordsConflictError("the write contradicts what is stored") from error
    except DBAPIError as error:
        kind = type(error.orig).__name__
        raise RecordsUnavailableError(f"the records failed to answer ({kind})") from error
    except (SQLAlchemyError, OSError) as error:
        raise RecordsUnavailableError("the records cannot be reached") from error


# Well below what either driver takes as parameters of one statement.
BATCH: Final = 500

PAGE: Final = 100
"""How much of a list comes at once, unless more is asked for."""

Upsert: TypeAlias = postgresql.Insert | sqlite.Insert


def upsert(connection: Connection, table: Table) -> Upsert:
    """Return an insert that can be told what to do on conflict."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def json_value(connection: Connection, stored: Column[str], name: str) -> ColumnElement[str]:
    """Return a value of the JSON object that a column keeps: a text as it is, others as JSON."""
    if connection.dialect.name == "postgresql":
        return cast(stored, JSON).op("->>")(name)
    return func.json_extract(stored, f'$."{name}"')


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the distinct values, `BATCH` at a time."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), BATCH):
        yield distinct[start : start + BATCH]
