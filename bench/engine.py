"""What the engine's own process costs: start, questions, writes, relabelling, restart.

`python -m bench.engine` measures the embedded engine through its client, as the service uses it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from acl.engine.filter import labelled, to_filter
from acl.engine.payload import DOCUMENT, label_payload
from acl.engine.wire import Filter, MatchAny
from acl.predicate import AtMost
from bench.recall import SCHEMA, corpus, points
from ingest.index.edge.client import EdgeEngine
from ingest.index.engine import DenseLeaf, EngineUnavailableError
from retrieval.search.guarded import guard


async def timed(name: str, call: Callable[[], Awaitable[object]], *, rounds: int) -> None:
    """Print the median and the slowest twentieth of `rounds` calls, in milliseconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        await call()
        times.append(1000 * (time.perf_counter() - started))
    slow = float(np.quantile(times, 0.95))
    print(f"{name:<34} p50 {statistics.median(times):8.2f} ms   p95 {slow:8.2f} ms")


async def restarted(engine: EdgeEngine, process: int) -> float:
    """Return how many milliseconds a killed process is away."""
    os.kill(process, signal.SIGKILL)
    started = time.perf_counter()
    await asyncio.sleep(0.01)
    while True:
        try:
            await engine.ping()
        except EngineUnavailableError:
            await asyncio.sleep(0.002)
        else:
            return 1000 * (time.perf_counter() - started)


async def run(size: int) -> None:
    """Measure on `size` points."""
    made = corpus(np.random.default_rng(11), size)
    everything = points(made)
    where = guard(to_filter(AtMost("classification", 0), SCHEMA), None)
    leaf = DenseLeaf(vector=made.vectors[0], filter=where, limit=10)
    label = label_payload(
        SCHEMA.parse({"tenant": "acme", "classification": 1, "readers": ["user:ada"]}), SCHEMA
    )
    document = Filter(must=(MatchAny(DOCUMENT, (f"d{made.documents[0]}",)),))
    with tempfile.TemporaryDirectory() as directory:
        engine = EdgeEngine(Path(directory))
        started = time.perf_counter()
        await engine.open(SCHEMA)
        print(f"{'first start, with every index':<34} {time.perf_counter() - started:8.2f} s")
        started = time.perf_counter()
        await engine.upsert(everything)
        rate = size / (time.perf_counter() - started)
        print(f"{'durable writes':<34} {rate:8.0f} points/s")
        await timed("question to the process and back", engine.ping, rounds=500)
        await timed("estimate", lambda: engine.count(where, exact=False), rounds=300)
        await timed("exact search", lambda: engine.query([leaf]), rounds=200)
        await timed("durable write of 20 points", lambda: engine.upsert(everything[:20]), rounds=50)
        await timed("relabel a document", lambda: engine.set_label(document, label), rounds=50)
        process = engine._process  # noqa: SLF001 - the one way to kill it
        assert process is not None
        print(f"{'away after kill -9':<34} {await restarted(engine, process.pid):8.0f} ms")
        assert await engine.count(Filter(must=labelled(SCHEMA)), exact=True) == size
        await engine.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=20_000)
    asyncio.run(run(parser.parse_args().points))


if __name__ == "__main__":
    main()
