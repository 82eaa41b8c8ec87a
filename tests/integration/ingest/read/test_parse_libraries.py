"""What the parser's process loads: unpacked for it alone, on a machine that has none of it."""

from __future__ import annotations

import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from ingest.read.parse import Parser
from tests.unit.ingest.documents import pdf


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's folder for temporary files, with nothing in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def test_a_pdf_is_read_where_nobody_ever_read_one(fresh: Path) -> None:
    parser = Parser()
    assert "falcon" in (await parser.parse_bytes("one.pdf", pdf("falcon"))).text

    (folder,) = fresh.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [one.name for one in folder.rglob("*.so")] == ["libpdfium.so"]
    await parser.close()
    assert not folder.exists()


async def test_a_parser_that_was_closed_can_read_again(fresh: Path) -> None:
    parser = Parser()
    for _ in range(2):
        assert (await parser.parse_bytes("one.pdf", pdf("falcon"))).text
        await parser.close()
    assert list(fresh.iterdir()) == []


async def test_a_forgotten_parser_leaves_no_folder(fresh: Path) -> None:
    parser = Parser()
    await parser.parse_bytes("one.txt", b"falcon")
    assert parser._child is not None
    parser._child.process.kill()
    await parser._child.process.wait()
    del parser
    assert list(fresh.iterdir()) == []


async def test_a_lost_library_costs_no_more_than_the_file(fresh: Path) -> None:
    parser = Parser()
    await parser.parse_bytes("one.txt", b"falcon")
    for folder in fresh.iterdir():
        shutil.rmtree(folder)
    assert (await parser.parse_bytes("two.txt", b"falcon")).text
    await parser.close()
