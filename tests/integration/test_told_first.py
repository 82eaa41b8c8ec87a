"""Whether anything may be told is asked first: where not, nobody is looked up or decided about."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest_asyncio

from acl.actions import Action
from acl.errors import FilterTooLargeError
from acl.records import Records
from acl.subject import MAX_GROUPS, Subject
from retrieval.access.questions import CONSIDERED, Questions
from retrieval.access.subjects import DirectorySubjects
from retrieval.access.types import DOCUMENT, Claimed, PageAsked, Party, Question, Sought, Target
from retrieval.rights.decisions import Decided, Decisions, PolicySnapshot, SnapshotHolder
from retrieval.rights.standing import Standing
from tests.builders import document_id
from tests.integration.reviewed import ADA, BOB, NOW, paper, put, under_rules
from tests.integration.test_directory_subjects import _many, user

PAPER, OPEN = document_id("file:0000", "acme"), document_id("file:0001", "acme")
READ = Sought(kind="user", action=Action.DOCUMENT_READ)


@dataclass
class Everybody:
    """Knows many users, and counts who was asked about."""

    kinds: tuple[str, ...] = ("user",)
    many: int = 250
    asked: list[str] = field(default_factory=list)

    complete = True

    async def suspended(self, tenant: str, identity: str) -> bool:
        del tenant, identity
        return False

    async def subject(self, tenant: str, identity: str) -> Subject | None:
        self.asked.append(identity)
        return Subject(id=identity, tenant=tenant)

    async def subjects(self, tenant: str, *, after: str = "") -> AsyncIterator[Subject]:
        for number in range(self.many):
            one = Subject(id=f"user:u{number:04}", tenant=tenant)
            if one.id > after:
                self.asked.append(one.id)
                yield one


class Counting(Decisions):
    """Decisions that keep who was decided about."""

    def __init__(self, *, too_large: str = "") -> None:
        super().__init__()
        self.about: list[str] = []
        self._too_large = too_large

    def decide(
        self, snapshot: PolicySnapshot, subject: Subject, action: str, now: datetime
    ) -> Decided:
        self.about.append(subject.id)
        if subject.id == self._too_large:
            raise FilterTooLargeError("the rules nest too deep")
        return super().decide(snapshot, subject, action, now)


@dataclass
class Bench:
    """A decision point over records, with whom it knows and what it decides."""

    records: Records
    snapshot: PolicySnapshot
    known: Everybody = field(default_factory=Everybody)
    reviewed: Counting = field(default_factory=Counting)

    @property
    def point(self) -> Questions:
        return Questions(
            records=self.records,
            standing=Standing(self.records, SnapshotHolder(self.snapshot)),
            known=self.known,
            reviewed=self.reviewed,
        )


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with under_rules(tmp_path) as (records, snapshot):
        await put(records, snapshot, "acme", 0, paper(0))
        await put(records, snapshot, "acme", 1, paper(0, "group:everyone"))
        yield Bench(records, snapshot)


def about(number: int, document: str) -> Question:
    party = Party(kind="user", name=f"x{number}", claimed=Claimed(clearance=number % 3))
    return Question(
        party=party,
        action=Action.DOCUMENT_READ,
        target=Target(kind=DOCUMENT, name=document),
    )


async def test_nobody_is_looked_up_where_nothing_may_be_told(bench: Bench) -> None:
    absent = str(uuid.uuid4())
    questions = [about(number, one) for number in range(20) for one in (PAPER, absent)]
    answer = await bench.point.evaluate(BOB, questions, now=NOW)
    party, target = Party(kind="user", name="x"), Target(kind=DOCUMENT, name=PAPER)
    acts = await bench.point.search_actions(BOB, party, target, page=PageAsked(), now=NOW)
    found = await bench.point.search_subjects(BOB, target, READ, page=PageAsked(), now=NOW)

    assert not any(answer.decisions)
    assert (acts.names, found.names, found.cursor) == ((), (), None)
    assert bench.known.asked == []
    assert bench.reviewed.about == []


async def test_others_get_their_turn_between_questions(bench: Bench) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    before = turns
    await bench.point.evaluate(ADA, [about(number, OPEN) for number in range(20)], now=NOW)
    task.cancel()
    assert turns - before >= 20


async def test_one_whose_rights_are_too_many_to_decide_upon_has_none(bench: Bench) -> None:
    bench.reviewed = Counting(too_large="user:x1")
    questions = [about(number, OPEN) for number in range(3)]
    answer = await bench.point.evaluate(ADA, questions, now=NOW)
    assert answer.decisions == (True, False, True)


async def test_a_page_regards_so_many_and_says_where_it_ended(bench: Bench) -> None:
    """Nobody may read the paper but its owner and finance; the open one everybody may."""
    point, sizes = bench.point, dict[str, list[int]]()
    for document in (PAPER, OPEN):
        target, after = Target(kind=DOCUMENT, name=document), ""
        names: list[str] = []
        while True:
            bench.reviewed.about.clear()
            page = PageAsked(after=after, limit=60)
            found = await point.search_subjects(ADA, target, READ, page=page, now=NOW)
            assert len(bench.reviewed.about) <= CONSIDERED
            names += found.names
            sizes.setdefault(document, []).append(len(found.names))
            if found.cursor is None:
                break
            after = found.cursor
        assert names == sorted(set(names))
    assert sizes == {PAPER: [1, 0, 0], OPEN: [60, 60, 60, 60, 11]}


async def test_the_directory_is_not_read_for_what_it_cannot_hold(bench: Bench) -> None:
    target = Target(kind=DOCUMENT, name=OPEN)
    robots = replace(READ, kind="service")
    found = await bench.point.search_subjects(ADA, target, robots, page=PageAsked(), now=NOW)
    assert found.names == ()
    assert bench.known.asked == []


async def test_who_is_in_too_many_groups_has_no_rights(bench: Bench) -> None:
    identity = await user(bench.records, "bea")
    known = DirectorySubjects(bench.records.directory)
    assert await known.subject("acme", "user:bea") is not None
    await bench.records.database.write(_many, identity, MAX_GROUPS + 1)
    assert await known.subject("acme", "user:bea") is None
    assert [one.id async for one in known.subjects("acme")] == []
