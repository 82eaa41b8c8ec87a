"""Whatever is done in whatever order: hits are what Casbin allows, after every step.

A machine of hypothesis draws the steps: documents come, change and go, are shared for a time,
rules are granted and revoked, policies are rolled back, the installation is closed and opened, its
engine is killed. Beside it stands a model that knows only what was acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from acl.labels import LabelSchema
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import request_of
from acl.records import AuditKind, NewChunk, NewVersion
from acl.records.labels.types import ChangeKind
from acl.subject import Subject
from ingest.context import document_id
from ingest.project import Projector, event_of
from retrieval.labels.desk import LabelDesk
from retrieval.labels.requests import LabelRequest, ShareRequest
from retrieval.labels.views import LabelParts, Target
from retrieval.rights.authority import OPERATOR
from retrieval.rights.decisions import Decisions
from retrieval.rights.policy_source import PolicySource
from retrieval.search.search import READ, SearchRequest
from retrieval.search.store import Mode
from tests.integration.policies import changed, put_in_effect
from tests.integration.records import tampering
from tests.integration.world import ADA, BOB, EVE, GUS, LEO, NOW, POLICY, World, relabelled, world
from tests.plain import plain_tools, vector

SCHEMA = LabelSchema.from_toml((POLICY / "labels.toml").read_text())
ASKERS = (ADA, BOB, EVE, LEO, GUS)
NAMES = [
    f"file:{tenant}/{folder}/d{number}.txt"
    for tenant, folder, number in (
        ("acme", "finance", 0),
        ("acme", "engineering", 1),
        ("acme", "engineering", 2),
        ("acme", "board", 3),
        ("globex", "finance", 4),
    )
]
LINES = [
    "p, group:legal, acme, /acme/engineering/*, document:read, True, allow",
    "p, group:everyone, acme, /acme/finance/*, document:read, r.obj.classification <= 1, allow",
    "p, user:bob, acme, /acme/engineering/*, document:read, r.obj.classification >= 1, deny",
    "p, role:guest, *, /*, document:read, True, allow",
    "g, user:eve, role:guest, acme, _, _",
    "g, group:finance, role:guest, globex, _, _",
]
PRINCIPALS = ["user:eve", "group:engineering", "group:legal", "user:gus"]


def tenant_of(name: str) -> str:
    return name.removeprefix("file:").partition("/")[0]


labels = st.fixed_dictionaries(
    {
        "owner": st.sampled_from(["user:leo", "user:eve", "group:hr"]),
        "classification": st.integers(0, 3),
        "compartments": st.lists(
            st.sampled_from(["finance", "board", "falcon"]), unique=True, max_size=2
        ),
        "readers": st.lists(st.sampled_from(PRINCIPALS), unique=True, max_size=2),
    }
)


@dataclass
class Known:
    """A document as it was acknowledged."""

    label: dict[str, Any]
    shares: dict[str, datetime] = field(default_factory=dict)

    def at(self, now: datetime) -> dict[str, Any]:
        """Return the label as it stands: readers whose share has ended are none."""
        over = {one for one, until in self.shares.items() if until <= now}
        return {**self.label, "readers": sorted(set(self.label["readers"]) - over)}

    def become(self, label: dict[str, Any]) -> None:
        """Take another label; shares of those who are none of its readers are gone."""
        self.label |= label
        self.shares = {one: until for one, until in self.shares.items() if one in label["readers"]}


class Machine(RuleBasedStateMachine):
    """One installation and what is known of it."""

    url: ClassVar[str | None] = None
    empty: ClassVar[tuple[Callable[[], None], ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        for emptied in self.empty:
            emptied()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.known: dict[str, Known] = {}
        self.now = NOW
        self.generation = 0
        self.lines: set[str] = set()
        self.policies: dict[int, frozenset[str]] = {1: frozenset()}
        self.stack, self.made = self.run(self._open())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _open(self) -> tuple[AsyncExitStack, World]:
        stack = AsyncExitStack()
        made = await stack.enter_async_context(world(self.folder, plain_tools(), url=self.url))
        return stack, made

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @rule(name=st.sampled_from(NAMES), label=labels)
    def ingest(self, name: str, label: dict[str, Any]) -> None:
        self.run(self._ingest(name, label))

    async def _ingest(self, name: str, label: dict[str, Any]) -> None:
        self.generation += 1
        tenant, path = tenant_of(name), name.removeprefix("file:")
        whole = {**label, "tenant": tenant, "path": f"/{path}"}
        identity = document_id(tenant, name)
        text = f"note of {name} in generation {self.generation}"
        new = NewVersion(
            document_id=identity,
            tenant=tenant,
            uri=name,
            title=name,
            media_type="text/plain",
            label=self.made.schema.parse(whole),
            content_digest=str(self.generation),
            chunks=(NewChunk(0, text),),
        )
        event = event_of(
            AuditKind.INGEST, identity, tenant=tenant, actor="user:root", at=self.now, detail={}
        )
        await Projector(self.made.stores).publish(new, [vector(text)], event)
        self.known.setdefault(name, Known({})).become(self.made.schema.parse(whole).as_json())

    @precondition(lambda self: self.known)
    @rule(data=st.data(), label=labels)
    def relabel(self, data: st.DataObject, label: dict[str, Any]) -> None:
        name = data.draw(st.sampled_from(sorted(self.known)))
        self.run(self._relabel(name, label))

    async def _relabel(self, name: str, label: dict[str, Any]) -> None:
        document = await self.made.document(name, tenant_of(name))
        wanted = self.made.schema.parse({**document.label_json, **label})
        await relabelled(self.made.stores, document.id, wanted, expected=document.label_version)
        self.known[name].become(wanted.as_json())

    @precondition(lambda self: self.known)
    @rule(data=st.data(), principal=st.sampled_from(PRINCIPALS), hours=st.integers(1, 5))
    def share(self, data: st.DataObject, principal: str, hours: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.known)))
        if principal not in self.known[name].at(self.now)["readers"]:
            self.run(self._share(name, principal, self.now + timedelta(hours=hours)))

    async def _share(self, name: str, principal: str, until: datetime) -> None:
        document = await self.made.document(name, tenant_of(name))
        parts = LabelParts(
            records=self.made.records,
            standing=self.made.standing,
            projector=Projector(self.made.stores),
            decisions=Decisions(),
        )
        request = LabelRequest(
            kind=ChangeKind.SHARE, share=(ShareRequest(principal=principal, until=until),)
        )
        target = Target(document.id, document.label_version)
        await LabelDesk(parts).change(OPERATOR, target, request, now=self.now)
        known = self.known[name]
        known.label["readers"] = sorted({*known.at(self.now)["readers"], principal})
        known.shares = {
            one: end for one, end in known.shares.items() if one in known.label["readers"]
        } | {principal: until}

    @rule(hours=st.integers(1, 3))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.known)))
        identity = document_id(tenant_of(name), name)
        self.run(self.made.pipeline.delete(identity, actor="user:root"))
        del self.known[name]

    @rule(line=st.sampled_from(LINES))
    def grant(self, line: str) -> None:
        self.lines.add(line)
        self._activate(frozenset(self.lines))

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        self.lines.remove(data.draw(st.sampled_from(sorted(self.lines))))
        self._activate(frozenset(self.lines))

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        lines = self.policies[data.draw(st.sampled_from(sorted(self.policies)))]
        self.lines = set(lines)
        self._activate(lines)

    def _activate(self, lines: frozenset[str]) -> None:
        source = _source(lines)
        revision = self.run(put_in_effect(self.made.records, source, now=self.now))
        self.policies[revision.revision] = lines

    @rule()
    def restart(self) -> None:
        self.run(self.stack.aclose())
        self.stack, self.made = self.run(self._open())

    @rule()
    def kill_the_engine(self) -> None:
        process = self.made.engine._process
        if process is not None:
            os.kill(process.pid, 9)
        self.restart()
        self.run(self.made.reconciler.run(now=self.now))

    @invariant()
    def hits_are_what_casbin_allows(self) -> None:
        for asker in ASKERS:
            allowed = self._allowed(asker)
            assert self.run(self._found(asker)) == allowed, asker.id
            assert self.run(self._listed(asker)) == allowed, asker.id

    async def _found(self, asker: Subject) -> set[str]:
        request = SearchRequest(query="note", top_k=50, mode=Mode.DENSE)
        page = await self.made.searcher.search(asker, request, self.now)
        return {one.uri for one in page.hits}

    async def _listed(self, asker: Subject) -> set[str]:
        page = await self.made.reader.list_documents(asker, now=self.now)
        return {one.uri for one in page.documents}

    def _allowed(self, asker: Subject) -> set[str]:
        policy = _source(frozenset(self.lines)).policy
        casbin = _oracle(frozenset(self.lines))
        casbin.at = self.now
        asked = dict(request_of(policy, asker, READ, self.now))
        found: set[str] = set()
        for name, known in self.known.items():
            label = known.at(self.now)
            asked["obj"] = label
            request = (asked[one] for one in policy.names.request[1])
            if label["tenant"] == asker.tenant and casbin.enforce(*request):
                found.add(name)
        return found


@cache
def _source(lines: frozenset[str]) -> PolicySource:
    return changed(POLICY, SCHEMA, add=tuple(sorted(lines)))


@cache
def _oracle(lines: frozenset[str]) -> Oracle:
    return _source(lines).policy.oracle(NOW, parse_once=True)


STEPS = int(os.environ.get("STRONGROOM_STEPS", "20"))
EXAMPLES = int(os.environ.get("STRONGROOM_MACHINES", "4"))


def run_machine(url: str | None, *empty: Callable[[], None]) -> None:
    machine = type("OnOneDatabase", (Machine,), {"url": url, "empty": empty})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_on_sqlite() -> None:
    run_machine(None)


@pytest.mark.slow
def test_on_postgresql(postgres_uri: str) -> None:
    name = f"machine{uuid.uuid4().hex}"
    url = postgres_uri.replace("/postgres?", f"/{name}?")
    asyncio.run(tampering.server(postgres_uri, f"CREATE DATABASE {name}"))
    run_machine(url, lambda: asyncio.run(_emptied(postgres_uri, name)))


async def _emptied(server: str, name: str) -> None:
    await tampering.server(server, f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}")
