"""What a Word document says outside its body: headers, footers, notes, comments.

The laws of this file:

1. A paragraph that the body has already is not said again; so a header comes once, not once a page.
2. A part with a document type, which may hold entities that grow, is passed over.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

_PARTS: Final = re.compile(
    r"word/(header\d*|footer\d*|footnotes|endnotes|comments)\.xml", re.IGNORECASE
)
_MAX_PART: Final = 32 * 1024 * 1024
_WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def text_around(content: bytes, body: str) -> str:
    """Return the paragraphs of a DOCX file that `body` does not have, one a line."""
    said = {_spaced(line) for line in body.splitlines()}
    whole = _spaced(body)
    found: list[str] = []
    for paragraph in _paragraphs(content):
        if paragraph and paragraph not in said and paragraph not in whole:
            said.add(paragraph)  # law 1
            found.append(paragraph)
    return "\n".join(found)


def _paragraphs(content: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in sorted(archive.namelist()):
            if not _PARTS.fullmatch(name) or archive.getinfo(name).file_size > _MAX_PART:
                continue
            part = archive.read(name)
            if b"<!DOCTYPE" not in part:  # law 2
                yield from _texts(part)


def _texts(part: bytes) -> Iterator[str]:
    try:
        root = ET.fromstring(part)  # noqa: S314 - without a document type, see law 2
    except ET.ParseError:
        return
    for paragraph in root.iter(f"{_WORD}p"):
        yield _spaced("".join(_words(paragraph)))


def _words(paragraph: ET.Element) -> Iterator[str]:
    for element in paragraph.iter():
        if element.tag == f"{_WORD}t":
            yield element.text or ""
        elif element.tag in {f"{_WORD}tab", f"{_WORD}br", f"{_WORD}cr"}:
            yield " "


def _spaced(text: str) -> str:
    return " ".join(text.split())
