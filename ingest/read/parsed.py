"""A parsed document, and what the parser's child process and its parent say to each other.

The laws of this file:

1. Nothing that crosses can name code: messages have declared shapes (`ingest.frames`).
2. The child has read a hostile file, so the parent believes nothing: `believed` checks what no
   shape can say.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Final, TypeAlias

from ingest.errors import FaultKind, ParseError
from ingest.frames import FrameError, Message

MAX_FILE_BYTES: Final = 50 * 2**20
MAX_TITLE: Final = 300
MAX_ANSWER_BYTES: Final = 64 * 2**20


class Format(StrEnum):
    """What a file is, by content and by name."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    EMAIL = "email"
    CSV = "csv"
    TSV = "tsv"
    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    ODT = "odt"
    ODS = "ods"
    EPUB = "epub"
    DOC = "doc"
    XLS = "xls"
    PPT = "ppt"
    MSG = "msg"
    RTF = "rtf"


_OPEN_XML: Final = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT: Final = "application/vnd.oasis.opendocument"

MEDIA_TYPES: Final[Mapping[Format, str]] = {
    Format.TEXT: "text/plain",
    Format.MARKDOWN: "text/markdown",
    Format.HTML: "text/html",
    Format.EMAIL: "message/rfc822",
    Format.CSV: "text/csv",
    Format.TSV: "text/tab-separated-values",
    Format.PDF: "application/pdf",
    Format.DOCX: f"{_OPEN_XML}.wordprocessingml.document",
    Format.PPTX: f"{_OPEN_XML}.presentationml.presentation",
    Format.XLSX: f"{_OPEN_XML}.spreadsheetml.sheet",
    Format.ODT: f"{_OPEN_DOCUMENT}.text",
    Format.ODS: f"{_OPEN_DOCUMENT}.spreadsheet",
    Format.EPUB: "application/epub+zip",
    Format.DOC: "application/msword",
    Format.XLS: "application/vnd.ms-excel",
    Format.PPT: "application/vnd.ms-powerpoint",
    Format.MSG: "application/vnd.ms-outlook",
    Format.RTF: "application/rtf",
}


class Parsed(Message, frozen=True, kw_only=True, tag="parsed"):
    r"""The text of a document.

    Attributes:
        text: never blank, line ends are `\n`, no NUL; front matter is not in it.
        title: what the document calls itself, or None.
        format: what the file is.
        front_matter: the YAML block at the top, as written, or None.
        pages: where each page begins, in characters of the text; empty where there are none.
    """

    text: str
    title: str | None
    format: Format
    front_matter: str | None = None
    pages: tuple[int, ...] = ()

    @property
    def media_type(self) -> str:
        """The format's media type."""
        return MEDIA_TYPES[self.format]


class Fault(Message, frozen=True, tag="fault"):
    """Why a file has no text."""

    kind: FaultKind
    reason: str


class Ready(Message, frozen=True, tag="ready"):
    """The child has given up what parsing does not need, and waits for a file."""


class File(Message, frozen=True):
    """What the parent asks for: the text of these bytes."""

    name: str
    content: bytes


Answer: TypeAlias = Ready | Parsed | Fault


def believed(answer: Answer) -> Parsed:
    """Return what the child sent, checked.

    Raises:
        ParseError: the child reports a fault.
        FrameError: the answer is not one that an honest child sends.
    """
    if isinstance(answer, Fault):
        raise ParseError(answer.kind, answer.reason[:MAX_TITLE])
    if isinstance(answer, Ready) or not answer.text.strip() or "\0" in answer.text:
        raise FrameError("the answer holds no text, or a NUL")
    if any(later < earlier for earlier, later in pairwise((0, *answer.pages, len(answer.text)))):
        raise FrameError("the pages are not in the order of the text")
    return answer
