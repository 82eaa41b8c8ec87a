"""A company of which Casbin says who may read and review what: the review's own oracle."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

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
from retrieval.policy.seeding import seeded
from retrieval.rights.decisions import PolicySnapshot, SnapshotHolder
from retrieval.rights.standing import Standing
from tests.builders import KEY, document_id, last_event

NOW: Final = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
POLICY: Final = Path(__file__).parents[2] / "policy"
RULES: Final = """
p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow
p, group:everyone, *, /*, document:read, "any_of(r.obj.readers, r.sub.principals)", allow
p, group:finance, acme, /acme/finance/*, document:read, True, allow
p, role:auditor, acme, /acme/finance/*, document:read, r.obj.classification <= 2, allow
p, role:contractor, acme, /acme/engineering/*, document:read, r.obj.classification >= 2, deny
p, group:finance, acme, /acme/finance/*, access:review, True, allow
p, group:everyone, *, /*, access:review, r.obj.owner == r.sub.id, allow
g, user:eve, role:contractor, acme, _, _
g, user:sam, role:auditor, acme, 2026-01-01 00:00:00, 2026-03-31 23:59:59
"""
USERS: Final = ("user:ada", "user:bob", "user:eve", "user:sam")
ADA: Final = Subject(
    id="user:ada",
    tenant="acme",
    clearance=3,
    compartments=frozenset({"finance", "falcon"}),
    groups=frozenset({"group:finance"}),
)
BOB: Final = Subject(id="user:bob", tenant="acme", clearance=2)
EVE: Final = replace(BOB, id="user:eve", groups=frozenset({"group:engineering"}))
SAM: Final = replace(ADA, id="user:sam", groups=frozenset())
GUS: Final = replace(ADA, tenant="globex")
PEOPLE: Final = (ADA, BOB, EVE, SAM)


@dataclass
class World:
    """The records, the review, and Casbin beside them."""

    records: Records
    review: Questions
    snapshot: PolicySnapshot
    documents: tuple[DocumentRecord, ...]

    def enforced(self, subject: Subject, action: str, document: DocumentRecord) -> bool:
        policy = self.snapshot.policy
        oracle = policy.oracle(NOW)
        request = dict(request_of(policy, subject, action, NOW))
        request["obj"] = dict(document.label_json)
        allowed = oracle.enforce(*(request[one] for one in policy.names.request[1]))
        return subject.tenant == document.tenant and allowed

    async def last(self) -> AuditEvent:
        return await last_event(self.records)


def raw_label(rng: random.Random, tenant: str, number: int) -> dict[str, object]:
    return {
        "tenant": tenant,
        "owner": rng.choice(USERS),
        "classification": rng.choice([0, 0, 1, 2, 3]),
        "compartments": rng.choice([[], [], ["finance"], ["finance", "falcon"]]),
        "readers": rng.sample([*USERS, "group:everyone"], rng.randrange(3)),
        "path": f"/acme/{rng.choice(['finance', 'engineering', 'board'])}/{number}",
    }


def paper(classification: int, *readers: str) -> dict[str, object]:
    """Return the label of a paper of finance that is Ada's."""
    return {
        "tenant": "acme",
        "owner": "user:ada",
        "classification": classification,
        "compartments": [],
        "readers": list(readers),
        "path": "/acme/finance/0",
    }


async def put(
    records: Records, snapshot: PolicySnapshot, tenant: str, number: int, raw: dict[str, object]
) -> None:
    uri = f"file:{number:04}"
    new = NewVersion(
        document_id=document_id(uri, tenant),
        tenant=tenant,
        uri=uri,
        title=uri,
        media_type="text/plain",
        label=snapshot.schema.parse(raw),
        content_digest="0" * 64,
        chunks=(NewChunk(0, "text"),),
    )
    begun = await records.documents.begin_version(new, now=NOW)
    event = AuditEvent(kind=AuditKind.INGEST, time=NOW, subject="service:test")
    await records.documents.commit_version(begun, event)


@asynccontextmanager
async def under_rules(tmp_path: Path) -> AsyncIterator[tuple[Records, PolicySnapshot]]:
    """Open records without a document, under the rules of the company."""
    folder = Path(shutil.copytree(POLICY, tmp_path / "policy"))
    (folder / "policy.csv").write_text(RULES, encoding="utf-8")
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", KEY)
    try:
        yield records, await seeded(records, folder, actor="service:test", now=NOW)
    finally:
        await records.close()


@asynccontextmanager
async def under_review(tmp_path: Path) -> AsyncIterator[World]:
    """Open the records of the company, with documents that nobody may review all of."""
    rng = random.Random(5)
    async with under_rules(tmp_path) as (records, snapshot):
        for tenant in ("acme", "globex"):
            for number in range(24):
                await put(records, snapshot, tenant, number, raw_label(rng, tenant, number))
        documents = [
            one
            for tenant in ("acme", "globex")
            for one in await records.catalog.list_documents(tenant, limit=1000)
        ]
        standing = Standing(records, SnapshotHolder(snapshot))
        review = Questions(records=records, standing=standing)
        yield World(records, review, snapshot, tuple(documents))
