"""Every error of the writer: one sentence for the person who owns the document.

A fault of one document never stops a batch: the pipeline catches `IngestError`, puts the document
into quarantine with the reason and goes on. No reason holds text of a document.
"""

from __future__ import annotations

from enum import StrEnum


class IngestError(Exception):
    """Base of every error that the writer raises on purpose.

    Attributes:
        reason: one sentence, fit to be shown to the document's owner.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SourceError(IngestError):
    """A file, or what says its label, cannot be accepted."""


class FaultKind(StrEnum):
    """Why a file has no text, in one word that can be counted."""

    ENCRYPTED = "encrypted"
    BROKEN = "broken"
    NO_TEXT = "no text"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too large"
    TOO_SLOW = "too slow"
    TOO_MUCH_MEMORY = "too much memory"
    CRASHED = "crashed"
    UNREADABLE = "unreadable"


class ParseError(IngestError):
    """A file could not be turned into text."""

    def __init__(self, kind: FaultKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class ParserUnavailableError(IngestError):
    """The parser's process cannot be started; no file is to blame."""


class ModelError(IngestError):
    """A model folder is not the vetted one, or holds a file that must not be loaded."""
