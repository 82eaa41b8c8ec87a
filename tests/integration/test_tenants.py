"""Twenty companies' texts in one index, asked in words that fit the others' texts too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench.collections_ir import SHARED, Collection, Text, ndcg, read
from bench.ranking import Ranker, ranker
from ingest.encode.encoder import Encoder
from retrieval.search.store import Mode

FOLDER = SHARED / "policyqa_dev"
# Every seventh question of each tenant; `make eval` asks all of them.
EVERY = 7

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the tenants' questions are not beside the project"
)


async def _rankings(index: Ranker, questions: Sequence[Text]) -> dict[str, list[str]]:
    return {one.id: await index.ask(one, Mode.HYBRID) for one in questions}


async def _measure() -> tuple[Collection, dict[str, list[str]], dict[str, list[str]], Ranker]:
    whole = read(FOLDER)
    some = replace(whole, questions=whole.questions[::EVERY])
    encoder = Encoder()
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
        await encoder.close()


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
