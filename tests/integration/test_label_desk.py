"""The desk of data owners on real records and a real engine: what is theirs to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from acl.actions import Action
from acl.labels import Label
from acl.records import ApprovalKind, AuditKind, LabelState, StaleLabelError
from acl.subject import Subject
from ingest.project import Projector
from ingest.reconcile import Sweeper
from retrieval.access.audience import Member, roles
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.desk import LabelDesk
from retrieval.labels.folders import FolderDesk, FolderRequest
from retrieval.labels.requests import LabelRequest, LabelRequestError, ShareRequest
from retrieval.labels.selection import Selection
from retrieval.labels.views import OwnProposalError, Target
from retrieval.rights.authority import OPERATOR, Authority, ForbiddenError
from retrieval.rights.decisions import PolicySnapshot
from tests.builders import events_about
from tests.integration.label_office import (
    ABSENT,
    CASH,
    HR,
    LATER,
    SECOND,
    STEWARD,
    TRAVEL,
    MovingDesk,
    Office,
    office_of,
)
from tests.integration.troubles import deaf
from tests.integration.world import BOB, GUS, LEO, NOW, SAM
from tests.unit.acl.default_policy import ROWS, policy


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


async def test_who_may_only_read_learns_nothing_of_readers_shares_and_owner(
    office: Office,
) -> None:
    await office.share(HR, TRAVEL, "user:leo", None)
    target = Target(await office.id_of(TRAVEL), 2)
    restored: dict[str, Any] = {"label": {}, "shares": [], "origins": {}}
    said = set()
    for request in (
        *(LabelRequest(share=(ShareRequest(principal=one),)) for one in ("group:everyone", "x")),
        *(LabelRequest(unshare=frozenset({one})) for one in ("user:leo", "user:zed")),
        *(LabelRequest(values={"owner": one}) for one in ("group:hr", "user:zed")),
        LabelRequest(values={"nothing": "known"}),
        LabelRequest(inherit=frozenset({"path"})),
        LabelRequest(restore=restored),
    ):
        for version in (2, 1):
            with pytest.raises(ForbiddenError) as caught:
                await office.desk.change(SAM, replace(target, version=version), request, now=NOW)
            said.add(str(caught.value))
        planned = await office.bulk.plan(SAM, Selection(ids=(target.document_id,)), request)
        said.add(planned.refused[0].reason)
    with pytest.raises(ForbiddenError) as undone:
        await office.desk.undo(SAM, replace(target, version=1), reason="", now=NOW)
    with pytest.raises(ForbiddenError) as approved:
        await office.desk.approve(SAM, target.document_id, ABSENT, now=NOW)
    assert said | {str(undone.value), str(approved.value)} == {
        "this needs the right to `document:tag`"
    }


async def test_an_undo_takes_back_what_somebody_did_last(office: Office) -> None:
    uri = "file:acme/engineering/thread.eml"
    await office.share(STEWARD, uri, "user:sam", LATER)
    await office.change(STEWARD, uri, classification="restricted")
    assert await Sweeper(office.world.records, Projector(office.world.stores)).sweep(now=LATER) == 1
    document = await office.world.document(uri)
    target = Target(document.id, document.label_version)
    done = await office.desk.undo(STEWARD, target, reason="", now=LATER)
    assert (done.before["classification"], done.after["classification"]) == (
        "restricted",
        "internal",
    )
    assert done.after["readers"] == []


class _Late(LabelDesk):
    """A desk for which the label is raised between what it reads and what it does next."""

    async def _known(self, authority: Authority, document_id: str) -> LabelState:
        found = await super()._known(authority, document_id)
        await self._raised(found)
        return found

    async def _known_state(
        self, authority: Authority, identity: str, state: LabelState | None
    ) -> LabelState:
        found = await super()._known_state(authority, identity, state)
        await self._raised(found)
        return found

    async def _raised(self, state: LabelState) -> None:
        secret = LabelRequest(values={"classification": "restricted", "readers": ["user:leo"]})
        target = Target(state.document.id, state.document.label_version)
        if state.document.label_version == 1:
            with suppress(StaleLabelError):
                await LabelDesk(self.parts).change(STEWARD, target, secret, now=NOW)


async def test_a_history_is_shown_up_to_the_label_that_was_decided_upon(office: Office) -> None:
    late = _Late(office.desk.parts)
    changes = await late.history(HR, await office.id_of(TRAVEL), now=NOW)
    assert [one.label_version for one in changes] == [1]
    assert (await office.world.document(TRAVEL)).label_version == 2
    with pytest.raises(DocumentNotFoundError):
        await office.desk.history(HR, await office.id_of(TRAVEL), now=NOW)


async def test_what_is_proposed_is_kept_under_rights_that_stand(office: Office) -> None:
    office = office_of(office.world, four_eyes=True)
    await office.change(HR, TRAVEL, classification="internal")
    moving = MovingDesk(office.desk.parts)
    target, request = Target(await office.id_of(TRAVEL), 2), {"classification": "public"}
    done = await moving.change(STEWARD, target, LabelRequest(values=request), now=NOW)
    assert (bool(done.proposal), moving.looks) == (True, 2)
    folders = FolderDesk(MovingDesk(office.desk.parts), clock=lambda: NOW)
    asked = FolderRequest(folder="/acme/hr/", values=request)
    assert (await folders.set_folder(STEWARD, asked)).proposal
    waiting = await office.world.records.approvals.waiting(ApprovalKind.FOLDER, "acme", now=NOW)
    assert len(waiting) == 1


async def test_raising_needs_the_right_to_share_where_that_lets_somebody_read(
    office: Office,
) -> None:
    odd = policy(
        ROWS + "p, role:archivist, acme, /acme/handbook/*, document:read, "
        "r.obj.classification >= 1, allow\n"
        "p, role:tagger, acme, /acme/*, document:tag, True, allow\n"
    )
    await office.change(HR, TRAVEL, readers=["group:hr"])
    office.world.snapshots.swap(replace(office.world.snapshot, policy=odd))
    tagger = replace(SAM, id="user:tag", groups=frozenset({"role:tagger"}))
    with pytest.raises(ForbiddenError) as caught:
        await office.change(tagger, TRAVEL, classification="internal")
    assert caught.value.action is Action.DOCUMENT_SHARE
    request = LabelRequest(values={"classification": "internal"})
    planned = await office.bulk.plan(tagger, Selection(folder="/acme/handbook/"), request)
    assert [one.reason for one in planned.refused] == ["this needs the right to `document:share`"]
    assert (await office.change(tagger, TRAVEL, readers=[])).actions == {Action.DOCUMENT_TAG}
    assert (await office.change(HR, TRAVEL, classification="internal")).actions == {
        Action.DOCUMENT_TAG,
        Action.DOCUMENT_SHARE,
    }


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


async def test_a_change_asks_who_gains_only_when_somebody_reads_it(office: Office) -> None:
    asked = list[str]()

    def counted(snapshot: PolicySnapshot, tenant: str, labels: Sequence[Label]) -> Iterable[Member]:
        asked.append(tenant)
        return roles(snapshot, tenant, labels)

    desk = LabelDesk(replace(office.desk.parts, audience=counted))
    target = Target(await office.id_of(TRAVEL), 1)
    request = LabelRequest(values={"readers": ["user:sam"]})
    done = await desk.change(HR, target, request, now=NOW)
    assert asked == []
    for _ in range(2):
        assert done.effect is not None
        assert "group:everyone" in done.effect.loses
        assert asked == ["acme"]


async def test_a_label_that_moved_is_refused(office: Office) -> None:
    await office.change(HR, TRAVEL, classification="internal")
    with pytest.raises(StaleLabelError):
        await office.change(STEWARD, TRAVEL, version=1, readers=["user:sam"])
    document = await office.world.document(TRAVEL)
    assert document.label_json["readers"] == ["group:everyone"]
    same = await office.change(HR, TRAVEL, classification="internal")
    assert (same.version, document.label_version) == (2, 2)


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
    events = await events_about(office.world.records, identity)
    last, *_ = (one for one in events if one.kind is AuditKind.RELABEL)
    assert last.detail["proposed_by"] == "user:stew"


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
