"""A compiler that gives too much is found by the shadow, and from then on Casbin decides."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from acl.actions import Action
from acl.decision import Decision, Denied, Permitted
from acl.labels import Label
from acl.policy.decide import decide
from acl.policy.policy import Policy
from acl.predicate import AnyOf, Or
from acl.proof.proof import Decider, PolicyOracle, Request
from acl.records import AuditKind, Proof, ProofState, Records, RecordsUnavailableError
from acl.subject import Subject
from retrieval.access.documents import DocumentNotFoundError, DocumentReader
from retrieval.access.questions import Questions
from retrieval.access.types import DOCUMENT, Claimed, Party, Question, Target
from retrieval.policy.shadow import Oracles, Shadow
from retrieval.rights.authority import authority_of
from retrieval.rights.decisions import Decisions, PolicySnapshot, SnapshotHolder
from retrieval.rights.releases import Release
from retrieval.rights.standing import Standing
from retrieval.search.search import READ, Searcher, SearchPage, SearchRequest
from retrieval.search.store import Mode
from tests.integration.policies import changed, put_in_effect
from tests.integration.world import ADA, AGENT, EVE, GUS, NOW, PEOPLE, POLICY, QUERY_KEY, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

CASH = "file:acme/finance/cash.txt"


def to_all_of_acme(policy: Policy, subject: Subject, action: str, at: datetime) -> Decision:
    """Give everybody of acme whatever acme has."""
    return _besides(policy, subject, action, at, AnyOf("tenant", frozenset({"acme"})))


def without_guard(policy: Policy, subject: Subject, action: str, at: datetime) -> Decision:
    """Give everybody of acme what globex has, besides."""
    return _besides(policy, subject, action, at, AnyOf("tenant", frozenset({"globex"})))


def without_actors(policy: Policy, subject: Subject, action: str, at: datetime) -> Decision:
    """Forget through whom a subject acts."""
    return decide(policy, replace(subject, actors=()), action, at)


def _besides(policy: Policy, subject: Subject, action: str, at: datetime, more: AnyOf) -> Decision:
    decision = decide(policy, subject, action, at)
    if subject.tenant != "acme" or isinstance(decision, Denied):
        return decision
    return replace(decision, predicate=Or(frozenset({decision.predicate, more})))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A process that answers, with a compiler of its own."""

    made: World
    standing: Standing
    decisions: Decisions
    shadow: Shadow

    @property
    def searcher(self) -> Searcher:
        return Searcher(
            records=self.made.records,
            store=self.made.searcher._store,
            encoder=self.made.tools.encoder,
            standing=self.standing,
            query_key=QUERY_KEY,
            decisions=self.decisions,
            released=self.shadow.offer,
        )

    @property
    def reader(self) -> DocumentReader:
        return DocumentReader(
            records=self.made.records,
            standing=self.standing,
            decisions=self.decisions,
            released=self.shadow.offer,
        )

    async def ask(self, subject: Subject, *, top_k: int = 50) -> SearchPage:
        request = SearchRequest(query="cash supplier travel", top_k=top_k, mode=Mode.DENSE)
        return await self.searcher.search(subject, request, NOW)

    async def uris(self, subject: Subject) -> set[str]:
        return {one.uri for one in (await self.ask(subject)).hits}

    async def listed(self, subject: Subject) -> set[str]:
        page = await self.reader.list_documents(subject, now=NOW, limit=200)
        return {one.uri for one in page.documents}

    async def may(self, subject: Subject, document_id: str) -> bool:
        """Ask the decision point."""
        point = Questions(
            records=self.made.records, standing=self.standing, decisions=self.decisions
        )
        question = Question(
            party=Party(kind="user", name=subject.id.partition(":")[2], claimed=Claimed()),
            action=READ,
            target=Target(kind=DOCUMENT, name=document_id),
        )
        return (await point.evaluate(subject, [question], now=NOW)).decisions[0]


def replica(
    made: World,
    decider: Decider = decide,
    *,
    oracles: Oracles = PolicyOracle,
    queued: int = 64,
) -> Replica:
    standing = Standing(made.records, SnapshotHolder(made.snapshot))
    shadow = Shadow(made.records, clock=lambda: NOW, queued=queued, rest=0, oracles=oracles)
    return Replica(
        made=made, standing=standing, decisions=Decisions(decider=decider), shadow=shadow
    )


@asynccontextmanager
async def watched(shadow: Shadow) -> AsyncIterator[None]:
    task = asyncio.create_task(shadow.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def looked(one: Replica) -> None:
    """Look at everything that was offered."""
    async with watched(one.shadow), asyncio.timeout(60):
        await one.shadow.settled()


async def allowed(made: World, subject: Subject) -> set[str]:
    """Return what Casbin itself allows."""
    oracle = made.oracle()
    return {one.uri for one in await made.documents() if oracle(subject, one)}


def counted(outcome: str) -> float:
    labels = {"outcome": outcome}
    return REGISTRY.get_sample_value("strongroom_shadow_releases_total", labels) or 0


async def test_what_is_right_raises_no_alarm(light: World) -> None:
    one, before = replica(light), counted("differs")
    agreed = counted("agrees")
    for subject in PEOPLE:
        page = await one.ask(subject)
        assert await one.listed(subject) == await allowed(light, subject)
        await one.reader.document(subject, page.hits[0].document_id, now=NOW)

    await looked(one)

    assert counted("differs") == before
    assert counted("agrees") == agreed + 3 * len(PEOPLE)
    assert not (await light.records.standing.read()).refuted


async def test_a_fault_is_found_after_a_search_and_the_alarm_is_raised(light: World) -> None:
    one, before = replica(light, to_all_of_acme), counted("differs")
    page = await one.ask(EVE)
    assert CASH in {hit.uri for hit in page.hits} - await allowed(light, EVE)

    with capture_logs() as logs:
        await looked(one)

    (alarm,) = [entry for entry in logs if entry["event"] == "policy_refuted"]
    assert (alarm["log_level"], alarm["revision"]) == ("error", 1)
    assert alarm["decision_id"] == page.decision_id
    assert counted("differs") == before + 1
    assert (await light.records.standing.read()).refuted
    proof = await light.records.policies.proof(1)
    assert proof is not None
    assert proof.state is ProofState.REFUTED
    assert proof.mismatches[0].tenant == "acme"
    assert "user:eve" in proof.mismatches[0].text
    assert proof.mismatches[0].text.endswith(", Casbin denies by no rule")
    told = (await light.records.audit.events(after=(await light.records.audit.head()).seq - 1))[0]
    assert told.event.kind is AuditKind.POLICY_REFUTED


@pytest.mark.parametrize(
    ("decider", "asker"),
    [(to_all_of_acme, EVE), (to_all_of_acme, AGENT), (without_guard, ADA), (without_actors, AGENT)],
)
async def test_then_casbin_decides_on_each_hit(
    light: World, decider: Decider, asker: Subject
) -> None:
    one, right = replica(light, decider), await allowed(light, asker)
    assert await one.uris(asker) > right or await one.listed(asker) > right
    wrong = [doc for doc in await light.documents() if doc.uri not in right]

    await looked(one)

    assert (await one.standing.current()).refuted
    assert await one.uris(asker) == right & await light.uris(asker, "cash supplier travel")
    assert await one.listed(asker) == right
    authority = await authority_of(one.standing, one.decisions, asker, NOW)
    for document in wrong:
        label = document.label(light.schema, NOW)
        assert not authority.may(Action.DOCUMENT_READ, label)
        assert not await one.may(asker, document.id)
        with pytest.raises(DocumentNotFoundError):
            await one.reader.document(asker, document.id, now=NOW)
    # Nobody loses what is theirs.
    for subject in (ADA, GUS):
        assert await one.listed(subject) == await allowed(light, subject)


async def test_a_page_is_filled_with_what_casbin_allows(light: World) -> None:
    one, right = replica(light, to_all_of_acme), await allowed(light, EVE)
    searcher = one.searcher
    request = SearchRequest(query="cash position", top_k=2, mode=Mode.DENSE)
    page = await searcher.search(EVE, request, NOW)
    assert {hit.uri for hit in page.hits} - right

    await looked(one)
    page = await searcher.search(EVE, request, NOW)

    assert len(page.hits) == 2
    assert {hit.uri for hit in page.hits} <= right
    assert searcher.counts.refuted > 0
    assert searcher.counts.alarm == 0


async def test_another_process_obeys_with_its_next_request(light: World) -> None:
    one, other = replica(light, to_all_of_acme), replica(light, to_all_of_acme)
    right = await allowed(light, EVE)
    assert await other.listed(EVE) > right
    await one.ask(EVE)

    await looked(one)

    assert await other.listed(EVE) == right
    # What it released before is of a revision that is refuted already.
    await looked(other)
    assert len([entry async for entry in _refutations(light)]) == 1


async def _refutations(made: World) -> AsyncIterator[str]:
    for entry in await made.records.audit.events(limit=1000):
        if entry.event.kind is AuditKind.POLICY_REFUTED:
            yield entry.event.subject


async def test_another_revision_is_decided_the_fast_way_again(light: World) -> None:
    one = replica(light, to_all_of_acme)
    await one.ask(EVE)
    await looked(one)
    assert (await one.standing.current()).oracle is not None

    await put_in_effect(
        light.records, changed(POLICY, light.schema, remove=("g, user:eve",)), now=NOW
    )

    snapshot = await one.standing.current()
    assert (snapshot.revision, snapshot.refuted, snapshot.oracle) == (2, False, None)
    decided = one.decisions.decide(snapshot, EVE, READ, NOW)
    assert decided.enforced is None


async def test_a_full_queue_drops_and_holds_nothing_up(light: World) -> None:
    one, before = replica(light, queued=2), counted("dropped")

    async with asyncio.timeout(60):
        for _ in range(5):
            assert (await one.ask(EVE)).hits

    assert counted("dropped") == before + 3
    await looked(one)


class Stuck(PolicyOracle):
    """An oracle that answers when it is let go."""

    go_on = threading.Event()

    def allows(self, request: Request, label: Label) -> bool:
        self.go_on.wait(60)
        return super().allows(request, label)


async def test_a_slow_oracle_delays_no_answer(light: World) -> None:
    one = replica(light, oracles=Stuck)
    Stuck.go_on.clear()
    async with watched(one.shadow):
        try:
            for _ in range(5):
                began = time.monotonic()
                page = await one.ask(EVE)
                await one.reader.document(EVE, page.hits[0].document_id, now=NOW)
                assert time.monotonic() - began < 10
        finally:
            Stuck.go_on.set()
        async with asyncio.timeout(60):
            await one.shadow.settled()
    assert not (await light.records.standing.read()).refuted


class Failing:
    """Records that take a refutation at the third attempt."""

    def __init__(self) -> None:
        self.attempts: list[tuple[int, Proof]] = []

    async def note_proof(self, revision: int, proof: Proof) -> None:
        self.attempts.append((revision, proof))
        if len(self.attempts) < 3:
            raise RecordsUnavailableError("not there")


async def test_a_refutation_is_tried_again_until_it_is_recorded(light: World) -> None:
    policies = Failing()
    records = cast("Records", SimpleNamespace(policies=policies))
    shadow = Shadow(records, clock=lambda: NOW, rest=0, oracles=Denying)
    async with watched(shadow), asyncio.timeout(60):
        shadow.offer(await release(light), labels(light.snapshot))
        await shadow.settled()

    assert len(policies.attempts) == 3
    assert {revision for revision, _ in policies.attempts} == {1}


class Denying(PolicyOracle):
    """An oracle that denies everything."""

    def allows(self, request: Request, label: Label) -> bool:
        del request, label
        return False


class Raising(PolicyOracle):
    """An oracle that cannot be asked, the first time."""

    asked = 0

    def request(self, *asked: Any) -> Request:
        type(self).asked += 1
        if self.asked == 1:
            raise ValueError("a fault of the oracle itself")
        return super().request(*asked)


async def test_what_fails_ends_nothing(light: World) -> None:
    one, before = replica(light, oracles=Raising), counted("failed")
    async with watched(one.shadow), asyncio.timeout(60):
        for _ in range(2):
            await one.ask(EVE)
            await one.shadow.settled()

    assert counted("failed") == before + 1
    assert Raising.asked == 2


async def test_what_casbin_decided_itself_is_not_looked_at_again(light: World) -> None:
    shadow, before = Shadow(light.records, clock=lambda: NOW, queued=1), counted("dropped")
    asked = await release(light)
    snapshot = replace(light.snapshot, refuted=True)
    refuted = replace(asked, pinned=replace(asked.pinned, snapshot=snapshot))

    for _ in range(3):
        shadow.offer(refuted, labels(snapshot))
        shadow.offer(asked, [])

    assert counted("dropped") == before
    await asyncio.wait_for(shadow.settled(), 1)


async def release(made: World) -> Release:
    return Release(pinned=await made.standing.pin(EVE), now=NOW, action=READ)


def labels(snapshot: PolicySnapshot) -> Sequence[Label]:
    values = {
        "tenant": "acme", "owner": "user:ada", "classification": 1, "compartments": [],
        "readers": [], "path": "/acme/x",
    }  # fmt: skip
    return [snapshot.schema.parse(values)]


async def test_a_right_without_a_label_is_asked_of_casbin_too(light: World) -> None:
    def administrators(policy: Policy, subject: Subject, action: str, at: datetime) -> Decision:
        del subject, action, at
        mine = AnyOf("tenant", frozenset({"acme"}))
        return Permitted(predicate=mine, rules=(), policy_digest=policy.digest)

    decisions, snapshot = Decisions(decider=administrators), light.snapshot
    assert decisions.decide(snapshot, EVE, Action.POLICY_ADMINISTER, NOW).held
    refuted = replace(snapshot, refuted=True)
    assert not decisions.decide(refuted, EVE, Action.POLICY_ADMINISTER, NOW).held
