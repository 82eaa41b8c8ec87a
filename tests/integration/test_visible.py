"""A list of little among much: read by labels, and the same as read document by document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest_asyncio
from sqlalchemy import Connection, insert, select

from acl.labels import Label
from acl.records import Records
from acl.records.tables.schema import documents
from retrieval.access.documents import SCANNED, Listing
from retrieval.policy.seeding import seeded
from retrieval.rights.decisions import PolicySnapshot
from tests.builders import KEY, document_id
from tests.integration.reviewed import NOW, POLICY, put

MANY = SCANNED + 40


class Counted:
    """What a list decided about."""

    def __init__(self, owner: str) -> None:
        self.owner, self.asked = owner, 0

    def __call__(self, label: Label) -> bool:
        self.asked += 1
        return label.values["owner"] == self.owner


@pytest_asyncio.fixture
async def kept(tmp_path: Path) -> AsyncIterator[tuple[Records, PolicySnapshot]]:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", KEY)
    snapshot = await seeded(records, POLICY, actor="service:test", now=NOW)
    label = {"tenant": "acme", "classification": 0, "compartments": [], "readers": []}
    for number, owner in enumerate(("user:mia", "user:ada")):
        path = f"/acme/{owner[5:]}"
        await put(records, snapshot, "acme", number, {**label, "owner": owner, "path": path})
    await records.database.write(_copies)
    yield records, snapshot
    await records.close()


def _copies(connection: Connection) -> None:
    """Put many documents of the first label before and behind those of the second."""
    rows = connection.execute(select(documents).order_by(documents.c.uri)).mappings().all()
    mia, ada = map(dict, rows)
    for many, row, start in ((3 * MANY, mia, 10), (3, ada, 10 + 2 * MANY)):
        copies = [
            {
                **row,
                "id": document_id(f"{start}-{number}", row["uri"]),
                "uri": f"{start + number:06}{row['id']}",
            }
            for number in range(many)
        ]
        connection.execute(insert(documents), copies)


def listing(
    kept: tuple[Records, PolicySnapshot], fits: Counted, now: datetime = NOW
) -> Listing[str]:
    records, snapshot = kept
    return Listing(
        catalog=records.catalog,
        schema=snapshot.schema,
        tenant="acme",
        now=now,
        fits=fits,
        shown=lambda document, _: document.uri,
    )


async def every(kept: tuple[Records, PolicySnapshot], owner: str) -> list[str]:
    found = await kept[0].catalog.list_documents("acme", limit=10**6)
    return [one.uri for one in found if one.label_json["owner"] == owner]


async def test_little_among_much_is_decided_by_labels(
    kept: tuple[Records, PolicySnapshot],
) -> None:
    fits = Counted("user:ada")
    found = await listing(kept, fits).page("", 50)
    assert found == await every(kept, "user:ada")
    assert len(found) == 4
    assert fits.asked < SCANNED + 20


async def test_much_comes_whole_and_in_pages(kept: tuple[Records, PolicySnapshot]) -> None:
    whole = await every(kept, "user:mia")
    found: list[str] = []
    while True:
        page = await listing(kept, Counted("user:mia")).page(found[-1] if found else "", 450)
        found += page
        if len(page) < 450:
            break
    assert found == whole


async def test_too_many_labels_are_read_one_after_the_other(
    kept: tuple[Records, PolicySnapshot],
) -> None:
    few = replace(listing(kept, Counted("user:ada")), most=0)
    assert await few.page("", 50) == await every(kept, "user:ada")
