"""What a Word document says outside its body: headers, footers, notes, comments.

The laws of this file:

1. A paragraph that the body has already is not said again; so a header comes once, not once a page.
   Nor is what a text box holds said again for the paragraph around it, or for older programs.
2. A part that cannot be read is a fault of the document, never left out in silence.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

_PARTS: Final = re.compile(
    r"word/(header\d*|footer\d*|footnotes|endnotes|comments)\.xml", re.IGNORECASE
)
_MAX_PART: Final = 32 * 1024 * 1024
_WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_BLANKS: Final = frozenset({f"{_WORD}tab", f"{_WORD}br", f"{_WORD}cr"})
_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError),
    *(ParseError, DefusedXmlException),
)


class BrokenPartError(Exception):
    """A part of the document cannot be read."""


def text_around(content: bytes, body: str) -> str:
    """Return the paragraphs of a DOCX file that `body` does not have, one a line.

    Raises:
        BrokenPartError: a part is damaged, too large, or holds a document type.
    """
    said = {_spaced(line) for line in body.splitlines()}
    whole = _spaced(body)
    found: list[str] = []
    for paragraph in _paragraphs(content):
        if paragraph and paragraph not in said and paragraph not in whole:
            said.add(paragraph)  # law 1
            found.append(paragraph)
    return "\n".join(found)


def _paragraphs(content: bytes) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for part in sorted(archive.infolist(), key=lambda part: part.filename):
                if _PARTS.fullmatch(part.filename):
                    yield from _texts(_root(archive, part))
    except _DAMAGED as error:
        raise BrokenPartError from error  # law 2


def _root(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Element:
    if part.file_size > _MAX_PART:
        raise BrokenPartError
    root: Element = fromstring(archive.read(part), forbid_dtd=True)
    return root


def _texts(element: Element) -> Iterator[str]:
    """Yield the text of each paragraph in and below an element, each word once."""
    for child in element:
        if child.tag == _FALLBACK:
            continue
        if child.tag == f"{_WORD}p":
            yield _spaced("".join(_words(child)))
        yield from _texts(child)


def _words(element: Element) -> Iterator[str]:
    """Yield what stands in a paragraph itself, without the paragraphs within it."""
    for child in element:
        if child.tag == f"{_WORD}t":
            yield child.text or ""
        elif child.tag in _BLANKS:
            yield " "
        elif child.tag not in {f"{_WORD}p", _FALLBACK}:
            yield from _words(child)


def _spaced(text: str) -> str:
    return " ".join(text.split())
