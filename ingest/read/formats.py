"""What a file is, by content and by name together.

The laws of this file:

1. The name must end in a suffix that is known, or have none.
2. Bytes that can only be one thing (PDF, ZIP, OLE, RTF) decide, against the name if need be.
3. A text is what its name says; a text under the name of a binary format is a fault.
4. What is neither is a fault. Nothing is guessed into a format.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import PurePath
from typing import Final

from ingest.errors import FaultKind, ParseError
from ingest.read.parsed import MEDIA_TYPES, Format

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


def detect(name: str, content: bytes) -> Format:
    """Return the format of a file.

    Raises:
        ParseError: not known, not what the name says, or locked by a password.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in _TEXTS and suffix not in _BINARIES:  # law 1
        raise ParseError(FaultKind.UNSUPPORTED, f"files named `*{suffix[:20]}` are not supported")
    if b"%PDF-" in content[:1024]:  # law 2
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
        raise ParseError(FaultKind.UNSUPPORTED, "holds neither text nor a known format")  # law 4
    named = _TEXTS[suffix]  # law 3
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
