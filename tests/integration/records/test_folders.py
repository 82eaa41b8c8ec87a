"""What folders say: one winner, rights that stand, approvals that fall; and what lies below."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from acl.labels import Label
from acl.records import (
    AuditKind,
    FolderLabel,
    FolderProposal,
    MovedOnError,
    NewJob,
    Records,
    RecordsConflictError,
    RecordsError,
    StaleFolderError,
)
from acl.records.labels.labels import Provided
from tests.integration.records.samples import KEY, NOW, event, in_effect, label, put, version


def job(**more: Any) -> NewJob:
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "tenant": "acme",
        "by": "user:ada",
        "asker": {"operator": True},
        "request": {"kind": "folder"},
        "reason": "many",
        "items": {},
    }
    return NewJob(**{**values, **more})


def proposal(**more: Any) -> FolderProposal:
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "tenant": "acme",
        "path": "/acme/hr/",
        "expected_version": 0,
        "attributes": {"classification": 0},
        "by": "user:ada",
        "asker": {"operator": True},
        "at": NOW,
        "reason": "open it",
    }
    return FolderProposal(**{**values, **more})


def folder(**more: Any) -> FolderLabel:
    values: dict[str, Any] = {
        "tenant": "acme",
        "path": "/acme/hr/",
        "attributes": {"classification": 2},
        "by": "user:ada",
        "at": NOW,
    }
    return FolderLabel(**{**values, **more})


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
    folders, one, other = records.folders, proposal(), proposal(path="/acme/legal/")
    for each in (one, other):
        await folders.propose(each, event(AuditKind.RELABEL_PROPOSED))
    with pytest.raises(StaleFolderError):
        await folders.propose(proposal(expected_version=3), event())
    assert await folders.proposals("acme") == (one, other)
    assert await folders.proposals("globex") == ()
    assert await folders.proposal(one.id) == one
    used = Provided(proposal=one.id)
    await folders.put(folder(), expected_version=0, job=job(), event=event(), provided=used)
    assert await folders.proposals("acme") == (other,)
    assert await folders.proposal(one.id) is None
    with pytest.raises(RecordsConflictError, match="decided upon by another"):
        await folders.put(folder(), expected_version=1, job=job(), event=event(), provided=used)
    (kept,) = await folders.of_tenant("acme")
    assert kept.version == 1


async def test_nothing_is_set_or_proposed_under_rights_that_moved_on(records: Records) -> None:
    under = Provided(under=await records.standing.read())
    await records.folders.propose(proposal(), event(), provided=under)
    await in_effect(records, "a")
    with pytest.raises(MovedOnError):
        await records.folders.propose(proposal(), event(), provided=under)
    with pytest.raises(MovedOnError):
        await records.folders.put(
            folder(), expected_version=0, job=job(), event=event(), provided=under
        )
    assert await records.folders.of_tenant("acme") == ()
    assert len(await records.folders.proposals("acme")) == 1
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
    pages = records.pages
    first = await pages.below("acme", "/acme/hr/", limit=1)
    assert [one.document.uri for one in first] == ["file:0.txt"]
    rest = await pages.below("acme", "/acme/hr/", after="file:0.txt")
    assert [one.document.uri for one in rest] == ["file:1.txt"]
    assert await pages.below("globex", "/acme/hr/") == ()
    assert rest[0] == await records.labels.state(rest[0].document.id)
    assert await pages.named("acme", "compartments") == {"x"}
    assert await pages.named("globex", "compartments") == frozenset()
