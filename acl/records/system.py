"""The records as one value: open it, use its parts, close it.

The laws of this file:

1. Opening brings the tables to the version that this program knows in one transaction, under a
   lock: of several processes that start at once, one migrates and the others find it done.
2. A database of a version that this program does not know is refused, never guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, make_url, select
from sqlalchemy.exc import ArgumentError

from acl.records.audit.chain import Chain
from acl.records.audit.log import AuditLog, AuditReaders, begin_chain
from acl.records.database.database import Database
from acl.records.database.errors import RecordsError, RecordsMismatchError
from acl.records.database.postgresql import PostgresDatabase
from acl.records.database.sqlite import SqliteDatabase
from acl.records.directory.credentials import Credentials
from acl.records.directory.directory import Directory
from acl.records.directory.revocations import Revocations
from acl.records.documents.catalog import Catalog
from acl.records.documents.documents import Documents, Quarantine
from acl.records.documents.projection import Collection, Projection
from acl.records.documents.sources import Sources
from acl.records.labels.approvals import Approvals
from acl.records.labels.folders import Folders
from acl.records.labels.jobs import Jobs
from acl.records.labels.labels import Labels
from acl.records.policies import Policies
from acl.records.tables.heads import Standing

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The system of record.

    Attributes:
        catalog: reading what is live.
        documents: changing documents and labels.
        projection: what is still to be done in the engine.
        quarantine: what is kept out.
        policies: which policy took effect when.
        audit: the chain of events.
        readers: who got passages of each document.
        collection: what the collection was made with.
        directory: users and groups from an identity provider.
        credentials: what identity providers show.
        revocations: tokens that are refused before their time.
        standing: how far each kind of change has come.
        approvals: what waits for approval: labels, folders, requests for access.
        labels: changing labels, with their history.
        folders: labels of folders.
        jobs: changes of many documents.
        sources: where documents come from.
    """

    catalog: Catalog
    documents: Documents
    projection: Projection
    quarantine: Quarantine
    policies: Policies
    audit: AuditLog
    readers: AuditReaders
    collection: Collection
    directory: Directory
    credentials: Credentials
    revocations: Revocations
    standing: Standing
    approvals: Approvals
    labels: Labels
    folders: Folders
    jobs: Jobs
    sources: Sources
    database: Database

    @classmethod
    async def open(cls, url: str, audit_key: bytes) -> Records:
        """Open the records at `url`, creating or upgrading their tables.

        Args:
            url: `sqlite:///path/of/file.db` or `postgresql://user:password@host/name`.
            audit_key: secret of the audit chain, at least 32 bytes, always the same.

        Raises:
            RecordsError: the URL or the key is unusable, or the tables are of a newer version.
            RecordsUnavailableError: the database cannot be reached.
        """
        chain, database = Chain(audit_key), database_at(url)
        try:
            await database.require_durable()
            await database.write(_migrate, database, chain)
        except BaseException:
            await database.close()
            raise
        audit = AuditLog(database, chain)
        return cls(
            catalog=Catalog(database),
            documents=Documents(database, audit),
            projection=Projection(database),
            quarantine=Quarantine(database, audit),
            policies=Policies(database, audit),
            audit=audit,
            readers=AuditReaders(database),
            collection=Collection(database),
            directory=Directory(database, audit),
            credentials=Credentials(database, audit),
            revocations=Revocations(database, audit),
            standing=Standing(database),
            approvals=Approvals(database, audit),
            labels=Labels(database, audit),
            folders=Folders(database, audit),
            jobs=Jobs(database, audit),
            sources=Sources(database, audit),
            database=database,
        )

    async def ping(self) -> None:
        """Return when the database answers.

        Raises:
            RecordsUnavailableError: it does not.
        """
        await self.database.read(lambda connection: connection.execute(select(1)))

    async def close(self) -> None:
        """Finish what is under way and let the database go."""
        await self.audit.close()
        await self.database.close()


def database_at(url: str) -> Database:
    """Return the database at `url`, not yet opened.

    Raises:
        RecordsError: the URL is unusable.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise RecordsError("the URL of the records cannot be read") from error
    match parsed.get_backend_name():
        case "sqlite":
            return SqliteDatabase(parsed)
        case "postgresql" | "postgres":
            return PostgresDatabase(parsed)
        case other:
            raise RecordsError(f"records cannot be kept in `{other}`")


def _migrate(connection: Connection, database: Database, chain: Chain) -> None:
    """Create or upgrade the tables; a new database gets the head of its audit chain."""
    database.lock_migration(connection)  # law 1
    before = MigrationContext.configure(connection).get_current_revision()
    try:
        command.upgrade(_alembic(connection), "head")
    except CommandError as error:
        raise RecordsMismatchError(  # law 2
            f"the records are of version `{before}`, which this program does not know: open them "
            "with the program that made them, or begin with an empty database and ingest again"
        ) from error
    if before is None:
        begin_chain(connection, chain)


def _alembic(connection: Connection) -> Config:
    """Return what alembic needs to find the migrations and to use this connection."""
    config = Config()
    # A `%` begins an interpolation in alembic's options.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
