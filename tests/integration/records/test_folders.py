"""What folders say: one winner, rights that stand, approvals that fall; and what lies below."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from acl.labels import Label
from acl.records import (
    Approval,
    ApprovalKind,
    AuditKind,
    DocumentRecord,
    FoldersMovedOnError,
    FromSource,
    ItemState,
    MovedOnError,
    Provided,
    Records,
    RecordsConflictError,
    RecordsError,
    StaleFolderError,
)
from acl.records.labels.approvals import KEPT
from acl.records.labels.types import folders_version
from tests.builders import (
    KEY,
    NOW,
    approval,
    document_id,
    event,
    folder,
    in_effect,
    job,
    label,
    put,
    version,
)


def proposal(about: str = "/acme/hr/", **more: Any) -> Approval:
    return approval(ApprovalKind.FOLDER, about, wanted={"classification": 0}, **more)


async def waiting(records: Records, tenant: str = "acme") -> tuple[Approval, ...]:
    return await records.approvals.waiting(ApprovalKind.FOLDER, tenant, now=NOW)


async def test_of_two_who_set_a_folder_one_is_told(records: Records, url: str) -> None:
    other = await Records.open(url, KEY)
    first = await records.folders.put(
        folder(), expected_version=0, job=job(items={}), event=event()
    )
    answers = await asyncio.gather(
        *(
            store.folders.put(
                folder(attributes={"classification": number}),
                expected_version=first,
                job=job(items={}),
                event=event(),
            )
            for number, store in enumerate((records, other))
        ),
        return_exceptions=True,
    )
    await other.close()
    (lost,) = [one for one in answers if isinstance(one, StaleFolderError)]
    assert (lost.path, lost.expected, lost.actual) == ("/acme/hr/", 1, 2)
    (kept,) = await records.folders.of_tenant("acme")
    assert kept.version == 2
    assert kept.attributes == {"classification": answers.index(2)}
    assert await records.folders.of_tenant("globex") == ()
    # The job of the one that was refused was not stored either.
    assert len(await records.jobs.recent()) == 2


async def test_two_who_set_a_folder_first_do_not_both_succeed(records: Records, url: str) -> None:
    other = await Records.open(url, KEY)
    answers = await asyncio.gather(
        *(
            store.folders.put(folder(), expected_version=0, job=job(items={}), event=event())
            for store in (records, other)
        ),
        return_exceptions=True,
    )
    await other.close()
    assert sorted(isinstance(one, RecordsError) for one in answers) == [False, True]
    assert len(await records.folders.of_tenant("acme")) == 1


async def test_what_waits_falls_with_the_version_that_it_was_made_for(records: Records) -> None:
    approvals, one = records.approvals, proposal()
    other = proposal(about="/acme/legal/", at=NOW - timedelta(seconds=1))
    for each in (one, other):
        await approvals.ask(each, event(AuditKind.RELABEL_PROPOSED))
    with pytest.raises(StaleFolderError):
        await approvals.ask(proposal(version=3), event())
    assert await waiting(records) == (one, other)
    assert await waiting(records, "globex") == ()
    assert await approvals.one(ApprovalKind.FOLDER, one.id, now=NOW) == one
    used = Provided(approval=one.id)
    for path, wrong in (("/acme/legal/", used), ("/acme/hr/", Provided(approval="none"))):
        with pytest.raises(RecordsConflictError, match="decided upon by another"):
            await records.folders.put(
                folder(path=path), expected_version=0, job=job(), event=event(), provided=wrong
            )
    await records.folders.put(folder(), expected_version=0, job=job(), event=event(), provided=used)
    assert await waiting(records) == (other,)
    assert await approvals.one(ApprovalKind.FOLDER, one.id, now=NOW) is None
    with pytest.raises(RecordsConflictError, match="decided upon by another"):
        await records.folders.put(
            folder(), expected_version=1, job=job(), event=event(), provided=used
        )
    (kept,) = await records.folders.of_tenant("acme")
    assert kept.version == 1


async def test_what_waited_too_long_can_be_approved_no_more(records: Records) -> None:
    one, late = proposal(), int(KEPT.total_seconds())
    await records.approvals.ask(one, event(AuditKind.RELABEL_PROPOSED))
    with pytest.raises(RecordsConflictError, match="decided upon by another"):
        await records.folders.put(
            folder(),
            expected_version=0,
            job=job(),
            event=event(later=late),
            provided=Provided(approval=one.id),
        )
    last = NOW + KEPT - timedelta(microseconds=1)
    for moment, found in ((last, one), (NOW + KEPT, None)):
        assert await records.approvals.one(ApprovalKind.FOLDER, one.id, now=moment) == found
        listed = await records.approvals.waiting(ApprovalKind.FOLDER, "acme", now=moment)
        assert listed == (() if found is None else (found,))
    assert await records.folders.of_tenant("acme") == ()


async def test_an_id_that_cannot_be_stored_names_nothing(records: Records) -> None:
    assert await records.approvals.one(ApprovalKind.FOLDER, "a\0b", now=NOW) is None


async def test_nothing_is_set_or_proposed_under_rights_that_moved_on(records: Records) -> None:
    heads = await records.standing.read()
    under = Provided(under=heads)
    await records.approvals.ask(proposal(), event(), under=heads)
    await in_effect(records, "a")
    with pytest.raises(MovedOnError):
        await records.approvals.ask(proposal(), event(), under=heads)
    with pytest.raises(MovedOnError):
        await records.folders.put(
            folder(), expected_version=0, job=job(), event=event(), provided=under
        )
    assert await records.folders.of_tenant("acme") == ()
    assert len(await waiting(records)) == 1
    assert await records.jobs.recent() == ()


async def test_jobs_are_listed_by_whose_they_are(records: Records) -> None:
    mine, theirs, other = job(), job(by="user:bob"), job(tenant="globex")
    for one in (mine, theirs, other):
        await records.jobs.create(one, event(AuditKind.RELABEL_JOB))
    found = await records.jobs.recent(tenant="acme", by="user:ada")
    assert [one.id for one in found] == [mine.id]
    assert len(await records.jobs.recent()) == 3


async def test_what_lies_below_a_folder_is_read_by_its_path(records: Records) -> None:
    for number, path in enumerate(("/acme/hr/a", "/acme/hr/b", "/ACME/hr/c", "/acme/hr-x/d")):
        needed = frozenset({"x"} if number else ())
        made = Label({**label().values, "path": path, "compartments": needed})
        await put(records, version(f"file:{number}.txt", label=made))
    await put(records, version("file:z.txt", label=label()))
    pages = records.labels
    first = await pages.below("acme", "/acme/hr/", limit=1)
    assert [one.document.uri for one in first] == ["file:0.txt"]
    rest = await pages.below("acme", "/acme/hr/", after="file:0.txt")
    assert [one.document.uri for one in rest] == ["file:1.txt"]
    assert await pages.below("globex", "/acme/hr/") == ()
    assert rest[0] == await records.labels.state(rest[0].document.id)
    assert await pages.named("acme", "compartments") == {"x"}
    assert await pages.named("globex", "compartments") == frozenset()


DOCUMENT = document_id("file:a.txt")


async def found(records: Records) -> DocumentRecord:
    document = await records.catalog.document(DOCUMENT)
    assert document is not None
    return document


async def test_what_rests_on_folders_takes_effect_while_they_say_so(records: Records) -> None:
    await put(records, version(folders=0))
    waiting = await records.documents.begin_version(version("file:b.txt"), now=NOW)
    since = (await records.standing.read()).label
    none = job(items={})
    await records.folders.put(folder(), expected_version=0, job=none, event=event())
    with pytest.raises(FoldersMovedOnError, match="of `acme` changed meanwhile"):
        await records.documents.commit_version(waiting, event(), folders=0)
    said = FromSource(origins={"source": {}}, metadata={"a": 1}, folders=0)
    with pytest.raises(FoldersMovedOnError):
        await records.documents.relabel(
            DOCUMENT, label("public"), expected_label_version=1, event=event(), said=said
        )
    assert (await found(records)).metadata == {}
    known = folders_version(await records.folders.of_tenant("acme"))
    await records.documents.relabel(
        DOCUMENT,
        label("public"),
        expected_label_version=1,
        event=event(),
        said=replace(said, folders=known),
    )
    assert (await found(records)).metadata == {"a": 1}
    live = await records.documents.commit_version(waiting, event(), folders=known)
    assert live.label_revision > since


async def test_a_folders_job_takes_in_what_changed_below_it_since_it_was_planned(
    records: Records,
) -> None:
    def lying(path: str) -> Label:
        return Label({**label().values, "path": path})

    await put(records, version("file:a.txt", label=lying("/acme/hr/a")))
    since = (await records.standing.read()).label
    await put(records, version("file:b.txt", label=lying("/acme/hr/b")))
    await put(records, version("file:c.txt", label=lying("/acme/other/c")))
    made = job(items={})
    await records.folders.put(folder(), expected_version=0, job=made, event=event(), since=since)
    (taken,) = await records.jobs.items(made.id, state=ItemState.PENDING)
    assert (taken.document_id, taken.expected_version) == (document_id("file:b.txt"), 1)
