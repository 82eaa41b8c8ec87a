"""Documents, one by one and listed: for whom, and what is on record before they leave."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from acl.errors import RequestError
from acl.records import (
    AuditKind,
    Outcome,
)
from retrieval.access.documents import DocumentNotFoundError
from tests.builders import last_event
from tests.integration.world import (
    BOB,
    LEO,
    NOW,
    PEOPLE,
    SAM,
    World,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_document_is_given_with_its_text_and_on_record(stocked: World) -> None:
    document = await stocked.document("file:acme/engineering/brief.md")

    found = await stocked.reader.document(BOB, document.id, now=NOW)

    assert found.text == "# Falcon design brief\n\nProject Falcon recovers heat."
    view = found.document
    assert view.label["classification"] == "confidential"
    assert view.label["compartments"] == ["falcon"]
    assert view.metadata.keys() == {"format", "modified"}
    event = await last_event(stocked.records)
    assert (event.kind, event.resources) == (AuditKind.FETCH, (document.id,))
    assert event.decision_id == found.decision_id


async def test_hidden_and_absent_documents_are_the_same(stocked: World) -> None:
    hidden = (await stocked.document("file:acme/board/minutes.md")).id
    foreign = (await stocked.document("file:globex/falcon.txt", "globex")).id
    absent = "6c1b7a52-41b5-5d0e-9a57-3b1f0f6f6a11"

    seen = set()
    for identity in (hidden, foreign, absent, "no id at all"):
        with pytest.raises(DocumentNotFoundError) as caught:
            await stocked.reader.document(SAM, identity, now=NOW)
        event = await last_event(stocked.records)
        seen.add((str(caught.value), event.kind, event.outcome, len(event.resources)))

    assert seen == {("there is no such document", AuditKind.FETCH, Outcome.DENIED, 1)}


async def test_a_list_holds_what_casbin_permits_page_by_page(stocked: World) -> None:
    permits, documents = stocked.oracle(), await stocked.documents()

    for subject in PEOPLE:
        allowed = sorted(one.uri for one in documents if permits(subject, one))
        listed: list[str] = []
        cursor: str | None = None
        while True:
            page = await stocked.reader.list_documents(subject, now=NOW, after=cursor, limit=2)
            listed += [one.uri for one in page.documents]
            cursor = page.cursor
            if cursor is None:
                break
            assert len(page.documents) == 2
        assert listed == allowed

    event = await last_event(stocked.records)
    assert event.kind is AuditKind.LIST


async def test_a_list_refuses_what_is_no_limit(stocked: World) -> None:
    for limit in (0, 201):
        with pytest.raises(RequestError, match="`limit` lies between 1 and 200"):
            await stocked.reader.list_documents(LEO, now=NOW, limit=limit)


async def test_a_label_under_another_schema_hides_its_document(
    stocked: World, tmp_path: Path
) -> None:
    document = await stocked.document("file:acme/handbook/travel.md")
    with sqlite3.connect(tmp_path / "data" / "records.db") as database:
        broken_label = '{"tenant":"acme","classification":0}'
        database.execute("UPDATE documents SET label=? WHERE id=?", (broken_label, document.id))
    database.close()

    assert document.uri not in await stocked.uris(SAM, "travel")
    assert stocked.searcher.counts.alarm == 1
    listed = await stocked.reader.list_documents(SAM, now=NOW)
    assert document.uri not in {one.uri for one in listed.documents}
    with pytest.raises(DocumentNotFoundError):
        await stocked.reader.document(SAM, document.id, now=NOW)
