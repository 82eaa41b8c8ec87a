"""Files that broke other parsers, through the real child: every one is parsed or reported.

No failure may stop the parent, none may come back empty, and the child's memory is bounded.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ingest.encode.chunk import Chunker
from ingest.encode.models import verified_model_folder
from ingest.errors import FaultKind, ParseError
from ingest.read.parse import ParseLimits, Parser
from ingest.read.parsed import Parsed

FILES = Path(__file__).parents[2].parent / "shared" / "data" / "messy_files"
LIMITS = ParseLimits(memory_bytes=512 << 20, files_per_child=60)

pytestmark = pytest.mark.skipif(
    not (FILES / "manifest.jsonl").exists(), reason="../shared/data/messy_files is absent"
)


def names() -> list[str]:
    lines = (FILES / "manifest.jsonl").read_text().splitlines()
    return [str(json.loads(line)["file"]) for line in lines]


def peak_megabytes(parser: Parser) -> int:
    if parser._child is None:
        return 0
    status = Path(f"/proc/{parser._child.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


async def test_every_messy_file_is_parsed_or_reported() -> None:
    parser = Parser(LIMITS)
    parsed: dict[str, Parsed] = {}
    faults: dict[str, ParseError] = {}
    peak = 0
    for name in names():
        try:
            parsed[name] = await parser.parse_bytes(name, (FILES / name).read_bytes())
        except ParseError as error:
            faults[name] = error
        peak = max(peak, peak_megabytes(parser))
    await parser.close()

    kinds = Counter(fault.kind for fault in faults.values())
    assert len(parsed) + len(faults) == len(names()) == 230
    assert all(document.text.strip() for document in parsed.values())
    assert all(fault.reason for fault in faults.values())
    assert peak < 512
    assert not {FaultKind.CRASHED, FaultKind.TOO_SLOW, FaultKind.UNREADABLE} & kinds.keys()
    assert kinds[FaultKind.ENCRYPTED] == 9
    assert kinds[FaultKind.NO_TEXT] == 30
    assert len(parsed) >= 175


async def test_every_parsed_text_can_be_cut_and_cited() -> None:
    parser, chunker = Parser(LIMITS), Chunker.from_folder(verified_model_folder())
    cut = 0
    for name in names()[::5]:
        try:
            document = await parser.parse_bytes(name, (FILES / name).read_bytes())
        except ParseError:
            continue
        chunks = chunker.chunks(document.text, document.format)
        assert chunks, name
        for chunk in chunks:
            assert document.text[chunk.start : chunk.end] == chunk.text
        cut += 1
    await parser.close()

    assert cut >= 30
