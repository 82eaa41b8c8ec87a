"""What the engine's process and its clients say to each other.

The laws of this file:

1. Each operation and each answer has a shape, which `ingest.frames` checks on arrival.
2. A filter that arrives is rebuilt by the constructors of `acl.engine.wire`, so that an empty one
   cannot arrive any more than it can be built. It is nested to a bounded depth.
3. Vectors travel as float32 bytes, finite and of the expected dimension. Scores travel as
   float64, which carries the engine's float32 bit for bit.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias, assert_never

import numpy as np
from msgspec import Meta

from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition
from acl.labels import AttributeType
from ingest.frames import FrameError, Message, pack, unpack
from ingest.index.engine import Candidate, DenseLeaf, Leaf, Plan, Point, SparseLeaf, Vector

PROTOCOL: Final = 2
"""Raised with every change of a message, so that an older process is refused, not misread."""

MAX_FRAME: Final = 64 * 2**20
MAX_DEPTH: Final = 64

Whole: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(gt=0)]


class _Any(Message, frozen=True, tag="any"):
    key: str
    values: tuple[str | int, ...]


class _Except(Message, frozen=True, tag="except"):
    key: str
    values: tuple[str, ...]


class _Range(Message, frozen=True, tag="range"):
    key: str
    gte: int | None
    lte: int | None


class Where(Message, frozen=True, tag="filter"):
    """A filter as it travels."""

    must: tuple[_Condition, ...]
    should: tuple[_Condition, ...]
    must_not: tuple[_Condition, ...]

    @classmethod
    def of(cls, where: Filter) -> Where:
        """Return a filter as it travels."""
        parts = (where.must, where.should, where.must_not)
        return cls(*(tuple(map(_packed, part)) for part in parts))

    def filter(self, depth: int = MAX_DEPTH) -> Filter:
        """Return the filter, built anew.

        Raises:
            FrameError: it is an empty one, or nested deeper than `depth`.
        """
        if not depth:
            raise FrameError(f"a filter is nested deeper than {MAX_DEPTH}")
        parts = (self.must, self.should, self.must_not)
        try:
            return Filter(*(tuple(_rebuilt(one, depth - 1) for one in part) for part in parts))
        except ValueError as error:
            # The constructors' own sentences: an empty filter, a match on no value, no bound.
            raise FrameError(str(error)) from error  # law 2


_Condition: TypeAlias = _Any | _Except | _Range | Where


class _Dense(Message, frozen=True, tag="dense"):
    where: Where
    limit: Positive
    vector: bytes
    plan: Plan
    ef: Whole


class _Sparse(Message, frozen=True, tag="sparse"):
    where: Where
    limit: Positive
    text: str
    corpus: Where
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

    where: Where
    label: dict[str, Any]


class Delete(Message, frozen=True, tag="delete"):
    """Delete every point in `where`."""

    where: Where


class Query(Message, frozen=True, tag="query"):
    """Answer each leaf."""

    leaves: list[LeafMessage]


class Count(Message, frozen=True, tag="count"):
    """Count the points in `where`."""

    where: Where
    exact: bool


class Scroll(Message, frozen=True, tag="scroll"):
    """Return the next points in `where`, from the id `after` on."""

    where: Where
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


def number_of(content: bytes) -> int:
    """Return the number that a broken request still carries, or 0."""
    try:
        return unpack(content, _Numbered).number
    except FrameError:
        return 0


def pack_leaf(leaf: Leaf) -> LeafMessage:
    """Return a leaf as it travels."""
    where = Where.of(leaf.filter)
    match leaf:
        case DenseLeaf():
            return _Dense(where, leaf.limit, _bytes(leaf.vector), leaf.plan, leaf.ef)
        case SparseLeaf():
            return _Sparse(where, leaf.limit, leaf.text, Where.of(leaf.corpus), leaf.steady)
        case _:
            assert_never(leaf)


def unpack_leaf(message: LeafMessage, *, dimension: int) -> Leaf:
    """Return the leaf in `message`.

    Raises:
        FrameError: it holds no filter, or no vector of this dimension.
    """
    where = message.where.filter()
    match message:
        case _Dense(_, limit, raw, plan, ef):
            vector = _vector(raw, dimension)
            return DenseLeaf(vector=vector, filter=where, limit=limit, plan=plan, ef=ef)
        case _Sparse(_, limit, text, corpus, steady):
            counted = corpus.filter()
            return SparseLeaf(text=text, filter=where, corpus=counted, limit=limit, steady=steady)
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


def _packed(condition: WireCondition) -> _Condition:
    match condition:
        case MatchAny(key, values):
            return _Any(key, values)
        case MatchExcept(key, texts):
            return _Except(key, texts)
        case Range(key, gte, lte):
            return _Range(key, gte, lte)
        case Filter():
            return Where.of(condition)
        case _:
            assert_never(condition)


def _rebuilt(message: _Condition, depth: int) -> WireCondition:
    match message:
        case _Any(key, values):
            return MatchAny(key, values)
        case _Except(key, texts):
            return MatchExcept(key, texts)
        case _Range(key, gte, lte):
            return Range(key, gte, lte)
        case Where():
            return message.filter(depth)
        case _:
            assert_never(message)


def _bytes(vector: Vector) -> bytes:
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def _vector(raw: bytes, dimension: int) -> Vector:
    if len(raw) != 4 * dimension:  # law 3
        raise FrameError(f"a vector is not {dimension} float32 numbers")
    vector: Vector = np.frombuffer(raw, dtype="<f4")
    if not np.isfinite(vector).all():
        raise FrameError("a vector holds an entry that is not finite")
    return vector
