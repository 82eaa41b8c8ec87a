"""The parent's side, with a real child; and the child's loop, on pipes in memory."""

from __future__ import annotations

import asyncio
import io
import os
import resource
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.errors import FaultKind, ParseError, ParserUnavailableError
from ingest.frames import LENGTH, FrameError, Message, pack, unpack
from ingest.read import parse_worker
from ingest.read.parse import ParseLimits, Parser
from ingest.read.parsed import (
    MAX_ANSWER_BYTES,
    Answer,
    Fault,
    File,
    Format,
    Parsed,
    Ready,
    believed,
)
from tests.unit.ingest.documents import docx, pdf


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser(ParseLimits(seconds=20))
    yield parser
    await parser.close()


def child_of(parser: Parser) -> Process:
    assert parser._child is not None
    return parser._child.process


async def fault(parser: Parser, name: str, content: bytes) -> tuple[FaultKind, str]:
    with pytest.raises(ParseError) as caught:
        await parser.parse_bytes(name, content)
    return caught.value.kind, caught.value.reason


class Other(Parser):
    """A parser whose child is another program."""

    def __init__(self, program: str, limits: ParseLimits | None = None) -> None:
        super().__init__(limits)
        self.program = program

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-c", self.program), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )


def frame(message: Message) -> bytes:
    return bytes(pack(message, limit=MAX_ANSWER_BYTES))


def raw(*fields: object) -> bytes:
    """Return a frame of any shape, good or bad."""
    content = msgspec.msgpack.encode(fields)
    return LENGTH.pack(len(content)) + content


READY = frame(Ready())
HONEST = Parsed(text="text", title=None, format=Format.TEXT)


def says(*answers: bytes) -> str:
    """Return a program that answers each byte it is sent something with the next of `answers`."""
    return (
        "import os, sys\n"
        f"os.write(1, {READY!r})\n"
        f"for answer in {answers!r}:\n"
        "    os.read(0, 1000000)\n"
        "    os.write(1, answer)\n"
        "sys.exit(3)\n"
    )


class TestParser:
    async def test_one_child_reads_many_files(self, parser: Parser) -> None:
        first = await parser.parse_bytes("a.md", b"# T\n\nwords")
        child = child_of(parser).pid
        second = await parser.parse_bytes("b.pdf", pdf("Page"))

        assert child_of(parser).pid == child
        assert (first.text, first.title, first.format) == ("# T\n\nwords", "T", Format.MARKDOWN)
        assert second.text == "Page"

    async def test_a_child_is_replaced_after_its_number_of_files(self) -> None:
        parser = Parser(ParseLimits(files_per_child=2))
        await parser.parse_bytes("a.txt", b"one")
        first = child_of(parser)
        await parser.parse_bytes("a.txt", b"two")

        assert parser._child is None
        assert first.returncode == -signal.SIGKILL
        assert (await parser.parse_bytes("a.txt", b"three")).text == "three"
        await parser.close()

    async def test_questions_asked_at_once_get_their_own_answers(self, parser: Parser) -> None:
        texts = [f"text number {number}" for number in range(20)]
        parsed = await asyncio.gather(*(parser.parse_bytes("a.txt", t.encode()) for t in texts))

        assert [one.text for one in parsed] == texts

    async def test_a_fault_names_its_kind_and_leaves_the_child(self, parser: Parser) -> None:
        await parser.parse_bytes("a.txt", b"one")
        child = child_of(parser)

        assert await fault(parser, "a.txt", b"") == (
            FaultKind.NO_TEXT,
            "no text found: the file is empty",
        )
        assert child_of(parser) is child

    async def test_a_file_that_is_too_large_never_reaches_the_child(self) -> None:
        parser = Parser(ParseLimits(file_bytes=4))

        assert (await fault(parser, "a.txt", b"12345"))[0] is FaultKind.TOO_LARGE
        assert parser._child is None

    async def test_closing_twice_and_before_the_first_file(self) -> None:
        parser = Parser()
        await parser.close()
        await parser.close()


class TestChildrenThatFail:
    async def test_a_child_that_hangs_is_ended_and_the_next_file_gets_a_new_one(self) -> None:
        parser = Parser(ParseLimits(seconds=1))
        await parser.parse_bytes("a.txt", b"one")
        child = child_of(parser)
        os.kill(child.pid, signal.SIGSTOP)

        assert await fault(parser, "a.txt", b"two") == (
            FaultKind.TOO_SLOW,
            "took longer than 1 seconds",
        )
        assert child.returncode == -signal.SIGKILL
        assert (await parser.parse_bytes("a.txt", b"three")).text == "three"
        await parser.close()

    async def test_a_child_that_crashes_is_reported_and_replaced(self, parser: Parser) -> None:
        await parser.parse_bytes("a.txt", b"one")
        os.kill(child_of(parser).pid, signal.SIGSEGV)

        assert await fault(parser, "a.txt", b"x" * 1_000_000) == (
            FaultKind.CRASHED,
            "the parser ended with signal 11",
        )
        assert (await parser.parse_bytes("a.txt", b"three")).text == "three"

    async def test_a_file_that_needs_too_much_memory_is_a_fault(self) -> None:
        parser = Parser(ParseLimits(memory_bytes=256 << 20))

        kind, _ = await fault(parser, "a.txt", b"x" * (45 << 20))

        assert kind in {FaultKind.TOO_MUCH_MEMORY, FaultKind.CRASHED}
        assert parser._child is None
        assert (await parser.parse_bytes("a.txt", b"three")).text == "three"
        await parser.close()

    async def test_processor_time_is_limited_too(self) -> None:
        parser = Other(says().replace("sys.exit(3)", "os.read(0, 9); os.kill(os.getpid(), 24)"))

        assert await fault(parser, "a.txt", b"x") == (
            FaultKind.TOO_SLOW,
            "took more processor time than allowed",
        )

    async def test_a_cancelled_file_takes_its_half_answer_with_it(self, parser: Parser) -> None:
        await parser.parse_bytes("a.txt", b"one")
        child = child_of(parser)
        os.kill(child.pid, signal.SIGSTOP)
        task = asyncio.create_task(parser.parse_bytes("a.txt", b"two"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert child.returncode == -signal.SIGKILL
        assert (await parser.parse_bytes("a.txt", b"three")).text == "three"

    @pytest.mark.parametrize(
        "reply",
        [
            raw(),
            raw("fault", "unheard of", "x"),
            raw("fault", "broken", 3),
            raw("ready"),
            frame(msgspec.structs.replace(HONEST, text=" ")),
        ],
    )
    async def test_a_child_that_lies_is_not_believed(self, reply: bytes) -> None:
        parser = Other(says(reply))

        assert await fault(parser, "a.txt", b"x") == (
            FaultKind.CRASHED,
            "the parser gave a broken answer",
        )
        assert parser._child is None

    @pytest.mark.parametrize(
        "reply", [LENGTH.pack(2**31) + b"x", LENGTH.pack(1) + b"\xc1", LENGTH.pack(9) + b"cut"]
    )
    async def test_a_child_that_breaks_the_protocol_is_ended(self, reply: bytes) -> None:
        parser = Other(says(reply), ParseLimits(seconds=10))

        assert (await fault(parser, "a.txt", b"x"))[0] is FaultKind.CRASHED
        assert parser._child is None

    async def test_a_child_that_ends_by_itself_tells_its_code(self) -> None:
        parser = Other(says(b""), ParseLimits(seconds=10))

        assert await fault(parser, "a.txt", b"x") == (
            FaultKind.CRASHED,
            "the parser ended with exit code 3",
        )

    async def test_a_child_that_does_not_start_blames_no_file(self) -> None:
        with pytest.raises(ParserUnavailableError, match="does not start"):
            await Other("raise SystemExit(1)").parse_bytes("a.txt", b"x")

    async def test_a_program_that_is_not_there_blames_no_file(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/nonexistent")

        with pytest.raises(ParserUnavailableError, match="does not start"):
            await Parser().parse_bytes("a.txt", b"x")


class TestTheChildsRights:
    async def test_it_inherits_no_environment_and_is_limited(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STRONGROOM_SECRET", "hunter2")
        parser = Parser(ParseLimits(memory_bytes=700 << 20, seconds=7))
        await parser.parse_bytes("a.txt", b"x")
        proc = Path(f"/proc/{child_of(parser).pid}")
        environment, limits = (proc / "environ").read_text(), (proc / "limits").read_text()
        status = (proc / "status").read_text()
        descriptors = [str(one.readlink()) for one in (proc / "fd").iterdir()]
        local = (proc / "net" / "unix").read_text()
        await parser.close()

        assert "hunter2" not in environment
        assert "HF_HUB_OFFLINE=1" in environment
        rows = {line[:26].strip(): line[26:].split() for line in limits.splitlines()}
        assert rows["Max address space"][0] == str(700 << 20)
        assert rows["Max core file size"][:2] == ["0", "0"]
        assert rows["Max file size"][:2] == ["0", "0"]
        assert rows["Max open files"][:2] == ["64", "64"]
        assert int(rows["Max cpu time"][0]) <= 7 + 5
        assert "NoNewPrivs:\t1" in status
        # A library wakes its own threads through a pair of local sockets.
        inodes = [one.strip("socket:[]") for one in descriptors if one.startswith("socket:")]
        assert all(f" {inode}" in local for inode in inodes)

    def test_it_has_no_network_where_the_system_allows_to_take_it_away(self) -> None:
        program = (
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "from ingest.read.parse_worker import isolate_network\n"
            "import socket\n"
            "if not isolate_network(): raise SystemExit(7)\n"
            "try: socket.create_connection(('127.0.0.1', int(sys.argv[2])), 2)\n"
            "except OSError: raise SystemExit(0)\n"
            "raise SystemExit(1)\n"
        )
        import socket  # noqa: PLC0415 - the one test that listens

        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = str(listener.getsockname()[1])
            root = str(Path(parse_worker.__file__).parents[2])
            done = subprocess.run(
                [sys.executable, "-I", "-c", program, root, port], check=False, timeout=60
            )
        if done.returncode == 7:
            pytest.skip("this system lets no process leave its network")
        assert done.returncode == 0


class TestTheChildsLoop:
    @pytest.fixture(autouse=True)
    def _limits(self) -> Any:
        before = resource.getrlimit(resource.RLIMIT_CPU)
        yield
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_CPU, before)

    def answers(self, *requests: bytes) -> list[Answer]:
        out = io.BytesIO()
        parse_worker.serve(io.BytesIO(b"".join(requests)), out, seconds=1000)
        out.seek(0)
        answers: list[Answer] = []
        while head := out.read(4):
            content = out.read(LENGTH.unpack(head)[0])
            answers.append(unpack(content, Answer))  # type: ignore[arg-type]
        assert answers.pop(0) == Ready()
        return answers

    def test_texts_and_faults_are_answered_in_order(self) -> None:
        first, second, third = self.answers(
            frame(File("a.md", b"# T\nx")),
            frame(File("a.exe", b"x")),
            frame(File("a.docx", docx("word"))),
        )

        assert first == Parsed(text="# T\nx", title="T", format=Format.MARKDOWN)
        assert second == Fault(FaultKind.UNSUPPORTED, "files named `*.exe` are not supported")
        assert isinstance(third, Parsed)
        assert third.text.strip() == "word"

    def test_it_stops_at_a_frame_that_is_cut_off(self) -> None:
        whole = frame(File("a.txt", b"x"))

        assert len(self.answers(whole, whole[:-1])) == 1
        assert len(self.answers(whole, whole[:2])) == 1

    def test_running_out_of_memory_is_answered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def hungry(*_: object) -> Parsed:
            raise MemoryError

        monkeypatch.setattr(parse_worker, "extract", hungry)
        (reply,) = self.answers(frame(File("a.txt", b"x")))

        assert reply == Fault(FaultKind.TOO_MUCH_MEMORY, "needs more memory than allowed")

    def test_half_a_character_is_answered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def halved(*_: object) -> Parsed:
            return Parsed(text="\ud800", title=None, format=Format.TEXT)

        monkeypatch.setattr(parse_worker, "extract", halved)
        (reply,) = self.answers(frame(File("a.txt", b"x")))

        assert reply == Fault(FaultKind.BROKEN, "holds text that is not Unicode")


class TestFrames:
    def test_a_parsed_document_crosses_whole(self) -> None:
        parsed = Parsed(
            text="some text",
            title="T",
            format=Format.PDF,
            front_matter="a: b",
        )

        assert believed(unpack(frame(parsed)[4:], Parsed)) == parsed
        assert parsed.media_type == "application/pdf"

    @pytest.mark.parametrize(
        "fields",
        [
            ("parsed", b"x", None, "text", None),
            ("parsed", "text", 3, "text", None),
            ("parsed", "text", None, "exe", None),
            ("parsed", "text", None, "text", []),
            ("parsed", "text", None, "text", None, "more"),
            ("parsed", "text"),
            ("text", "text", None, "text", None),
        ],
    )
    def test_what_has_another_shape_is_no_message(self, fields: tuple[object, ...]) -> None:
        with pytest.raises(FrameError, match="no known message"):
            unpack(raw(*fields)[4:], Answer)  # type: ignore[arg-type]

    @pytest.mark.parametrize("text", ["", " ", "a\0b"])
    def test_what_an_honest_child_would_not_send(self, text: str) -> None:
        with pytest.raises(FrameError, match="no text, or a NUL"):
            believed(msgspec.structs.replace(HONEST, text=text))

    @pytest.mark.parametrize(
        "body", [b"\xc1", b"\x93\x01", b"\x01", b"\x81\x01\x01", b"\xc7\x01\x05x", b""]
    )
    def test_what_is_no_list_is_no_message(self, body: bytes) -> None:
        with pytest.raises(FrameError, match="no known message"):
            unpack(body, Answer)  # type: ignore[arg-type]
