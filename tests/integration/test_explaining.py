"""An explanation is for whoever may read the document; for anybody else nothing is computed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
import pytest_asyncio

from acl.explain.explain import Explanation, explain
from acl.labels import Label
from acl.policy.policy import Policy
from acl.records import AuditEvent, AuditKind, Records
from acl.subject import Subject
from retrieval.access.documents import DocumentNotFoundError, DocumentReader
from retrieval.rights.decisions import Decisions, PolicySnapshot, SnapshotHolder
from retrieval.rights.standing import AtLeast, NotReachedError, Standing
from tests.builders import document_id, last_event
from tests.integration.reviewed import ADA, BOB, NOW, paper, put, under_rules

PAPER = document_id("file:0000", "acme")
ABSENT = document_id("file:nowhere", "acme")


@dataclass
class Bench:
    """An explainer that counts what it computes."""

    records: Records
    snapshot: PolicySnapshot
    computed: list[str] = field(default_factory=list)

    @property
    def reader(self) -> DocumentReader:
        return DocumentReader(
            records=self.records,
            standing=Standing(self.records, SnapshotHolder(self.snapshot)),
            decisions=Decisions(),
            explain=self._explain,
        )

    def _explain(
        self, policy: Policy, subject: Subject, action: str, label: Label, at: datetime
    ) -> Explanation:
        self.computed.append(subject.id)
        return explain(policy, subject, action, label, at)

    async def last(self) -> AuditEvent:
        return await last_event(self.records)


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with under_rules(tmp_path) as (records, snapshot):
        await put(records, snapshot, "acme", 0, paper(2))
        yield Bench(records, snapshot)


async def test_a_reader_is_told_the_rules_and_it_is_on_record(bench: Bench) -> None:
    explained = await bench.reader.explain(ADA, PAPER, now=NOW)

    assert explained.explanation.permitted
    assert explained.label_revision == 1
    event = await bench.last()
    assert (event.kind, event.decision_id) == (AuditKind.EXPLAIN, explained.decision_id)
    assert event.resources == (PAPER,)


async def test_nothing_is_computed_of_what_may_not_be_read(bench: Bench) -> None:
    events = []
    for identity in (PAPER, ABSENT):
        with pytest.raises(DocumentNotFoundError):
            await bench.reader.explain(BOB, identity, now=NOW)
        events.append((await bench.last()).as_json() | {"decision_id": ""})

    assert bench.computed == []
    assert events[0] == events[1]


async def test_a_label_that_cannot_be_read_is_not_there(bench: Bench) -> None:
    label = Label({"tenant": "acme", "owner": "user:ada"})
    version = await bench.records.documents.relabel(
        PAPER,
        label,
        expected_label_version=1,
        event=AuditEvent(kind=AuditKind.RELABEL, time=NOW, subject="service:test"),
    )
    assert version == 2
    with pytest.raises(DocumentNotFoundError):
        await bench.reader.explain(ADA, PAPER, now=NOW)


@pytest.mark.parametrize("asked", [AtLeast(policy=9), AtLeast(label=9)])
async def test_nothing_older_than_asked_for_is_explained(bench: Bench, asked: AtLeast) -> None:
    with pytest.raises(NotReachedError):
        await bench.reader.explain(ADA, PAPER, now=NOW, at_least=asked)
