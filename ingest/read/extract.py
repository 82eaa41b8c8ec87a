"""One file's bytes to its text; runs in the parser's child process.

The laws of this file:

1. No text is a fault. So is text in no known encoding, or more text than is allowed.
2. Text formats are read by the project's own short readers, everything else by kreuzberg in its
   plain mode, without its cache, which would write content to the disk.
3. A reason never quotes the document.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any, Final

from kreuzberg import (
    ConcurrencyConfig,
    ContentFilterConfig,
    ExtractionConfig,
    extract_bytes_sync,
)

from ingest.errors import FaultKind, ParseError, SourceError
from ingest.read.formats import detect
from ingest.read.front_matter import split
from ingest.read.html_text import html_text
from ingest.read.mail_text import mail_text
from ingest.read.parsed import MAX_TITLE, MEDIA_TYPES, Format, Parsed
from ingest.read.plain_text import clean, decode

MAX_TEXT_CHARACTERS: Final = 10_000_000

_CONFIG: Final = ExtractionConfig(
    use_cache=False,  # law 2
    enable_quality_processing=False,
    output_format="plain",
    # Page headers and footers are words of the document; a label says who may read them.
    content_filter=ContentFilterConfig(
        include_headers=True, include_footers=True, strip_repeating_text=False
    ),
    concurrency=ConcurrencyConfig(max_threads=1),
)
_WITH_FRONT_MATTER: Final = frozenset({".md", ".markdown", ".txt"})
_HEADING: Final = re.compile(r"^#[ \t]+(\S.*)$", re.MULTILINE)
_LOCKED: Final = re.compile(r"password|encrypt", re.IGNORECASE)
_OVER_LIMIT: Final = re.compile(r"security limit", re.IGNORECASE)


def extract(name: str, content: bytes) -> Parsed:
    """Return the text of a file.

    Raises:
        ParseError: there is none to be had; the kind and the reason say why.
    """
    if not content.strip():
        raise ParseError(FaultKind.NO_TEXT, "no text found: the file is empty")
    parsed = _parsed(name, detect(name, content), content)
    if not parsed.text.strip():
        raise ParseError(FaultKind.NO_TEXT, "no text found")  # law 1
    if len(parsed.text) > MAX_TEXT_CHARACTERS:
        reason = f"holds more than {MAX_TEXT_CHARACTERS} characters of text"
        raise ParseError(FaultKind.TOO_LARGE, reason)
    return parsed


def _parsed(name: str, format_: Format, content: bytes) -> Parsed:
    match format_:
        case Format.TEXT | Format.MARKDOWN:
            return _written(name, format_, decode(content))
        case Format.HTML:
            text, title = html_text(decode(content))
            return Parsed(text=clean(text), title=_short(title), format=format_)
        case Format.EMAIL:
            text, title = mail_text(content)
            return Parsed(text=clean(text), title=_short(title), format=format_)
        case Format.CSV | Format.TSV:
            return _extracted(format_, decode(content).encode())
        case _:
            return _extracted(format_, content)


def _written(name: str, format_: Format, source: str) -> Parsed:
    try:
        # A YAML file begins with the same line, and is text from there on.
        has_front_matter = PurePath(name).suffix.lower() in _WITH_FRONT_MATTER
        front_matter, text = split(source) if has_front_matter else (None, source)
    except SourceError as error:
        raise ParseError(FaultKind.BROKEN, error.reason) from error
    heading = _HEADING.search(text) if format_ is Format.MARKDOWN else None
    title = _short(heading[1].rstrip(" \t#")) if heading else None
    return Parsed(text=text, title=title, format=format_, front_matter=front_matter)


def _extracted(format_: Format, content: bytes) -> Parsed:
    try:
        result = extract_bytes_sync(content, MEDIA_TYPES[format_], config=_CONFIG)
    # kreuzberg's errors share no base; each of them means that the file cannot be read.
    except Exception as error:
        if isinstance(error, MemoryError):
            raise
        raise _fault(format_, str(error)) from error
    metadata: Any = result.metadata
    title = _short(metadata.get("title") or metadata.get("subject"))
    return Parsed(text=clean(result.content), title=title, format=format_)


def _fault(format_: Format, message: str) -> ParseError:
    if _LOCKED.search(message):
        return ParseError(FaultKind.ENCRYPTED, "is locked by a password")
    if _OVER_LIMIT.search(message):
        return ParseError(FaultKind.TOO_LARGE, "unpacks to more than is allowed")
    return ParseError(FaultKind.BROKEN, f"cannot be read as {format_.value}")  # law 3


def _short(title: object) -> str | None:
    text = " ".join(str(title or "").replace("\0", "").split())[:MAX_TITLE]
    return text or None
