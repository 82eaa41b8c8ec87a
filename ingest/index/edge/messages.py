"""What the engine's process and its clients say to each other.

The laws of this file:

1. Each operation and each answer has a shape, which `ingest.frames` checks on arrival.
2. Filters travel as they are (`acl.engine.wire`). An empty one cannot arrive any more than it can
   be built, and a request that leaves out a field is refused although the field has a default:
   what is missing may be the part of a filter that hides.
3. Vectors travel as float32 bytes, finite and of the expected dimension. Scores travel as
   float64, which carries the engine's float32 bit for bit.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias, assert_never

import numpy as np
from msgspec import Meta

from acl.engine.wire import Filter
from acl.labels import AttributeType
from ingest.frames import LENGTH, FrameError, Message, pack, unpack
from ingest.index.engine import Candidate, DenseLeaf, Leaf, Plan, Point, SparseLeaf, Vector

PROTOCOL: Final = 3
"""Raised with every change of a message, so that an older process is refused, not misread."""

MAX_FRAME: Final = 64 * 2**20

Whole: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(gt=0)]


class _Dense(Message, frozen=True, tag="dense"):
    where: Filter
    limit: Positive
    vector: bytes
    plan: Plan
    ef: Whole


class _Sparse(Message, frozen=True, tag="sparse"):
    where: Filter
    limit: Positive
    text: str
    corpus: Filter
    steady: bool


LeafMessage: TypeAlias = _Dense | _Sparse


class PointMessage(Message, frozen=True):
    """A point as it travels."""

    id: str
    vector: bytes
    text: str
    payload: dict[str, Any]


class Open(Message, frozen=True, tag="open"):
    """Attach to the collection of this schema, or create it."""

    protocol: int
    schema: str
    dimension: Positive
    indexes: dict[str, AttributeType]


class Upsert(Message, frozen=True, tag="upsert"):
    """Write points."""

    points: list[PointMessage]


class SetLabel(Message, frozen=True, tag="set_label"):
    """Replace the label of every point in `where`."""

    where: Filter
    label: dict[str, Any]


class Delete(Message, frozen=True, tag="delete"):
    """Delete every point in `where`."""

    where: Filter


class Query(Message, frozen=True, tag="query"):
    """Answer each leaf."""

    leaves: list[LeafMessage]


class Count(Message, frozen=True, tag="count"):
    """Count the points in `where`."""

    where: Filter
    exact: bool


class Scroll(Message, frozen=True, tag="scroll"):
    """Return the next points in `where`, from the id `after` on."""

    where: Filter
    after: str | None
    limit: Positive


class Optimize(Message, frozen=True, tag="optimize"):
    """Build the graph."""


class Ping(Message, frozen=True, tag="ping"):
    """Answer."""


Operation: TypeAlias = Open | Upsert | SetLabel | Delete | Query | Count | Scroll | Optimize | Ping


class Done(Message, frozen=True, tag="done"):
    """It is done, and there is nothing to say."""


class Counted(Message, frozen=True, tag="counted"):
    """The number of points."""

    number: Whole


class Answers(Message, frozen=True, tag="answers"):
    """The candidates of each leaf, best first."""

    leaves: list[list[Candidate]]


class Page(Message, frozen=True, tag="page"):
    """Points in the order of ids, and where to go on."""

    points: list[Candidate]
    following: str | None


class Refused(Message, frozen=True, tag="refused"):
    """It was not done; the text holds no content of any document."""

    text: str


Outcome: TypeAlias = Done | Counted | Answers | Page | Refused


class Request(Message, frozen=True):  # law 1
    """One question to the engine's process."""

    number: Whole
    operation: Operation


class Reply(Message, frozen=True):
    """The answer to the request of the same number."""

    number: Whole
    outcome: Outcome


class _Numbered(Message, frozen=True, forbid_unknown_fields=False):
    number: Whole


def pack_reply(number: int, outcome: Outcome) -> bytearray:
    """Return the frame of a reply, or of a refusal when the outcome does not fit into one."""
    try:
        return pack(Reply(number, outcome), limit=MAX_FRAME)
    except FrameError as error:
        return pack(Reply(number, Refused(str(error))), limit=MAX_FRAME)


def unpack_request(content: bytes) -> Request:
    """Return the request in the content of a frame.

    Raises:
        FrameError: it is none, or leaves a field out.
    """
    request = unpack(content, Request)
    if pack(request, limit=MAX_FRAME)[LENGTH.size :] != content:  # law 2
        raise FrameError("a request is not written out in full")
    return request


def number_of(content: bytes) -> int:
    """Return the number that a broken request still carries, or 0."""
    try:
        return unpack(content, _Numbered).number
    except FrameError:
        return 0


def pack_leaf(leaf: Leaf) -> LeafMessage:
    """Return a leaf as it travels."""
    match leaf:
        case DenseLeaf():
            return _Dense(leaf.filter, leaf.limit, _bytes(leaf.vector), leaf.plan, leaf.ef)
        case SparseLeaf():
            return _Sparse(leaf.filter, leaf.limit, leaf.text, leaf.corpus, leaf.steady)
        case _:
            assert_never(leaf)


def unpack_leaf(message: LeafMessage, *, dimension: int) -> Leaf:
    """Return the leaf in `message`.

    Raises:
        FrameError: it holds no vector of this dimension.
    """
    match message:
        case _Dense(where, limit, raw, plan, ef):
            vector = _vector(raw, dimension)
            return DenseLeaf(vector=vector, filter=where, limit=limit, plan=plan, ef=ef)
        case _Sparse(where, limit, text, corpus, steady):
            return SparseLeaf(text=text, filter=where, corpus=corpus, limit=limit, steady=steady)
        case _:
            assert_never(message)


def pack_point(point: Point) -> PointMessage:
    """Return a point as it travels."""
    return PointMessage(point.id, _bytes(point.dense), point.text, dict(point.payload))


def unpack_point(message: PointMessage, *, dimension: int) -> Point:
    """Return the point in `message`.

    Raises:
        FrameError: it holds no vector of this dimension.
    """
    return Point(message.id, _vector(message.vector, dimension), message.text, message.payload)


def _bytes(vector: Vector) -> bytes:
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def _vector(raw: bytes, dimension: int) -> Vector:
    if len(raw) != 4 * dimension:  # law 3
        raise FrameError(f"a vector is not {dimension} float32 numbers")
    vector: Vector = np.frombuffer(raw, dtype="<f4")
    if not np.isfinite(vector).all():
        raise FrameError("a vector holds an entry that is not finite")
    return vector
