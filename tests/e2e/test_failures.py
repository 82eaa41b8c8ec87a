"""A part that fails makes the service say so, release nothing, and go on when the part is back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2
import pytest

from ingest.index.edge.client import EdgeEngine
from tests.serving import ADA, Service, running

ASKED = {"query": "hotel", "mode": "sparse"}


@pytest.fixture(name="own", scope="module")
def _own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for this file alone: its parts are broken one after the other."""
    yield from running(tmp_path_factory.mktemp("failing"))


def unavailable(answer: httpx2.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"] == "urn:strongroom:problem:unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert "hits" not in answer.json()


def test_the_engine_dies_and_comes_back(own: Service) -> None:
    engine = own.parts.engine
    assert isinstance(engine, EdgeEngine)
    assert engine._process is not None
    with own.as_(ADA) as client:
        assert client.post("/v1/search", json=ASKED).status_code == 200
        engine._process.kill()
        answers = [client.post("/v1/search", json=ASKED)]
        deadline = time.monotonic() + 60
        while answers[-1].status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
            answers.append(client.post("/v1/search", json=ASKED))
        for answer in answers[:-1]:
            unavailable(answer)
        assert answers[-1].status_code == 200
        assert answers[-1].json()["hits"]


def test_without_the_audit_nothing_is_released(own: Service) -> None:
    own.run(own.parts.records.audit.close())
    identity = own.documents["file:acme/finance/budget.md"]
    with own.as_(ADA) as client:
        unavailable(client.post("/v1/search", json=ASKED))
        unavailable(client.get("/v1/documents"))
        unavailable(client.get(f"/v1/documents/{identity}"))
        unavailable(client.post("/v1/explain", json={"document_id": identity}))
        assert client.get("/livez").status_code == 200


def test_readiness_names_the_part(own: Service) -> None:
    own.run(own.parts.engine.close())
    own.run(own.parts.records.database.close())
    with own.client() as client:
        answer = client.get("/readyz")
    unavailable(answer)
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/records", "/engine"]
