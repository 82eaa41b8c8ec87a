"""What the engine's process and its clients say to each other.

The laws of this file:

1. Each operation and each answer has a shape, which `ingest.frames` checks on arrival.
2. Filters, leaves and points travel as they are. An empty filter cannot arrive any more than it
   can be built, and a request that leaves out a field is refused although the field has a default:
   what is missing may be the part of a filter that hides.
3. Vectors travel as float32 bytes, all of them finite. Scores travel as float64, which carries the
   engine's float32 bit for bit.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from msgspec.msgpack import Encoder

from acl.engine.wire import Filter
from acl.labels import AttributeType
from ingest.frames import LENGTH, FrameError, Message, pack, unpack
from ingest.index.engine import Candidate, Leaf, Payload, Point, Positive, Vector, Whole

PROTOCOL: Final = 3
"""Raised with every change of a message, so that an older process is refused, not misread."""

MAX_FRAME: Final = 64 * 2**20

_FLOAT: Final = np.dtype("<f4")


def _sent(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        return value.astype(_FLOAT).tobytes()
    raise TypeError


def _arrived(_: type, value: object) -> Vector:
    """Return a vector; it is the only field whose type is not msgspec's own."""
    if not isinstance(value, bytes) or len(value) % _FLOAT.itemsize:  # law 3
        raise ValueError("a vector is not float32 numbers")
    vector: Vector = np.frombuffer(value, dtype=_FLOAT)
    if not np.isfinite(vector).all():
        raise ValueError("a vector holds an entry that is not finite")
    return vector


_ENCODER: Final = Encoder(enc_hook=_sent)


class Open(Message, frozen=True, tag="open"):
    """Attach to the collection of this schema, or create it."""

    protocol: int
    schema: str
    dimension: Positive
    indexes: dict[str, AttributeType]


class Upsert(Message, frozen=True, tag="upsert"):
    """Write points."""

    points: list[Point]


class SetLabel(Message, frozen=True, tag="set_label"):
    """Replace the label of every point in `where`."""

    where: Filter
    label: Payload


class Delete(Message, frozen=True, tag="delete"):
    """Delete every point in `where`."""

    where: Filter


class Query(Message, frozen=True, tag="query"):
    """Answer each leaf."""

    leaves: list[Leaf]


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


def pack_request(request: Request) -> bytearray:
    """Return the frame of a request.

    Raises:
        FrameError: it is too long, or holds what msgpack cannot carry.
    """
    return pack(request, limit=MAX_FRAME, encoder=_ENCODER)


def unpack_request(content: bytes) -> Request:
    """Return the request in the content of a frame.

    Raises:
        FrameError: it is none, or leaves a field out.
    """
    request = unpack(content, Request, hook=_arrived)
    if pack_request(request)[LENGTH.size :] != content:  # law 2
        raise FrameError("a request is not written out in full")
    return request


def number_of(content: bytes) -> int:
    """Return the number that a broken request still carries, or 0."""
    try:
        return unpack(content, _Numbered).number
    except FrameError:
        return 0
