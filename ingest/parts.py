"""What the pipeline is put together from, so that each part can be another one.

`Parser`, `SecretScanner`, `Chunker` and `Encoder` of this package fit as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from acl.labels import LabelSchema
from acl.records import Records
from ingest.index.engine import Vector, VectorEngine
from ingest.read.parsed import Format, Parsed


class Passage(Protocol):
    """A piece of a text: `text == whole[start:end]`."""

    @property
    def text(self) -> str:
        """The characters."""

    @property
    def start(self) -> int:
        """Where they begin."""


class Parsing(Protocol):
    """Turns the bytes of a file into text."""

    async def parse_bytes(self, name: str, content: bytes) -> Parsed:
        """Return the text of a file named `name`.

        Raises:
            ParseError: it has none.
            ParserUnavailableError: no file is to blame.
        """


class Scanning(Protocol):
    """Finds secrets in a text."""

    def scan(self, text: str) -> Sequence[str]:
        """Return the kinds of the secrets in `text`, each once, in order."""


class Chunking(Protocol):
    """Cuts a text into passages."""

    def chunks(self, text: str, format_: Format = ...) -> Sequence[Passage]:
        """Return the passages of `text`, in order, none of them blank."""


class Encoding(Protocol):
    """Turns texts into vectors of unit length, outside the event loop's way."""

    async def encode_question(self, text: str) -> Vector:
        """Return the vector of a question."""

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of `texts`, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where documents live: the record, and its projection."""

    records: Records
    engine: VectorEngine
    schema: LabelSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What turns a file into labelled vectors.

    Attributes:
        model: names the encoder's model and version; another one makes every document anew.
    """

    parser: Parsing
    scanner: Scanning
    chunker: Chunking
    encoder: Encoding
    model: str
