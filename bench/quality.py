"""nDCG@10 of the product on test collections: `python -m bench.quality` (also `make eval`).

Prints, for Cranfield, CISI, MED and ADI, the BM25 reference and the three modes; and for the
questions of twenty tenants, the same ranker with the filter over everybody's passages and over one
tenant's passages alone, with the number of forbidden passages that came back.
"""

from __future__ import annotations

import asyncio
import sys
from statistics import fmean
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.collections_ir import SHARED, Collection, ndcg, read
from bench.ranking import Ranker, ranker
from ingest.encode.encoder import Encoder
from retrieval.search.store import Mode

REFERENCE: Final = {"cranfield": 0.385, "cisi": 0.396, "med": 0.699, "adi": 0.483}


async def score(index: Ranker, collection: Collection, mode: Mode) -> tuple[float, int]:
    """Return the mean nDCG@10 and how many returned documents belong to another tenant."""
    total, foreign = [], 0
    for question in collection.questions:
        ranking = await index.ask(question, mode)
        total.append(ndcg(ranking, collection.relevant[question.id]))
        if question.tenant:
            foreign += sum(index.tenants[one] != question.tenant for one in ranking)
    return fmean(total), foreign


async def classic(encoder: Encoder, console: Console) -> bool:
    """Print the table of the classic collections; say whether hybrid beats each reference."""
    table = Table(
        "collection", "documents", "questions", "BM25 reference", "dense", "sparse", "hybrid"
    )
    won = True
    for name, reference in REFERENCE.items():
        collection = read(SHARED / "ir" / name)
        async with ranker(encoder) as index:
            await index.add(collection.documents)
            figures = {mode: (await score(index, collection, mode))[0] for mode in Mode}
        won &= figures[Mode.HYBRID] > reference
        counts = (str(len(collection.documents)), str(len(collection.questions)))
        cells = (f"{figures[mode]:.3f}" for mode in (Mode.DENSE, Mode.SPARSE, Mode.HYBRID))
        table.add_row(name, *counts, f"{reference:.3f}", *cells)
    console.print(table)
    return won


async def tenants(encoder: Encoder, console: Console) -> bool:
    """Print the table of the twenty tenants; say whether nothing leaked and nothing was lost."""
    collection = read(SHARED / "policyqa_dev")
    async with ranker(encoder) as everybody:
        await everybody.add(collection.documents)
        together, foreign = await score(everybody, collection, Mode.HYBRID)
    apart: list[float] = []
    for tenant in sorted({one.tenant for one in collection.documents}):
        own = Collection(
            tenant,
            [one for one in collection.documents if one.tenant == tenant],
            [one for one in collection.questions if one.tenant == tenant],
            collection.relevant,
        )
        async with ranker(encoder) as alone:
            await alone.add(own.documents)
            mean, _ = await score(alone, own, Mode.HYBRID)
        apart += [mean] * len(own.questions)
    table = Table("tenants' questions", "nDCG@10", "passages of others")
    table.add_row("filtered among everybody's", f"{together:.4f}", str(foreign))
    table.add_row("the tenant's passages alone", f"{fmean(apart):.4f}", "-")
    console.print(table)
    return foreign == 0 and together >= fmean(apart) - 1e-9


async def measure(console: Console) -> int:
    """Print both tables; the exit status is 1 if a bound does not hold."""
    encoder = Encoder()
    try:
        held = [await classic(encoder, console), await tenants(encoder, console)]
    finally:
        await encoder.close()
    return 0 if all(held) else 1


def main() -> int:
    """Measure, if the collections are there."""
    console = Console(width=110)
    if not SHARED.is_dir():
        console.print("skipped: the test collections are not beside the project")
        return 0
    return asyncio.run(measure(console))


if __name__ == "__main__":
    sys.exit(main())
