"""Bytes to text: which encoding, and what never stays in a text.

A byte order mark decides, then UTF-8 if it fits, then a declared encoding, then a statistical
guess. A few bad bytes are replaced; more than one character in a hundred is a fault, because a
document full of replacement characters would be found by no question.
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
_FEW: Final = 3
_META_CHARSET: Final = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w-]{2,30})", re.IGNORECASE
)

# Encodings of documents alone: `idna`, `punycode` and `utf-7` are not for a document to choose.
_DECLARABLE: Final = re.compile(
    r"(?:iso-?8859-|windows-?|cp)\d{1,4}|utf-?8|koi8-[ru]|shift[-_]?jis|sjis|euc-(?:jp|kr)|"
    r"iso-2022-(?:jp|kr)|gb2312|gbk|gb18030|big5|latin-?1|us-ascii|ascii|macintosh|mac-?roman",
    re.IGNORECASE,
)


def decode(content: bytes, *, declared: str = "") -> str:
    r"""Return `content` as text with `\n` line ends.

    Args:
        content: the bytes.
        declared: the encoding that stands beside them, if any.

    Raises:
        ParseError: in no encoding that could be found.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return clean(_decoded(content, encoding))
    try:
        return clean(content.decode(declared if declarable(declared) else "utf-8"))
    except (UnicodeError, LookupError):
        return clean(_decoded(content, _declared(content) or _guessed(content) or "utf-8"))


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


def _decoded(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding, "replace")
    except LookupError:
        text = content.decode("utf-8", "replace")
    if text.count("\ufffd") > max(_FEW, len(text) // 100):
        raise ParseError(FaultKind.BROKEN, "is text in an unknown encoding")
    return text
