from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from acl.engine.filter import labelled
from acl.engine.payload import payload_indexes
from acl.engine.wire import Filter
from acl.labels import AttributeType
from ingest.frames import LENGTH, Message, unpack
from ingest.index.edge import process as edge_worker
from ingest.index.edge.client import Connection
from ingest.index.edge.messages import (
    MAX_FRAME,
    PROTOCOL,
    Answers,
    Count,
    Counted,
    Delete,
    Done,
    Open,
    Operation,
    Optimize,
    Outcome,
    Page,
    Ping,
    Query,
    Refused,
    Reply,
    Request,
    Scroll,
    SetLabel,
    Upsert,
    pack_request,
)
from ingest.index.edge.process import Worker, main, serve
from ingest.index.edge.rendezvous import WORKER_LOCK, lock, meet
from ingest.index.edge.shard import Collection, Shard
from ingest.index.engine import DenseLeaf, EngineError, EngineUnavailableError, SparseLeaf
from tests.conformance import corpus

EVERYTHING = Filter(must=labelled(corpus.SCHEMA))
EMPTY = ["filter", [], [], []]
INDEXES: dict[str, AttributeType] = dict(payload_indexes(corpus.SCHEMA))
GREETING = Open(PROTOCOL, corpus.SCHEMA.digest, corpus.DIMENSION, INDEXES)


def asked(worker: Worker, operation: Operation) -> Outcome:
    return answered(worker, bytes(pack_request(Request(5, operation))[4:]))


def answered(worker: Worker, content: bytes) -> Outcome:
    reply = unpack(bytes(worker.answer(content)[4:]), Reply)
    assert reply.number == 5 or isinstance(reply.outcome, Refused)
    return reply.outcome


def refusal(outcome: Outcome) -> str:
    assert isinstance(outcome, Refused)
    return outcome.text


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    made = Worker(tmp_path)
    yield made
    await made.close()


async def test_nothing_is_done_before_the_collection_is_open(worker: Worker) -> None:
    for operation in (
        Upsert([]),
        SetLabel(EVERYTHING, {}),
        Delete(EVERYTHING),
        Query([]),
        Count(EVERYTHING, exact=True),
        Scroll(EVERYTHING, None, 1),
        Optimize(),
    ):
        assert refusal(asked(worker, operation)) == "the collection is not open"
    assert asked(worker, Ping()) == Done()


async def test_a_bad_frame_costs_an_answer_and_nothing_else(worker: Worker) -> None:
    rng = random.Random(3)
    assert asked(worker, GREETING) == Done()
    good = msgspec.msgpack.encode([5, ["query", [["dense", [], 1]]]])
    for _ in range(2000):
        noise = bytearray(good) if rng.random() < 0.7 else bytearray(rng.randbytes(40))
        noise[rng.randrange(len(noise))] = rng.randrange(256)
        assert refusal(answered(worker, bytes(noise)))
    for name in ("upsert", "set_label", "delete", "query", "count", "scroll", "open", "ping"):
        content = msgspec.msgpack.encode([5, [name, "more"]])
        assert refusal(answered(worker, content)) == "a frame holds no known message"
    assert asked(worker, Count(EVERYTHING, exact=True)) == Counted(0)


async def test_another_protocol_schema_or_dimension_is_refused(worker: Worker) -> None:
    changed = partial(msgspec.structs.replace, GREETING)
    assert "another protocol" in refusal(asked(worker, changed(protocol=0)))
    assert asked(worker, GREETING) == Done()
    assert asked(worker, GREETING) == Done()
    assert "another schema" in refusal(asked(worker, changed(schema="x")))
    assert "another schema" in refusal(asked(worker, changed(dimension=9)))


async def test_the_engine_s_own_words_stay_here(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    asked(worker, GREETING)
    made = corpus.labelling(random.Random(1)).point
    outcome = asked(worker, Upsert([msgspec.structs.replace(made, id="no uuid")]))

    assert outcome == Refused("the engine refused `upsert`: ValueError")
    assert "no uuid" in caplog.text


async def test_a_vector_of_another_dimension_is_refused(worker: Worker) -> None:
    asked(worker, GREETING)
    vector = corpus.vector(random.Random(1), dimension=3)
    point = msgspec.structs.replace(corpus.labelling(random.Random(1)).point, dense=vector)
    leaf = DenseLeaf(vector=vector, filter=EVERYTHING, limit=1)

    for operation in (Upsert([point]), Query([leaf])):
        outcome = asked(worker, operation)
        assert outcome == Refused(f"a vector is not {corpus.DIMENSION} float32 numbers")


class Panic(BaseException):
    pass


async def test_a_panic_ends_the_process(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object, **__: object) -> None:
        raise Panic

    asked(worker, GREETING)
    shard = worker._shard
    assert shard is not None
    monkeypatch.setattr(shard, "count", panic)

    assert refusal(asked(worker, Count(EVERYTHING, exact=True))) == "the engine gave up"
    assert worker.ended.is_set()
    shard.close()


class NoFilter(Message, frozen=True, tag="delete"):
    """An operation that our own client cannot build."""

    where: list[object]


async def test_clients_are_served_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(edge_worker, "_PAUSE_SECONDS", 0.01)
    worker = Worker(Path())
    flushing = asyncio.create_task(worker.flush_in_pauses())
    serving = asyncio.create_task(serve(worker))
    while not Path("engine.sock").exists():
        await asyncio.sleep(0.01)
    lost: list[Connection] = []
    first = Connection((await meet(tmp_path, patience=1)).streams, lost=lost.append)
    second = Connection((await meet(tmp_path, patience=1)).streams, lost=lost.append)
    await first.ask(GREETING, Done, patience=60)
    point = corpus.labelling(random.Random(1)).point
    await first.ask(Upsert([point]), Done, patience=60)
    with pytest.raises(EngineError, match="answered another question"):
        await first.ask(Ping(), Counted, patience=60)
    while worker._shard is None or worker._shard.unflushed:
        await asyncio.sleep(0.01)
    with pytest.raises(EngineError, match="without a positive condition"):
        await second.ask(NoFilter(EMPTY), Done, patience=60)  # type: ignore[arg-type]
    second._writer.write(LENGTH.pack(MAX_FRAME + 1))
    while not lost:
        await asyncio.sleep(0.01)
    assert lost == [second]

    worker.ended.set()
    await serving
    with pytest.raises(EngineUnavailableError):
        await first.ask(Ping(), Done, patience=60)
    flushing.cancel()
    await asyncio.gather(first.close(), second.close())
    assert not Path("engine.sock").exists()


async def test_many_unflushed_points_are_flushed_at_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_worker, "_MOST_UNFLUSHED", 3)
    asked(worker, GREETING)
    rng = random.Random(2)
    points = [corpus.labelling(rng).point for _ in range(3)]
    asked(worker, Upsert(points))
    assert worker._shard is not None
    assert worker._shard.unflushed == 3
    asked(worker, Upsert(points))
    assert worker._shard.unflushed == 0


def test_one_process_per_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o077)
    handle = lock(tmp_path / WORKER_LOCK, patience=0)
    assert handle is not None
    assert main([str(tmp_path)], patience=0.05) == 1
    os.close(handle)
    os.umask(before)


def test_a_shard_that_was_half_made_is_made_again(tmp_path: Path) -> None:
    collection = Collection(schema="s", dimension=4, indexes={})
    (tmp_path / "shard.new" / "segments").mkdir(parents=True)
    Shard.attach(tmp_path, collection).close()
    Shard.attach(tmp_path, collection).close()
    assert not (tmp_path / "shard.new").exists()

    (tmp_path / "collection.json").write_text("[]")
    with pytest.raises(EngineError, match="another format"):
        Shard.attach(tmp_path, collection)
    (tmp_path / "collection.json").unlink()
    with pytest.raises(EngineError, match="cannot be read"):
        Shard.attach(tmp_path, collection)


def test_a_metadata_index_is_made_late_and_changed(tmp_path: Path) -> None:
    indexes = payload_indexes(corpus.SCHEMA)
    language, pages = indexes["meta.language"], indexes["meta.pages"]
    first = Shard.attach(tmp_path, Collection(schema="s", dimension=4, indexes={}))
    first.index({"meta.language": language})
    first.index({"meta.language": pages, "meta.pages": pages})
    held = first._shard.info().payload_schema
    first.close()

    assert {key: str(one.data_type) for key, one in held.items()} == {
        "meta.language": "PayloadSchemaType.Integer",
        "meta.pages": "PayloadSchemaType.Integer",
    }


async def test_every_operation_is_answered(worker: Worker) -> None:
    asked(worker, GREETING)
    point = corpus.labelling(random.Random(4)).point
    asked(worker, Upsert([point]))
    leaf = SparseLeaf(text=point.text, filter=EVERYTHING, corpus=EVERYTHING, limit=1)

    answers = asked(worker, Query([leaf]))
    assert isinstance(answers, Answers)
    assert [[one.id for one in leaf] for leaf in answers.leaves] == [[point.id]]
    page = asked(worker, Scroll(EVERYTHING, None, 5))
    assert isinstance(page, Page)
    assert ([one.id for one in page.points], page.following) == ([point.id], None)
    assert isinstance(asked(worker, Scroll(EVERYTHING, point.id, 5)), Page)
    assert asked(worker, SetLabel(EVERYTHING, point.payload["label"])) == Done()
    assert asked(worker, Optimize()) == Done()
    assert asked(worker, Delete(EVERYTHING)) == Done()
    assert asked(worker, Count(EVERYTHING, exact=True)) == Counted(0)


async def test_the_process_goes_when_its_parent_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_worker, "_PARENT_SECONDS", 0.01)
    ended = asyncio.Event()
    await asyncio.wait_for(edge_worker._watch_parent(-1, ended), 5)
    assert ended.is_set()
