"""What the client sends to a server, seen by a stub that only records."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse

from acl.engine.filter import to_filter
from acl.engine.payload import label_payload, payload_indexes
from acl.predicate import AnyOf
from ingest.index.engine import (
    DenseLeaf,
    EngineError,
    EngineUnavailableError,
    Plan,
    SparseLeaf,
)
from ingest.index.qdrant import QdrantEngine, _called
from retrieval.search.guarded import guard
from tests.conformance import corpus

pytestmark = pytest.mark.enable_socket

PERMIT = to_filter(AnyOf("tenant", frozenset({"a"})), corpus.SCHEMA)
NAME = "/collections/strongroom"
DONE = {"operation_id": 1, "status": "completed"}


@dataclass
class Stub:
    """Answers every request with the next answer for its path, and remembers what was asked."""

    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, Any, str]] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (
                int(line.split(":")[1])
                for line in head.split("\r\n")
                if line.lower().startswith("content-length")
            ),
            0,
        )
        raw = await reader.readexactly(length)
        method, target, _ = head.split("\r\n")[0].split(" ")
        path = f"{method} {target.split('?')[0]}"
        self.asked.append((f"{method} {target}", json.loads(raw) if raw else None, head))
        usual = DONE if path.endswith("/index") else True
        status, result = self.answers.get(path, [(200, usual)])[0]
        if len(self.answers.get(path, [])) > 1:
            self.answers[path].pop(0)
        body = json.dumps({"result": result, "status": "ok", "time": 0.1}).encode()
        lines = [f"HTTP/1.1 {status} X", "content-type: application/json", "connection: close"]
        writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body)
        await writer.drain()
        writer.close()

    def bodies(self, start: str) -> list[Any]:
        return [body for target, body, _ in self.asked if target.startswith(start)]


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    made = Stub()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
async def engine(stub: Stub) -> AsyncIterator[QdrantEngine]:
    made = QdrantEngine.on_server(
        f"http://127.0.0.1:{stub.port}", dimension=corpus.DIMENSION, timeout=5
    )
    yield made
    await made.close()


def info(**metadata: object) -> dict[str, Any]:
    return {
        "status": "green",
        "optimizer_status": "ok",
        "segments_count": 1,
        "config": {
            "params": {},
            "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 3000},
            "optimizer_config": {
                "deleted_threshold": 0.2,
                "vacuum_min_vector_number": 1000,
                "default_segment_number": 0,
                "flush_interval_sec": 5,
            },
            "metadata": {
                "format": 1,
                "schema": corpus.SCHEMA.digest,
                "dimension": corpus.DIMENSION,
            }
            | metadata,
        },
        "payload_schema": {},
    }


async def test_the_collection_is_made_with_every_index_before_the_first_point(
    stub: Stub, engine: QdrantEngine
) -> None:
    stub.answers = {
        f"GET {NAME}/exists": [(200, {"exists": False})],
        f"GET {NAME}": [(200, info())],
    }
    await engine.open(corpus.SCHEMA)

    (made,) = (body for target, body, _ in stub.asked if target.split("?")[0] == f"PUT {NAME}")
    assert made["vectors"]["dense"]["distance"] == "Cosine"
    assert made["sparse_vectors"]["sparse"]["modifier"] == "idf"
    assert made["strict_mode_config"]["unindexed_filtering_retrieve"] is False
    indexes = stub.bodies(f"PUT {NAME}/index")
    assert {one["field_name"] for one in indexes} == set(payload_indexes(corpus.SCHEMA))
    tenant = next(one for one in indexes if one["field_name"] == "label.value.tenant")
    assert tenant["field_schema"] == {"type": "keyword", "is_tenant": True}


async def test_a_collection_of_another_schema_is_refused(stub: Stub, engine: QdrantEngine) -> None:
    stub.answers = {
        f"GET {NAME}/exists": [(200, {"exists": True})],
        f"GET {NAME}": [(200, info(schema="other"))],
    }
    with pytest.raises(EngineError, match="another schema"):
        await engine.open(corpus.SCHEMA)


async def test_a_replica_that_was_slower_attaches(stub: Stub, engine: QdrantEngine) -> None:
    stub.answers = {
        f"GET {NAME}/exists": [(200, {"exists": False}), (200, {"exists": True})],
        f"PUT {NAME}": [(409, None)],
        f"GET {NAME}": [(200, info())],
    }
    await engine.open(corpus.SCHEMA)
    stub.answers[f"GET {NAME}/exists"] = [(200, {"exists": False})]
    with pytest.raises(EngineError, match="status 409"):
        await engine.open(corpus.SCHEMA)


async def test_every_leaf_carries_the_policy_under_must_and_reads_ask_a_majority(
    stub: Stub, engine: QdrantEngine
) -> None:
    hit = {"id": corpus.identity(random.Random(1)), "version": 1, "score": 0.5, "payload": {}}
    answer = [{"points": [hit]}, {"points": [hit]}]
    stub.answers = {f"POST {NAME}/points/query/batch": [(200, answer), (200, answer[:1])]}
    where = guard(PERMIT, None)
    vector = corpus.vector(random.Random(2))
    found = await engine.query(
        [
            DenseLeaf(vector=vector, filter=where, limit=3, plan=Plan.ACORN, ef=70),
            SparseLeaf(text="apple plum", filter=where, corpus=where, limit=3),
        ]
    )
    first, steady = stub.bodies(f"POST {NAME}/points/query/batch")
    dense, sparse = first["searches"]

    assert [[one.id for one in answers] for answers in found] == [[hit["id"]]] * 2
    assert all("consistency=majority" in target for target, _, _ in stub.asked)
    assert dense["params"] == {"hnsw_ef": 70, "acorn": {"enable": True, "max_selectivity": 1.0}}
    assert dense["filter"] == sparse["filter"] == sparse["params"]["idf"]["corpus"]
    assert [*dense["filter"]] == ["must"]
    assert steady["searches"][0]["filter"]["must"][1] == dense["filter"]
    assert steady["searches"][0]["params"]["idf"]["corpus"] == dense["filter"]


async def test_writes_wait_with_strong_ordering(stub: Stub, engine: QdrantEngine) -> None:
    for path in (f"PUT {NAME}/points", f"POST {NAME}/points/payload", f"POST {NAME}/points/delete"):
        stub.answers[path] = [(200, DONE)]
    made = corpus.labelling(random.Random(1))
    await engine.upsert([made.point])
    await engine.set_label(PERMIT, label_payload(made.label, corpus.SCHEMA))
    await engine.delete(PERMIT)

    assert len(stub.asked) == 3
    assert all("wait=true" in one and "ordering=strong" in one for one, _, _ in stub.asked)
    assert [*stub.asked[1][1]["payload"]] == ["label"]


@pytest.mark.parametrize(("status", "kind"), [(503, EngineUnavailableError), (400, EngineError)])
async def test_what_goes_wrong_is_named_without_content(
    stub: Stub, engine: QdrantEngine, status: int, kind: type[EngineError]
) -> None:
    stub.answers = {f"POST {NAME}/points/count": [(status, "a secret")]}
    with pytest.raises(EngineError, match=f"status {status}") as caught:
        await engine.count(PERMIT, exact=True)
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)


async def test_a_server_out_of_reach_is_unavailable() -> None:
    made = QdrantEngine.on_server("http://127.0.0.1:9", timeout=2)
    with pytest.raises(EngineUnavailableError):
        await made.ping()
    await made.close()


async def test_a_reader_holds_no_key_that_writes(stub: Stub) -> None:
    made = QdrantEngine.on_server(f"http://127.0.0.1:{stub.port}", may_write=False)
    stub.answers = {f"GET {NAME}/exists": [(200, {"exists": False})]}
    for call in (made.delete(PERMIT), made.open(corpus.SCHEMA)):
        with pytest.raises(EngineError, match="for reading alone"):
            await call
    await made.close()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
async def test_the_two_keys_go_their_own_ways(stub: Stub) -> None:
    made = QdrantEngine.on_server(
        f"http://127.0.0.1:{stub.port}", read_key="reads", write_key="writes"
    )
    stub.answers = {
        f"POST {NAME}/points/count": [(200, {"count": 4})],
        f"POST {NAME}/points/delete": [(200, DONE)],
    }
    assert await made.count(PERMIT, exact=False) == 4
    await made.delete(PERMIT)
    await made.close()

    keys = [head for _, _, head in stub.asked]
    assert "reads" in keys[0]
    assert "writes" not in keys[0]
    assert "writes" in keys[1]


async def test_optimize_waits_until_the_server_is_done(stub: Stub, engine: QdrantEngine) -> None:
    stub.answers = {f"GET {NAME}": [(200, info() | {"status": "yellow"}), (200, info())]}
    await engine.optimize()
    assert len(stub.asked) == 2


@pytest.mark.parametrize("url", ["/var/lib/qdrant", "file:///data", ":memory:", "data", "http://"])
def test_nothing_but_a_server_s_address_is_accepted(url: str) -> None:
    with pytest.raises(EngineError, match="is not the http or https address"):
        QdrantEngine.on_server(url)


async def test_other_failures_have_their_class() -> None:
    async def fail(error: Exception) -> None:
        raise error

    def refused(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
        return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())

    for error in (ResourceExhaustedResponse("slow", 1), refused(grpc.StatusCode.UNAVAILABLE)):
        with pytest.raises(EngineUnavailableError):
            await _called(fail(error))
    with pytest.raises(EngineError, match="INVALID_ARGUMENT"):
        await _called(fail(refused(grpc.StatusCode.INVALID_ARGUMENT)))
    with pytest.raises(EngineError, match="the client refused the call: ValueError"):
        await _called(fail(ValueError("a secret")))
