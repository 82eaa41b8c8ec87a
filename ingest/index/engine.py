"""What every vector engine must do, whether it runs in process or as a cluster.

The engine is a projection of the records: it holds vectors, labels and ids, never text. It is
asked only through `retrieval.search.store`, which puts the subject's filter into every leaf. Points
and leaves are messages, because an engine may live in a process of its own.

Sparse scores do not depend on how an index lies on disk. Qdrant sums a passage's terms in float32,
in an order that follows the index: terms are numbered as documents bring them, and such a document
may be hidden. A sum of three terms or more can then differ in the last bit when hidden documents
are added or segments are rebuilt. A sum of two cannot: addition is commutative, only not
associative. So the terms of candidates are scored in pairs, and the pairs are summed here, exactly.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, Protocol, TypeAlias, assert_never

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from acl.engine.wire import Filter
from acl.labels import AttributeType, LabelSchema
from ingest.frames import Message

Vector: TypeAlias = npt.NDArray[np.float32]
"""Shape (`DIMENSION`,), unit length."""

DIMENSION: Final = 384

Payload: TypeAlias = Mapping[str, Any]

Whole: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(gt=0)]


class EngineError(Exception):
    """The engine refused or failed; the text holds no content of any document."""


class EngineUnavailableError(EngineError):
    """The engine cannot be reached now; a later try may succeed."""


class Plan(StrEnum):
    """How the dense leaf is searched."""

    EXACT = "exact"
    ACORN = "acorn"
    HNSW = "hnsw"


class Point(Message, frozen=True):
    """One chunk as the engine holds it.

    Attributes:
        id: UUID text, the same for the same document version and position.
        dense: the passage's vector.
        text: what the sparse vector is made from; the engine does not keep it.
        payload: made by `acl.engine.payload` alone, label and bookkeeping together.
    """

    id: str
    dense: Vector
    text: str
    payload: Payload


class DenseLeaf(Message, frozen=True, kw_only=True, tag="dense"):
    """A nearest-neighbour query inside a filter."""

    vector: Vector
    filter: Filter
    limit: Positive
    plan: Plan = Plan.EXACT
    ef: Whole = 256


class SparseLeaf(Message, frozen=True, kw_only=True, tag="sparse"):
    """A BM25 query inside a filter; document frequencies are counted over `corpus` alone.

    Attributes:
        text: the question's words; the engine makes its sparse vector.
        filter: what may be found.
        corpus: what is counted.
        limit: at most so many candidates.
        steady: whether scores are summed in a fixed order (`ingest.index.engine`), so that they
            depend on `filter` and `corpus` alone, bit for bit. It costs about as much again.
    """

    text: str
    filter: Filter
    corpus: Filter
    limit: Positive
    steady: bool = True


Leaf: TypeAlias = DenseLeaf | SparseLeaf


class Candidate(Message, frozen=True):
    """One point that a leaf returned: not yet a hit, because the records have the last word."""

    id: str
    score: float
    payload: Payload = msgspec.field(default_factory=dict)


class VectorEngine(Protocol):
    """The operations of an engine. Every write is acknowledged only when it is durable."""

    async def open(self, schema: LabelSchema) -> None:
        """Create the collection and every payload index before the first point, or attach.

        Raises:
            EngineError: the collection was made for another label schema.
        """

    async def upsert(self, points: Sequence[Point]) -> None:
        """Write vectors and payload of `points` in one operation each."""

    async def set_label(self, where: Filter, payload: Payload) -> None:
        """Replace the label of every point in `where`, leaving vectors and bookkeeping untouched.

        Args:
            where: which points.
            payload: the whole label, made by `acl.engine.payload.label_payload`.
        """

    async def delete(self, where: Filter) -> None:
        """Delete every point in `where`."""

    async def query(self, leaves: Sequence[Leaf]) -> list[list[Candidate]]:
        """Answer each leaf, best first; ids, scores and the `document` bookkeeping payload."""

    async def count(self, where: Filter, *, exact: bool) -> int:
        """Count the points in `where`; an estimate costs about 0.1 ms."""

    def scroll(self, where: Filter, *, batch: int = 1000) -> AsyncIterator[Candidate]:
        """Walk over every point in `where` with its payload, in the order of ids."""

    async def optimize(self) -> None:
        """Build or rebuild the graph; blocks other calls while it runs."""

    async def ping(self) -> None:
        """Return when the engine answers.

        Raises:
            EngineUnavailableError: it does not.
        """

    async def close(self) -> None:
        """Flush and let go."""


GRAPH: Final[Mapping[str, Any]] = {"m": 16, "ef_construct": 100, "full_scan_threshold": 3000}
"""How the graph is built. It is linked for values that cover more than 3000 KB of vectors. That
is low, and the plan decides about exact search, because an engine uses one number for both."""

TENANT_KEY: Final = "label.value.tenant"
"""Points that share a tenant are kept together."""


def is_whole_number(kind: AttributeType) -> bool:
    """Say whether a payload holds values of this type as integers (`acl.engine.payload`)."""
    match kind:
        case AttributeType.INTEGER | AttributeType.BOOLEAN | AttributeType.DATETIME:
            # Booleans are stored as 0 and 1, moments as whole seconds.
            return True
        case AttributeType.KEYWORD | AttributeType.KEYWORD_SET | AttributeType.PATH:
            return False
        case _:
            assert_never(kind)


TOLERANCE: Final = 1e-4
"""How far, relatively, the engine's own sums can lie from the exact ones."""


def pairs(
    indices: Iterable[int], values: Iterable[float]
) -> Iterator[tuple[list[int], list[float]]]:
    """Yield the terms of a sparse vector by two, in the order of their indices."""
    terms = sorted(zip(indices, values, strict=True))
    for start in range(0, len(terms), 2):
        pair = terms[start : start + 2]
        yield [index for index, _ in pair], [value for _, value in pair]


def resummed(
    candidates: Sequence[Candidate], parts: Sequence[Sequence[Candidate]]
) -> list[Candidate]:
    """Return `candidates` with the exact sum of their scores in `parts`, best first."""
    scores: dict[str, list[float]] = {one.id: [] for one in candidates}
    for part in parts:
        for one in part:
            scores[one.id].append(one.score)
    summed = [Candidate(one.id, math.fsum(scores[one.id]), one.payload) for one in candidates]
    return sorted(summed, key=lambda one: (-one.score, one.id))
