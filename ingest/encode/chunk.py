"""A text to chunks that the model can read whole, each with its place in the text.

The laws of this file:

1. `text[chunk.start : chunk.end] == chunk.text`, always: a citation points at these characters.
2. Chunks are ordered, do not overlap, are never blank, and leave out nothing but white space.
3. A chunk has at most `MAX_TOKENS` tokens of the model's own tokenizer and `MAX_CHARACTERS`
   characters: the tokenizer counts a word of any length as one unknown token.
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
        for start, piece in splitter.chunk_indices(text):
            for offset, part in self._bounded(piece):
                if part.strip():  # law 2
                    yield Chunk(part, start + offset, start + offset + len(part))  # law 1

    def _bounded(self, piece: str) -> list[tuple[int, str]]:
        if len(piece) <= MAX_CHARACTERS:
            return [(0, piece)]
        return self._letters.chunk_indices(piece)  # law 3
