"""One file's bytes to its text; runs in the parser's child process.

The laws of this file:

1. No text is a fault. So is text in no known encoding, or more text than is allowed.
2. Text formats are read by the project's own short readers, PDF by pdfium, and everything else by
   kreuzberg in its plain mode, without its cache, which would write content to the disk.
3. A reason never quotes the document.
4. What a file is, its content and its name say together. The name must end in a suffix that is
   known, or have none.
5. Bytes that can only be one thing (PDF, ZIP, OLE, RTF) decide, against the name if need be.
6. A text is what its name says; a text under the name of a binary format is a fault.
7. What is neither is a fault. Nothing is guessed into a format.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import PurePath
from typing import Any, Final

from kreuzberg import (
    ConcurrencyConfig,
    ContentFilterConfig,
    ExtractionConfig,
    extract_bytes_sync,
)

from ingest.errors import FaultKind, ParseError, SourceError
from ingest.read.front_matter import split
from ingest.read.html_text import html_text
from ingest.read.mail_text import mail_text
from ingest.read.office_text import BrokenPartError, text_around
from ingest.read.parsed import MAX_TITLE, MEDIA_TYPES, Format, Parsed
from ingest.read.pdf_text import BrokenPdfError, LockedPdfError, pdf_text
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

_TEXTS: Final = {
    "": Format.TEXT,
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
    ".log": Format.TEXT,
    ".rst": Format.TEXT,
    ".adoc": Format.TEXT,
    ".json": Format.TEXT,
    ".yaml": Format.TEXT,
    ".yml": Format.TEXT,
    ".toml": Format.TEXT,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".eml": Format.EMAIL,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
}
_BINARIES: Final = {f".{one.value}" for one in Format} - _TEXTS.keys()

_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_OLE_STREAMS: Final = (
    ("WordDocument", Format.DOC),
    ("Workbook", Format.XLS),
    ("Book", Format.XLS),
    ("PowerPoint Document", Format.PPT),
    ("__substg1.0_", Format.MSG),
)
_ZIP_FOLDERS: Final = (("word/", Format.DOCX), ("ppt/", Format.PPTX), ("xl/", Format.XLSX))
_ZIP_TYPES: Final = {MEDIA_TYPES[one]: one for one in (Format.ODT, Format.ODS, Format.EPUB)}
_TEXT_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

_MAIL_NAMES: Final = (
    rb"from|to|subject|date|message-id|received|return-path|mime-version|delivered-to|reply-to"
)
_HEADER: Final = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]|>?From ")
_MAIL: Final = re.compile(rb"(?im)^(%s)[ \t]*:" % _MAIL_NAMES)
_HTML: Final = re.compile(
    rb"\s*(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)


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
            return _titled(format_, *html_text(decode(content)))
        case Format.EMAIL:
            return _titled(format_, *mail_text(content))
        case Format.CSV | Format.TSV:
            return _extracted(format_, decode(content).encode())
        case Format.PDF:
            return _pdf(content)
        case Format.DOCX:
            return _word(content)
        case _:
            return _extracted(format_, content)


def _word(content: bytes) -> Parsed:
    parsed = _extracted(Format.DOCX, content)
    try:
        around = text_around(content, parsed.text)
    except BrokenPartError as error:
        raise _fault(Format.DOCX, "") from error
    return _titled(Format.DOCX, f"{parsed.text}\n\n{around}".strip(), parsed.title)


def _pdf(content: bytes) -> Parsed:
    try:
        read = pdf_text(content)
    except LockedPdfError as error:
        raise ParseError(FaultKind.ENCRYPTED, "is locked by a password") from error
    except BrokenPdfError as error:
        raise _fault(Format.PDF, "") from error
    return Parsed(text=read.text, title=_short(read.title), format=Format.PDF, pages=read.pages)


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
    return _titled(format_, result.content, metadata.get("title") or metadata.get("subject"))


def _titled(format_: Format, text: str, title: object) -> Parsed:
    return Parsed(text=clean(text), title=_short(title), format=format_)


def _fault(format_: Format, message: str) -> ParseError:
    if _LOCKED.search(message):
        return ParseError(FaultKind.ENCRYPTED, "is locked by a password")
    if _OVER_LIMIT.search(message):
        return ParseError(FaultKind.TOO_LARGE, "unpacks to more than is allowed")
    return ParseError(FaultKind.BROKEN, f"cannot be read as {format_.value}")  # law 3


def _short(title: object) -> str | None:
    text = " ".join(str(title or "").replace("\0", "").split())[:MAX_TITLE]
    return text or None


def detect(name: str, content: bytes) -> Format:
    """Return the format of a file.

    Raises:
        ParseError: not known, not what the name says, or locked by a password.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in _TEXTS and suffix not in _BINARIES:  # law 4
        raise ParseError(FaultKind.UNSUPPORTED, f"files named `*{suffix[:20]}` are not supported")
    if b"%PDF-" in content[:1024]:  # law 5
        return Format.PDF
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(content)
    if content.startswith(_OLE):
        return _ole(content)
    if content.startswith(b"{\\rtf"):
        return Format.RTF
    return _text(suffix, content)


def _text(suffix: str, content: bytes) -> Format:
    if suffix in _BINARIES:
        raise ParseError(FaultKind.BROKEN, f"is named `*{suffix}` and holds something else")
    if b"\0" in content[:8192] and not content.startswith(_TEXT_MARKS):
        raise ParseError(FaultKind.UNSUPPORTED, "holds neither text nor a known format")  # law 7
    named = _TEXTS[suffix]  # law 6
    if suffix in {"", ".txt"} and _looks_like_mail(content[:8192]):
        return Format.EMAIL
    if suffix == "" and _HTML.match(content[:4096]):
        return Format.HTML
    return named


def _looks_like_mail(head: bytes) -> bool:
    """Say whether the first paragraph is nothing but headers, two of which only mails have."""
    first, end, _ = head.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = first.split(b"\n")
    # Without an end the head was cut, perhaps in the middle of its last line.
    whole = lines if end else lines[:-1]
    names = {found.lower() for found in _MAIL.findall(first)}
    return len(names) > 1 and all(_HEADER.match(line) for line in whole)


def _ole(content: bytes) -> Format:
    if _utf16("EncryptedPackage") in content:
        raise ParseError(FaultKind.ENCRYPTED, "is locked by a password")
    for stream, format_ in _OLE_STREAMS:
        if _utf16(stream) in content:
            return format_
    raise ParseError(FaultKind.UNSUPPORTED, "is a compound file of an unknown kind")


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-le")


def _zip(content: bytes) -> Format:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _zip_format(archive)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError) as error:
        raise ParseError(FaultKind.BROKEN, "is a damaged archive") from error
    except RuntimeError as error:
        raise ParseError(FaultKind.ENCRYPTED, "is locked by a password") from error


def _zip_format(archive: zipfile.ZipFile) -> Format:
    # Some writers use the other slash, some other capitals.
    names = [name.replace("\\", "/").lower() for name in archive.namelist()]
    for folder, format_ in _ZIP_FOLDERS:
        if "[content_types].xml" in names and any(name.startswith(folder) for name in names):
            return format_
    if "mimetype" in archive.namelist():
        with archive.open("mimetype") as entry:
            declared = entry.read(200).decode("ascii", "replace").strip()
        if declared in _ZIP_TYPES:
            return _ZIP_TYPES[declared]
    raise ParseError(FaultKind.UNSUPPORTED, "is an archive of an unknown kind")
