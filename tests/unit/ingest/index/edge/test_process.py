from __future__ import annotations

import asyncio
import os
import random
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from acl.engine.filter import labelled
from acl.engine.payload import payload_indexes
from acl.engine.wire import Filter
from ingest.index.edge import process as edge_worker
from ingest.index.edge.connection import Connection
from ingest.index.edge.frames import MAX_FRAME, PROTOCOL, Fault, Operation, Reply, unpack_reply
from ingest.index.edge.messages import pack_filter, pack_point
from ingest.index.edge.process import Worker, main, serve
from ingest.index.edge.rendezvous import WORKER_LOCK, lock, meet
from ingest.index.edge.shard import Collection, Shard
from ingest.index.engine import EngineError, EngineUnavailableError
from tests.conformance import corpus

EVERYTHING = Filter(must=labelled(corpus.SCHEMA))


def greeting(**changes: object) -> dict[str, Any]:
    indexes = {key: str(kind) for key, kind in payload_indexes(corpus.SCHEMA).items()}
    return {
        "protocol": PROTOCOL,
        "schema": corpus.SCHEMA.digest,
        "dimension": corpus.DIMENSION,
        "indexes": indexes,
    } | changes


def asked(worker: Worker, operation: str, body: object) -> Reply:
    frame = worker.answer(msgpack.packb({"n": 5, "op": operation, "body": body}))
    return unpack_reply(frame[4:])


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    made = Worker(tmp_path)
    yield made
    await made.close()


async def test_nothing_is_done_before_the_collection_is_open(worker: Worker) -> None:
    for operation in set(Operation) - {Operation.OPEN, Operation.PING}:
        body = {
            "where": pack_filter(EVERYTHING),
            "label": {},
            "points": [],
            "leaves": [],
            "limit": 1,
        }
        assert asked(worker, operation, body).text == "the collection is not open"
    assert asked(worker, "ping", {}) == Reply(5)


async def test_a_bad_frame_costs_an_answer_and_nothing_else(worker: Worker) -> None:
    rng = random.Random(3)
    assert asked(worker, "open", greeting()).fault is None
    good = msgpack.packb({"n": 5, "op": "query", "body": {"leaves": [{"limit": 1}]}})
    for _ in range(2000):
        noise = bytearray(good) if rng.random() < 0.7 else bytearray(rng.randbytes(40))
        noise[rng.randrange(len(noise))] = rng.randrange(256)
        assert unpack_reply(worker.answer(bytes(noise))[4:]).fault is not None
    for operation in set(Operation) - {Operation.PING, Operation.OPTIMIZE}:
        assert asked(worker, operation, {}).fault is not None
    assert asked(worker, "count", {"where": pack_filter(EVERYTHING), "exact": True}) == Reply(5, 0)


async def test_another_protocol_schema_or_dimension_is_refused(worker: Worker) -> None:
    assert "another protocol" in asked(worker, "open", greeting(protocol=0)).text
    assert asked(worker, "open", greeting()).fault is None
    assert asked(worker, "open", greeting()).fault is None
    assert "another schema" in asked(worker, "open", greeting(schema="x")).text
    assert "another schema" in asked(worker, "open", greeting(dimension=9)).text
    assert asked(worker, "open", greeting(dimension="9")).fault is Fault.FRAME


async def test_the_engine_s_own_words_stay_here(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    asked(worker, "open", greeting())
    made = corpus.labelling(random.Random(1)).point
    reply = asked(worker, "upsert", {"points": [["no uuid", *pack_point(made)[1:]]]})

    assert reply == Reply(5, fault=Fault.ENGINE, text="the engine refused `upsert`: ValueError")
    assert "no uuid" in caplog.text


class Panic(BaseException):
    pass


async def test_a_panic_ends_the_process(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object, **__: object) -> None:
        raise Panic

    asked(worker, "open", greeting())
    shard = worker._shard
    assert shard is not None
    monkeypatch.setattr(shard, "count", panic)
    reply = asked(worker, "count", {"where": pack_filter(EVERYTHING)})

    assert reply.text == "the engine gave up"
    assert worker.ended.is_set()
    shard.close()


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
    await first.ask(Operation.OPEN, greeting(), patience=10)
    point = pack_point(corpus.labelling(random.Random(1)).point)
    await first.ask(Operation.UPSERT, {"points": [point]}, patience=10)
    while worker._shard is None or worker._shard.unflushed:
        await asyncio.sleep(0.01)
    with pytest.raises(EngineError, match="no known shape"):
        await second.ask(Operation.DELETE, {}, patience=10)
    second._writer.write(struct.pack(">I", MAX_FRAME + 1))
    while not lost:
        await asyncio.sleep(0.01)
    assert lost == [second]

    worker.ended.set()
    await serving
    with pytest.raises(EngineUnavailableError):
        await first.ask(Operation.PING, {}, patience=10)
    flushing.cancel()
    await asyncio.gather(first.close(), second.close())
    assert not Path("engine.sock").exists()


async def test_many_unflushed_points_are_flushed_at_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_worker, "_MOST_UNFLUSHED", 3)
    asked(worker, "open", greeting())
    rng = random.Random(2)
    points = [pack_point(corpus.labelling(rng).point) for _ in range(3)]
    asked(worker, "upsert", {"points": points})
    assert worker._shard is not None
    assert worker._shard.unflushed == 3
    asked(worker, "upsert", {"points": points})
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
    asked(worker, "open", greeting())
    point = corpus.labelling(random.Random(4)).point
    where = pack_filter(EVERYTHING)
    asked(worker, "upsert", {"points": [pack_point(point)]})
    leaf = {"filter": where, "limit": 1, "text": point.text, "corpus": where}

    ((found,),) = asked(worker, "query", {"leaves": [leaf]}).result
    assert found[0] == point.id
    (walked,), following = asked(worker, "scroll", {"where": where, "limit": 5}).result
    assert (walked[0], following) == (point.id, None)
    assert asked(worker, "scroll", {"where": where, "limit": 5, "after": point.id}).fault is None
    label = point.payload["label"]
    assert asked(worker, "set_label", {"where": where, "label": label}) == Reply(5)
    assert asked(worker, "optimize", {}) == Reply(5)
    assert asked(worker, "delete", {"where": where}) == Reply(5)
    assert asked(worker, "count", {"where": where, "exact": True}) == Reply(5, 0)


async def test_the_process_goes_when_its_parent_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_worker, "_PARENT_SECONDS", 0.01)
    ended = asyncio.Event()
    await asyncio.wait_for(edge_worker._watch_parent(-1, ended), 5)
    assert ended.is_set()
