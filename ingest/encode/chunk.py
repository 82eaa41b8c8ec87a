"""A text to chunks that the model can read whole, each with its place in the text.

The laws of this file:

1. `text[chunk.start : chunk.end] == chunk.text`, always: a citation points at these characters.
2. Chunks are ordered, do not overlap, are never blank, and leave out nothing but white space.
3. A chunk has at most `MAX_TOKENS` tokens of the model's own tokenizer and `MAX_CHARACTERS`
   characters: the tokenizer counts a word of any length as one unknown token.
4. The time grows with the length of the text, whatever stands in it: the splitters are quadratic in
   long lines and in runs of one sign, so they are given pieces of `PIECE` characters at most, or of
   `PIECE_OF_LINE` where lines are long, cut before a heading, at an empty line, at the end of a
   line or a sentence, or at a blank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from semantic_text_splitter import MarkdownSplitter, TextSplitter
from tokenizers import Tokenizer

from ingest.read.parsed import Format

MIN_TOKENS: Final = 120
MAX_TOKENS: Final = 200
MAX_CHARACTERS: Final = 4000
PIECE: Final = 8000
PIECE_OF_LINE: Final = 4000
_CUTS: Final = ("\n# ", "\n## ", "\n### ", "\n#", "\n\n", "\n", ". ", " ")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: characters `[start, end)` of its document's text."""

    text: str
    start: int
    end: int


class Chunker:
    """Splits at the largest unit that fits: headings, paragraphs, sentences, words."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        counting = Tokenizer.from_str(tokenizer.to_str())
        # The model's file pads to and cuts at 128 tokens, which would hide how long a text is.
        counting.no_truncation()
        counting.no_padding()
        capacity = (MIN_TOKENS, MAX_TOKENS)
        self._plain = TextSplitter.from_huggingface_tokenizer(counting, capacity)
        self._markdown = MarkdownSplitter.from_huggingface_tokenizer(counting, capacity)
        self._letters = TextSplitter(MAX_CHARACTERS)

    @classmethod
    def from_folder(cls, folder: Path) -> Chunker:
        """Return a chunker with the tokenizer of a verified model folder."""
        return cls(Tokenizer.from_file(str(folder / "tokenizer.json")))

    def chunks(self, text: str, format_: Format = Format.TEXT) -> list[Chunk]:
        """Return the chunks of `text`, in order."""
        return list(self._chunks(text, format_))

    def _chunks(self, text: str, format_: Format) -> Iterator[Chunk]:
        splitter = self._markdown if format_ is Format.MARKDOWN else self._plain
        for begin, block in _pieces(text):  # law 4
            for start, piece in splitter.chunk_indices(block):
                for offset, part in self._bounded(piece):
                    if part.strip():  # law 2
                        at = begin + start + offset
                        yield Chunk(part, at, at + len(part))  # law 1

    def _bounded(self, piece: str) -> list[tuple[int, str]]:
        if len(piece) <= MAX_CHARACTERS:
            return [(0, piece)]
        return self._letters.chunk_indices(piece)  # law 3


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    while len(text) - start > PIECE_OF_LINE:
        lines = text[start : start + PIECE].split("\n")
        size = PIECE_OF_LINE if max(map(len, lines)) > PIECE_OF_LINE else PIECE
        if len(text) - start <= size:
            break
        # In the second half, so that no piece is short.
        cuts = (_cut(text, start, start + size, mark) for mark in _CUTS)
        end = next(filter(None, cuts), start + size)
        yield start, text[start:end]
        start = end
    yield start, text[start:]


def _cut(text: str, start: int, end: int, mark: str) -> int:
    """Return the place behind the first sign of the last `mark` in the second half, or 0."""
    found = text.rfind(mark, (start + end) // 2, end)
    return found + 1 if found >= 0 else 0
