"""What the parser's process leaves behind: nothing, whatever it read and however it ended."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from ingest.errors import ParseError
from ingest.read.parse import Parser
from tests.unit.ingest.documents import pdf


def left() -> set[str]:
    here = Path(tempfile.gettempdir()).iterdir()
    return {each.name for each in here if "parser" in each.name or each.suffix == ".so"}


async def test_a_parser_that_was_closed_can_read_again_and_leaves_nothing() -> None:
    before, parser = left(), Parser()
    for _ in range(2):
        assert "falcon" in (await parser.parse_bytes("one.pdf", pdf("falcon"))).text
        await parser.close()
    assert left() == before


async def test_a_child_that_was_killed_leaves_nothing_and_costs_one_file_at_most() -> None:
    before, parser = left(), Parser()
    await parser.parse_bytes("one.pdf", pdf("falcon"))
    assert parser._child is not None
    parser._child.process.kill()
    await parser._child.process.wait()
    assert left() == before
    with suppress(ParseError):
        await parser.parse_bytes("two.txt", b"falcon")
    assert (await parser.parse_bytes("two.txt", b"falcon")).text
    await parser.close()
