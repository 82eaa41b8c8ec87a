"""What the asker may not read changes nothing that the asker sees, bit for bit."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from acl.engine.filter import to_filter
from acl.engine.payload import point_payload
from acl.labels import LabelSchema
from acl.predicate import And, AnyOf, AtMost
from ingest.index.edge.client import EdgeEngine
from ingest.index.engine import Plan, Point
from retrieval.search.guarded import guard
from retrieval.search.narrow import Narrowing, Operator, narrow
from retrieval.search.rank import Ranked
from retrieval.search.store import Mode, Question, Store
from tests.conformance import corpus

DIMENSION = 384
VISIBLE = 300
HIDDEN = 10_000
QUESTIONS = 50

SCHEMA = LabelSchema.from_toml(
    """
[label]
tenant = { type = "keyword" }
classification = { type = "integer" }

[metadata]
language = { type = "keyword" }
"""
)
PERMIT = to_filter(
    And(frozenset({AnyOf("tenant", frozenset({"mine"})), AtMost("classification", 1)})), SCHEMA
)
WORDS = tuple(f"word{number}" for number in range(60))


def point(rng: random.Random, tenant: str, classification: int) -> Point:
    label = SCHEMA.parse({"tenant": tenant, "classification": classification})
    meta = {"language": rng.choice(["de", "en"])}
    # Few distinct texts, and now and then the very same vector: ties must not tell either.
    seed = rng.randrange(250) if tenant == "mine" else rng.getrandbits(30)
    return Point(
        corpus.identity(rng),
        corpus.vector(random.Random(seed), DIMENSION),
        " ".join(random.Random(seed).choices(WORDS, k=8)),
        point_payload(label, SCHEMA, document="d", version=1, meta=meta),
    )


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EdgeEngine]:
    made = EdgeEngine(tmp_path)
    await made.open(SCHEMA)
    yield made
    await made.close()


async def pages(store: Store) -> list[list[tuple[str, float]]]:
    rng = random.Random(7)
    narrowings = (None, narrow([Narrowing("language", Operator.EQ, "de")], SCHEMA))
    answers: list[list[Ranked]] = []
    for number in range(QUESTIONS):
        question = Question(" ".join(rng.choices(WORDS, k=4)), corpus.vector(rng, DIMENSION))
        answers += [
            await store.search(
                PERMIT, question, mode=mode, narrowing=narrowings[number % 2], limit=10
            )
            for mode in Mode
        ]
    assert all(len(answer) == 10 for answer in answers[::3])
    return [[(one.id, one.score) for one in answer] for answer in answers]


def visible() -> list[Point]:
    rng = random.Random(3)
    return [point(rng, "mine", rng.randrange(2)) for _ in range(VISIBLE)]


def hidden() -> list[Point]:
    """Another tenant's, and the own tenant's above the clearance."""
    rng = random.Random(4)
    return [
        point(rng, "mine" if number % 4 == 0 else "theirs", 2 if number % 4 == 0 else 0)
        for number in range(HIDDEN)
    ]


async def test_hidden_points_change_no_id_no_order_and_no_score(engine: EdgeEngine) -> None:
    store, more = Store(engine, SCHEMA), hidden()
    await engine.upsert(visible())
    alone = await pages(store)
    assert len({page[0] for page in alone if page}) > QUESTIONS

    await engine.upsert(more[: HIDDEN // 2])
    assert await pages(store) == alone
    await engine.upsert(more[HIDDEN // 2 :])
    assert await pages(store) == alone
    await engine.optimize()
    assert await pages(store) == alone

    assert (await store.plan(PERMIT, narrowing=None)).plan is Plan.EXACT
    assert await engine.count(guard(PERMIT, None), exact=True) == VISIBLE


async def test_what_was_there_before_is_no_different(engine: EdgeEngine, tmp_path: Path) -> None:
    """The index numbers words in the order in which somebody first wrote them."""
    crowded = EdgeEngine(tmp_path / "crowded")
    await crowded.open(SCHEMA)
    await crowded.upsert(hidden()[: HIDDEN // 5])
    await crowded.upsert(visible())
    await engine.upsert(visible())

    assert await pages(Store(crowded, SCHEMA)) == await pages(Store(engine, SCHEMA))
    await crowded.close()
