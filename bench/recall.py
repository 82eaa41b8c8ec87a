"""Recall and speed of the planner, per share of the corpus that the asker can see.

`python -m bench.recall` makes 100,000 clustered vectors with access control, asks through
`retrieval.search.store` as the service does, and compares with a scan of every visible vector.
"default" is the same engine without any filter and without a planner; ratios against it hold on
other machines, milliseconds do not.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from acl.engine.filter import to_filter
from acl.engine.payload import point_payload
from acl.engine.wire import Filter
from acl.labels import LabelSchema
from acl.predicate import And, AnyOf, AtMost, Labelled, Or, Predicate
from ingest.index.edge.client import EdgeEngine, Patience
from ingest.index.engine import DIMENSION, Candidate, DenseLeaf, Plan, Point
from retrieval.search.plan import PlanSettings
from retrieval.search.rank import Ranked
from retrieval.search.store import Mode, Question, Store

SHARES: Final = (1.0, 0.5, 0.25, 0.1, 0.01, 0.001, 0.0001)
LATENT, CLUSTERS, DOCUMENTS, GROUPS, OWNERS = 48, 400, 5000, 200, 2000
TOP: Final = 10
WORDS: Final = 2000

Matrix = npt.NDArray[np.float32]
Visible = npt.NDArray[np.bool_]

SCHEMA: Final = LabelSchema.from_toml(
    """
[label]
tenant = { type = "keyword" }
classification = { type = "integer" }
readers = { type = "keyword_set" }
"""
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Vectors, and per document who may read them."""

    vectors: Matrix
    documents: npt.NDArray[np.int64]
    readers: list[frozenset[str]]
    classification: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asker:
    """A predicate, and the points that satisfy it."""

    predicate: Predicate
    visible: Visible


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    visible: int
    plans: str
    recall: float
    worst: float
    short: int
    p50: float
    p95: float
    ratio: float
    hybrid: float


def corpus(rng: np.random.Generator, points: int) -> Corpus:
    """Return a mixture: clusters, documents in them, chunks in those; a power-law spectrum."""
    spectrum = (np.arange(1, LATENT + 1) ** -0.5).astype(np.float32)
    basis = np.linalg.qr(rng.normal(size=(DIMENSION, LATENT)))[0].T.astype(np.float32)
    clusters = rng.normal(size=(CLUSTERS, LATENT)).astype(np.float32)
    topic = rng.integers(CLUSTERS, size=DOCUMENTS)
    centres = clusters[topic] + 0.6 * rng.normal(size=(DOCUMENTS, LATENT)).astype(np.float32)
    documents = rng.integers(DOCUMENTS, size=points)
    latent = centres[documents] + 0.4 * rng.normal(size=(points, LATENT)).astype(np.float32)
    vectors = (latent * spectrum) @ basis
    vectors += 0.02 * rng.normal(size=vectors.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    popularity = 1.0 / np.arange(1, GROUPS + 1)
    popularity /= popularity.sum()
    readers = []
    for document in range(DOCUMENTS):
        groups = rng.choice(GROUPS, size=rng.integers(1, 5), p=popularity)
        # Half of the groups go with the topic, so that access and meaning are correlated.
        near = [(topic[document] * 7 + n) % GROUPS for n in range(1)] if rng.random() < 0.5 else []
        owner = f"user:{rng.integers(OWNERS)}"
        readers.append(frozenset({owner, *(f"group:{group}" for group in (*groups, *near))}))
    classification = rng.choice(4, size=DOCUMENTS, p=[0.4, 0.35, 0.2, 0.05])
    return Corpus(vectors.astype(np.float32), documents, readers, classification)


def asker(made: Corpus, principals: frozenset[str], clearance: int) -> Asker:
    """Return who acts as `principals` and may read up to `clearance`."""
    predicate = And(
        frozenset(
            {
                AnyOf("tenant", frozenset({"acme"})),
                Or(frozenset({AnyOf("readers", principals), AtMost("classification", -1)})),
                AtMost("classification", clearance),
            }
        )
    )
    by_document = np.array([not principals.isdisjoint(one) for one in made.readers])
    by_document &= made.classification <= clearance
    return Asker(predicate, by_document[made.documents])


def sharing(made: Corpus, rng: np.random.Generator, share: float) -> Asker:
    """Return an asker who sees about `share` of the corpus: principals are added until it fits."""
    if share >= 1:
        return Asker(Labelled(), np.ones(len(made.vectors), dtype=np.bool_))
    clearance = 3
    groups = [f"group:{number}" for number in range(GROUPS)]
    pool = groups + [f"user:{number}" for number in range(OWNERS)]
    best, chosen = asker(made, frozenset({"user:none"}), clearance), frozenset[str]()
    for name in rng.permutation(pool):
        tried = asker(made, chosen | {str(name)}, clearance)
        if tried.visible.mean() <= share * 1.1:
            best, chosen = tried, chosen | {str(name)}
        if best.visible.mean() >= share * 0.8:
            break
    return best


def mixed(made: Corpus, rng: np.random.Generator) -> Asker:
    """Return a random employee: five groups, himself, some clearance."""
    popularity = 1.0 / np.arange(1, GROUPS + 1)
    groups = rng.choice(GROUPS, size=5, p=popularity / popularity.sum())
    names = frozenset({f"user:{rng.integers(OWNERS)}", *(f"group:{group}" for group in groups)})
    return asker(made, names, int(rng.integers(4)))


def points(made: Corpus) -> list[Point]:
    """Return the corpus as the engine takes it."""
    rng = np.random.default_rng(5)
    payloads = [
        point_payload(
            SCHEMA.parse(
                {
                    "tenant": "acme",
                    "classification": int(made.classification[document]),
                    "readers": sorted(made.readers[document]),
                }
            ),
            SCHEMA,
            document=f"d{document}",
            version=1,
            meta={},
        )
        for document in range(DOCUMENTS)
    ]
    words = rng.zipf(1.3, size=(len(made.vectors), 30)) % WORDS
    return [
        Point(
            str(uuid.UUID(int=number)),
            made.vectors[number],
            " ".join(f"word{word}" for word in words[number]),
            payloads[made.documents[number]],
        )
        for number in range(len(made.vectors))
    ]


async def load(engine: EdgeEngine, made: Corpus) -> None:
    """Write the corpus and build the graph, saying how long each took."""
    everything = points(made)
    started = time.perf_counter()
    for start in range(0, len(everything), 5000):
        await engine.upsert(everything[start : start + 5000])
    written = time.perf_counter()
    await engine.optimize()
    built = time.perf_counter()
    print(f"written and flushed in {written - started:.1f} s, graph in {built - written:.1f} s")


async def timed(
    call: Callable[[Question, Filter], Awaitable[list[Candidate] | list[Ranked]]],
    questions: list[Question],
    filters: list[Filter],
) -> tuple[list[list[tuple[str, float]]], list[float]]:
    """Return every answer and how many milliseconds it took; a first round warms up."""
    for question, where in list(zip(questions, filters, strict=True))[:20]:
        await call(question, where)
    answers, times = [], []
    for question, where in zip(questions, filters, strict=True):
        started = time.perf_counter()
        found = await call(question, where)
        times.append(1000 * (time.perf_counter() - started))
        answers.append([(one.id, one.score) for one in found])
    return answers, times


def recalls(
    made: Corpus,
    askers: list[Asker],
    questions: list[Question],
    answers: list[list[tuple[str, float]]],
) -> tuple[list[float], int]:
    """Return the recall of each answer and how many came back short; equal scores count."""
    found, short = [], 0
    for who, question, answer in zip(askers, questions, answers, strict=True):
        assert all(who.visible[uuid.UUID(identity).int] for identity, _ in answer), "a leak"
        rows = np.flatnonzero(who.visible)
        wanted = min(TOP, len(rows))
        short += len(answer) < wanted
        if wanted and question.vector is not None:
            scores = made.vectors[rows] @ question.vector
            threshold = np.partition(scores, -wanted)[-wanted] - 1e-5
            found.append(sum(score >= threshold for _, score in answer) / wanted)
    return found or [1.0], short


@dataclass(frozen=True, slots=True)
class Setting:
    """What every workload is measured against."""

    store: Store
    made: Corpus
    questions: list[Question]
    base: float


async def measure(setting: Setting, name: str, askers: list[Asker]) -> Row:
    """Return the row of one workload."""
    store, made, questions = setting.store, setting.made, setting.questions
    filters = [to_filter(who.predicate, SCHEMA) for who in askers]

    async def ask(question: Question, where: Filter) -> list[Ranked]:
        return await store.search(where, question, mode=Mode.DENSE, narrowing=None, limit=TOP)

    async def ask_both(question: Question, where: Filter) -> list[Ranked]:
        return await store.search(where, question, mode=Mode.HYBRID, narrowing=None, limit=TOP)

    answers, times = await timed(ask, questions, filters)
    _, both = await timed(ask_both, questions[:50], filters[:50])
    found, short = recalls(made, askers, questions, answers)
    plans = {(await store.plan(where, narrowing=None)).plan for where in filters}
    p50 = statistics.median(times)
    return Row(
        name=name,
        visible=int(statistics.median(int(who.visible.sum()) for who in askers)),
        plans="/".join(sorted(plans)),
        recall=statistics.fmean(found),
        worst=min(found),
        short=short,
        p50=p50,
        p95=float(np.quantile(times, 0.95)),
        ratio=p50 / setting.base,
        hybrid=statistics.median(both),
    )


async def unfiltered(engine: EdgeEngine, questions: list[Question]) -> float:
    """Return the median of the engine's own default: every point visible, no planner."""
    everything = to_filter(Labelled(), SCHEMA)

    async def ask(question: Question, where: Filter) -> list[Candidate]:
        assert question.vector is not None
        leaf = DenseLeaf(vector=question.vector, filter=where, limit=TOP, plan=Plan.HNSW, ef=100)
        return (await engine.query([leaf]))[0]

    _, times = await timed(ask, questions, [everything] * len(questions))
    return statistics.median(times)


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(
        f"{'share':>9} {'visible':>8} {'plan':>16} {'recall@10':>9} {'worst':>6} {'short':>5}"
        f" {'p50 ms':>7} {'p95 ms':>7} {'x default':>9} {'hybrid':>7}"
    )
    for row in rows:
        print(
            f"{row.name:>9} {row.visible:>8} {row.plans:>16} {row.recall:>9.4f} {row.worst:>6.2f}"
            f" {row.short:>5} {row.p50:>7.2f} {row.p95:>7.2f} {row.ratio:>9.2f} {row.hybrid:>7.2f}"
        )


async def run(*, size: int, number: int, settings: list[PlanSettings]) -> None:
    """Load the corpus once and measure each of `settings` on it."""
    rng = np.random.default_rng(11)
    made = corpus(rng, size)
    noise = 0.05 * rng.normal(size=(number, DIMENSION)).astype(np.float32)
    asked = made.vectors[rng.integers(size, size=number)] + noise
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    questions = [Question("word1 word7 word40", vector) for vector in asked.astype(np.float32)]
    workloads = {f"{share:g}": [sharing(made, rng, share)] * number for share in SHARES}
    workloads["mix"] = [mixed(made, rng) for _ in range(number)]
    with tempfile.TemporaryDirectory() as directory:
        engine = EdgeEngine(Path(directory), patience=Patience(read=60))
        await engine.open(SCHEMA)
        await load(engine, made)
        base = await unfiltered(engine, questions)
        print(f"engine's default over everything: p50 {base:.2f} ms")
        for one in settings:
            print(one)
            setting = Setting(Store(engine, SCHEMA, settings=one), made, questions, base)
            show([await measure(setting, *workload) for workload in workloads.items()])
        await engine.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--sweep", action="store_true", help="measure other thresholds as well")
    options = parser.parse_args()
    settings = [PlanSettings()]
    if options.sweep:
        settings += [
            PlanSettings(exact_points=0, acorn_share=0),
            PlanSettings(exact_points=0, acorn_share=1),
            PlanSettings(exact_points=10**9),
        ]
    asyncio.run(run(size=options.points, number=options.questions, settings=settings))


if __name__ == "__main__":
    main()
