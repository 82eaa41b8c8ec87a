"""Writers of documents that are to be killed: `python -m tests.crash.ingest_writer HOME`.

The line that a writer is given is its seed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.crash.killing import fork_writers, say
from tests.integration.world import World, world
from tests.plain import plain_tools

DOCUMENTS = 6


def name_of(number: int) -> str:
    return f"acme/notes/d{number}.txt"


def text_of(number: int, generation: int) -> str:
    """Return the text of a generation; every paragraph says which one it is."""
    paragraphs = 1 + generation % 7
    lines = [f"note d{number} generation {generation} part {part}" for part in range(paragraphs)]
    return "\n\n".join(lines) + "\n"


def prepare(home: Path) -> None:
    """Write the source: documents that their owner alone may read."""
    folder = home / "source/acme/notes"
    folder.mkdir(parents=True)
    label = 'tenant = "acme"\nowner = "user:l0"\nclassification = "public"\n'
    (folder / "_label.toml").write_text(f"[label]\n{label}compartments = []\nreaders = []\n")
    for number in range(DOCUMENTS):
        write(home, number, 0)


def write(home: Path, number: int, generation: int) -> None:
    """Replace a file at once, as an editor does."""
    path = home / "source" / name_of(number)
    aside = path.with_name(f".{path.name}")
    aside.write_text(text_of(number, generation))
    aside.rename(path)


async def work(home: Path, line: str) -> None:
    seed = int(line)
    rng = random.Random(seed)
    async with world(home / "data", plain_tools()) as made:
        process = made.engine._process
        say(say="ready", worker=process.pid if process else 0)
        await made.ingest(home / "source", prune=True)
        say(say="settled")
        for number in numbers(seed):
            await step(made, home, rng, number)


def numbers(seed: int) -> Iterator[int]:
    """Yield numbers that no other writer uses."""
    yield from range(seed * 1000 + 1, seed * 1000 + 1000)


async def step(made: World, home: Path, rng: random.Random, number: int) -> None:
    document = rng.randrange(DOCUMENTS)
    there = (home / "source" / name_of(document)).exists()
    match rng.randrange(5):
        case 0 if there:
            say(say="intent", document=document, do="delete")
            (home / "source" / name_of(document)).unlink()
            await made.ingest(home / "source", prune=True)
        case 1 | 2 if there:
            say(say="intent", document=document, do="relabel", owner=f"user:l{number}")
            await made.relabel(f"file:{name_of(document)}", owner=f"user:l{number}")
        case _:
            say(say="intent", document=document, do="edit", generation=number)
            write(home, document, number)
            await made.ingest(home / "source", prune=True)
    say(say="ack")


if __name__ == "__main__":
    fork_writers(partial(work, Path(sys.argv[1])))
