"""The engines that a set is asked of, with and without payload indexes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from acl.engine.filter import labelled, to_filter
from acl.engine.payload import point_payload
from acl.engine.wire import Filter
from acl.labels import Label, LabelSchema
from acl.predicate import Predicate
from ingest.index.edge.client import EdgeEngine
from ingest.index.edge.shard import Collection, Shard
from ingest.index.engine import Candidate, DenseLeaf, Leaf, Plan, Point, Vector
from ingest.index.qdrant import QdrantEngine

DIMENSION: Final = 4
_LEAVES_PER_CALL: Final = 64


class Mode(StrEnum):
    """Which engine, and whether it has payload indexes."""

    EDGE_INDEXED = "edge, indexed"
    EDGE_BARE = "edge, bare"
    MEMORY = "memory, bare"


@dataclass(frozen=True, slots=True)
class BareShard:
    """The embedded engine in this process, without any payload index."""

    shard: Shard

    async def upsert(self, points: Sequence[Point]) -> None:
        """Write points."""
        self.shard.upsert(points)

    async def delete(self, where: Filter) -> None:
        """Delete points."""
        self.shard.delete(where)

    async def query(self, leaves: Sequence[Leaf]) -> list[list[Candidate]]:
        """Answer each leaf."""
        return self.shard.query(leaves)

    async def close(self) -> None:
        """Let go."""
        self.shard.close()


Searchable: TypeAlias = EdgeEngine | QdrantEngine | BareShard


@dataclass(slots=True)
class Engines:
    """Open engines, one of each mode for each schema, kept from set to set."""

    directory: Path
    modes: tuple[Mode, ...] = tuple(Mode)
    _open: dict[tuple[Mode, str], Searchable] = field(default_factory=dict)
    _held: dict[tuple[Mode, str], Sequence[Label]] = field(default_factory=dict)

    async def returned(
        self, mode: Mode, schema: LabelSchema, labels: Sequence[Label], asked: Sequence[Predicate]
    ) -> list[frozenset[int]]:
        """Return, for each predicate, the positions of the labels whose points come back."""
        engine = await self._engine(mode, schema)
        if self._held.get((mode, schema.digest)) is not labels:
            await _replace(engine, schema, labels)
            self._held[mode, schema.digest] = labels
        leaves = [_leaf(predicate, schema, limit=len(labels) + 1) for predicate in asked]
        found: list[list[Candidate]] = []
        for start in range(0, len(leaves), _LEAVES_PER_CALL):
            found += await engine.query(leaves[start : start + _LEAVES_PER_CALL])
        return [frozenset(uuid.UUID(one.id).int for one in answer) for answer in found]

    async def _engine(self, mode: Mode, schema: LabelSchema) -> Searchable:
        key = mode, schema.digest
        if key not in self._open:
            self._open[key] = await self._opened(mode, schema)
        return self._open[key]

    async def _opened(self, mode: Mode, schema: LabelSchema) -> Searchable:
        place = self.directory / f"{mode.name}-{schema.digest[:16]}"
        place.mkdir(parents=True)
        match mode:
            case Mode.EDGE_BARE:
                facts = Collection(schema=schema.digest, dimension=DIMENSION, indexes={})
                return BareShard(Shard.attach(place, facts))
            case Mode.EDGE_INDEXED:
                edge = EdgeEngine(place, dimension=DIMENSION)
                await edge.open(schema)
                return edge
            case Mode.MEMORY:
                memory = QdrantEngine.in_memory(dimension=DIMENSION)
                await memory.open(schema)
                return memory

    async def close(self) -> None:
        """Close every engine."""
        for engine in self._open.values():
            await engine.close()
        self._open.clear()


async def _replace(engine: Searchable, schema: LabelSchema, labels: Sequence[Label]) -> None:
    await engine.delete(Filter(must=labelled(schema)))
    if labels:
        await engine.upsert([_point(*pair, schema) for pair in enumerate(labels)])


def _point(position: int, label: Label, schema: LabelSchema) -> Point:
    payload = point_payload(label, schema, document=f"d{position}", version=1, meta={})
    return Point(str(uuid.UUID(int=position)), _vector(), "text", payload)


def _leaf(predicate: Predicate, schema: LabelSchema, *, limit: int) -> DenseLeaf:
    where = Filter(must=(to_filter(predicate, schema),))
    return DenseLeaf(vector=_vector(), filter=where, limit=limit, plan=Plan.EXACT)


def _vector() -> Vector:
    return np.full(DIMENSION, DIMENSION**-0.5, dtype=np.float32)
