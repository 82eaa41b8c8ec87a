"""The life of a document, in either database."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from acl.errors import LabelError
from acl.records import (
    AuditKind,
    DocumentVersion,
    Records,
    RecordsConflictError,
    StaleLabelError,
    StaleVersionError,
    UnknownDocumentError,
    UnstorableError,
)
from acl.records.documents.catalog import Inventory
from tests.builders import (
    NOW,
    SCHEMA,
    chunk_ids,
    document_id,
    event,
    label,
    put,
    text_of,
    version,
)

DOCUMENT = document_id("file:a.txt")


async def begun(records: Records, *texts: str, **more: object) -> DocumentVersion:
    return await records.documents.begin_version(version("file:a.txt", *texts, **more), now=NOW)


async def commit(records: Records, pending: DocumentVersion) -> None:
    await records.documents.commit_version(pending, event(AuditKind.INGEST))


async def test_nothing_of_a_begun_version_is_visible(records: Records) -> None:
    pending = await begun(records)

    assert pending == DocumentVersion(DOCUMENT, 1)
    assert await records.catalog.document(DOCUMENT) is None
    assert await text_of(records, DOCUMENT) is None
    assert await records.catalog.passages(chunk_ids(pending, 2)) == {}
    assert await records.catalog.list_documents("acme") == ()
    assert await records.catalog.count_documents() == 0
    assert await records.catalog.distinct_labels() == ()
    assert await records.projection.unprojected() == ()


async def test_a_committed_version_is_live_with_its_label_and_on_record(records: Records) -> None:
    pending = await begun(records, metadata={"year": 2026, "topics": frozenset({"b", "a"})})
    answer = await records.documents.commit_version(pending, event(AuditKind.INGEST, later=5))

    assert answer == await records.catalog.document(DOCUMENT)
    assert answer.label(SCHEMA, NOW) == label()
    assert answer.label_digest == label().digest
    assert answer.metadata == {"year": 2026, "topics": ["a", "b"]}
    assert (answer.live_version, answer.label_version, answer.projected_label_version) == (1, 1, 1)
    assert (answer.created_at, answer.updated_at) == (NOW, NOW + timedelta(seconds=5))
    assert [one.event.kind for one in await records.audit.events()] == [AuditKind.INGEST]


async def test_a_label_of_another_schema_is_not_read(records: Records) -> None:
    document = await put(records, version())

    with pytest.raises(LabelError, match="`owner`: is not declared"):
        document.label(type(SCHEMA)({"tenant": SCHEMA.attributes["tenant"]}), NOW)


async def test_the_old_version_stays_until_the_new_one_goes_live(records: Records) -> None:
    old = (await put(records, version("file:a.txt", "old"))).live
    new = await begun(records, "new", "newer", label=label("confidential"))

    document = await records.catalog.document(DOCUMENT)
    assert document is not None
    assert (document.live_version, document.label_json["classification"]) == (1, 1)
    assert await text_of(records, DOCUMENT) == "old"
    assert await records.catalog.passages(chunk_ids(new, 2)) == {}

    await commit(records, new)

    document = await records.catalog.document(DOCUMENT)
    assert document is not None
    assert (document.live_version, document.label_json["classification"]) == (2, 2)
    assert (document.label_version, document.projected_label_version) == (2, 2)
    assert document.chunk_count == 2
    assert await records.catalog.passages(chunk_ids(old, 1)) == {}
    assert len(await records.catalog.passages(chunk_ids(new, 2))) == 2
    assert await records.projection.point_deletions() == (old,)
    stored = text("SELECT count(*), min(version) FROM chunks")
    assert await records.database.read(lambda one: tuple(one.execute(stored).one())) == (2, 2)


async def test_an_unchanged_label_keeps_its_version(records: Records) -> None:
    await put(records, version())
    document = await put(records, version("file:a.txt", "other text"))

    assert (document.live_version, document.label_version) == (2, 1)


async def test_a_relabelling_meanwhile_stops_a_pending_version(records: Records) -> None:
    await put(records, version())
    pending = await begun(records, "three")
    tight = label("confidential")
    await records.documents.relabel(
        DOCUMENT, tight, expected_label_version=1, event=event(AuditKind.RELABEL)
    )

    with pytest.raises(StaleLabelError, match="carries label version 2, not 1 as expected"):
        await commit(records, pending)

    document = await records.catalog.document(DOCUMENT)
    assert document is not None
    assert document.label(SCHEMA, NOW) == tight
    assert len(await records.audit.events()) == 2


@pytest.mark.parametrize("expected", [0, 2])
async def test_a_version_that_rests_on_another_label_does_not_begin(
    records: Records, expected: int
) -> None:
    await put(records, version())

    with pytest.raises(StaleLabelError):
        await begun(records, expected_label_version=expected)

    assert await records.documents.abandon_pending(now=NOW) == ()


async def test_a_version_begins_on_the_label_that_was_expected(records: Records) -> None:
    await put(records, version(expected_label_version=0))
    assert (await put(records, version(expected_label_version=1))).live_version == 2


async def test_of_two_begun_versions_the_last_one_counts(records: Records) -> None:
    first = await begun(records, "first")
    second = await begun(records, "second")

    with pytest.raises(StaleVersionError, match="version 1 of document"):
        await commit(records, first)
    await commit(records, second)

    assert await text_of(records, DOCUMENT) == "second"
    assert await records.projection.point_deletions() == (first,)
    with pytest.raises(StaleVersionError):
        await commit(records, second)


async def test_what_a_stopped_process_left_is_given_up(records: Records) -> None:
    await put(records, version())
    again = await begun(records, "three")
    fresh = await records.documents.begin_version(version("file:b.txt"), now=NOW)

    gone = await records.documents.abandon_pending(now=NOW)

    assert set(gone) == {again, fresh}
    assert set(await records.projection.point_deletions()) == {again, fresh}
    assert await text_of(records, DOCUMENT) == "one\ntwo"
    assert await records.documents.abandon_pending(now=NOW) == ()
    # The row of a document that never was live is gone: the id may belong to another source.
    await put(records, version("file:b.txt", document_id=document_id("file:c.txt")))


async def test_only_old_half_done_versions_are_given_up(records: Records) -> None:
    old = await begun(records)
    later = NOW + timedelta(seconds=10)
    young = await records.documents.begin_version(version("file:b.txt"), now=later)

    assert await records.documents.abandon_pending(now=NOW, begun_before=later) == (old,)
    assert await records.documents.abandon_pending(now=NOW) == (young,)


async def test_a_live_version_is_never_given_up(records: Records) -> None:
    live = (await put(records, version())).live

    with pytest.raises(StaleVersionError):
        await records.documents.abandon(live, now=NOW)

    assert await records.projection.point_deletions() == ()


async def test_a_version_that_went_live_meanwhile_is_not_given_up(records: Records) -> None:
    live = (await put(records, version())).live

    assert not await records.documents._abandoned(live, NOW)


async def test_giving_up_a_superseded_version_leaves_the_pending_one(records: Records) -> None:
    first = await begun(records, "first")
    second = await begun(records, "second")
    await records.projection.mark_deleted([first])

    await records.documents.abandon(first, now=NOW)
    await commit(records, second)

    assert await records.projection.point_deletions() == (first,)


async def test_a_relabelling_waits_for_the_engine(records: Records) -> None:
    await put(records, version())
    answer = await records.documents.relabel(
        DOCUMENT, label("public"), expected_label_version=1, event=event(AuditKind.RELABEL)
    )

    assert answer == 2
    lagging = await records.projection.unprojected()
    assert [(one.id, one.label_version, one.projected_label_version) for one in lagging] == [
        (DOCUMENT, 2, 1)
    ]
    await records.projection.mark_all_projected({DOCUMENT: 3})
    await records.projection.mark_all_projected({DOCUMENT: 1})
    assert len(await records.projection.unprojected()) == 1
    await records.projection.mark_all_projected({DOCUMENT: 2})
    assert await records.projection.unprojected() == ()


async def test_a_stale_or_foreign_relabelling_changes_nothing(records: Records) -> None:
    before = await put(records, version())

    with pytest.raises(StaleLabelError) as stale:
        await records.documents.relabel(
            DOCUMENT, label("public"), expected_label_version=7, event=event(AuditKind.RELABEL)
        )
    with pytest.raises(UnstorableError, match="another tenant"):
        await records.documents.relabel(
            DOCUMENT, label(tenant="zeta"), expected_label_version=1, event=event()
        )
    with pytest.raises(UnknownDocumentError):
        await records.documents.relabel(
            document_id("nowhere"), label(), expected_label_version=1, event=event()
        )

    assert (stale.value.expected, stale.value.actual) == (7, 1)
    assert await records.catalog.document(DOCUMENT) == before
    assert len(await records.audit.events()) == 1


async def test_a_deleted_document_takes_its_chunks_along(records: Records) -> None:
    live = (await put(records, version())).live
    pending = await begun(records, "three")

    gone = await records.documents.delete_document(DOCUMENT, event(AuditKind.DELETE))

    assert gone == (live, pending)
    assert set(await records.projection.point_deletions()) == {live, pending}
    assert await records.catalog.passages(chunk_ids(live, 2)) == {}
    assert await records.catalog.document(DOCUMENT) is None
    with pytest.raises(StaleVersionError):
        await commit(records, pending)
    with pytest.raises(UnknownDocumentError):
        await records.documents.delete_document(DOCUMENT, event(AuditKind.DELETE))


async def test_a_document_that_was_only_begun_cannot_be_deleted_or_relabelled(
    records: Records,
) -> None:
    await begun(records)

    with pytest.raises(UnknownDocumentError, match=f"`{DOCUMENT}`"):
        await records.documents.delete_document(DOCUMENT, event(AuditKind.DELETE))
    with pytest.raises(UnknownDocumentError):
        await records.documents.relabel(DOCUMENT, label(), expected_label_version=1, event=event())


async def test_a_withdrawn_document_keeps_its_label_and_nothing_of_its_text(
    records: Records,
) -> None:
    inventory = Inventory(records.database)
    await put(records, version())
    await records.documents.relabel(
        DOCUMENT, label("confidential"), expected_label_version=1, event=event()
    )
    known = await inventory.known(DOCUMENT)
    gone = await records.documents.withdraw_document(DOCUMENT, event(AuditKind.DELETE))

    assert gone == (DocumentVersion(DOCUMENT, 1),)
    assert await records.projection.point_deletions() == gone
    assert await records.catalog.document(DOCUMENT) is None
    assert await text_of(records, DOCUMENT) is None
    with pytest.raises(UnknownDocumentError):
        await records.documents.withdraw_document(DOCUMENT, event(AuditKind.DELETE))
    with pytest.raises(StaleLabelError):
        await begun(records, expected_label_version=1)
    left = await inventory.known(DOCUMENT)
    assert known is not None
    assert left is not None
    assert (left.origins, left.document.label_json) == (known.origins, known.document.label_json)
    assert await inventory.known(document_id("file:none")) is None
    waiting = await begun(records, label=label("confidential"), expected_label_version=2)
    await records.documents.abandon(waiting, now=NOW)
    assert await inventory.known(DOCUMENT) == left

    back = await put(records, version(label=label("confidential"), expected_label_version=2))

    assert (back.label_version, len(await records.labels.history(DOCUMENT))) == (2, 2)
    await records.documents.withdraw_document(DOCUMENT, event(AuditKind.DELETE))
    assert await records.documents.delete_document(DOCUMENT, event(AuditKind.DELETE)) == ()
    assert await inventory.known(DOCUMENT) is None
    assert (await put(records, version())).label_version == 3


async def test_what_was_begun_for_the_first_time_is_not_known(records: Records) -> None:
    await begun(records)
    assert await Inventory(records.database).known(DOCUMENT) is None


async def test_a_version_number_never_comes_back(records: Records) -> None:
    gone = await put(records, version())
    await records.documents.delete_document(DOCUMENT, event(AuditKind.DELETE))
    await records.projection.mark_deleted([gone.live])

    again = await put(records, version())

    assert again.live_version == 2
    assert again.label_version == 2
    assert await records.projection.point_deletions() == ()


@pytest.mark.parametrize("other", [{"uri": "file:z.txt"}, {"tenant": "zeta"}])
async def test_an_id_belongs_to_one_source(records: Records, other: dict[str, str]) -> None:
    await put(records, version())
    values = {"uri": "file:a.txt", "tenant": "acme", **other}

    with pytest.raises(RecordsConflictError, match="is the id of another source"):
        await records.documents.begin_version(version(document_id=DOCUMENT, **values), now=NOW)


async def test_a_source_belongs_to_one_id(records: Records) -> None:
    await put(records, version())

    with pytest.raises(RecordsConflictError, match="contradicts what is stored"):
        await begun(records, document_id=document_id("file:z.txt"))


async def test_a_time_without_a_zone_is_refused(records: Records) -> None:
    with pytest.raises(UnstorableError, match="`now` is a time without a zone"):
        await records.documents.begin_version(version(), now=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_quarantine_keeps_the_latest_reason_until_the_document_is_accepted(
    records: Records,
) -> None:
    why = event(AuditKind.QUARANTINE)
    later = event(AuditKind.QUARANTINE, later=9)
    uri = "file:a.txt"
    await records.quarantine.put(uri=uri, reason="no text", content_digest="a", event=why)
    await records.quarantine.put(uri=uri, reason="encrypted", content_digest="b", event=later)
    await records.quarantine.put(
        uri=uri, reason="no label", content_digest="c", event=why, tenant="acme"
    )
    await records.quarantine.put(
        uri=uri, reason="kept", content_digest="d", event=why, tenant="zeta"
    )
    await records.quarantine.put(uri="\0\udc80", reason="", content_digest="", event=why)

    entries = await records.quarantine.entries()
    assert [(one.tenant, one.uri, one.reason) for one in entries] == [
        ("", uri, "encrypted"),
        ("acme", uri, "no label"),
        ("zeta", uri, "kept"),
        ("", "\\x00\\udc80", "(no reason)"),
    ]
    assert (entries[0].first_seen, entries[0].last_seen) == (why.time, later.time)
    assert await records.quarantine.entries(after=entries[2].id) == entries[3:]

    await put(records, version(uri))

    assert [one.reason for one in await records.quarantine.entries()] == ["kept", "(no reason)"]
