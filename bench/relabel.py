"""What changing labels costs: until it shows, and what searches feel while many change.

`python -m bench.relabel` relabels one document of 100 passages and searches for it, then changes
every one of many documents in one job while others search without a pause, which is more than any
installation would see.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.installation import Bench, bench, line
from retrieval.labels.jobs import BulkDesk
from retrieval.labels.requests import LabelRequest
from retrieval.labels.selection import Selection
from retrieval.labels.views import Target
from retrieval.rights.authority import OPERATOR

CHUNKS = 100


async def one_document(made: Bench, rounds: int) -> None:
    """Print how long a change of a document of many passages takes until it shows."""
    identity = await made.put("large.txt", CHUNKS)
    searched = await made.searches(100)
    changed, shown = [], []
    for number in range(rounds):
        readers = [] if number % 2 == 0 else ["group:everyone"]
        started = time.perf_counter()
        await made.desk.change(
            OPERATOR,
            Target(identity, number + 1),
            LabelRequest(values={"readers": readers}),
            now=datetime.now(UTC),
        )
        changed.append(1000 * (time.perf_counter() - started))
        assert ("large.txt" in await made.found("large.txt")) is bool(readers)
        shown.append(1000 * (time.perf_counter() - started))
    print(line("a search", searched))
    print(line(f"change of {CHUNKS} passages, in effect", changed))
    print(line("the same, with a search that shows it", shown))


async def many_documents(made: Bench, documents: int) -> None:
    """Print what searches feel while every document changes in one job."""
    for number in range(documents):
        await made.put(f"notes/n{number}.txt", 1)
    before = await made.searches(500)
    bulk = BulkDesk(made.desk)
    request = LabelRequest(values={"compartments": ["board"]})
    selection = Selection(folder="/acme/notes/", tenant="acme")
    started = time.perf_counter()
    begun = await bulk.begin(OPERATOR, selection, request)
    print(f"{'job of ' + str(documents) + ' documents stored':<44} {_since(started):8.2f} s")
    started = time.perf_counter()
    job = asyncio.create_task(bulk.run(begun.job.id))
    during: list[float] = []
    while not job.done():
        during += await made.searches(10)
    assert (await job).pending == 0
    print(f"{'carried out while others search':<44} {_since(started):8.2f} s")
    assert await made.found("notes/n7.txt") == {"large.txt"}
    print(line("search before", before))
    print(line("search during", during))


def _since(started: float) -> float:
    return time.perf_counter() - started


async def run(documents: int) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder)) as made:
            await one_document(made, rounds=200)
            await many_documents(made, documents)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    asyncio.run(run(parser.parse_args().documents))


if __name__ == "__main__":
    main()
