from __future__ import annotations

import asyncio
import struct

import msgpack
import pytest

from ingest.index.edge.frames import (
    MAX_FRAME,
    Fault,
    FrameError,
    Operation,
    Reply,
    Request,
    items,
    mapping,
    number_of,
    pack_reply,
    pack_request,
    read_frame,
    text,
    unpack_reply,
    unpack_request,
    whole,
)


def content(frame: bytes) -> bytes:
    assert struct.unpack(">I", frame[:4]) == (len(frame) - 4,)
    return frame[4:]


def reader(stream: bytes) -> asyncio.StreamReader:
    made = asyncio.StreamReader()
    made.feed_data(stream)
    made.feed_eof()
    return made


def test_requests_and_replies_come_back_as_they_went() -> None:
    request = Request(7, Operation.COUNT, {"exact": True})
    fine, bad = Reply(7, [1, "a", b"x"]), Reply(8, fault=Fault.ENGINE, text="it broke")

    assert unpack_request(content(pack_request(request))) == request
    assert unpack_reply(content(pack_reply(fine))) == fine
    assert unpack_reply(content(pack_reply(bad))) == bad


async def test_frames_are_read_one_after_the_other_until_the_end() -> None:
    stream = reader(
        pack_request(Request(1, Operation.PING)) + pack_request(Request(2, Operation.PING))
    )
    numbers = [number_of(await read_frame(stream) or b"") for _ in range(2)]

    assert numbers == [1, 2]
    assert await read_frame(stream) is None
    assert await read_frame(reader(b"\0\0\0\x09half")) is None


async def test_a_frame_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(FrameError, match="longer than"):
        await read_frame(reader(struct.pack(">I", MAX_FRAME + 1)))


def test_what_does_not_fit_into_a_frame_is_refused_where_it_is_packed() -> None:
    with pytest.raises(FrameError, match="longer than"):
        pack_request(Request(1, Operation.UPSERT, {"x": b"0" * MAX_FRAME}))
    with pytest.raises(FrameError, match="cannot carry"):
        pack_request(Request(1, Operation.UPSERT, {"x": object()}))
    with pytest.raises(FrameError, match="cannot carry"):
        pack_request(Request(1, Operation.UPSERT, {"x": 2**70}))
    told = unpack_reply(content(pack_reply(Reply(3, b"0" * MAX_FRAME))))
    assert (told.number, told.fault) == (3, Fault.ENGINE)


REQUESTS = {
    b"\xc1": "is not msgpack",
    b"": "is not msgpack",
    b"\x91" * 5000: "is not msgpack",
    msgpack.packb([1]): "is not a map",
    msgpack.packb({"n": 1}): "no known operation",
    msgpack.packb({"n": 1, "op": "drop"}): "no known operation",
    msgpack.packb({"n": 1, "op": []}): "no known operation",
    msgpack.packb({"n": -1, "op": "ping", "body": {}}): "`n` is not a whole number",
    msgpack.packb({"n": True, "op": "ping", "body": {}}): "`n` is not a whole number",
    msgpack.packb({"n": 1, "op": "ping", "body": 3}): "`body` is not a map",
}


@pytest.mark.parametrize(("frame", "message"), REQUESTS.items())
def test_a_broken_request_is_refused(frame: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        unpack_request(frame)


def test_a_broken_reply_is_refused() -> None:
    with pytest.raises(FrameError, match="no known fault"):
        unpack_reply(msgpack.packb({"n": 1, "fault": "fire"}))
    with pytest.raises(FrameError, match="no known fault"):
        unpack_reply(msgpack.packb({"n": 1, "fault": []}))


def test_the_number_of_a_broken_request_is_told_where_it_can_be_read() -> None:
    assert number_of(msgpack.packb({"n": 12, "op": "nonsense"})) == 12
    assert number_of(b"\xc1") == 0


def test_fields_are_of_their_type_or_refused() -> None:
    body = {"whole": 3, "text": "t", "map": {"a": 1}, "list": [1]}

    assert whole(body, "whole") == 3
    assert text(body, "text") == "t"
    assert mapping(body, "map") == {"a": 1}
    assert items(body, "list") == [1]
    for read in (whole, text, mapping, items):
        with pytest.raises(FrameError, match="`missing` is not a"):
            read(body, "missing")
