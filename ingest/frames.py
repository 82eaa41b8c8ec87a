"""The frames in which this program speaks with its own child processes.

The laws of this file:

1. A frame is four bytes of length, big-endian, and one msgpack message. Nothing is unpickled.
2. A frame that announces more than its bound is refused before its content is read.
3. Each message has a declared shape. A value of another type, a field too many or too few, and an
   unknown kind of message are refused.
4. Every fault of a frame raises `FrameError`, whose text repeats nothing of the frame: it is a
   sentence of this file, or that of a message's own `__post_init__` or a hook.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from msgspec.msgpack import Encoder

LENGTH: Final = struct.Struct(">I")

_T = TypeVar("_T")
_ENCODER: Final = Encoder()


class FrameError(ValueError):
    """A frame is not what the two sides agreed on."""


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of what travels: a list of its fields, which begins with its tag where it has one."""


def pack(message: Message, *, limit: int, encoder: Encoder = _ENCODER) -> bytearray:
    """Return the frame of `message`; an `encoder` of one's own knows more types.

    Raises:
        FrameError: it holds what msgpack cannot carry, or is longer than `limit` bytes.
    """
    frame = bytearray(LENGTH.size)
    try:
        encoder.encode_into(message, frame, LENGTH.size)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FrameError("a message holds what a frame cannot carry") from error
    length = len(frame) - LENGTH.size
    if length > limit:
        raise FrameError(f"a frame is longer than {limit} bytes")
    LENGTH.pack_into(frame, 0, length)
    return frame


def unpack(
    content: bytes, shape: type[_T], *, hook: Callable[[type, Any], Any] | None = None
) -> _T:
    """Return the message in the content of a frame; `hook` reads types that msgspec does not know.

    Raises:
        FrameError: it is not of this shape.
    """
    try:
        return msgspec.msgpack.decode(content, type=shape, dec_hook=hook)
    except (ValueError, RecursionError) as error:
        # The cause is what a constructor of ours said; the library's own words may quote.
        cause = error.__cause__
        said = str(cause) if isinstance(cause, ValueError) else "a frame holds no known message"
        raise FrameError(said) from error  # law 4


async def read_frame(reader: asyncio.StreamReader, *, limit: int) -> bytes:
    """Return the content of the next frame.

    Raises:
        FrameError: it announces more than `limit` bytes; nothing after it can be told apart.
        EOFError: the stream has ended.
    """
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    if length > limit:  # law 2
        raise FrameError(f"a frame is longer than {limit} bytes")
    return await reader.readexactly(length)
