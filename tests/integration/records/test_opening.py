"""Opening the records: tables, pragmas, refusals, and errors that say nothing they must not."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text

from acl.records import (
    Records,
    RecordsError,
    RecordsMismatchError,
    RecordsUnavailableError,
    UnstorableError,
)
from acl.records.migrations.versions.revision_1 import FIXED, ONCE
from acl.records.system import database_at
from acl.records.tables.schema import metadata, policy_revisions
from tests.builders import KEY, NOW, event, put, version
from tests.integration.records import tampering


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def modes(file: Path) -> set[int]:
    return {stat.S_IMODE(one.stat().st_mode) for one in (file, file.with_name(f"{file.name}-wal"))}


def told(part: Any) -> str:
    """Return a part as text; an option can be an expression, whose `repr` is its address."""
    options = {name: str(value) for name, value in part.get("dialect_options", {}).items()}
    return repr({**part, "dialect_options": options})


def shape(connection: Connection) -> dict[str, list[str]]:
    """Return each table with its columns, keys, checks and indexes, as the database tells them."""
    inspector = inspect(connection)
    asked = (
        inspector.get_columns,
        inspector.get_check_constraints,
        inspector.get_unique_constraints,
        inspector.get_foreign_keys,
        inspector.get_indexes,
    )
    return {
        table: [
            repr(inspector.get_pk_constraint(table)),
            *sorted(told(found) for ask in asked for found in ask(table)),
        ]
        for table in metadata.tables
    }


def triggers(connection: Connection) -> set[tuple[str, str]]:
    statement = {
        "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname, tgrelid::regclass::text FROM pg_trigger "
        "WHERE NOT tgisinternal",
    }[connection.dialect.name]
    return {(name, table) for name, table in connection.execute(text(statement))}


def loose(connection: Connection) -> list[str]:
    """Return the tables of SQLite that take a value of any type."""
    statement = "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict"
    known = connection.execute(text(statement)).scalars()
    return sorted(name for name in known if not name.startswith("sqlite_"))


async def test_the_migration_makes_the_tables_that_the_code_knows(url: str) -> None:
    bare = database_at(url)
    await bare.write(metadata.create_all)
    known = await bare.read(shape)
    await bare.write(metadata.drop_all)
    await bare.close()
    records = await Records.open(url, KEY)

    assert await records.database.read(shape) == known
    assert await records.database.read(differences) == []
    assert sum("sqltext" in part for parts in known.values() for part in parts) > 20
    await records.close()


async def test_the_tables_of_sqlite_are_strict(sqlite_url: str) -> None:
    records = await Records.open(sqlite_url, KEY)

    assert await records.database.read(loose) == ["alembic_version"]
    await records.close()


async def test_the_migration_makes_the_triggers(records: Records, url: str) -> None:
    names = {"change", "go"} if url.startswith("sqlite") else {"change", "go", "empty"}

    assert await records.database.read(triggers) == {
        (f"policy_revisions_never_{name}", "policy_revisions") for name in names
    }
    assert {*FIXED, *ONCE} == {column.name for column in policy_revisions.columns}


async def test_opening_again_finds_everything(records: Records, url: str) -> None:
    await put(records, version())
    again = await Records.open(url, KEY)

    await again.ping()
    assert await again.catalog.count_documents() == 1
    assert (await again.audit.verify()).verified == 1
    await again.close()


async def test_several_that_open_at_once_migrate_once(url: str) -> None:
    opened = await asyncio.gather(*(Records.open(url, KEY) for _ in range(3)))

    for one in opened:
        await one.ping()
        await one.close()


@pytest.mark.parametrize("version", ["0011", "9999"])
async def test_a_database_of_another_version_is_refused_with_what_to_do(
    records: Records, url: str, version: str
) -> None:
    await tampering.run(url, f"UPDATE alembic_version SET version_num = '{version}'")

    said = f"the records are of version `{version}`, which this program does not know: open them "
    with pytest.raises(RecordsMismatchError, match=said + ".* empty database and ingest again"):
        await Records.open(url, KEY)
    await records.ping()


async def test_a_failed_first_opening_leaves_nothing(url: str) -> None:
    await tampering.run(url, "CREATE TABLE quarantine (id integer)")
    with pytest.raises(RecordsUnavailableError):
        await Records.open(url, KEY)
    await tampering.run(url, "DROP TABLE quarantine")

    records = await Records.open(url, KEY)
    assert (await records.audit.verify()).fault is None
    await records.close()


async def test_a_reader_cannot_write(records: Records) -> None:
    await put(records, version())
    with pytest.raises(RecordsUnavailableError):
        await records.database.read(lambda one: one.execute(text("DELETE FROM documents")))

    assert await records.catalog.count_documents() == 1


async def test_sqlite_flushes_at_each_commit_and_checks_references(sqlite_url: str) -> None:
    records = await Records.open(sqlite_url, KEY)

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.scalar(text(f"PRAGMA {name}")) for name in names]

    assert await records.database.write(pragmas) == ["wal", 2, 1, 5000]
    assert await records.database.read(pragmas) == ["wal", 2, 1, 5000]
    assert modes(Path(sqlite_url.removeprefix("sqlite:///"))) == {0o600}
    await records.close()


async def test_a_writer_holds_the_lock_from_its_beginning(sqlite_url: str) -> None:
    records = await Records.open(sqlite_url, KEY)
    other = sqlite3.connect(
        sqlite_url.removeprefix("sqlite:///"),
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )

    def within(connection: Connection) -> None:
        connection.execute(select(1))
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            other.execute("BEGIN IMMEDIATE")

    await records.database.write(within)
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    other.close()
    await records.close()


async def test_a_file_that_stays_locked_is_an_error_without_content(sqlite_url: str) -> None:
    records = await Records.open(sqlite_url, KEY)
    await records.database.write(lambda one: one.execute(text("PRAGMA busy_timeout = 10")))
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(RecordsUnavailableError) as refused:
        await records.documents.begin_version(version("file:secret", "hidden words"), now=NOW)

    assert str(refused.value) == "the records failed to answer (OperationalError)"
    assert "hidden words" not in repr(refused.value.__cause__)
    other.execute("ROLLBACK")
    other.close()
    assert (await records.audit.append(event())).seq == 1
    await records.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "the URL of the records cannot be read"),
        ("mysql://somewhere/name", "records cannot be kept in `mysql`"),
        ("sqlite://", "records in SQLite need a file"),
        ("sqlite:///:memory:", "records in SQLite need a file"),
        ("sqlite:////nowhere/at/all.db", "the directory `/nowhere/at` does not exist"),
    ],
)
async def test_an_unusable_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(RecordsError, match=reason):
        await Records.open(url, KEY)


async def test_a_server_out_of_reach_is_an_error_of_the_records() -> None:
    with pytest.raises(RecordsUnavailableError):
        await Records.open("postgresql://nobody@127.0.0.1:9/none", KEY)


async def test_an_unknown_user_is_an_error_of_the_records(postgres_url: str) -> None:
    with pytest.raises(RecordsUnavailableError):
        await Records.open(postgres_url.replace("postgres:", "nobody:"), KEY)


async def test_a_server_that_does_not_flush_is_refused(postgres_url: str) -> None:
    name = urlsplit(postgres_url).path.removeprefix("/")
    await tampering.run(postgres_url, f"ALTER DATABASE {name} SET synchronous_commit = off")

    with pytest.raises(RecordsError, match="PostgreSQL runs with `synchronous_commit` off"):
        await Records.open(postgres_url, KEY)


async def test_a_short_audit_key_is_refused(sqlite_url: str) -> None:
    with pytest.raises(UnstorableError, match="shorter than 32 bytes"):
        await Records.open(sqlite_url, b"short")
