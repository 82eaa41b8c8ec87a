"""A parsed document, and the frames in which it crosses from the child to the parent.

A frame is four bytes of length, big-endian, and one msgpack map of plain values: nothing in it can
name code. The child has read a hostile file, so the parent believes nothing: `parsed_from` checks
every type and every span.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgpack

from ingest.errors import FaultKind, ParseError

LENGTH: Final = struct.Struct(">I")
MAX_TITLE: Final = 300


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


@dataclass(frozen=True, slots=True)
class PageSpan:
    """Where one page lies in the text: characters `[start, end)`."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    r"""The text of a document.

    Attributes:
        text: never blank, line ends are `\n`, no NUL; front matter is not in it.
        title: what the document calls itself, or None.
        format: what the file is.
        pages: where the pages lie, for formats that have any.
        front_matter: the YAML block at the top, as written, or None.
        sha256: of the bytes that were parsed, hexadecimal; the parent fills it in.
    """

    text: str
    title: str | None
    format: Format
    pages: tuple[PageSpan, ...] = ()
    front_matter: str | None = None
    sha256: str = ""

    @property
    def media_type(self) -> str:
        """The format's media type."""
        return MEDIA_TYPES[self.format]


def frame(message: Mapping[str, object]) -> bytes:
    """Return `message` as one frame."""
    body = bytes(msgpack.packb(message, use_bin_type=True))
    return LENGTH.pack(len(body)) + body


def unframe(body: bytes) -> dict[str, Any]:
    """Return the message in the body of a frame.

    Raises:
        ValueError: it is not one msgpack map.
    """
    try:
        message = msgpack.unpackb(body, raw=False, strict_map_key=True, max_ext_len=0)
    except (msgpack.UnpackException, ValueError, RecursionError) as error:
        raise ValueError("the frame is not msgpack") from error
    if not isinstance(message, dict):
        raise ValueError("the frame is not a map")
    return message


def answer(parsed: Parsed) -> dict[str, object]:
    """Return `parsed` as the child sends it."""
    return {
        "text": parsed.text,
        "title": parsed.title,
        "format": parsed.format.value,
        "pages": [[page.number, page.start, page.end] for page in parsed.pages],
        "front_matter": parsed.front_matter,
    }


def fault(error: ParseError) -> dict[str, object]:
    """Return `error` as the child sends it."""
    return {"fault": error.kind.value, "reason": error.reason}


def parsed_from(message: Mapping[str, Any], *, sha256: str) -> Parsed:
    """Return what the child sent, checked.

    Raises:
        ParseError: the child reports a fault.
        ValueError: the message is not one that an honest child sends.
    """
    if "fault" in message:
        reason = _text(message["reason"], "reason")
        raise ParseError(FaultKind(message["fault"]), reason[:MAX_TITLE])
    text = _text(message["text"], "text")
    if not text.strip() or "\0" in text:
        raise ValueError("the text is blank or holds a NUL")
    return Parsed(
        text=text,
        title=_optional(message["title"], "title"),
        format=Format(message["format"]),
        pages=_pages(message["pages"], len(text)),
        front_matter=_optional(message["front_matter"], "front matter"),
        sha256=sha256,
    )


def _pages(raw: object, length: int) -> tuple[PageSpan, ...]:
    if not isinstance(raw, list):
        raise ValueError("the pages are not a list")
    pages, at = [], 0
    for entry in raw:
        if not (isinstance(entry, list) and [type(part) for part in entry] == [int, int, int]):
            raise ValueError("a page is not three integers")
        page = PageSpan(*entry)
        if not at <= page.start <= page.end <= length:
            raise ValueError("a page lies outside the text")
        at = page.end
        pages.append(page)
    return tuple(pages)


def _optional(raw: object, name: str) -> str | None:
    return None if raw is None else _text(raw, name)


def _text(raw: object, name: str) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"the {name} is not a text")
    return raw
