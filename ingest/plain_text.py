"""Bytes to text: which encoding, and what never stays in a text.

A byte order mark decides, then UTF-8 if it fits, then a declared encoding, then a statistical
guess. What fits none is a fault: a document full of replacement characters would be found by no
question.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from charset_normalizer import from_bytes

from ingest.errors import FaultKind, ParseError

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE: Final = 64 * 1024
_META_CHARSET: Final = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w-]{2,30})", re.IGNORECASE
)

# Encodings of documents alone: `idna`, `punycode` and `utf-7` are not for a document to choose.
_DECLARABLE: Final = re.compile(
    r"(?:iso-?8859-|windows-?|cp)\d{1,4}|utf-?8|koi8-[ru]|shift[-_]?jis|sjis|euc-(?:jp|kr)|"
    r"iso-2022-(?:jp|kr)|gb2312|gbk|gb18030|big5|latin-?1|us-ascii|ascii|macintosh|mac-?roman",
    re.IGNORECASE,
)


def decode(content: bytes) -> str:
    r"""Return `content` as text with `\n` line ends.

    Raises:
        ParseError: in no encoding that could be found.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return clean(_decoded(content, encoding))
    try:
        return clean(content.decode())
    except UnicodeDecodeError:
        return clean(_decoded(content, _declared(content) or _guessed(content)))


def clean(text: str) -> str:
    r"""Return `text` with `\n` line ends and without NUL, which databases cannot hold."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def declarable(name: str) -> bool:
    """Say whether a document may name this encoding."""
    return _DECLARABLE.fullmatch(name) is not None


def _declared(content: bytes) -> str | None:
    found = _META_CHARSET.search(content[:4096])
    name = found[1].decode("ascii") if found else ""
    return name if declarable(name) else None


def _guessed(content: bytes) -> str | None:
    best = from_bytes(content[:_SAMPLE]).best()
    return best.encoding if best else None


def _decoded(content: bytes, encoding: str | None) -> str:
    try:
        return content.decode(encoding or "utf-8")
    except (UnicodeError, LookupError) as error:
        raise ParseError(FaultKind.BROKEN, "is text in an unknown encoding") from error
