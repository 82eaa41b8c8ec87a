"""The same suite on SQLite and on PostgreSQL: a fresh database for every test."""

from __future__ import annotations

import importlib
import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from acl.records import Records
from tests.integration.records import tampering
from tests.integration.records.samples import KEY


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[str]:
    # Not below pytest's own directory: the server runs as a user who may not enter that.
    folder = tempfile.mkdtemp(prefix="records-pg-")
    with warnings.catch_warnings():
        # On import it warns where no XDG_RUNTIME_DIR is set, which is not this suite's concern.
        warnings.simplefilter("ignore")
        pgserver = importlib.import_module("pgserver")
    server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'records.db'}"


@pytest.fixture
async def postgres_url(postgres_uri: str) -> str:
    name = f"t{uuid.uuid4().hex}"
    await tampering.server(postgres_uri, f"CREATE DATABASE {name}")
    return postgres_uri.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue({"sqlite": "sqlite_url"}.get(request.param, "postgres_url")))


@pytest.fixture
async def records(url: str) -> AsyncIterator[Records]:
    opened = await Records.open(url, KEY)
    yield opened
    await opened.close()
