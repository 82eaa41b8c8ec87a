"""How fast texts become vectors, beside sentence-transformers: `python -m bench.encoder`.

Three ratios, each interleaved with its peer in the same run, so that what else the machine does
falls on both:

- one question: OpenVINO against the reference, in milliseconds;
- passages of 180 tokens: OpenVINO in float32 and in bfloat16 against the reference, a second;
- from nothing to the first vector, in a process of its own, in seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from ingest.encode.bert import BertEncoder
from ingest.encode.models import verified_model_folder, vetted_model
from ingest.encode.reference import ReferenceEncoder

ROUNDS: Final = 60
BATCH: Final = 16
_CORES: Final = os.cpu_count() or 1
_PASSAGES: Final = [
    f"Section {number}. The committee read the report of the finance department for the quarter, "
    "compared it with the plan of the year before, and decided to postpone the purchase. " * 5
    for number in range(BATCH)
]
_FIRST: Final = {
    "OpenVINO": "import asyncio; from ingest.encode.encoder import Encoder; "
    "asyncio.run(Encoder().encode_question('x'))",
    "reference": "from ingest.encode.models import verified_model_folder; "
    "from ingest.encode.reference import ReferenceEncoder; "
    "ReferenceEncoder(verified_model_folder()).encode(['x'])",
}


def interleaved(ways: dict[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each way, all of them tried in each round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way(number)
            times[name].append(time.perf_counter() - started)
    return {name: median(taken) for name, taken in times.items()}


def first(program: str) -> float:
    """Return the seconds from a new process to its first vector."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Print the three ratios."""
    folder = verified_model_folder()
    reference, graph = ReferenceEncoder(folder), BertEncoder(folder, vetted_model())
    exact = graph.compiled(bfloat16=False, threads=_CORES)
    table = Table("what", "way", "median", "of the reference's time")

    def add(what: str, found: dict[str, float], unit: Callable[[float], str]) -> None:
        for name, seconds in found.items():
            table.add_row(what, name, unit(seconds), f"{seconds / found['reference']:.2f}")

    def asked(number: int) -> Sequence[str]:
        return [f"How many days of holiday do I have in {number} weeks?"]

    questions: dict[str, Callable[[int], object]] = {
        "reference": lambda number: reference.encode(asked(number)),
        "OpenVINO": lambda number: exact.encode(asked(number)),
    }
    add("a question", interleaved(questions, ROUNDS), lambda one: f"{one * 1e3:.1f} ms")
    passages: dict[str, Callable[[int], object]] = {
        "reference": lambda _: reference.encode(_PASSAGES, threads=_CORES),
        "OpenVINO": lambda _: exact.encode(_PASSAGES),
    }
    if graph.has_bfloat16:
        rounded = graph.compiled(bfloat16=True, threads=_CORES)
        passages["OpenVINO, bfloat16"] = lambda _: rounded.encode(_PASSAGES)
    add("passages", interleaved(passages, ROUNDS // 6), lambda one: f"{BATCH / one:.0f} a second")
    started = {name: first(program) for name, program in _FIRST.items()}
    add("the first vector", started, lambda one: f"{one:.1f} s")
    Console().print(table)


if __name__ == "__main__":
    main()
