"""Writers that meet: exactly one wins, and nothing in between is ever seen."""

from __future__ import annotations

import asyncio

import pytest

from acl.records import (
    AuditKind,
    Records,
    RecordsUnavailableError,
    StaleLabelError,
    StaleVersionError,
)
from tests.builders import (
    KEY,
    NOW,
    SCHEMA,
    chunk_ids,
    document_id,
    event,
    label,
    put,
    revision,
    version,
)

DOCUMENT = document_id("file:a.txt")


async def relabel(records: Records, owner: str) -> int | StaleLabelError:
    try:
        return await records.documents.relabel(
            DOCUMENT,
            label(owner=owner),
            expected_label_version=1,
            event=event(AuditKind.RELABEL),
        )
    except StaleLabelError as error:
        return error


async def test_of_two_relabellings_from_one_version_one_wins(records: Records, url: str) -> None:
    await put(records, version())
    other = await Records.open(url, KEY)
    owners = [f"user:u{number}" for number in range(8)]

    answers = await asyncio.gather(
        *(relabel((records, other)[n % 2], owner) for n, owner in enumerate(owners))
    )

    (winner,) = [n for n, answer in enumerate(answers) if answer == 2]
    document = await records.catalog.document(DOCUMENT)
    assert document is not None
    assert document.label(SCHEMA, NOW) == label(owner=owners[winner])
    assert (document.label_version, (await records.audit.head()).seq) == (2, 2)
    await other.close()


async def test_of_versions_begun_at_once_the_last_one_goes_live(records: Records, url: str) -> None:
    other = await Records.open(url, KEY)
    begun = await asyncio.gather(
        *(
            (records, other)[n % 2].documents.begin_version(version("file:a.txt", f"{n}"), now=NOW)
            for n in range(8)
        )
    )
    assert sorted(one.version for one in begun) == list(range(1, 9))

    answers = await asyncio.gather(
        *(records.documents.commit_version(one, event(AuditKind.INGEST)) for one in begun),
        return_exceptions=True,
    )

    live = [one for one in answers if not isinstance(one, BaseException)]
    lost = [one for one in answers if isinstance(one, StaleVersionError)]
    assert [one.live_version for one in live] == [8]
    assert len(lost) == 7
    assert len(await records.catalog.passages([one.chunk_id(0) for one in begun])) == 1
    assert len(await records.projection.point_deletions()) == 7
    await other.close()


async def test_a_commit_and_a_relabelling_that_meet_never_lose_the_relabelling(
    records: Records, url: str
) -> None:
    other = await Records.open(url, KEY)
    for number in range(6):
        await put(records, version(f"file:{number}"))
        mine = document_id(f"file:{number}")
        begun = await records.documents.begin_version(version(f"file:{number}", "new"), now=NOW)
        tight = label("confidential")
        committed, _ = await asyncio.gather(
            records.documents.commit_version(begun, event(AuditKind.INGEST)),
            other.documents.relabel(
                mine, tight, expected_label_version=1, event=event(AuditKind.RELABEL)
            ),
            return_exceptions=True,
        )
        document = await records.catalog.document(mine)
        assert document is not None
        assert document.label(SCHEMA, NOW) == tight
        assert not isinstance(committed, BaseException) or isinstance(committed, StaleLabelError)
    await other.close()


async def test_a_reader_never_sees_a_mixture(records: Records) -> None:
    first = (await put(records, version("file:a.txt", *["v1"] * 20))).live
    seen: list[tuple[int, int]] = []
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            ids = [*chunk_ids(first, 20)]
            for number in range(2, 8):
                ids += chunk_ids(type(first)(DOCUMENT, number), 20)
            found = (await records.catalog.passages(ids)).values()
            assert {one.text for one in found} == {f"v{one.version}" for one in found}
            assert {one.document.content_digest for one in found} <= {
                str(one.version) if one.version > 1 else "c" * 64 for one in found
            }
            seen.append((len(found), min(one.version for one in found)))

    watcher = asyncio.create_task(watch())
    for number in range(2, 8):
        await put(records, version("file:a.txt", *[f"v{number}"] * 20, content_digest=str(number)))
    done.set()
    await watcher

    assert {count for count, _ in seen} == {20}
    assert [number for _, number in seen] == sorted(number for _, number in seen)


async def test_two_processes_append_to_one_chain(records: Records, url: str) -> None:
    other = await Records.open(url, KEY)

    entries = await asyncio.gather(
        *((records, other)[n % 2].audit.append(event()) for n in range(40)),
        *((records, other)[n % 2].policies.propose(revision(f"{n}"), event()) for n in range(4)),
    )

    assert len(set(entries)) == 44
    report = await records.audit.verify()
    assert (report.verified, report.fault) == (44, None)
    assert [one.revision for one in await records.policies.revisions()] == [1, 2, 3, 4]
    await other.close()


async def test_closed_records_answer_nothing(sqlite_url: str) -> None:
    records = await Records.open(sqlite_url, KEY)
    await records.close()

    with pytest.raises(RecordsUnavailableError, match="the records are closed"):
        await records.ping()
