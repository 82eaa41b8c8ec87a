"""Small real tools for tests that are about something else: nothing is loaded, all starts at once.

The encoder hashes words into a vector: deterministic, and equal for equal words, which is all that
a test of labels, crashes or order needs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingest.index.engine import Vector
from ingest.parts import Tools
from ingest.read.parsed import Format, Parsed

DIMENSION = 384


class HashingEncoder:
    """Encodes by hashing words."""

    async def encode_question(self, text: str) -> Vector:
        return vector(text)

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        return [vector(text) for text in texts]


class PlainParser:
    """Takes bytes for UTF-8."""

    async def parse_bytes(self, name: str, content: bytes) -> Parsed:
        del name
        return Parsed(text=content.decode(), title=None, format=Format.TEXT)


class NoScanner:
    """Finds nothing."""

    def scan(self, text: str) -> Sequence[str]:
        del text
        return ()


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A piece of a text."""

    text: str
    start: int


class Paragraphs:
    """Cuts at empty lines."""

    def chunks(self, text: str, format_: Format = Format.TEXT) -> list[Paragraph]:
        del format_
        return [Paragraph(one[0], one.start()) for one in re.finditer(r"(?:.+\n?)+", text)]


def plain_tools() -> Tools:
    """Return tools of which none takes time."""
    return Tools(
        parser=PlainParser(),
        scanner=NoScanner(),
        chunker=Paragraphs(),
        encoder=HashingEncoder(),
        model="hash@1",
    )


def vector(text: str) -> Vector:
    """Return the words of `text` hashed into a vector of unit length."""
    numbers = np.zeros(DIMENSION, dtype=np.float32)
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
        place = int.from_bytes(digest[:2]) % DIMENSION
        numbers[place] += 1.0 if digest[2] & 1 else -1.0
    if not numbers.any():
        numbers[0] = 1.0
    made: Vector = (numbers / np.linalg.norm(numbers)).astype(np.float32)
    return made
