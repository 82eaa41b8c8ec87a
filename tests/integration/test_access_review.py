"""A review tells what Casbin says, of documents that the asker may review and of no others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio

from acl.actions import Action
from acl.errors import RequestError
from acl.explain.changes import GrantKind
from acl.explain.explain import Hindrance
from acl.labels import Label
from acl.records import (
    AuditKind,
    Outcome,
)
from acl.subject import Subject
from retrieval.access.audience import MAX_ROWS, Member
from retrieval.access.documents import DocumentNotFoundError
from retrieval.access.questions import CONSIDERED, Questions
from retrieval.access.types import MAX_PAGE, PageAsked, Party
from retrieval.rights.authority import OPERATOR
from retrieval.rights.decisions import PolicySnapshot, SnapshotHolder
from retrieval.rights.standing import AtLeast, NotReachedError, Standing
from tests.builders import document_id
from tests.integration.reviewed import ADA, BOB, EVE, GUS, NOW, PEOPLE, World, under_review

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with under_review(tmp_path_factory.mktemp("review")) as made:
        yield made


async def test_who_may_read_is_what_casbin_says_of_each(world: World) -> None:
    told = 0
    for document in world.documents:
        for asker in (ADA, BOB):
            if not world.enforced(asker, Action.ACCESS_REVIEW, document):
                with pytest.raises(DocumentNotFoundError):
                    await world.review.who_may_read(asker, document.id, now=NOW)
                continue
            found = await world.review.who_may_read(
                asker, document.id, subjects=(*PEOPLE, GUS), now=NOW
            )
            may = [one.id for one in PEOPLE if world.enforced(one, Action.DOCUMENT_READ, document)]
            assert list(found.subjects) == may
            told += 1
    assert 5 < told < 40


async def test_the_names_that_give_the_right_are_told(world: World) -> None:
    finance = next(
        one
        for one in world.documents
        if "/finance/" in one.label_json["path"] and one.label_json["classification"] == 2
    )
    found = await world.review.who_may_read(ADA, finance.id, now=NOW)

    assert {("group:finance",), ("role:auditor",), (finance.label_json["owner"],)} <= set(
        found.principals
    )
    assert found.subjects == ()
    assert found.policy_revision == world.snapshot.revision


async def test_what_may_be_read_is_what_casbin_says_of_what_may_be_reviewed(world: World) -> None:
    sizes = []
    for asker in (ADA, BOB, EVE):
        for subject in PEOPLE:
            expected = [
                one.uri
                for one in world.documents
                if world.enforced(asker, Action.ACCESS_REVIEW, one)
                and world.enforced(subject, Action.DOCUMENT_READ, one)
            ]
            for limit in (1, 3, MAX_PAGE):
                found: list[str] = []
                more, after = True, ""
                while more:
                    page = await world.review.what_may_read(
                        asker, subject, now=NOW, after=after, limit=limit
                    )
                    found += [one.uri for one in page.documents]
                    more, after = page.more, found[-1] if found else ""
                assert found == expected
            sizes.append(len(expected))
    assert max(sizes) > 3


async def test_nothing_is_told_of_another_tenant_s_people(world: World) -> None:
    page = await world.review.what_may_read(ADA, GUS, now=NOW)
    assert page.documents == ()
    assert not page.more


async def test_any_number_of_people_can_be_asked_about(world: World) -> None:
    public = next(
        one
        for one in world.documents
        if "group:everyone" in one.label_json["readers"]
        and world.enforced(ADA, Action.ACCESS_REVIEW, one)
    )
    many = tuple(replace(ADA, id=f"user:u{number}") for number in range(120))
    found = await world.review.who_may_read(ADA, public.id, subjects=many, now=NOW)

    assert found.subjects == tuple(one.id for one in many)
    assert ("group:everyone",) in found.principals


@pytest.mark.parametrize("limit", [0, MAX_PAGE + 1])
async def test_a_page_has_a_size(world: World, limit: int) -> None:
    with pytest.raises(RequestError, match="limit"):
        await world.review.what_may_read(ADA, BOB, now=NOW, limit=limit)


async def test_why_tells_what_casbin_says(world: World) -> None:
    answers = []
    for document in world.documents:
        if world.enforced(ADA, Action.ACCESS_REVIEW, document):
            for subject in PEOPLE:
                told = await world.review.why(ADA, subject, document.id, now=NOW)
                allowed = world.enforced(subject, Action.DOCUMENT_READ, document)
                assert told.permitted == told.explanation.permitted == allowed
                assert (told.grants == ()) or not allowed
                answers.append(allowed)
    assert 3 < sum(answers) < len(answers) - 3


async def test_grants_count_only_what_the_asker_may_review(world: World) -> None:
    """To be in the group for finance would open every paper there; some are not the owner's."""
    cleared = replace(BOB, clearance=3, compartments=ADA.compartments)
    mine = [
        one
        for one in world.documents
        if one.label_json["owner"] == "user:eve" and "/finance/" in one.label_json["path"]
    ]
    hidden = [one for one in mine if not world.enforced(cleared, Action.DOCUMENT_READ, one)]
    told = await world.review.why(EVE, cleared, hidden[0].id, now=NOW)
    opens = {one.value: one.opens for one in told.grants if one.kind is GrantKind.MEMBERSHIP}

    assert opens["group:finance"] == sum(
        world.enforced(EVE, Action.ACCESS_REVIEW, one)
        and "/finance/" in one.label_json["path"]
        and not world.enforced(cleared, Action.DOCUMENT_READ, one)
        for one in world.documents
    )


async def test_a_document_that_is_hidden_and_one_that_is_not_there_are_the_same(
    world: World,
) -> None:
    hidden = next(
        one for one in world.documents if not world.enforced(BOB, Action.ACCESS_REVIEW, one)
    )
    lines = []
    for identity in (hidden.id, document_id("file:nowhere"), "no id at all"):
        for question in (
            world.review.who_may_read(BOB, identity, subjects=(ADA,), now=NOW),
            world.review.why(BOB, ADA, identity, now=NOW),
        ):
            with pytest.raises(DocumentNotFoundError) as caught:
                await question
            event = await world.last()
            body = event.as_json() | {"decision_id": "", "resources": len(event.resources)}
            lines.append((str(caught.value), str(body)))
    assert lines[0::2] == [lines[0]] * 3
    assert lines[1::2] == [lines[1]] * 3


async def test_every_answer_is_on_record(world: World) -> None:
    document = next(
        one for one in world.documents if world.enforced(ADA, Action.ACCESS_REVIEW, one)
    )
    who = await world.review.who_may_read(ADA, document.id, now=NOW)
    first = await world.last()
    why = await world.review.why(ADA, BOB, document.id, now=NOW)
    second = await world.last()
    what = await world.review.what_may_read(ADA, BOB, now=NOW)
    third = await world.last()

    events = (first, second, third)
    assert [one.decision_id for one in events] == [
        who.decision_id,
        why.decision_id,
        what.decision_id,
    ]
    assert {one.kind for one in events} == {AuditKind.EXPLAIN}
    assert {one.outcome for one in events} == {Outcome.PERMITTED}
    assert {one.action for one in events} == {Action.ACCESS_REVIEW}
    assert [one.detail.get("about") for one in events] == [None, "user:bob", "user:bob"]
    assert third.resources == tuple(one.id for one in what.documents)


async def test_whoever_runs_the_machine_may_ask_about_everything(world: World) -> None:
    document = next(one for one in world.documents if one.tenant == "globex")
    found = await world.review.who_may_read(OPERATOR, document.id, subjects=PEOPLE, now=NOW)
    page = await world.review.what_may_read(OPERATOR, GUS, now=NOW, limit=MAX_PAGE)
    told = await world.review.why(OPERATOR, ADA, document.id, now=NOW)

    assert found.subjects == ()
    assert len(page.documents) == sum(
        world.enforced(GUS, Action.DOCUMENT_READ, one) for one in world.documents
    )
    assert told.explanation.obstacle is not None
    assert told.explanation.obstacle.hindrance is Hindrance.TENANT
    assert told.grants == ()


async def test_a_label_of_another_schema_is_not_there(world: World) -> None:
    schema = world.snapshot.schema
    attributes = {**schema.attributes, "since": replace(schema.attributes["owner"], name="since")}
    policy = world.snapshot.policy
    wider = replace(
        policy, names=replace(policy.names, schema=replace(schema, attributes=attributes))
    )
    snapshot = replace(world.snapshot, policy=wider)
    review = Questions(
        records=world.records, standing=Standing(world.records, SnapshotHolder(snapshot))
    )
    page = await review.what_may_read(OPERATOR, ADA, now=NOW)
    assert page.documents == ()
    with pytest.raises(DocumentNotFoundError):
        await review.who_may_read(OPERATOR, world.documents[0].id, now=NOW)


class Many:
    """Many people, and how many of them were read."""

    kinds = ("user",)
    complete = True

    def __init__(self, number: int) -> None:
        self._number, self.read = number, 0

    def review(self, world: World) -> Questions:
        standing = Standing(world.records, SnapshotHolder(world.snapshot))
        return Questions(records=world.records, standing=standing, known=self)

    async def subject(self, tenant: str, identity: str) -> Subject | None:
        self.read += 1
        return Subject(id=identity, tenant=tenant)

    async def suspended(self, tenant: str, identity: str) -> bool:
        del tenant, identity
        return False

    async def subjects(self, tenant: str, *, after: str = "") -> AsyncIterator[Subject]:
        for number in range(self._number):
            one = Subject(id=f"user:u{number:04}", tenant=tenant)
            if one.id > after:
                self.read += 1
                yield one


async def test_nobody_is_read_before_the_right_is_known(world: World) -> None:
    hidden = next(
        one for one in world.documents if not world.enforced(BOB, Action.ACCESS_REVIEW, one)
    )
    many, eve = Many(10), Party(kind="user", name="eve")
    review = many.review(world)
    for identity in (hidden.id, document_id("file:nowhere")):
        for question in (
            review.who_may_read(BOB, identity, page=PageAsked(), now=NOW),
            review.why(BOB, eve, identity, now=NOW),
        ):
            with pytest.raises(DocumentNotFoundError):
                await question
    assert many.read == 0


async def test_everybody_who_may_read_is_told_page_by_page(world: World) -> None:
    """However many there are: a page regards so many, and the list goes on to the end."""
    public, closed = (
        next(
            one
            for one in world.documents
            if ("group:everyone" in one.label_json["readers"]) is open_to_all
            and (one.label_json["classification"] == 0) is open_to_all
            and not (one.label_json["compartments"] and open_to_all)
            and world.enforced(ADA, Action.ACCESS_REVIEW, one)
        )
        for open_to_all in (True, False)
    )
    for document, sizes in ((public, [70, 70, 70, 40]), (closed, [0, 0, 0])):
        after, pages, names, first = "", list[int](), list[str](), True
        while True:
            many = Many(250)
            page = PageAsked(after=after, limit=70)
            review = many.review(world)
            found = await review.who_may_read(ADA, document.id, page=page, now=NOW)
            assert many.read <= CONSIDERED + 1
            assert bool(found.principals) is first
            names += found.subjects
            pages.append(len(found.subjects))
            if found.cursor is None:
                break
            after, first = found.cursor, False
        assert pages == sizes
        assert names == sorted(set(names))


async def test_names_are_tried_as_far_as_a_budget_goes(world: World) -> None:
    """Each name costs every row; of more names than there is room for it says so."""
    document = next(
        one for one in world.documents if world.enforced(ADA, Action.ACCESS_REVIEW, one)
    )
    rows = len(world.snapshot.policy.rows)
    tried: list[Subject] = []

    def many(_: PolicySnapshot, tenant: str, __: Sequence[Label]) -> Iterator[Member]:
        owner = document.label_json["owner"]
        for number in range(MAX_ROWS // rows + 10):
            tried.append(Subject(id=owner, tenant=tenant, clearance=number % 900))
            yield Member(tried[-1], (owner,))

    standing = Standing(world.records, SnapshotHolder(world.snapshot))
    review = Questions(records=world.records, standing=standing, audience=many)
    found = await review.who_may_read(ADA, document.id, now=NOW)
    assert found.incomplete
    assert len(tried) == MAX_ROWS // rows + 1
    assert not (await world.review.who_may_read(ADA, document.id, now=NOW)).incomplete


@pytest.mark.parametrize("asked", [AtLeast(policy=9), AtLeast(label=999)])
async def test_nothing_older_than_asked_for_is_reviewed(world: World, asked: AtLeast) -> None:
    identity = world.documents[0].id
    for question in (
        world.review.who_may_read(ADA, identity, now=NOW, at_least=asked),
        world.review.what_may_read(ADA, BOB, now=NOW, at_least=asked),
        world.review.why(ADA, BOB, identity, now=NOW, at_least=asked),
    ):
        with pytest.raises(NotReachedError):
            await question
