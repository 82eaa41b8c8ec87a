from __future__ import annotations

import asyncio
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from acl.engine.filter import labelled
from acl.engine.wire import Filter
from ingest.index.edge.client import EdgeEngine, Patience
from ingest.index.edge.rendezvous import STARTER_LOCK, lock, meet
from ingest.index.engine import EngineError, EngineUnavailableError
from tests.conformance import corpus

EVERYTHING = Filter(must=labelled(corpus.SCHEMA))
QUICK = Patience(ping=0.3, read=0.3, write=20, start=30)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EdgeEngine]:
    made = EdgeEngine(tmp_path, dimension=corpus.DIMENSION, patience=QUICK)
    await made.open(corpus.SCHEMA)
    yield made
    await made.close()


async def until(call: Callable[[], Awaitable[object]], *, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while True:
            try:
                await call()
            except EngineUnavailableError:
                await asyncio.sleep(0.01)
            else:
                return


def pid(engine: EdgeEngine) -> int:
    assert engine._process is not None
    return engine._process.pid


async def test_a_killed_process_comes_back_with_everything(engine: EdgeEngine) -> None:
    await engine.upsert([corpus.labelling(random.Random(1)).point])
    waiting = asyncio.create_task(engine.optimize())
    os.kill(pid(engine), signal.SIGSTOP)
    await asyncio.sleep(0.05)
    os.kill(pid(engine), signal.SIGKILL)
    started = time.monotonic()
    with pytest.raises(EngineUnavailableError):
        await waiting
    with pytest.raises(EngineUnavailableError, match="restarted"):
        await engine.ping()
    assert time.monotonic() - started < 1

    await until(engine.ping)
    assert await engine.count(EVERYTHING, exact=True) == 1


async def test_a_process_that_hangs_is_given_up_in_time(engine: EdgeEngine) -> None:
    os.kill(pid(engine), signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"no answer within 0\.3 s"):
        await engine.count(EVERYTHING, exact=True)
    assert time.monotonic() - started < 2
    os.kill(pid(engine), signal.SIGCONT)
    await until(engine.ping)


async def test_clients_share_one_process_and_start_the_next(
    engine: EdgeEngine, tmp_path: Path
) -> None:
    other = EdgeEngine(tmp_path, dimension=corpus.DIMENSION)
    await other.open(corpus.SCHEMA)
    assert other._process is None
    await other.upsert([corpus.labelling(random.Random(1)).point])
    assert await engine.count(EVERYTHING, exact=True) == 1

    await engine.close()
    await until(other.ping)
    assert other._process is not None
    assert await other.count(EVERYTHING, exact=True) == 1
    await other.close()


async def test_many_calls_at_once_each_get_their_own_answer(engine: EdgeEngine) -> None:
    rng = random.Random(5)
    made = [corpus.labelling(rng).point for _ in range(600)]
    await engine.upsert(made)
    counts = await asyncio.gather(*(engine.count(EVERYTHING, exact=True) for _ in range(20)))
    assert counts == [600] * 20


@pytest.mark.usefixtures("engine")
async def test_the_directory_and_the_socket_are_their_owner_s_alone(tmp_path: Path) -> None:
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "engine.sock").stat().st_mode) & 0o077 == 0


async def test_the_process_learns_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_PEPPER", "hunter2")
    made = EdgeEngine(tmp_path, dimension=corpus.DIMENSION)
    await made.open(corpus.SCHEMA)
    environment = Path(f"/proc/{pid(made)}/environ").read_bytes()
    await made.close()
    assert b"hunter2" not in environment


async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    made = EdgeEngine(deep, dimension=corpus.DIMENSION)
    await made.open(corpus.SCHEMA)
    await made.ping()
    await made.close()


async def test_calls_need_an_open_engine(tmp_path: Path, engine: EdgeEngine) -> None:
    closed = EdgeEngine(tmp_path / "other")
    with pytest.raises(EngineError, match="not open"):
        await closed.ping()
    with pytest.raises(EngineError, match="open already"):
        await engine.open(corpus.SCHEMA)
    await closed.close()


async def test_an_engine_that_cannot_start_says_so_in_time(tmp_path: Path) -> None:
    handle = lock(tmp_path / STARTER_LOCK, patience=0)
    assert handle is not None
    made = EdgeEngine(tmp_path, patience=Patience(start=0.3))
    with pytest.raises(EngineUnavailableError, match="another client is still starting"):
        await made.open(corpus.SCHEMA)
    os.close(handle)
    with pytest.raises(EngineUnavailableError, match="did not start"):
        await meet(tmp_path, patience=0)


SPAWNER = """
import asyncio, sys
from pathlib import Path
from ingest.index.edge.client import EdgeEngine
from tests.conformance import corpus

async def run():
    engine = EdgeEngine(Path(sys.argv[1]), dimension=corpus.DIMENSION)
    await engine.open(corpus.SCHEMA)
    print(engine._process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(run())
"""


async def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SPAWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as spawner:
        assert spawner.stdout is not None
        worker = int(await asyncio.to_thread(spawner.stdout.readline))
        spawner.kill()
    async with asyncio.timeout(20):
        while Path(f"/proc/{worker}").exists() and " Z " not in _status(worker):
            await asyncio.sleep(0.02)
    assert not (tmp_path / "engine.sock").exists()


def _status(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return " Z "
