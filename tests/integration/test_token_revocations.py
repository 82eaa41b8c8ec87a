"""Tokens that are taken back: refused by the next request, and no other token with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from acl.errors import RequestError
from acl.records import AuditEvent, AuditKind, Records
from acl.records.directory.directory import Edit, Place
from acl.records.directory.revocations import KEPT
from acl.records.directory.types import UserState
from acl.subject import PROGRAM, Subject
from retrieval.policy.seeding import seeded
from retrieval.rights.authority import OPERATOR, ForbiddenError
from retrieval.rights.decisions import Decisions, SnapshotHolder
from retrieval.rights.revocations import TokenRevocations
from retrieval.rights.standing import Standing
from tests.builders import KEY, NOW
from tests.serving import POLICY

ADA = Subject(id="user:ada", tenant="acme")
SECOND = timedelta(seconds=1)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="desk")
async def _desk(tmp_path: Path, clock: Clock) -> AsyncIterator[TokenRevocations]:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", KEY)
    snapshot = await seeded(records, POLICY, actor=PROGRAM, now=NOW)
    yield TokenRevocations(
        records=records,
        standing=Standing(records, SnapshotHolder(snapshot)),
        decisions=Decisions(),
        clock=clock,
    )
    await records.close()


async def test_one_token_is_refused_and_its_owner_goes_on(desk: TokenRevocations) -> None:
    await desk.revoke_token(OPERATOR, "acme", "leaked")
    assert await desk.meets(ADA, "leaked", NOW)
    assert not await desk.meets(ADA, "another", NOW)
    assert not await desk.meets(ADA, "", NOW)
    assert not await desk.meets(ADA, "leake\0d", NOW)
    assert not await desk.meets(Subject(id="user:ada", tenant="globex"), "leaked", NOW)
    (event,) = await desk.records.audit.events(kind=AuditKind.DIRECTORY)
    assert event.event.detail["change"] == "token revoked"
    assert event.event.detail["token"] == "leaked"


async def test_all_that_a_subject_has_until_now(desk: TokenRevocations, clock: Clock) -> None:
    await desk.revoke_subject(OPERATOR, "acme", "user:ada", NOW - SECOND)
    assert await desk.meets(ADA, "a", NOW - SECOND)
    assert not await desk.meets(ADA, "a", NOW)
    clock.now += SECOND
    await desk.revoke_subject(OPERATOR, "acme", "user:ada")
    # An earlier moment takes nothing of that back.
    await desk.revoke_subject(OPERATOR, "acme", "user:ada", NOW - SECOND)
    assert await desk.meets(ADA, "a", clock.now)
    assert not await desk.meets(ADA, "a", clock.now + SECOND)
    assert not await desk.meets(Subject(id="user:bob", tenant="acme"), "a", NOW)
    assert not await desk.meets(Subject(id="user:ada", tenant="globex"), "a", NOW)
    (known,) = await desk.listed(OPERATOR, "acme")
    assert (known.name, known.until) == ("user:ada", clock.now)


async def test_a_token_is_refused_for_its_agent_as_well(desk: TokenRevocations) -> None:
    agent = Subject(id="agent:helper", tenant="acme")
    await desk.revoke_subject(OPERATOR, "acme", "agent:helper")
    assert await desk.meets(Subject(id="user:ada", tenant="acme", actors=(agent,)), "a", NOW)
    assert not await desk.meets(ADA, "a", NOW)


@pytest.mark.parametrize("named", ["user:ada", "user:lovelace"])
async def test_a_renamed_user_is_met_under_either_name(desk: TokenRevocations, named: str) -> None:
    edit = Edit(AuditEvent(kind=AuditKind.DIRECTORY, time=NOW, subject="service:idp"))
    known = desk.records.directory
    made = await known.create_user("acme", UserState(identity="user:ada"), edit)
    await known.replace_user(
        Place(tenant="acme", id=made.id), UserState(identity="user:lovelace"), edit
    )
    await desk.revoke_subject(OPERATOR, "acme", named)
    for name in ("user:ada", "user:lovelace"):
        assert await desk.meets(Subject(id=name, tenant="acme"), "a", NOW)


async def test_what_no_token_could_meet_any_more_is_dropped(
    desk: TokenRevocations, clock: Clock
) -> None:
    await desk.revoke_token(OPERATOR, "acme", "old")
    await desk.revoke_token(OPERATOR, "globex", "old")
    clock.now += KEPT + SECOND
    await desk.revoke_token(OPERATOR, "acme", "new")
    assert [one.name for one in await desk.listed(OPERATOR, "acme")] == ["new"]
    assert [one.name for one in await desk.listed(OPERATOR, "globex")] == ["old"]


async def test_a_hundred_revocations_meet_what_they_name(desk: TokenRevocations) -> None:
    drawn = Random(11)
    subjects = [f"user:u{n}" for n in range(5)]
    ids, until = set[str](), dict[str, datetime]()
    for _ in range(100):
        if drawn.random() < 0.5:
            ids.add(token_id := f"t{drawn.randrange(60)}")
            await desk.revoke_token(OPERATOR, "acme", token_id)
        else:
            who, at = drawn.choice(subjects), NOW - drawn.randrange(600) * SECOND
            until[who] = max(until.get(who, at), at)
            await desk.revoke_subject(OPERATOR, "acme", who, at)
    for _ in range(200):
        who, token_id = drawn.choice([*subjects, "user:free"]), f"t{drawn.randrange(100)}"
        issued = NOW - drawn.randrange(700) * SECOND
        right = token_id in ids or (who in until and issued <= until[who])
        assert await desk.meets(Subject(id=who, tenant="acme"), token_id, issued) == right


async def test_who_may_not_and_what_is_none(desk: TokenRevocations) -> None:
    nobody = Subject(id="user:bob", tenant="acme")
    for work in (
        desk.revoke_token(nobody, "acme", "a"),
        desk.revoke_subject(nobody, "acme", "user:ada"),
        desk.listed(nobody, "acme"),
        desk.listed(nobody, "globex"),
    ):
        with pytest.raises(ForbiddenError):
            await work
    for token_id in ("", "a" * 501, "a\0"):
        with pytest.raises(RequestError, match="the id of a token"):
            await desk.revoke_token(OPERATOR, "acme", token_id)
    for named in ("ada", "group:finance", "role:admin", "user:Ada"):
        with pytest.raises(RequestError, match="is not one such as"):
            await desk.revoke_subject(OPERATOR, "acme", named)
    with pytest.raises(RequestError, match="still to come"):
        await desk.revoke_subject(OPERATOR, "acme", "user:ada", NOW + SECOND)
    with pytest.raises(RequestError, match="not a plain name"):
        await desk.revoke_token(OPERATOR, "Acme!", "a")
