from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from ingest.frames import LENGTH, FrameError, Message, pack, read_frame, unpack

LIMIT = 1000


class Told(Message, frozen=True, tag="told"):
    number: int
    value: Any = None


def content(frame: bytearray) -> bytes:
    assert LENGTH.unpack(frame[:4]) == (len(frame) - 4,)
    return bytes(frame[4:])


def reader(stream: bytes) -> asyncio.StreamReader:
    made = asyncio.StreamReader()
    made.feed_data(stream)
    made.feed_eof()
    return made


def test_a_message_comes_back_as_it_went() -> None:
    told = Told(7, {"exact": True, "list": [1, "a", b"x"]})

    assert unpack(content(pack(told, limit=LIMIT)), Told) == told


async def test_frames_are_read_one_after_the_other_until_the_end() -> None:
    stream = reader(bytes(pack(Told(1), limit=LIMIT) + pack(Told(2), limit=LIMIT)))
    numbers = [unpack(await read_frame(stream, limit=LIMIT), Told).number for _ in range(2)]

    assert numbers == [1, 2]
    for ended in (stream, reader(b"\0\0\0\x09half"), reader(b"\0\0")):
        with pytest.raises(EOFError):
            await read_frame(ended, limit=LIMIT)


async def test_a_frame_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(FrameError, match="longer than 1000 bytes"):
        await read_frame(reader(LENGTH.pack(LIMIT + 1)), limit=LIMIT)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"0" * LIMIT, "longer than"),
        (object(), "cannot carry"),
        (2**70, "cannot carry"),
        ("\ud800", "cannot carry"),
    ],
)
def test_what_does_not_fit_into_a_frame_is_refused_where_it_is_packed(
    value: object, message: str
) -> None:
    with pytest.raises(FrameError, match=message):
        pack(Told(1, value), limit=LIMIT)


SHAPES: list[Any] = [1, {}, ["told"], ["other", 1], ["told", "1"], ["told", 1, 2, 3]]
BROKEN = [
    b"",
    b"\xc1",
    b"\x91" * 5000,
    msgspec.msgpack.encode(["told", 1, None])[:-1],
    msgspec.msgpack.encode(["told", 1, None]) + b"\x01",
    b"\x93\xa4told\x01" + b"\x91" * 5000,
    b"\x93\xa4told\x01\xa1\xff",
    *(msgspec.msgpack.encode(shape) for shape in SHAPES),
]


@pytest.mark.parametrize("frame", BROKEN)
def test_what_has_another_shape_is_refused(frame: bytes) -> None:
    with pytest.raises(FrameError, match="no known message"):
        unpack(frame, Told)


class Even(Message, frozen=True):
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("the number is odd")


def test_what_a_constructor_refuses_is_told_in_its_own_words() -> None:
    with pytest.raises(FrameError, match=r"^the number is odd$"):
        unpack(msgspec.msgpack.encode([[3]]), list[Even])


def test_a_refusal_repeats_nothing_of_the_frame() -> None:
    with pytest.raises(FrameError) as caught:
        unpack(msgspec.msgpack.encode(["hunter2", 1]), Told)
    assert "hunter2" not in str(caught.value)
