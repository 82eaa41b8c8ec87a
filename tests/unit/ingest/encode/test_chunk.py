from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ingest.encode.chunk import (
    MAX_CHARACTERS,
    MAX_TOKENS,
    PIECE,
    PIECE_OF_LINE,
    Chunk,
    Chunker,
    _pieces,
)
from ingest.encode.models import verified_model_folder
from ingest.read.parsed import Format

FOLDER = verified_model_folder()
CHUNKER = Chunker.from_folder(FOLDER)
COUNTER = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
COUNTER.no_truncation()
COUNTER.no_padding()

WORDS = st.sampled_from(
    [
        *(
            "word ",
            "Größe ",
            "日本語",
            "🙂",
            "\n\n",
            "\n",
            "# Heading\n",
            "- item\n",
            "| a | b |\n",
        ),
        *("```\ncode\n```\n", "sentence ends. ", "\u2028", "\u00a0", "\x1c", "x" * 300, "e\u0301"),
        " ",
    ]
)
TEXTS = st.one_of(st.lists(WORDS, max_size=400).map("".join), st.text(max_size=300))


def check(text: str, chunks: list[Chunk]) -> None:
    at = 0
    for chunk in chunks:
        assert at <= chunk.start < chunk.end <= len(text)
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()
        assert not text[at : chunk.start].strip()
        at = chunk.end
    assert not text[at:].strip()


@given(text=TEXTS, format_=st.sampled_from([Format.TEXT, Format.MARKDOWN]))
@settings(max_examples=200, deadline=None)
def test_spans_are_ordered_apart_and_leave_out_white_space_alone(
    text: str, format_: Format
) -> None:
    check(text, CHUNKER.chunks(text, format_))


@given(text=TEXTS)
@settings(max_examples=50, deadline=None)
def test_no_chunk_is_longer_than_the_model_reads(text: str) -> None:
    for chunk in CHUNKER.chunks(text):
        assert len(COUNTER.encode(chunk.text, add_special_tokens=False).ids) <= MAX_TOKENS
        assert len(chunk.text) <= MAX_CHARACTERS


@pytest.mark.parametrize("text", ["", " ", "\n\n\t", "\x1c\u2029"])
def test_nothing_is_cut_from_nothing(text: str) -> None:
    assert CHUNKER.chunks(text) == []


def test_a_short_text_is_one_chunk_at_its_place() -> None:
    assert CHUNKER.chunks("  Größe ist wichtig.\n") == [Chunk("Größe ist wichtig.", 2, 20)]


def test_long_prose_fills_its_chunks() -> None:
    text = "The committee read the report of the finance department with care. " * 200
    chunks = CHUNKER.chunks(text)
    lengths = [len(COUNTER.encode(one.text, add_special_tokens=False).ids) for one in chunks]

    check(text, chunks)
    assert min(lengths[:-1]) >= 100
    assert max(lengths) <= MAX_TOKENS


def test_markdown_is_cut_at_its_headings() -> None:
    section = "This sentence belongs to its own section and nowhere else. " * 9
    text = "".join(f"# Section {number}\n\n{section}\n\n" for number in range(6))

    chunks = CHUNKER.chunks(text, Format.MARKDOWN)

    assert [chunk.text.splitlines()[0] for chunk in chunks] == [
        f"# Section {number}" for number in range(6)
    ]


def test_a_word_without_end_is_cut_by_letters() -> None:
    text = "start " + "a" * (3 * MAX_CHARACTERS) + " end"
    chunks = CHUNKER.chunks(text)

    check(text, chunks)
    assert max(len(chunk.text) for chunk in chunks) <= MAX_CHARACTERS


def test_the_callers_tokenizer_is_left_as_it_was() -> None:
    tokenizer = Tokenizer.from_file(str(Path(FOLDER) / "tokenizer.json"))
    Chunker(tokenizer)

    assert tokenizer.truncation is not None


@given(
    text=st.lists(
        st.tuples(
            st.sampled_from([">", "- ", "[", "word ", "x. ", "# a\n", "\n"]), st.integers(1, 6000)
        ),
        max_size=5,
    ).map(lambda runs: "".join(sign * times for sign, times in runs))
)
@settings(max_examples=100, deadline=None)
def test_a_splitter_never_gets_more_than_a_piece(text: str) -> None:
    """Both are quadratic in long lines and runs of a sign, so a piece bounds their time."""
    pieces = list(_pieces(text))

    assert "".join(piece for _, piece in pieces) == text
    assert all(text[start : start + len(piece)] == piece for start, piece in pieces)
    assert max(len(piece) for _, piece in pieces) <= PIECE
    # Whatever follows a cut is regarded anew, so a long line is in short pieces but for its end.
    assert all(len(piece) <= PIECE_OF_LINE for _, piece in pieces if "\n" not in piece)
