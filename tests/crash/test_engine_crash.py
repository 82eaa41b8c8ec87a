"""kill -9 at any moment: nothing acknowledged is lost, no point is without its whole label."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest

from acl.engine.filter import labelled
from acl.engine.payload import DOCUMENT, label_payload
from acl.engine.wire import Filter, MatchAny
from acl.labels import Label
from ingest.index.edge.client import EdgeEngine
from ingest.index.engine import EngineUnavailableError
from tests.conformance import corpus

KILLS = 50
SECONDS = 120.0
DOCUMENTS = 6
CHUNKS = 20

pytestmark = pytest.mark.slow


def label(rng: random.Random) -> Label:
    return corpus.SCHEMA.parse(corpus.raw_label(rng))


def of(document: str) -> Filter:
    return Filter(must=(MatchAny(DOCUMENT, (document,)),))


class Writer:
    """Writes and relabels documents, and remembers what was acknowledged and what may have been."""

    def __init__(self, engine: EdgeEngine, rng: random.Random) -> None:
        self._engine = engine
        self._rng = rng
        self.points: dict[str, set[str]] = {}
        self.labels: dict[str, list[Label]] = {}
        self.acknowledged = 0
        self.refused = 0

    async def write(self) -> None:
        document = f"d{self._rng.randrange(DOCUMENTS)}"
        try:
            if document in self.points and self._rng.random() < 0.6:
                await self._relabel(document)
            else:
                await self._upsert(document)
            self.acknowledged += 1
        except EngineUnavailableError:
            self.refused += 1
            await asyncio.sleep(0.005)

    async def _relabel(self, document: str) -> None:
        new = label(self._rng)
        held = self.labels[document]
        # Until it is acknowledged, both the old label and the new one are right.
        self.labels[document] = [*held, new]
        await self._engine.set_label(of(document), label_payload(new, corpus.SCHEMA))
        self.labels[document] = [new]

    async def _upsert(self, document: str) -> None:
        held = self.labels.get(document)
        one = held[-1] if held else label(self._rng)
        if held and len(held) > 1:
            await self._relabel(document)
            return
        points = [corpus.point(self._rng, one, document=document) for _ in range(CHUNKS)]
        self.labels[document] = [one]
        await self._engine.upsert(points)
        self.points.setdefault(document, set()).update(point.id for point in points)


async def check(engine: EdgeEngine, writer: Writer) -> None:
    for document, acknowledged in writer.points.items():
        held = {one.id: one async for one in engine.scroll(of(document))}
        assert acknowledged <= held.keys(), "an acknowledged point is gone"
        allowed = [label_payload(one, corpus.SCHEMA) for one in writer.labels[document]]
        for one in held.values():
            assert one.payload["label"] in allowed, "a label is neither the old nor the new one"
    everything = {one.id async for one in engine.scroll(Filter(must=labelled(corpus.SCHEMA)))}
    assert everything >= set().union(*writer.points.values())


async def back(engine: EdgeEngine) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await engine.ping()
            except EngineUnavailableError:
                await asyncio.sleep(0.005)


async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    rng = random.Random(41)
    engine = EdgeEngine(tmp_path, dimension=corpus.DIMENSION)
    await engine.open(corpus.SCHEMA)
    writer = Writer(engine, rng)
    deadline, kills = time.monotonic() + SECONDS, 0
    while kills < KILLS and time.monotonic() < deadline:
        await back(engine)
        process = engine._process
        assert process is not None
        moment = time.monotonic() + rng.random() * 0.15
        asyncio.get_running_loop().call_later(
            moment - time.monotonic(), os.kill, process.pid, signal.SIGKILL
        )
        while time.monotonic() < moment + 0.005:
            await writer.write()
        kills += 1
        if kills % 5 == 0:
            await back(engine)
            await check(engine, writer)
    await back(engine)
    await check(engine, writer)
    await engine.close()

    assert kills >= KILLS
    assert writer.refused > 0
    assert writer.acknowledged > KILLS
    assert len(writer.points) == DOCUMENTS
