"""Ten companies' texts in one index, asked in words that fit the others' texts too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from bench.collections_ir import SHARED, Collection, Text, ndcg, read
from bench.ranking import Ranker, ranker
from ingest.encode.encoder import Encoder, EncoderSettings
from ingest.index.engine import Vector
from retrieval.search.store import Mode

FOLDER = SHARED / "policyqa_dev"
# Every second tenant, and every seventh question of it; `make eval` asks all of them.
TENANTS = 2
EVERY = 7

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the tenants' questions are not beside the project"
)


@dataclass(frozen=True, slots=True)
class Remembering:
    """The encoder, which encodes a passage once though it goes into two indexes."""

    encoder: Encoder
    known: dict[str, Vector] = field(default_factory=dict)

    async def encode_question(self, text: str) -> Vector:
        return await self.encoder.encode_question(text)

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        new = [one for one in dict.fromkeys(texts) if one not in self.known]
        self.known.update(zip(new, await self.encoder.encode_passages(new), strict=True))
        return [self.known[one] for one in texts]


async def _rankings(index: Ranker, questions: Sequence[Text]) -> dict[str, list[str]]:
    return {one.id: await index.ask(one, Mode.HYBRID) for one in questions}


async def _measure() -> tuple[Collection, dict[str, list[str]], dict[str, list[str]], Ranker]:
    whole = read(FOLDER)
    some = _some(whole)
    real = Encoder(settings=EncoderSettings(bfloat16=True))
    encoder = Remembering(real)
    try:
        async with ranker(encoder) as everybody:
            await everybody.add(some.documents)
            together = await _rankings(everybody, some.questions)
        apart: dict[str, list[str]] = {}
        for tenant in sorted({one.tenant for one in some.documents}):
            async with ranker(encoder) as alone:
                await alone.add([one for one in some.documents if one.tenant == tenant])
                own = [one for one in some.questions if one.tenant == tenant]
                apart |= await _rankings(alone, own)
        return some, together, apart, everybody
    finally:
        await real.close()


def _some(whole: Collection) -> Collection:
    tenants = set(sorted({one.tenant for one in whole.documents})[::TENANTS])
    questions = [one for one in whole.questions if one.tenant in tenants]
    documents = [one for one in whole.documents if one.tenant in tenants]
    return replace(whole, documents=documents, questions=questions[::EVERY])


@pytest.fixture(scope="module")
def measured() -> tuple[Collection, dict[str, list[str]], dict[str, list[str]], Ranker]:
    return asyncio.run(_measure())


def test_no_question_ever_gets_a_passage_of_another_tenant(
    measured: tuple[Collection, dict[str, list[str]], dict[str, list[str]], Ranker],
) -> None:
    collection, together, _, index = measured
    returned = [
        (question.tenant, index.tenants[one])
        for question in collection.questions
        for one in together[question.id]
    ]

    assert len(returned) > 1000
    assert [pair for pair in returned if pair[0] != pair[1]] == []


def test_filtering_loses_nothing_against_an_index_of_the_tenant_alone(
    measured: tuple[Collection, dict[str, list[str]], dict[str, list[str]], Ranker],
) -> None:
    collection, together, apart, _ = measured

    def total(rankings: dict[str, list[str]]) -> float:
        return sum(
            ndcg(rankings[one.id], collection.relevant[one.id]) for one in collection.questions
        )

    assert total(together) >= total(apart) - 1e-9
    assert total(together) / len(collection.questions) > 0.3
