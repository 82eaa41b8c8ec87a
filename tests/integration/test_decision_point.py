"""A search equals the evaluation of each, and both equal Casbin, on records with many labels."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from acl.actions import Action
from acl.labels import Label, LabelSchema
from acl.policy.decide import request_of
from acl.records import (
    AuditEvent,
    AuditKind,
    DocumentRecord,
    NewChunk,
    NewVersion,
    Records,
)
from acl.subject import Subject
from retrieval.access.questions import Questions
from retrieval.access.subjects import PolicySubjects
from retrieval.access.types import (
    DOCUMENT,
    Claimed,
    Found,
    PageAsked,
    Party,
    Question,
    Sought,
    Target,
)
from retrieval.policy.seeding import seeded
from retrieval.rights.decisions import PolicySnapshot, SnapshotHolder
from retrieval.rights.standing import Standing
from tests.builders import KEY, document_id

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
POLICY = Path(__file__).parents[2] / "policy"
USERS = ("user:ada", "user:bob", "user:eve", "user:sam")
RULES = """
p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow
p, group:everyone, *, /*, document:read, "any_of(r.obj.readers, r.sub.principals)", allow
p, group:finance, acme, /acme/finance/*, document:read, True, allow
p, group:legal, acme, /acme/board/*, document:read, True, allow
p, role:auditor, acme, /acme/finance/*, document:read, r.obj.classification <= 2, allow
p, role:contractor, acme, /acme/engineering/*, document:read, r.obj.classification >= 2, deny
p, group:everyone, *, /*, document:tag, r.obj.owner == r.sub.id, allow
p, group:finance, acme, /acme/finance/*, access:review, True, allow
p, role:auditor, *, /*, access:review, True, allow
p, group:everyone, *, /*, access:review, r.obj.owner == r.sub.id, allow
p, group:legal, *, /*, document:delete, "any_of(r.obj.readers, r.sub.principals)", allow
p, user:ada, *, /*, document:share, True, allow
p, user:bob, *, /*, document:share, r.obj.classification == 0, allow
g, user:eve, role:contractor, acme, _, _
g, user:sam, role:auditor, acme, 2026-01-01 00:00:00, 2026-03-31 23:59:59
"""
RULED = (
    "document:read",
    "document:read",
    "document:tag",
    "document:share",
    "document:delete",
    "access:review",
)
DOCUMENTS = 40
ROUNDS = 20

pytestmark = pytest.mark.asyncio(loop_scope="module")


def schema() -> LabelSchema:
    return LabelSchema.from_toml((POLICY / "labels.toml").read_text(encoding="utf-8"))


def label(rng: random.Random, tenant: str, number: int) -> dict[str, object]:
    folder = rng.choice(["finance", "engineering", "board", "inbox"])
    return {
        "tenant": tenant,
        "owner": rng.choice(USERS),
        "classification": rng.choice([0, 0, 0, 1, 2, 3]),
        "compartments": rng.choice([[], [], ["finance"], ["finance", "falcon"]]),
        "readers": rng.sample([*USERS, "group:everyone", "group:legal"], rng.randrange(4)),
        "path": f"/acme/{folder}/{number}",
    }


async def put(records: Records, tenant: str, uri: str, label: Label) -> str:
    new = NewVersion(
        document_id=document_id(uri, tenant),
        tenant=tenant,
        uri=uri,
        title=uri,
        media_type="text/plain",
        label=label,
        content_digest="0" * 64,
        chunks=(NewChunk(0, "text"),),
    )
    begun = await records.documents.begin_version(new, now=NOW)
    event = AuditEvent(kind=AuditKind.INGEST, time=NOW, subject="service:test")
    await records.documents.commit_version(begun, event)
    return new.document_id


class World:
    """The records, the decision point, and Casbin beside them."""

    def __init__(
        self, records: Records, snapshot: PolicySnapshot, documents: Sequence[DocumentRecord]
    ) -> None:
        standing = Standing(records, SnapshotHolder(snapshot))
        self.records = records
        self.point = Questions(records=records, standing=standing)
        self.policy = snapshot.policy
        self.documents = documents
        self._oracle = self.policy.oracle(NOW)

    def enforced(self, subject: Subject, action: str, document: DocumentRecord) -> bool:
        """Return Casbin's decision for the whole chain, under the guard of the tenant."""
        return all(
            one.tenant == document.tenant and self._alone(one, action, document)
            for one in (subject, *subject.actors)
        )

    def _alone(self, subject: Subject, action: str, document: DocumentRecord) -> bool:
        request = dict(request_of(self.policy, subject, action, NOW))
        request["obj"] = dict(document.label_json)
        return self._oracle.enforce(*(request[one] for one in self.policy.names.request[1]))

    def expected(self, asker: Subject, party: Party, action: str, document: DocumentRecord) -> bool:
        if party.identity == asker.id:
            return self.enforced(asker, action, document)
        known = party.identity in self.named
        if not known and not party.claimed.names:
            return False
        assert party.identity is not None
        other = party.claimed.over(Subject(id=party.identity, tenant=asker.tenant))
        review = self.enforced(asker, Action.ACCESS_REVIEW, document)
        return review and action != "dance" and self.enforced(other, action, document)

    @property
    def named(self) -> frozenset[str]:
        # `p` rows name ada and bob for every tenant, `g` rows eve and sam.
        return frozenset(USERS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    tmp_path = tmp_path_factory.mktemp("decisions")
    folder = Path(shutil.copytree(POLICY, tmp_path / "policy"))
    (folder / "policy.csv").write_text(RULES, encoding="utf-8")
    rng = random.Random(7)
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", KEY)
    snapshot = await seeded(records, folder, actor="service:test", now=NOW)
    for tenant in ("acme", "globex"):
        for number in range(DOCUMENTS):
            made = schema().parse(label(rng, tenant, number))
            # Uris do not go with the order of ids.
            await put(records, tenant, f"file:{(number * 37) % DOCUMENTS:04}", made)
    documents = [
        one
        for tenant in ("acme", "globex")
        for one in await records.catalog.list_documents(tenant, limit=1000)
    ]
    yield World(records, snapshot, documents)
    await records.close()


def subject(rng: random.Random, identity: str) -> Subject:
    return Subject(
        id=identity,
        tenant="acme",
        clearance=rng.choice([0, 2, 3, 3]),
        compartments=frozenset(rng.sample(["finance", "falcon"], rng.randrange(3))),
        groups=frozenset(rng.sample(["group:finance", "group:legal", "role:auditor"], 2)),
    )


def asker(rng: random.Random) -> Subject:
    one = subject(rng, rng.choice([*USERS, "user:zoe"]))
    if rng.random() < 0.8:
        return one
    return Subject(
        id=one.id,
        tenant=one.tenant,
        clearance=one.clearance,
        compartments=one.compartments,
        groups=one.groups,
        actors=(subject(rng, "agent:helper"),),
    )


def party(rng: random.Random, who: Subject) -> Party:
    identity = rng.choice([who.id, who.id, *USERS, "user:nobody", "service:robot"])
    kind, _, name = identity.partition(":")
    if rng.random() < 0.5:
        return Party(kind=kind, name=name)
    said = subject(rng, "user:any")
    claimed = Claimed(
        clearance=rng.choice([None, said.clearance]),
        compartments=said.compartments,
        groups=rng.choice([None, said.groups]),
    )
    return Party(kind=kind, name=identity, claimed=claimed)


def drawn_action(rng: random.Random) -> str:
    return rng.choice([*RULED, *RULED, *RULED, "policy:edit", "dance"])


async def every(world: World, who: Subject, about: Party, sought: Sought, limit: int) -> list[str]:
    """Return a whole search for resources, page by page."""
    names: list[str] = []
    after: str | None = ""
    while after is not None:
        page = PageAsked(after=after, limit=limit)
        found = await world.point.search_resources(who, about, sought, page=page, now=NOW)
        assert len(found.names) == limit or found.cursor is None
        names += found.names
        after = found.cursor
    return names


async def test_a_search_for_resources_is_the_evaluation_of_each(world: World) -> None:
    rng = random.Random(11)
    sizes = []
    for _ in range(ROUNDS):
        who = asker(rng)
        about, action = party(rng, who), drawn_action(rng)
        sought = Sought(kind=DOCUMENT, action=action)
        found = await every(world, who, about, sought, rng.choice([1, 7, 200]))
        targets = [Target(kind=DOCUMENT, name=one.id) for one in world.documents]
        questions = [Question(party=about, action=action, target=one) for one in targets]
        answer = await world.point.evaluate(who, questions, now=NOW)
        each = [one.id for one, good in zip(world.documents, answer.decisions, strict=True) if good]
        assert found == each
        assert each == [
            one.id for one in world.documents if world.expected(who, about, action, one)
        ]
        sizes.append(len(found))
    # Neither nothing nor everything, or the test would show little.
    assert sum(size == 0 for size in sizes) < ROUNDS * 0.9
    assert sum(0 < size < DOCUMENTS for size in sizes) > 5


async def test_a_search_for_subjects_or_actions_is_the_evaluation_of_each(world: World) -> None:
    rng = random.Random(13)
    seen = 0
    for _ in range(2 * ROUNDS):
        who, document = asker(rng), rng.choice(world.documents[: DOCUMENTS + 5])
        about, action = party(rng, who), drawn_action(rng)
        target, page = Target(kind=DOCUMENT, name=document.id), PageAsked(limit=rng.choice([1, 99]))
        acts = await world.point.search_actions(who, about, target, page=page, now=NOW)
        able = sorted(
            one.value for one in Action if world.expected(who, about, one.value, document)
        )
        assert list(acts.names) == able[: page.limit]
        sought = Sought(kind="user", action=action)
        found = await world.point.search_subjects(who, target, sought, page=page, now=NOW)
        people = sorted(
            one
            for one in {*USERS, who.id}
            if world.expected(who, Party(kind="user", name=one), action, document)
        )
        assert list(found.names) == people[: page.limit]
        assert found.cursor is not None or len(people) <= page.limit
        seen += len(able) + len(people)
    assert seen > ROUNDS


async def test_pages_of_subjects_and_actions_add_up(world: World) -> None:
    who = Subject(id="user:bob", tenant="acme", clearance=3, groups=frozenset({"role:auditor"}))
    mine = next(
        one
        for one in world.documents
        if one.tenant == "acme"
        and one.label_json["classification"] == 0
        and not one.label_json["compartments"]
    )
    target = Target(kind=DOCUMENT, name=mine.id)

    async def subjects(page: PageAsked) -> Found:
        sought = Sought(kind="user", action="document:share")
        return await world.point.search_subjects(who, target, sought, page=page, now=NOW)

    async def actions(page: PageAsked) -> Found:
        about = Party(kind="user", name="bob")
        return await world.point.search_actions(who, about, target, page=page, now=NOW)

    for search in (subjects, actions):
        whole = (await search(PageAsked())).names
        assert len(whole) > 1
        names: list[str] = []
        after: str | None = ""
        while after is not None:
            found = await search(PageAsked(after=after, limit=1))
            names += found.names
            after = found.cursor
        assert tuple(names) == whole


async def test_a_label_that_cannot_be_read_is_no_label(world: World) -> None:
    incomplete = Label({"tenant": "other", "owner": "user:ada"})
    identity = await put(world.records, "other", "file:incomplete", incomplete)
    ada = Subject(id="user:ada", tenant="other", clearance=3)
    about, target = Party(kind="user", name="ada"), Target(kind=DOCUMENT, name=identity)
    question = Question(party=about, action="document:share", target=target)
    assert (await world.point.evaluate(ada, [question], now=NOW)).decisions == (False,)
    sought = Sought(kind=DOCUMENT, action="document:share")
    assert await every(world, ada, about, sought, 10) == []


async def test_who_is_named_for_another_tenant_is_not_known(world: World) -> None:
    known = PolicySubjects(world.policy)
    assert [one.id async for one in known.subjects("acme")] == list(USERS)
    assert [one.id async for one in known.subjects("globex", after="user:ada")] == ["user:bob"]
    assert await known.subject("globex", "user:eve") is None
    eve = await known.subject("acme", "user:eve")
    assert eve == Subject(id="user:eve", tenant="acme")
