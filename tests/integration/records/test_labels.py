"""Labels as people change them: one winner, whole history, shares that end, folders, jobs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from acl.labels import MAX_SET, Label
from acl.records import (
    Approval,
    ApprovalKind,
    ApprovalState,
    AuditKind,
    ChangeKind,
    DocumentRecord,
    ItemState,
    LabelEdit,
    MovedOnError,
    Provided,
    Records,
    RecordsConflictError,
    Share,
    StaleLabelError,
    UnknownDocumentError,
    UnstorableError,
)
from tests.builders import (
    KEY,
    LATER,
    NOW,
    SCHEMA,
    approval,
    chunks,
    document_id,
    event,
    in_effect,
    job,
    label,
    put,
    share,
    version,
)

DOCUMENT = document_id("file:a.txt")
ITEMS = {DOCUMENT: 1, document_id("file:b.txt"): 1, document_id("file:c.txt"): 1}
TICK = timedelta(microseconds=1)


def edit(
    made: Label, *, expected: int = 1, shares: tuple[Share, ...] = (), **more: Any
) -> LabelEdit:
    values: dict[str, Any] = {
        "document_id": DOCUMENT,
        "expected_version": expected,
        "label": made,
        "shares": shares,
        "origins": {"source": label().as_json(), "own": ["readers"]},
        "kind": ChangeKind.RELABEL,
        "reason": "because",
        "change_id": "c",
    }
    return LabelEdit(**{**values, **more})


def with_readers(*names: str) -> Label:
    return label(readers=["user:ada", "group:all", *names])


async def document(records: Records) -> DocumentRecord:
    found = await records.catalog.document(DOCUMENT)
    assert found is not None
    return found


async def shared(records: Records, *shares: Share) -> int:
    made = with_readers(*(one.principal for one in shares))
    return await records.labels.change(edit(made, shares=shares), event(AuditKind.RELABEL))


async def test_a_change_is_kept_with_what_was_before(records: Records) -> None:
    await put(records, version())
    new = await records.labels.change(
        edit(label("confidential")), event(AuditKind.RELABEL, later=5)
    )
    last, first = await records.labels.history(DOCUMENT)
    assert (new, last.label_version, first.label_version) == (2, 2, 1)
    assert (first.kind, first.before, first.by) == (ChangeKind.INGEST, None, "user:ada")
    assert last.before is not None
    assert last.before["label"] == first.after["label"] == label().as_json()
    assert last.after["label"] == label("confidential").as_json()
    assert (last.reason, last.change_id, last.kind) == ("because", "c", ChangeKind.RELABEL)
    assert last.at == NOW + timedelta(seconds=5)
    assert await records.labels.history(DOCUMENT, below=2) == (first,)
    state = await records.labels.state(DOCUMENT)
    assert state is not None
    assert state.origins["own"] == ["readers"]
    assert await records.labels.state(document_id("file:none")) is None


async def test_a_label_that_could_not_be_read_again_is_not_stored(records: Records) -> None:
    crowd = frozenset(f"user:u{number}" for number in range(MAX_SET + 1))
    spoiled = Label({**label().values, "readers": crowd})
    with pytest.raises(UnstorableError, match="`readers`: holds 1001 entries"):
        await put(records, version(label=spoiled))
    await put(records, version())
    with pytest.raises(UnstorableError, match="`readers`: holds 1001 entries"):
        await records.labels.change(edit(spoiled), event(AuditKind.RELABEL))
    with pytest.raises(UnstorableError, match="`readers`: holds 1001 entries"):
        await records.documents.relabel(
            DOCUMENT, spoiled, expected_label_version=1, event=event(AuditKind.RELABEL)
        )
    assert (await document(records)).label(SCHEMA, NOW) == label()


async def test_of_two_writers_one_wins_and_nothing_is_united(records: Records, url: str) -> None:
    await put(records, version())
    other = await Records.open(url, KEY)
    wanted = [with_readers(f"user:u{number}") for number in range(6)]
    answers = await asyncio.gather(
        *(
            (records, other)[number % 2].labels.change(edit(one), event(AuditKind.RELABEL))
            for number, one in enumerate(wanted)
        ),
        return_exceptions=True,
    )
    await other.close()
    winners = [number for number, one in enumerate(answers) if one == 2]
    stale = [one for one in answers if isinstance(one, StaleLabelError)]
    assert (len(winners), len(stale)) == (1, 5)
    assert (stale[0].expected, stale[0].actual) == (1, 2)
    assert (await document(records)).label(SCHEMA, NOW) == wanted[winners[0]]
    assert len(await records.labels.history(DOCUMENT)) == 2


async def test_a_share_ends_at_its_moment_before_anybody_takes_it_out(records: Records) -> None:
    await put(records, version())
    await shared(records, share(), share("group:x", None))
    found = await document(records)
    assert found.label(SCHEMA, LATER - TICK) == with_readers("user:bob", "group:x")
    assert found.label(SCHEMA, LATER) == with_readers("group:x")
    assert found.label(SCHEMA, LATER + TICK) == with_readers("group:x")
    assert [found.overdue(at) for at in (LATER - TICK, LATER)] == [False, True]
    assert await records.labels.next_expiry() == LATER
    assert await records.labels.due(LATER - TICK) == ()
    assert await records.labels.due(LATER) == (DOCUMENT,)


async def test_what_ended_is_taken_out_once_and_remembered(records: Records) -> None:
    await put(records, version())
    await shared(records, share(), share("group:x", None))
    ended = replace(event(AuditKind.RELABEL), time=LATER, subject="service:strongroom")
    assert await records.labels.expire(DOCUMENT, replace(ended, time=LATER - TICK)) is None
    assert await records.labels.expire(DOCUMENT, ended) == 3
    assert await records.labels.expire(DOCUMENT, ended) is None
    assert await records.labels.expire(document_id("file:none"), ended) is None
    found = await document(records)
    assert found.label_json == with_readers("group:x").as_json()
    assert found.label_digest == with_readers("group:x").digest
    assert [one.principal for one in found.shares] == ["group:x"]
    assert (await records.labels.next_expiry(), await records.labels.due(LATER)) == (None, ())
    last, *_ = await records.labels.history(DOCUMENT)
    assert (last.kind, last.reason) == (ChangeKind.EXPIRY, "shares ended: user:bob")
    assert (await records.audit.verify()).fault is None


async def test_a_share_of_whom_the_label_does_not_name_is_none(records: Records) -> None:
    await put(records, version())
    await shared(records, share())
    await records.documents.relabel(
        DOCUMENT, label(), expected_label_version=2, event=event(AuditKind.RELABEL)
    )
    found = await document(records)
    assert (found.shares, await records.labels.next_expiry()) == ((), None)
    state = await records.labels.state(DOCUMENT)
    assert state is not None
    assert state.origins["own"] == ["readers"]


async def test_a_new_text_keeps_the_shares_that_its_label_names(records: Records) -> None:
    await put(records, version())
    await shared(records, share())
    new = version(
        "file:a.txt",
        "other",
        chunks=chunks("other"),
        label=with_readers("user:bob"),
        expected_label_version=2,
    )
    await put(records, new)
    assert [one.principal for one in (await document(records)).shares] == ["user:bob"]
    assert len(await records.labels.history(DOCUMENT)) == 2
    await put(records, replace(new, label=label("confidential")))
    assert (await document(records)).shares == ()
    last, *_ = await records.labels.history(DOCUMENT)
    assert (last.kind, last.label_version) == (ChangeKind.INGEST, 3)
    assert last.before is not None
    assert [one["principal"] for one in last.before["shares"]] == ["user:bob"]


def test_a_share_that_ends_before_it_begins_is_none() -> None:
    with pytest.raises(UnstorableError, match="not after the moment"):
        share(until=NOW)
    whole = share(until=None)
    assert (Share.from_json(whole.as_json()), whole.over(LATER)) == (whole, False)


async def test_a_change_is_refused_when_the_rights_moved_on(records: Records) -> None:
    await put(records, version())
    under = await records.standing.read()
    await in_effect(records, "a")
    with pytest.raises(MovedOnError):
        await records.labels.change(
            edit(label("confidential")), event(AuditKind.RELABEL), provided=Provided(under=under)
        )
    assert (await document(records)).label_version == 1
    now = await records.standing.read()
    assert (
        await records.labels.change(
            edit(label("confidential")), event(AuditKind.RELABEL), provided=Provided(under=now)
        )
        == 2
    )


def proposal(about: str = DOCUMENT, **more: Any) -> Approval:
    kind, wanted = more.pop("kind", ApprovalKind.LABEL), label("public").as_json()
    return approval(kind, about, **{"version": 1, "wanted": wanted, **more})


async def waiting(records: Records, about: str = DOCUMENT) -> tuple[Approval, ...]:
    return await records.approvals.waiting(ApprovalKind.LABEL, "acme", now=LATER, about=about)


async def test_a_proposal_is_used_up_once_and_only_on_its_label(records: Records) -> None:
    await put(records, version())
    await put(records, version("file:other.txt"))
    one, two = proposal(), proposal(at=LATER)
    for each in (one, two):
        await records.approvals.ask(each, event(AuditKind.RELABEL_PROPOSED))
    assert await waiting(records) == (two, one)
    assert await waiting(records, document_id("file:other.txt")) == ()
    with pytest.raises(StaleLabelError):
        await records.approvals.ask(proposal(version=9), event())
    with pytest.raises(UnknownDocumentError):
        await records.approvals.ask(proposal(about=document_id("file:none")), event())
    foreign = Provided(approval=str(uuid.uuid4()))
    with pytest.raises(RecordsConflictError, match="decided upon by another"):
        await records.labels.change(edit(label("public")), event(), provided=foreign)
    elsewhere = replace(edit(label("public")), document_id=document_id("file:other.txt"))
    with pytest.raises(RecordsConflictError, match="decided upon by another"):
        await records.labels.change(elsewhere, event(), provided=Provided(approval=one.id))
    await records.labels.change(edit(label("public")), event(), provided=Provided(approval=one.id))
    # What waited for the label before is gone with it.
    assert await waiting(records) == ()


async def test_who_asks_again_and_who_grants_do_not_lock_each_other_out(records: Records) -> None:
    names = [f"file:{number}.txt" for number in range(6)]
    asked = [
        proposal(document_id(name), kind=ApprovalKind.ACCESS, by="user:eve", version=0)
        for name in names
    ]
    for name, request in zip(names, asked, strict=True):
        await put(records, version(name))
        await records.approvals.ask(request, event(AuditKind.ACCESS_REQUESTED))

    def granting(request: Approval) -> Awaitable[int]:
        shared = replace(edit(label("public")), document_id=request.about)
        return records.labels.change(shared, event(), provided=Provided(approval=request.id))

    answers = await asyncio.gather(
        *(granting(request) for request in asked),
        *(
            records.approvals.ask(replace(request, id=str(uuid.uuid4())), event(subject="user:eve"))
            for request in asked
        ),
        return_exceptions=True,
    )

    failed = [one for one in answers if isinstance(one, BaseException)]
    assert all(isinstance(one, RecordsConflictError) for one in failed)
    assert len(await records.approvals.of_asker("acme", "user:eve", now=LATER)) == len(names)


async def test_a_deleted_document_leaves_no_proposal(records: Records) -> None:
    await put(records, version())
    await records.approvals.ask(proposal(), event(AuditKind.RELABEL_PROPOSED))
    await records.documents.delete_document(DOCUMENT, event(AuditKind.DELETE))
    assert await waiting(records) == ()


async def test_what_was_decided_of_a_request_is_in_the_transaction_of_the_share(
    records: Records,
) -> None:
    await put(records, version())
    request = proposal(kind=ApprovalKind.ACCESS, by="user:eve", version=0)
    await records.approvals.ask(request, event(AuditKind.ACCESS_REQUESTED))
    decided = event(AuditKind.ACCESS_DECIDED)
    provided = Provided(approval=request.id, decided=decided)
    with pytest.raises(StaleLabelError):
        await records.labels.change(edit(label("public"), expected=2), event(), provided=provided)
    (found,) = await records.approvals.of_asker("acme", "user:eve", now=LATER)
    assert (found.state, found.decided_by) == (ApprovalState.OPEN, "")
    await records.labels.change(edit(label("public")), event(AuditKind.RELABEL), provided=provided)
    (found,) = await records.approvals.of_asker("acme", "user:eve", now=LATER)
    assert (found.state, found.decided_by) == (ApprovalState.GRANTED, "user:ada")
    kinds = [one.event.kind for one in await records.audit.events(after=2)]
    assert kinds == [AuditKind.RELABEL, AuditKind.ACCESS_DECIDED]


async def test_a_job_knows_what_became_of_each_document(records: Records) -> None:
    await put(records, version())
    made = job(items=ITEMS)
    await records.jobs.create(made, event(AuditKind.RELABEL_JOB))
    (waiting,) = await records.jobs.unfinished()
    assert (waiting.id, waiting.total, waiting.pending) == (made.id, 3, 3)
    provided = Provided(job=made.id)
    await records.labels.change(edit(label("confidential")), event(), provided=provided)
    with pytest.raises(RecordsConflictError, match="done by another"):
        await records.labels.change(edit(label("public"), expected=2), event(), provided=provided)
    other = document_id("file:b.txt")
    await records.jobs.settle(made.id, other, ItemState.FAILED, "no")
    await records.jobs.settle(made.id, other, ItemState.CONFLICT, "too late")
    (failed,) = await records.jobs.items(made.id, state=ItemState.FAILED)
    assert (failed.document_id, failed.detail, failed.expected_version) == (other, "no", 1)
    found = await records.jobs.job(made.id)
    assert found is not None
    assert found.counts == {ItemState.DONE: 1, ItemState.FAILED: 1, ItemState.PENDING: 1}
    assert (found.done, found.failed, found.conflict, found.pending) == (1, 1, 0, 1)
    assert (found.request, found.asker, found.reason) == (made.request, made.asker, "many")
    await records.jobs.settle(made.id, document_id("file:c.txt"), ItemState.CONFLICT, "gone")
    assert await records.jobs.unfinished() == ()
    assert [one.id for one in await records.jobs.recent()] == [made.id]
    assert await records.jobs.job("nonsense") is None
    assert await records.jobs.items(made.id, state=ItemState.DONE, after=DOCUMENT) == ()


async def test_a_document_of_a_job_stays_pending_if_its_change_fails(records: Records) -> None:
    await put(records, version())
    made = job(items=ITEMS)
    await records.jobs.create(made, event(AuditKind.RELABEL_JOB))
    with pytest.raises(StaleLabelError):
        await records.labels.change(
            edit(label("public"), expected=7), event(), provided=Provided(job=made.id)
        )
    found = await records.jobs.job(made.id)
    assert found is not None
    assert found.pending == 3


async def test_a_label_and_its_changes_are_read_together(records: Records) -> None:
    await put(records, version())
    await records.labels.change(edit(label("confidential")), event(AuditKind.RELABEL))
    state, changes = await records.labels.remembered(DOCUMENT)
    assert state == await records.labels.state(DOCUMENT)
    assert changes == await records.labels.history(DOCUMENT)
    assert await records.labels.remembered(document_id("file:none")) == (None, ())
    _, older = await records.labels.remembered(DOCUMENT, below=2)
    assert [one.label_version for one in older] == [1]


async def test_a_proposal_is_refused_when_the_rights_moved_on(records: Records) -> None:
    await put(records, version())
    under = await records.standing.read()
    await in_effect(records, "a")
    with pytest.raises(MovedOnError):
        await records.approvals.ask(proposal(), event(), under=under)
    assert await waiting(records) == ()
    await records.approvals.ask(proposal(), event(), under=await records.standing.read())
