"""An installation of records and a desk alone, under few rules, with faults to plant."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from acl.decision import Decision, Denied, Permitted
from acl.policy.decide import decide
from acl.policy.policy import Policy
from acl.predicate import AnyOf, Or
from acl.proof.proof import Decider
from acl.proof.worker import ProofJob
from acl.records import DocumentRecord, Records
from acl.subject import Subject
from retrieval.policy.desk import PolicyDesk
from retrieval.policy.edits import Edit
from retrieval.policy.seeding import seeded
from retrieval.rights.authority import OPERATOR
from retrieval.rights.decisions import Decisions, SnapshotHolder
from retrieval.rights.policy_source import read_labels
from retrieval.rights.standing import Standing
from tests.builders import put, version
from tests.integration.world import AUDIT_KEY, NOW, POLICY

READ = "document:read"
ROWS = (
    f"p, group:everyone, *, /*, {READ}, r.obj.owner == r.sub.id, allow",
    f"p, role:z, acme, /acme/z/*, {READ}, True, allow",
)
MORE = f"p, role:y, acme, /acme/y/*, {READ}, True, allow"
ANOTHER = f"p, role:x, acme, /acme/x/*, {READ}, True, allow"


def to_everybody(policy: Policy, subject: Subject, action: str, at: datetime) -> Decision:
    """Give whoever is in no group of acme every label of acme."""
    if subject.tenant == "acme" and not subject.groups:
        mine = AnyOf("tenant", frozenset({"acme"}))
        return Permitted(predicate=mine, rules=(), policy_digest="")
    return decide(policy, subject, action, at)


def to_new(policy: Policy, subject: Subject, action: str, at: datetime) -> Decision:
    """Give everybody of acme what `user:new` owns, besides."""
    decision = decide(policy, subject, action, at)
    return _besides(decision, subject, AnyOf("owner", frozenset({"user:new"})))


def without_guard(policy: Policy, subject: Subject, action: str, at: datetime) -> Decision:
    """Give everybody of acme every label of globex, besides."""
    decision = decide(policy, subject, action, at)
    return _besides(decision, subject, AnyOf("tenant", frozenset({"globex"})))


def _besides(decision: Decision, subject: Subject, more: AnyOf) -> Decision:
    if subject.tenant != "acme" or isinstance(decision, Denied):
        return decision
    return replace(decision, predicate=Or(frozenset({decision.predicate, more})))


class PlantedDesk(PolicyDesk):
    """A desk whose proofs try a compiler with a fault."""

    decider: Decider = staticmethod(decide)

    async def job(self, number: int, now: datetime) -> ProofJob:
        return replace(await super().job(number, now), decider=self.decider)


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What a test holds."""

    records: Records
    desk: PlantedDesk
    standing: Standing
    decisions: Decisions

    async def document(self, name: str, **more: object) -> DocumentRecord:
        values = {
            "tenant": "acme",
            "owner": "user:ada",
            "classification": 1,
            "compartments": [],
            "readers": [],
            "path": f"/acme/z/{name}",
        }
        label = self.standing.snapshots.pin().schema.parse(values | more)
        tenant = str(label.values["tenant"])
        return await put(self.records, version(f"file:{name}", label=label, tenant=tenant))

    async def propose(self, *rows: str) -> int:
        base = (await self.records.standing.read()).policy
        found = await self.desk.propose(OPERATOR, Edit(add=rows), expected=base, reason="", now=NOW)
        return found.revision

    async def activate(self, number: int) -> int:
        base = (await self.records.standing.read()).policy
        found = await self.desk.activate(OPERATOR, number, expected=base, now=NOW)
        return found.revision.revision


@asynccontextmanager
async def office(
    folder: Path, *, rows: tuple[str, ...] = ROWS, budget: int = 100
) -> AsyncIterator[Office]:
    """Open an office in `folder`."""
    policy = folder / "policy"
    shutil.copytree(POLICY, policy, dirs_exist_ok=True)
    (policy / "policy.csv").write_text("\n".join(rows) + "\n")
    records = await Records.open(f"sqlite:///{folder / 'records.db'}", AUDIT_KEY)
    try:
        snapshot = await seeded(records, policy, actor="service:test", now=NOW)
        decisions = Decisions()
        standing = Standing(records, SnapshotHolder(snapshot))
        desk = PlantedDesk(
            records=records,
            standing=standing,
            decisions=decisions,
            schema_text=read_labels(policy),
            budget=budget,
        )
        yield Office(records=records, desk=desk, standing=standing, decisions=decisions)
    finally:
        await records.close()
