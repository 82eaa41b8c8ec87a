"""The desk of data owners on real records and a real engine: rights, shares, folders, jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from acl.actions import Action
from acl.engine.payload import label_payload
from acl.records import AuditKind, DocumentRecord, ItemState, StaleFolderError, StaleLabelError
from acl.records.heads import Head, bump
from acl.subject import Subject
from ingest.expiry import Sweeper
from ingest.project import Projector, points_of
from retrieval.authority import OPERATOR, Asker, Authority, ForbiddenError
from retrieval.decisions import Decisions
from retrieval.documents import DocumentNotFoundError
from retrieval.label_bulk import BulkDesk
from retrieval.label_folders import FolderDesk, FolderRequest
from retrieval.label_requests import LabelRequest, LabelRequestError, ShareRequest
from retrieval.label_selection import Selection
from retrieval.label_views import Changed, LabelDeskSettings, LabelParts, OwnProposalError, Target
from retrieval.labels import LabelDesk
from retrieval.search import SearchRequest
from tests.integration.folders import write, write_company
from tests.integration.troubles import deaf
from tests.integration.world import ADA, BOB, GUS, LEO, NOW, SAM, World, world
from tests.plain import plain_tools

STEWARD = Subject(
    id="user:stew",
    tenant="acme",
    clearance=3,
    compartments=frozenset({"finance", "board", "falcon"}),
    groups=frozenset({"role:steward"}),
)
SECOND = replace(STEWARD, id="user:second")
HR = Subject(id="user:hana", tenant="acme", clearance=1, groups=frozenset({"group:hr"}))
TRAVEL = "file:acme/handbook/travel.md"
CASH = "file:acme/finance/cash.txt"
ABSENT = "5b0f4b0e-9d5d-4f0b-8b39-0d1f7f7f7f7f"
LATER = NOW + timedelta(hours=1)
TICK = timedelta(microseconds=1)


@dataclass
class Office:
    """An installation with its desks."""

    world: World
    desk: LabelDesk
    bulk: BulkDesk
    folders: FolderDesk

    async def id_of(self, uri: str) -> str:
        return (await self.world.document(uri)).id

    async def change(
        self,
        asker: Asker,
        uri: str,
        *,
        version: int | None = None,
        now: datetime = NOW,
        dry_run: bool = False,
        request: LabelRequest | None = None,
        **values: object,
    ) -> Changed:
        document = await self.world.document(uri)
        target = Target(document.id, document.label_version if version is None else version)
        asked = request or LabelRequest(values=values)
        return await self.desk.change(asker, target, asked, now=now, dry_run=dry_run)

    async def share(self, asker: Asker, uri: str, name: str, until: datetime | None) -> Changed:
        request = LabelRequest(share=(ShareRequest(principal=name, until=until),))
        return await self.change(asker, uri, request=request)

    async def found(self, subject: Subject, query: str, at: datetime) -> set[str]:
        request = SearchRequest(query=query, top_k=50)
        return {one.uri for one in (await self.world.searcher.search(subject, request, at)).hits}

    async def kinds(self) -> list[tuple[AuditKind, str, str]]:
        events = await self.world.records.audit.events(limit=1000)
        return [(one.event.kind, one.event.action, one.event.outcome.value) for one in events]

    async def carried(self, document: DocumentRecord) -> object:
        """Return the label that the engine carries for a document."""
        where = points_of(document.id)
        labels = [one.payload.get("label") async for one in self.world.engine.scroll(where)]
        assert all(one == labels[0] for one in labels)
        return labels[0]


def office_of(made: World, *, four_eyes: bool = False) -> Office:
    desk = LabelDesk(
        LabelParts(
            records=made.records,
            standing=made.standing,
            projector=Projector(made.stores),
            decisions=Decisions(),
            settings=LabelDeskSettings(four_eyes=four_eyes),
        )
    )
    clock = lambda: NOW  # noqa: E731 - a clock
    return Office(made, desk, BulkDesk(desk, clock=clock), FolderDesk(desk, clock=clock))


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with world(tmp_path / "data", plain_tools()) as made:
        await made.ingest(write_company(tmp_path / "source"))
        yield office_of(made)


async def test_an_owner_raises_and_may_not_lower(office: Office) -> None:
    done = await office.change(HR, TRAVEL, classification="internal")
    assert (done.version, done.actions, done.projected) == (
        2,
        frozenset({Action.DOCUMENT_TAG}),
        True,
    )
    assert (done.before["classification"], done.after["classification"]) == ("public", "internal")
    with pytest.raises(ForbiddenError) as caught:
        await office.change(HR, TRAVEL, classification="public")
    assert caught.value.action is Action.DOCUMENT_DECLASSIFY
    assert (await office.world.document(TRAVEL)).label_version == 2
    lowered = await office.change(STEWARD, TRAVEL, classification="public")
    assert lowered.version == 3
    assert (AuditKind.DENIED, "document:declassify", "denied") in await office.kinds()


async def test_an_owner_raises_beyond_their_own_clearance_and_cannot_take_it_back(
    office: Office,
) -> None:
    await office.change(HR, TRAVEL, classification="restricted")

    with pytest.raises(DocumentNotFoundError):
        await office.change(HR, TRAVEL, classification="public")
    with pytest.raises(DocumentNotFoundError):
        await office.desk.show(HR, await office.id_of(TRAVEL), now=NOW)


async def test_what_is_not_theirs_to_know_is_as_what_is_not_there(office: Office) -> None:
    hidden = await office.id_of(CASH)
    request = LabelRequest(values={"classification": 3})
    said = []
    for identity in (hidden, ABSENT, "nonsense"):
        for asker in (SAM, GUS):
            with pytest.raises(DocumentNotFoundError) as caught:
                await office.desk.change(asker, Target(identity, 99), request, now=NOW)
            said.append(str(caught.value))
            with pytest.raises(DocumentNotFoundError):
                await office.desk.show(asker, identity, now=NOW)
            with pytest.raises(DocumentNotFoundError):
                await office.desk.history(asker, identity, now=NOW)
            with pytest.raises(DocumentNotFoundError):
                await office.desk.undo(asker, Target(identity, 1), reason="", now=NOW)
            with pytest.raises(DocumentNotFoundError):
                await office.desk.approve(asker, identity, ABSENT, now=NOW)
    assert set(said) == {"there is no such document"}


async def test_who_may_read_is_told_which_right_they_lack(office: Office) -> None:
    with pytest.raises(ForbiddenError) as caught:
        await office.change(SAM, TRAVEL, classification="internal")
    assert caught.value.action is Action.DOCUMENT_TAG
    with pytest.raises(ForbiddenError) as seen:
        await office.desk.show(SAM, await office.id_of(TRAVEL), now=NOW)
    assert seen.value.action is Action.ACCESS_REVIEW


async def test_a_dry_run_says_who_gains_and_loses_and_does_nothing(office: Office) -> None:
    change = await office.change(HR, TRAVEL, readers=["user:sam"], dry_run=True)
    assert change.dry
    assert change.effect is not None
    assert "group:everyone" in change.effect.loses
    assert "user:sam" not in change.effect.loses
    assert (await office.world.document(TRAVEL)).label_version == 1
    raised = await office.change(STEWARD, TRAVEL, classification="internal", dry_run=True)
    assert raised.effect is not None
    assert "group:everyone" in raised.effect.loses


async def test_a_label_that_moved_is_refused(office: Office) -> None:
    await office.change(HR, TRAVEL, classification="internal")
    with pytest.raises(StaleLabelError):
        await office.change(STEWARD, TRAVEL, version=1, readers=["user:sam"])
    document = await office.world.document(TRAVEL)
    assert document.label_json["readers"] == ["group:everyone"]
    same = await office.change(HR, TRAVEL, classification="internal")
    assert (same.version, document.label_version) == (2, 2)


async def test_a_share_ends_at_its_moment_wherever_it_is_asked(office: Office) -> None:
    identity = await office.id_of("file:acme/engineering/thread.eml")
    uri = "file:acme/engineering/thread.eml"
    done = await office.share(STEWARD, uri, "user:sam", LATER)
    assert done.effect is not None
    assert done.effect.gains == ("user:sam",)
    for at, there in ((LATER - TICK, True), (LATER, False), (LATER + TICK, False)):
        assert (uri in await office.found(SAM, "supplier", at)) is there
        page = await office.world.reader.list_documents(SAM, now=at)
        assert (uri in {one.uri for one in page.documents}) is there
        if there:
            await office.world.reader.document(SAM, identity, now=at)
        else:
            with pytest.raises(DocumentNotFoundError):
                await office.world.reader.document(SAM, identity, now=at)
    counts = office.world.searcher.counts
    assert counts.lagging
    assert counts.alarm == 0


async def test_the_sweeper_takes_out_what_ended_from_record_and_engine(office: Office) -> None:
    uri = "file:acme/engineering/thread.eml"
    await office.share(STEWARD, uri, "user:sam", LATER)
    sweeper = Sweeper(office.world.records, Projector(office.world.stores))
    assert await sweeper.sweep(now=LATER - TICK) == 0
    assert await sweeper.sweep(now=LATER) == 1
    assert await sweeper.sweep(now=LATER) == 0
    document = await office.world.document(uri)
    assert (document.shares, document.label_version) == ((), 3)
    assert document.projected_label_version == 3
    schema = office.world.schema
    assert await office.carried(document) == label_payload(document.label(schema, LATER), schema)
    assert uri not in await office.found(SAM, "supplier", LATER)
    assert office.world.searcher.counts.lagging == 0


async def test_the_reconciler_narrows_what_ended_and_nobody_took_out(office: Office) -> None:
    uri = "file:acme/engineering/thread.eml"
    await office.share(STEWARD, uri, "user:sam", LATER)
    assert (await office.world.reconciler.run(now=LATER - TICK)).differences == 0
    assert (await office.world.reconciler.run(now=LATER)).mislabelled == 1
    assert uri not in await office.found(SAM, "supplier", LATER)
    assert office.world.searcher.counts.lagging == 0


async def test_a_share_lifts_no_clearance_and_is_taken_back(office: Office) -> None:
    done = await office.share(STEWARD, CASH, "user:sam", None)
    assert done.effect is not None
    assert "user:sam" not in done.effect.loses
    assert CASH not in await office.found(SAM, "cash", NOW)
    view = await office.desk.show(STEWARD, await office.id_of(CASH), now=NOW)
    assert [(one.principal, one.until, one.by) for one in view.shares] == [
        ("user:sam", None, "user:stew")
    ]
    unshare = LabelRequest(unshare=frozenset({"user:sam"}))
    assert (await office.change(STEWARD, CASH, request=unshare)).version == 3
    assert (await office.world.document(CASH)).label_json["readers"] == ["group:finance"]


async def test_an_undo_is_a_new_change_that_restores_the_label_before(office: Office) -> None:
    await office.change(STEWARD, TRAVEL, classification="restricted", readers=["user:leo"])
    identity = await office.id_of(TRAVEL)
    with pytest.raises(StaleLabelError):
        await office.desk.undo(STEWARD, Target(identity, 1), reason="", now=NOW)
    done = await office.desk.undo(STEWARD, Target(identity, 2), reason="oops", now=NOW)
    assert done.version == 3
    assert done.actions == {Action.DOCUMENT_DECLASSIFY, Action.DOCUMENT_SHARE, Action.DOCUMENT_TAG}
    document = await office.world.document(TRAVEL)
    assert document.label_json["readers"] == ["group:everyone"]
    view = await office.desk.show(STEWARD, identity, now=NOW)
    assert set(view.origins.values()) == {"source"}
    again = await office.desk.undo(STEWARD, Target(identity, 3), reason="", now=NOW)
    assert again.after["readers"] == ["user:leo"]
    history = await office.desk.history(STEWARD, identity, now=NOW)
    assert [one.kind.value for one in history] == ["undo", "undo", "relabel", "ingest"]
    first = await office.id_of(CASH)
    with pytest.raises(LabelRequestError, match="was not made by a change"):
        await office.desk.undo(STEWARD, Target(first, 1), reason="", now=NOW)


async def test_an_undo_that_lowers_needs_the_right_to_lower(office: Office) -> None:
    await office.change(HR, TRAVEL, classification="internal")
    with pytest.raises(ForbiddenError):
        await office.desk.undo(HR, Target(await office.id_of(TRAVEL), 2), reason="", now=NOW)


async def test_two_pairs_of_eyes(office: Office) -> None:
    office = office_of(office.world, four_eyes=True)
    assert not (await office.change(HR, TRAVEL, classification="internal")).proposal
    asked = await office.change(STEWARD, TRAVEL, classification="public")
    assert (asked.version, bool(asked.proposal)) == (2, True)
    identity = await office.id_of(TRAVEL)
    assert (await office.world.document(TRAVEL)).label_json["classification"] == 1
    with pytest.raises(OwnProposalError):
        await office.desk.approve(STEWARD, identity, asked.proposal, now=NOW)
    with pytest.raises(ForbiddenError):
        await office.desk.approve(HR, identity, asked.proposal, now=NOW)
    done = await office.desk.approve(SECOND, identity, asked.proposal, now=NOW)
    assert (done.version, done.after["classification"]) == (3, "public")
    with pytest.raises(DocumentNotFoundError):
        await office.desk.approve(SECOND, identity, asked.proposal, now=NOW)
    (last, *_) = await office.world.records.audit.concerning(
        identity, kinds=[AuditKind.RELABEL], limit=1
    )
    assert last.event.detail["proposed_by"] == "user:stew"


async def test_a_proposal_falls_with_the_label_that_it_was_made_for(office: Office) -> None:
    office = office_of(office.world, four_eyes=True)
    await office.change(HR, TRAVEL, classification="internal")
    asked = await office.change(STEWARD, TRAVEL, classification="public")
    await office.change(HR, TRAVEL, readers=["group:hr"])
    with pytest.raises(DocumentNotFoundError):
        await office.desk.approve(SECOND, await office.id_of(TRAVEL), asked.proposal, now=NOW)
    planned = await office.bulk.plan(
        STEWARD,
        Selection(folder="/acme/handbook/"),
        LabelRequest(values={"classification": "public"}),
    )
    assert (planned.items, len(planned.refused)) == ({}, 1)
    assert "second person" in planned.refused[0].reason


async def test_a_folder_is_inherited_but_for_what_is_the_documents_own(
    office: Office, tmp_path: Path
) -> None:
    cash = await office.id_of(CASH)
    await office.change(STEWARD, CASH, owner="user:ada")
    asked = FolderRequest(
        folder="/acme/finance",
        values={"classification": "restricted", "owner": "user:leo"},
        reason="audit season",
    )
    planned = await office.folders.plan(STEWARD, asked)
    assert len(planned.items) == 2
    begun = await office.folders.set_folder(STEWARD, asked)
    job = await office.bulk.run(begun.job.id)
    assert job.counts == {ItemState.DONE: 2}
    view = await office.desk.show(STEWARD, cash, now=NOW)
    assert (view.label["owner"], view.origins["owner"]) == ("user:ada", "document")
    assert view.label["classification"] == "restricted"
    assert view.origins["classification"] == "folder /acme/finance/"
    assert view.origins["readers"] == "source"
    again = LabelRequest(inherit=frozenset({"owner"}))
    assert (await office.change(STEWARD, CASH, request=again)).after["owner"] == "user:leo"

    source = tmp_path / "source"
    write(source, "acme/finance/new.txt", "The new plan of finance.\n")
    await office.world.ingest(source)
    new = await office.world.document("file:acme/finance/new.txt")
    assert (new.label_json["classification"], new.label_json["owner"]) == (3, "user:leo")
    found = await office.folders.folders(STEWARD, "")
    assert [(one.path, one.version) for one in found] == [("/acme/finance/", 1)]


async def test_what_a_folder_says_no_longer_falls_back_to_the_source(office: Office) -> None:
    asked = FolderRequest(folder="/acme/finance/", values={"classification": "restricted"})
    await office.bulk.run((await office.folders.set_folder(STEWARD, asked)).job.id)
    with pytest.raises(StaleFolderError):
        await office.folders.set_folder(STEWARD, replace(asked, expected_version=0))
    unset = FolderRequest(
        folder="/acme/finance/", unset=frozenset({"classification"}), expected_version=1
    )
    await office.bulk.run((await office.folders.set_folder(STEWARD, unset)).job.id)
    view = await office.desk.show(STEWARD, await office.id_of(CASH), now=NOW)
    assert (view.label["classification"], view.origins["classification"]) == (
        "confidential",
        "source",
    )


async def test_a_new_text_keeps_what_people_set_and_shared(office: Office, tmp_path: Path) -> None:
    await office.change(STEWARD, CASH, classification="restricted")
    await office.share(STEWARD, CASH, "user:leo", LATER)
    write(tmp_path / "source", "acme/finance/cash.txt", "The cash position is five million.\n")
    await office.world.ingest(tmp_path / "source")
    document = await office.world.document(CASH)
    assert document.live_version == 2
    assert [one.principal for one in document.shares] == ["user:leo"]
    view = await office.desk.show(STEWARD, document.id, now=NOW)
    assert view.label["classification"] == "restricted"
    assert view.origins["classification"] == "document"


async def test_a_folder_is_set_by_whom_everything_in_it_can_be_entrusted(office: Office) -> None:
    asked = FolderRequest(folder="/acme/handbook/", values={"classification": "internal"})
    for asker in (HR, ADA, GUS, replace(STEWARD, clearance=2)):
        with pytest.raises(ForbiddenError):
            await office.folders.set_folder(asker, asked)
        assert await office.folders.folders(asker, "acme") == ()
    for bad in ("/acme/../x/", "/acme//x/", "/a\0b/"):
        with pytest.raises(LabelRequestError, match="is no path"):
            await office.folders.set_folder(STEWARD, replace(asked, folder=bad))
    with pytest.raises(LabelRequestError, match="`path`: is where the document lies"):
        await office.folders.set_folder(STEWARD, replace(asked, values={"path": "/x"}))


async def test_a_job_names_what_is_known_and_not_theirs_and_nothing_else(office: Office) -> None:
    every = [one.id for one in await office.world.documents()]
    request = LabelRequest(values={"classification": "internal"})
    planned = await office.bulk.plan(HR, Selection(ids=(*every, ABSENT)), request)
    assert list(planned.uris.values()) == [TRAVEL]
    known = {one.uri for one in (await office.world.reader.list_documents(HR, now=NOW)).documents}
    assert {one.uri for one in planned.refused} == known - {TRAVEL}
    assert planned.effect is not None
    none = await office.bulk.plan(GUS, Selection(folder="/acme/"), request)
    assert (none.items, none.refused) == ({}, ())


async def test_a_bulk_change_leaves_alone_what_moved_meanwhile(office: Office) -> None:
    request = LabelRequest(values={"classification": "restricted"}, reason="all")
    begun = await office.bulk.begin(STEWARD, Selection(folder="/acme/"), request)
    await office.change(HR, TRAVEL, readers=["group:hr"])
    seen: list[int] = []
    job = await office.bulk.run(begun.job.id, on_progress=lambda one: seen.append(one.pending))
    assert job.counts[ItemState.CONFLICT] == 1
    assert job.counts[ItemState.DONE] == job.total - 1
    assert seen == [0]
    travel = await office.world.document(TRAVEL)
    assert (travel.label_json["classification"], travel.label_json["readers"]) == (0, ["group:hr"])
    schema = office.world.schema
    for document in await office.world.documents():
        wanted = label_payload(document.label(schema, NOW), schema)
        assert await office.carried(document) == wanted
    assert (await office.bulk.run(begun.job.id)).counts == job.counts


async def test_a_job_obeys_the_rights_of_the_moment_at_which_it_runs(office: Office) -> None:
    request = LabelRequest(values={"classification": "internal"})
    begun = await office.bulk.begin(HR, Selection(ids=(await office.id_of(TRAVEL),)), request)
    await office.world.records.database.write(_take_rights)
    job = await office.bulk.run(begun.job.id)
    assert job.counts == {ItemState.FAILED: 1}
    assert (await office.world.document(TRAVEL)).label_version == 1
    with pytest.raises(DocumentNotFoundError):
        await office.bulk.job(ADA, job.id)
    assert (await office.bulk.job(HR, job.id)).id == job.id
    assert (await office.bulk.job(OPERATOR, job.id)).id == job.id


def _take_rights(connection: object) -> None:
    """Let the stored asker be somebody who owns nothing."""
    execute = connection.exec_driver_sql  # type: ignore[attr-defined]
    execute("UPDATE label_jobs SET asker = replace(asker, 'group:hr', 'group:sales')")


async def test_a_change_counts_even_if_the_engine_cannot_follow(office: Office) -> None:
    parts = office.desk.parts
    stores = replace(office.world.stores, engine=deaf(office.world.engine))
    cut = LabelDesk(replace(parts, projector=Projector(stores)))
    target = Target(await office.id_of(TRAVEL), 1)
    request = LabelRequest(values={"readers": ["group:hr"]})
    assert not (await cut.change(HR, target, request, now=NOW)).projected
    assert TRAVEL not in await office.found(SAM, "trips", NOW)
    begun = await office.bulk.begin(STEWARD, Selection(ids=()), request)
    # The next job brings to the engine what an interrupted one did not.
    await office.bulk.run(begun.job.id)
    assert (await office.world.document(TRAVEL)).projected_label_version == 2


async def test_the_operator_may_do_everything_and_is_on_record(office: Office) -> None:
    done = await office.change(OPERATOR, TRAVEL, classification="restricted", owner="user:leo")
    assert done.version == 2
    assert done.effect is not None
    (last, *_) = await office.desk.history(OPERATOR, await office.id_of(TRAVEL), now=NOW)
    assert last.by == "service:operator"
    planned = await office.bulk.plan(
        OPERATOR, Selection(folder="/globex/", tenant="globex"), LabelRequest(refresh=True)
    )
    assert planned.items == {}
    assert (await office.world.records.audit.verify()).fault is None


@pytest.mark.parametrize("subject", [BOB, LEO])
async def test_after_every_change_search_obeys_the_label_of_record(
    office: Office, subject: Subject
) -> None:
    may = office.world.oracle()
    for values in (
        {"classification": "internal"},
        {"readers": ["user:leo"]},
        {"compartments": ["falcon"]},
        {"readers": ["group:everyone"], "compartments": []},
    ):
        await office.change(STEWARD, TRAVEL, **values)
        document = await office.world.document(TRAVEL)
        assert (TRAVEL in await office.found(subject, "trips", NOW)) is may(subject, document)


class _Hasty(LabelDesk):
    """A desk after whose first look something moves on."""

    looks = 0

    async def authority(self, asker: Asker, now: datetime) -> Authority:
        found = await super().authority(asker, now)
        self.looks += 1
        if self.looks == 1:
            await self.parts.records.database.write(bump, Head.SUSPENSION)
        return found


async def test_what_moves_on_meanwhile_is_decided_again(office: Office) -> None:
    request = LabelRequest(values={"classification": "internal"})
    selection = Selection(ids=(await office.id_of(TRAVEL),))
    begun = await office.bulk.begin(HR, selection, request)
    hasty = _Hasty(office.desk.parts)
    job = await BulkDesk(hasty, clock=lambda: NOW).run(begun.job.id)
    assert job.counts == {ItemState.DONE: 1}
    assert hasty.looks == 2

    again = _Hasty(office.desk.parts)
    target = Target(selection.ids[0], 2)
    done = await again.change(HR, target, LabelRequest(values={"readers": []}), now=NOW)
    assert (done.version, again.looks) == (3, 2)


async def test_a_document_that_is_gone_is_a_conflict(office: Office) -> None:
    request = LabelRequest(values={"classification": "internal"})
    identity = await office.id_of(TRAVEL)
    begun = await office.bulk.begin(HR, Selection(ids=(identity,)), request)
    await office.world.pipeline.delete(identity, actor="user:root")
    job = await office.bulk.run(begun.job.id)
    (item,) = await office.world.records.jobs.items(job.id, state=ItemState.CONFLICT)
    assert item.detail == "is gone"
    assert await office.world.records.labels.history(identity) == ()
