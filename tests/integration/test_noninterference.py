"""As if the rest did not exist: thousands of hidden documents change nothing that is seen.

Pages are compared as whole values: ids, order, scores bit for bit, texts, cursors. Ten thousand
hidden points are beside the visible ones in `test_noninterference_of_points.py`, and here at night.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from acl.decision import Permitted
from acl.engine.payload import VERSION, label_payload, point_payload
from acl.engine.wire import Filter, MatchAny, Range
from acl.labels import Label
from acl.predicate import holds
from acl.records import DocumentVersion, NewChunk, NewVersion
from acl.records.documents import documents as recorded
from acl.records.tables import transitions as step
from acl.subject import Subject
from ingest.context import document_id
from ingest.index.engine import Point
from retrieval.access.documents import DocumentNotFoundError, DocumentView
from retrieval.search.search import READ, Hit
from retrieval.search.store import Mode
from tests.integration.folders import write
from tests.integration.world import BOB, NOW, SAM, World, relabelled, world
from tests.plain import plain_tools, vector

HIDDEN = int(os.environ.get("STRONGROOM_HIDDEN", "4000"))
VISIBLE = 240
QUESTIONS = 120
LATER = 40
TOGETHER = 1000

WORDS = (
    "falcon",
    "budget",
    "valve",
    "heat",
    "pump",
    "supplier",
    "board",
    "minutes",
    "contract",
    "forecast",
    "cash",
    "travel",
    "late",
    "approved",
    "quarter",
    "million",
    "bar",
    "trips",
    "treasury",
    "token",
    "relief",
    "kestrel",
    "audit",
    "lease",
)

Seen = tuple[tuple[tuple[Hit, ...], ...], tuple[tuple[DocumentView, ...], ...], str]


@pytest.mark.slow
async def test_hidden_documents_change_nothing(tmp_path: Path) -> None:
    rng = random.Random(7)
    source = company(tmp_path / "source", rng)
    questions = [" ".join(rng.choices(WORDS, k=rng.randint(1, 4))) for _ in range(QUESTIONS)]
    async with world(tmp_path / "data", plain_tools()) as made:
        await made.ingest(source)
        before = await seen(made, questions)
        assert len(set(before[0])) > QUESTIONS // 2
        assert min(len(documents) for documents in before[1]) > 20

        hidden = await hide(made, rng)
        assert await seen(made, questions) == before

        some, before = questions[:LATER], (before[0][:LATER], *before[1:])
        await change(made, hidden, rng)
        assert await seen(made, some) == before

        await made.engine.optimize()
        assert await seen(made, some) == before

        await remove(made, hidden[::2])
        assert await seen(made, some) == before
        assert made.searcher.counts.alarm == 0


def company(root: Path, rng: random.Random) -> Path:
    """Write documents, of which each asker sees some."""
    for place, (folder, owner) in enumerate({"a": "user:sam", "b": "user:bob"}.items()):
        label = f'tenant = "acme"\nowner = "{owner}"\nclassification = "internal"\n'
        readers = ["group:everyone"] if place else []
        label += f"compartments = []\nreaders = {readers}\n"
        write(root, f"acme/{folder}/_label.toml", f"[label]\n{label}")
        for number in range(VISIBLE // 2):
            write(root, f"acme/{folder}/{number:03}.txt", prose(rng))
    return root


def prose(rng: random.Random) -> str:
    # Few distinct texts, so that many scores are equal.
    return " ".join(random.Random(rng.randrange(60)).choices(WORDS, k=12)) + "\n"


async def seen(made: World, questions: list[str]) -> Seen:
    """Return everything that the askers can see, but for what is new in every answer."""
    pages = []
    for number, question in enumerate(questions):
        subject = (SAM, BOB)[number % 2]
        mode = list(Mode)[number % 5 % 3]
        pages.append((await made.ask(subject, question, mode=mode, top_k=10)).hits)
    lists = []
    for subject in (SAM, BOB):
        documents: list[DocumentView] = []
        cursor = None
        while page := await made.reader.list_documents(subject, now=NOW, after=cursor, limit=90):
            documents += page.documents
            cursor = page.cursor
            if cursor is None:
                break
        lists.append(tuple(documents))
    return tuple(pages), tuple(lists), await refusal(made)


async def refusal(made: World) -> str:
    with pytest.raises(DocumentNotFoundError) as caught:
        await made.reader.document(SAM, document_id("acme", "file:acme/hidden/00001.txt"), now=NOW)
    return repr(caught.value)


async def hide(made: World, rng: random.Random) -> list[str]:
    """Add documents that no asker may see, straight into records and engine."""
    hidden = [new_version(number, hidden_label(made, rng, number), rng) for number in range(HIDDEN)]
    for start in range(0, HIDDEN, TOGETHER):
        part = hidden[start : start + TOGETHER]
        versions = await made.records.database.write(_go_live, part)
        points = [_point(made, new, version) for new, version in zip(part, versions, strict=True)]
        await made.engine.upsert(points)
    assert await made.engine.count(Filter(must=(Range(VERSION, gte=0),)), exact=True) > HIDDEN
    return [new.document_id for new in hidden]


def hidden_label(made: World, rng: random.Random, number: int) -> Label:
    while True:
        raw: dict[str, Any] = {
            "tenant": rng.choice(["acme", "acme", "globex"]),
            "owner": rng.choice(["user:ada", "user:leo", "user:sam"]),
            "classification": rng.randrange(4),
            "compartments": rng.sample(["finance", "board", "falcon"], rng.randrange(3)),
            "readers": rng.sample(["group:everyone", "group:legal", "user:bob"], rng.randrange(3)),
            "path": f"/acme/hidden/{number:05}.txt",
        }
        label = made.schema.parse(raw)
        if not any(may_read(made, subject, label) for subject in (SAM, BOB)):
            return label


def may_read(made: World, subject: Subject, label: Label) -> bool:
    decision = made.searcher._decisions.decide(made.snapshot, subject, READ, NOW).decision
    return isinstance(decision, Permitted) and holds(decision.predicate, label)


def new_version(number: int, label: Label, rng: random.Random) -> NewVersion:
    tenant, uri, text = str(label.values["tenant"]), f"file:acme/hidden/{number:05}.txt", prose(rng)
    return NewVersion(
        document_id=document_id(tenant, uri),
        tenant=tenant,
        uri=uri,
        title="hidden",
        media_type="text/plain",
        label=label,
        content_digest="none",
        chunks=(NewChunk(0, text),),
    )


async def change(made: World, hidden: list[str], rng: random.Random) -> None:
    """Relabel some of them; they stay hidden."""
    for identity in rng.sample(hidden, 20):
        document = await made.records.catalog.document(identity)
        assert document is not None
        label = made.schema.parse({**document.label_json, "classification": 3, "owner": "user:leo"})
        await relabelled(made.stores, identity, label, expected=1)


async def remove(made: World, hidden: list[str]) -> None:
    for identity in hidden[:20]:
        await made.pipeline.delete(identity, actor="user:root")
    for start in range(20, len(hidden), TOGETHER):
        part = tuple(hidden[start : start + TOGETHER])
        await made.engine.delete(Filter(must=(MatchAny("document.id", part),)))


def _go_live(connection: Connection, part: list[NewVersion]) -> list[DocumentVersion]:
    """Do for many documents in one transaction what the pipeline does for one."""
    versions = []
    for new in part:
        version = recorded.begin(connection, new, NOW)
        old = step.document_of_record(connection, version.document_id)
        step.go_live(connection, step.pending_version(connection, version), old, NOW, counts=True)
        versions.append(version)
    return versions


def _point(made: World, new: NewVersion, version: DocumentVersion) -> Point:
    payload = point_payload(
        new.label, made.schema, document=version.document_id, version=version.version, meta={}
    )
    assert payload["label"] == label_payload(new.label, made.schema)
    text = new.chunks[0].text
    return Point(version.chunk_id(0), vector(text), text, payload)
