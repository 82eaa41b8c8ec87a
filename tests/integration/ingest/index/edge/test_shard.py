"""The shard itself, without the process around it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from acl.engine.filter import to_filter
from acl.engine.payload import DOCUMENT, label_payload, payload_indexes
from acl.engine.wire import Filter, MatchAny
from acl.predicate import Labelled, holds
from ingest.index.edge import shard as edge_shard
from ingest.index.edge.shard import Collection, Shard, sync_all
from ingest.index.engine import DenseLeaf, Plan, SparseLeaf
from tests.conformance import corpus

EVERYTHING = to_filter(Labelled(), corpus.SCHEMA)


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    collection = Collection(
        schema=corpus.SCHEMA.digest,
        dimension=corpus.DIMENSION,
        indexes=payload_indexes(corpus.SCHEMA),
    )
    made = Shard.attach(tmp_path, collection)
    yield made
    made.close()


def test_every_plan_finds_the_same_few_points(shard: Shard) -> None:
    rng = random.Random(1)
    labellings = [corpus.labelling(rng) for _ in range(40)]
    shard.upsert([one.point for one in labellings])
    shard.optimize()
    for predicate in corpus.predicates(rng, [one.label for one in labellings], number=20):
        where = to_filter(predicate, corpus.SCHEMA)
        leaf = DenseLeaf(vector=corpus.vector(rng), filter=where, limit=40)
        answers = shard.query(
            [DenseLeaf(vector=leaf.vector, filter=where, limit=40, plan=plan) for plan in Plan]
        )
        expected = {one.point.id for one in labellings if holds(predicate, one.label)}
        assert [{one.id for one in answer} for answer in answers] == [expected] * len(Plan)
        assert shard.count(where, exact=True) == len(expected)


def test_steady_sums_are_the_engine_s_own_but_for_rounding(shard: Shard) -> None:
    rng = random.Random(2)
    shard.upsert([corpus.labelling(rng).point for _ in range(60)])
    words = "apple pear plum cherry quince"
    steady, quick = shard.query(
        [
            SparseLeaf(text=words, filter=EVERYTHING, corpus=EVERYTHING, limit=60, steady=steady)
            for steady in (True, False)
        ]
    )
    own = {one.id: one.score for one in quick}

    assert {one.id for one in steady} == own.keys()
    assert {one.id: one.score for one in steady} == pytest.approx(own, rel=1e-6)
    assert all(set(one.payload) == {"document"} for one in steady)


def test_labels_change_and_points_go(shard: Shard) -> None:
    rng = random.Random(3)
    first, second = (
        corpus.point(rng, corpus.SCHEMA.parse(corpus.raw_label(rng)), document=name)
        for name in ("one", "two")
    )
    shard.upsert([first, second])
    label = label_payload(corpus.SCHEMA.parse(corpus.raw_label(rng)), corpus.SCHEMA)
    shard.set_label(Filter(must=(MatchAny(DOCUMENT, ("one",)),)), label)
    held = {
        one.id: one.payload["label"] for one in shard.scroll(EVERYTHING, after=None, limit=9)[0]
    }
    assert held == {first.id: label, second.id: second.payload["label"]}

    assert shard.unflushed == 3
    shard.flush()
    assert shard.unflushed == 0
    shard.delete(Filter(must=(MatchAny(DOCUMENT, ("two",)),)))
    assert [one.id for one in shard.scroll(EVERYTHING, after=None, limit=9)[0]] == [first.id]


def test_a_file_that_the_engine_renames_meanwhile_is_synced_under_its_new_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lasting", "open-1"):
        (tmp_path / name).write_bytes(b"x")
    synced: set[str] = set()
    sync = edge_shard._sync

    def renamed_before_its_turn(path: Path) -> None:
        if path.name == "open-1":
            path.rename(tmp_path / "closed-1")
        sync(path)
        synced.add(path.name)

    monkeypatch.setattr(edge_shard, "_sync", renamed_before_its_turn)
    sync_all(tmp_path)

    assert synced == {"lasting", "closed-1"}


def test_files_that_keep_vanishing_are_not_taken_for_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open-0").write_bytes(b"x")
    sync = edge_shard._sync

    def renamed_before_its_turn(path: Path) -> None:
        path.rename(tmp_path / f"open-{int(path.name.removeprefix('open-')) + 1}")
        sync(path)

    monkeypatch.setattr(edge_shard, "_sync", renamed_before_its_turn)
    with pytest.raises(FileNotFoundError):
        sync_all(tmp_path)


def test_a_log_that_is_gone_is_not_taken_for_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_all(tmp_path / "nothing")
