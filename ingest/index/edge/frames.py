"""How the engine's process and its clients speak: length-prefixed msgpack frames.

The laws of this file:

1. A frame is four bytes of length, big-endian, and one msgpack map. Nothing is ever unpickled.
2. Whatever is wrong with a frame raises `FrameError`; the other side is told, and lives on.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgpack

PROTOCOL: Final = 1
"""Raised with every change of a frame, so that an older process is refused, not misread."""

MAX_FRAME: Final = 64 * 2**20

_LENGTH: Final = struct.Struct(">I")


class FrameError(ValueError):
    """A frame is not what the protocol says; the text repeats nothing of it."""


class Operation(StrEnum):
    """What a client can ask of the engine's process."""

    OPEN = "open"
    UPSERT = "upsert"
    SET_LABEL = "set_label"
    DELETE = "delete"
    QUERY = "query"
    COUNT = "count"
    SCROLL = "scroll"
    OPTIMIZE = "optimize"
    PING = "ping"


class Fault(StrEnum):
    """Why a request failed."""

    FRAME = "frame"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the engine's process; `body` is still as it arrived."""

    number: int
    operation: Operation
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the request of the same number: a result, or a fault with a sentence."""

    number: int
    result: Any = None
    fault: Fault | None = None
    text: str = ""


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next frame's content, or `None` at the end of the stream.

    Raises:
        FrameError: the frame announces more than `MAX_FRAME` bytes; the stream is unusable.
    """
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_FRAME:
            raise FrameError(f"a frame is longer than {MAX_FRAME} bytes")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def pack_request(request: Request) -> bytes:
    """Return the frame of `request`."""
    return _frame({"n": request.number, "op": str(request.operation), "body": request.body})


def pack_reply(reply: Reply) -> bytes:
    """Return the frame of `reply`, or of the fault that it does not fit into one."""
    fault = None if reply.fault is None else str(reply.fault)
    try:
        return _frame({"n": reply.number, "ok": reply.result, "fault": fault, "text": reply.text})
    except FrameError as error:
        return pack_reply(Reply(reply.number, fault=Fault.ENGINE, text=str(error)))


def unpack_request(content: bytes) -> Request:
    """Return the request in `content`.

    Raises:
        FrameError: it is not one.
    """
    message = _message(content)
    try:
        operation = Operation(message["op"])
    except (KeyError, ValueError, TypeError) as error:
        raise FrameError("a request names no known operation") from error
    return Request(whole(message, "n"), operation, mapping(message, "body"))


def unpack_reply(content: bytes) -> Reply:
    """Return the reply in `content`.

    Raises:
        FrameError: it is not one.
    """
    message = _message(content)
    fault = message.get("fault")
    try:
        known = None if fault is None else Fault(fault)
    except (ValueError, TypeError) as error:
        raise FrameError("a reply names no known fault") from error
    return Reply(whole(message, "n"), message.get("ok"), known, str(message.get("text", "")))


def number_of(content: bytes) -> int:
    """Return the number that a broken request still carries, or 0."""
    try:
        return whole(_message(content), "n")
    except FrameError:
        return 0


def whole(message: Mapping[str, Any], key: str) -> int:
    """Return the integer at `key`.

    Raises:
        FrameError: there is none, or it is negative.
    """
    value = message.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise FrameError(f"`{key}` is not a whole number")
    return value


def text(message: Mapping[str, Any], key: str) -> str:
    """Return the text at `key`.

    Raises:
        FrameError: there is none.
    """
    value = message.get(key)
    if not isinstance(value, str):
        raise FrameError(f"`{key}` is not a text")
    return value


def mapping(message: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the map at `key`.

    Raises:
        FrameError: there is none.
    """
    value = message.get(key)
    if not isinstance(value, dict):
        raise FrameError(f"`{key}` is not a map")
    return value


def items(message: Mapping[str, Any], key: str) -> list[Any]:
    """Return the list at `key`.

    Raises:
        FrameError: there is none.
    """
    value = message.get(key)
    if not isinstance(value, list):
        raise FrameError(f"`{key}` is not a list")
    return value


def _frame(message: dict[str, Any]) -> bytes:
    try:
        content: bytes = msgpack.packb(message)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError("a frame holds what msgpack cannot carry") from error
    if len(content) > MAX_FRAME:
        raise FrameError(f"a frame is longer than {MAX_FRAME} bytes")
    return _LENGTH.pack(len(content)) + content


def _message(content: bytes) -> dict[str, Any]:
    try:
        message = msgpack.unpackb(content)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise FrameError("a frame is not msgpack") from error
    if not isinstance(message, dict):
        raise FrameError("a frame is not a map")
    return message
