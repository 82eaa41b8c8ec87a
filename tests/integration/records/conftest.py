"""The same suite on SQLite and on PostgreSQL: a fresh database for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from acl.records import Records
from tests.builders import KEY


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue({"sqlite": "sqlite_url"}.get(request.param, "postgres_url")))


@pytest.fixture
async def records(url: str) -> AsyncIterator[Records]:
    opened = await Records.open(url, KEY)
    yield opened
    await opened.close()
