"""Writers are killed at random points; what they acknowledged stands, and nothing half-done shows.

In every tenth round the engine's process is killed together with the writer.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from acl.records import DocumentRecord
from acl.subject import Subject
from tests.crash.ingest_writer import DOCUMENTS, name_of, prepare
from tests.crash.killing import KILLS, Writers, forking, kill
from tests.integration.engine_state import assert_engine_equals_records, assert_points_are_whole
from tests.integration.world import NOW, World, world
from tests.plain import plain_tools

ROUNDS = 10


@dataclass(frozen=True)
class State:
    """What a document is: the generation of its text, and who owns it."""

    generation: int
    owner: str


@dataclass
class Expected:
    """What was acknowledged, and what may have come of the step that was not.

    Attributes:
        owners: every owner that a document once had and was told to have no more.
        kept: who owned a document when it left, and owns it when it is back.
    """

    acknowledged: dict[int, State | None]
    possible: dict[int, State | None] = field(default_factory=dict)
    owners: dict[int, set[str]] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)
    acks: int = 0

    def settling(self, on_disk: dict[int, int | None]) -> None:
        """The first step of a writer brings everything to what is on disk."""
        self.possible = {}
        for document, generation in on_disk.items():
            old = self.acknowledged[document]
            owner = old.owner if old else self._first(document)
            self.possible[document] = None if generation is None else State(generation, owner)

    def hear(self, line: dict[str, Any]) -> None:
        match line["say"]:
            case "intent":
                document = line["document"]
                self.possible = {document: self._after(line, document)}
            case "ack" | "settled":
                for document in self.possible:
                    self._settle(document, self.possible[document])
                self.possible = {}
                self.acks += 1
            case other:
                raise AssertionError(other)

    def possible_owner(self, document: int) -> set[str]:
        """Return who may own a document although that was not acknowledged."""
        state = self.possible.get(document)
        return {state.owner} if state else set()

    def find(self, document: int, state: State | None) -> None:
        """A document was found to be in this state, which must be one of two."""
        allowed = [self.acknowledged[document]]
        if document in self.possible:
            allowed.append(self.possible[document])
        assert state in allowed, f"d{document} is {state}, not one of {allowed}"
        self._settle(document, state)

    def _settle(self, document: int, state: State | None) -> None:
        before = self.acknowledged[document]
        if before is not None and (state is None or state.owner != before.owner):
            self.owners.setdefault(document, set()).add(before.owner)
        if before is not None and state is None:
            self.kept[document] = before.owner
        if state is not None:
            self.owners.get(document, set()).discard(state.owner)
        self.acknowledged[document] = state

    def _first(self, document: int) -> str:
        return self.kept.get(document, "user:l0")

    def _after(self, line: dict[str, Any], document: int) -> State | None:
        old = self.acknowledged[document]
        match line["do"]:
            case "delete":
                return None
            case "relabel":
                assert old is not None
                return replace(old, owner=line["owner"])
            case _:
                owner = old.owner if old else self._first(document)
                return State(line["generation"], owner)


@pytest.fixture
async def writers(tmp_path: Path) -> AsyncIterator[Writers]:
    async with forking("tests.crash.ingest_writer", tmp_path) as made:
        yield made


@pytest.mark.slow
async def test_killed_writers_lose_nothing_and_leave_nothing_half_done(
    tmp_path: Path, writers: Writers
) -> None:
    rng = random.Random(KILLS)
    expected = Expected(dict.fromkeys(range(DOCUMENTS)))
    prepare(tmp_path)
    started, repaired, interrupted, kills = time.monotonic(), 0, 0, 0
    while kills < KILLS:
        # The engine's process lives as long as this installation is open, and dies with the
        # writer that is killed when none is.
        expected.settling(on_disk(tmp_path))
        kills += 1
        await killed(writers, expected, kills, rng, with_engine=True)
        interrupted += bool(expected.possible)
        async with world(tmp_path / "data", plain_tools()) as made:
            repaired += await checked(made, expected)
            while kills < KILLS and kills % ROUNDS:
                expected.settling(on_disk(tmp_path))
                kills += 1
                await killed(writers, expected, kills, rng, with_engine=False)
                interrupted += bool(expected.possible)
                repaired += await checked(made, expected)
    print(  # noqa: T201 - the measured figures are part of the result
        f"{kills} kills in {time.monotonic() - started:.0f} s: {expected.acks} acknowledged, "
        f"{interrupted} steps interrupted, {repaired} differences repaired, 0 left"
    )
    # Enough was acknowledged for a loss to show; how much it is depends on how busy the machine is.
    assert expected.acks > kills // 2
    assert interrupted > kills // 4


async def checked(made: World, expected: Expected) -> int:
    """Check what a killed writer left behind; return how many differences were repaired."""
    await assert_points_are_whole(made)
    await assert_no_older_label_shows(made, expected)
    await assert_acknowledged_is_found(made, expected)
    await assert_nothing_lost(made, expected)
    repaired = (await made.reconciler.run(now=NOW)).differences
    await assert_engine_equals_records(made, at=NOW)
    return repaired


async def killed(
    writers: Writers, expected: Expected, seed: int, rng: random.Random, *, with_engine: bool
) -> None:
    """Let a writer run for a while, kill it, and hear everything that it said."""
    writer = await writers.one(str(seed))
    ready = await writers.line()
    assert ready["say"] == "ready"
    # One in four dies while it settles; the others when they have done some steps.
    if rng.random() < 0.75:
        expected.hear(await writers.line())
    await asyncio.sleep(rng.uniform(0, 0.15))
    kill(writer, ready["worker"] if with_engine else 0)
    while (line := await writers.line())["say"] != "end":
        expected.hear(line)
    assert line["killed"]


def on_disk(home: Path) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    for document in range(DOCUMENTS):
        path = home / "source" / name_of(document)
        found[document] = generations(path.read_text()).pop() if path.exists() else None
    return found


def generations(text: str) -> set[int]:
    return {int(one) for one in re.findall(r"generation (\d+)", text)}


async def assert_nothing_lost(made: World, expected: Expected) -> None:
    """Every document is as acknowledged, or as the interrupted step would leave it."""
    live = {one.uri: one for one in await made.documents()}
    for document in range(DOCUMENTS):
        record = live.get(f"file:{name_of(document)}")
        expected.find(document, await state_of(made, record) if record else None)
    assert (await made.records.audit.verify()).fault is None


async def state_of(made: World, record: DocumentRecord) -> State:
    passages = await made.records.catalog.document_passages(record.id)
    assert len(passages) == record.chunk_count
    (generation,) = {one for passage in passages for one in generations(passage.text)}
    return State(generation, str(record.label_json["owner"]))


async def assert_no_older_label_shows(made: World, expected: Expected) -> None:
    """Who was told to be an owner no more finds the document no more, repaired or not."""
    for document, owners in expected.owners.items():
        for owner in sorted(owners - expected.possible_owner(document))[-2:]:
            found = await made.uris(Subject(id=owner, tenant="acme"), f"note d{document}")
            assert f"file:{name_of(document)}" not in found


async def assert_acknowledged_is_found(made: World, expected: Expected) -> None:
    """What was acknowledged and not touched since is found by its owner, unrepaired."""
    for document, state in list(expected.acknowledged.items())[::2]:
        if state is None or document in expected.possible:
            continue
        owner = Subject(id=state.owner, tenant="acme")
        hits = await made.hits(owner, f"note d{document} generation {state.generation}")
        texts = [hit.text for hit in hits if hit.uri == f"file:{name_of(document)}"]
        assert texts
        assert {one for text in texts for one in generations(text)} == {state.generation}
