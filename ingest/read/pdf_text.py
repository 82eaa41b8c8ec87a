"""A PDF to its text, page by page, in the order in which a person reads it.

The laws of this file:

1. Each word of a page comes once.
2. Lines that were drawn across two columns are put into the order of the columns, if both sides are
   prose; cells of a table stay in their row. Where that would lose or double a word, the order in
   which the page was drawn stays.
3. A word that was parted at the end of a line is joined.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Final

import pypdfium2

from ingest.read.plain_text import clean

_MIN_LINES: Final = 3
_MIN_WORDS: Final = 3.5
"""Of a line of one column, on the average; cells of a table have fewer."""
_APART: Final = 1.5
_MIN_GUTTER: Final = 6.0
"""In points, between two columns; a line's own gaps are narrower."""

_PARTED: Final = re.compile(r"(?<=[^\W\d_])(?:[-\u00ad\u0002]\n|\ufffe\n?)(?=[^\W\d_])")
_UNTOLD: Final = re.compile(
    r"(?i)(microsoft (word|powerpoint|excel) - .*|untitled.*|.*\.(docx?|tex|dvi|indd))"
)


class LockedPdfError(Exception):
    """The document is locked by a password."""


class BrokenPdfError(Exception):
    """The document is no PDF that can be read."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A piece of a line: where it stands, in points, and its text."""

    left: float
    bottom: float
    right: float
    top: float
    text: str


_Line = list[_Run]


@dataclass(frozen=True, slots=True)
class PdfText:
    """What a PDF says.

    Attributes:
        pages: where each page begins in the text.
    """

    text: str
    title: str | None
    pages: tuple[int, ...]


def pdf_text(content: bytes) -> PdfText:
    """Return the text of a PDF, its title, and where its pages begin.

    Raises:
        LockedPdfError: a password is needed.
        BrokenPdfError: it cannot be read.
    """
    try:
        with pypdfium2.PdfDocument(content) as document:
            pages = [_page_text(document[number]) for number in range(len(document))]
            title = document.get_metadata_dict().get("Title", "").strip()
    except pypdfium2.PdfiumError as error:
        raise (LockedPdfError if "assword" in str(error) else BrokenPdfError) from error
    text = "\n\n".join(pages)
    starts = accumulate((len(page) + 2 for page in pages[:-1]), initial=0)
    return PdfText(text, None if _UNTOLD.fullmatch(title) else title or None, tuple(starts))


def _page_text(page: Any) -> str:  # noqa: ANN401 - the library is not typed
    with closing(page), closing(page.get_textpage()) as textpage:
        drawn = clean(textpage.get_text_range())
        read = _in_columns(_lines(_runs(textpage)))
    whole = read if read is not None and _words(read) == _words(drawn) else drawn  # law 2
    return clean(_PARTED.sub("", whole)).strip()  # law 3


def _words(text: str) -> Counter[str]:
    return Counter(text.split())


def _runs(textpage: Any) -> Iterable[_Run]:  # noqa: ANN401 - the library is not typed
    for number in range(textpage.count_rects()):
        box = textpage.get_rect(number)
        if text := " ".join(textpage.get_text_bounded(*box).split()):
            left, bottom, right, top = box
            yield _Run(left, bottom, right, top, text)


def _lines(runs: Iterable[_Run]) -> list[_Line]:
    """Return runs that were drawn one after the other at one height, as lines."""
    lines: list[_Line] = []
    for run in runs:
        if lines and _beside(lines[-1][-1], run):
            lines[-1].append(run)
        else:
            lines.append([run])
    return lines


def _beside(run: _Run, other: _Run) -> bool:
    shared = min(run.top, other.top) - max(run.bottom, other.bottom)
    return shared > (min(run.top - run.bottom, other.top - other.bottom)) / 2


def _in_columns(lines: Sequence[_Line]) -> str | None:
    """Return the page's text with its columns one after the other, or None if it has none."""
    texts: list[str] = []
    found, at = False, 0
    while at < len(lines):
        size, gutter = _block(lines[at:])
        if size:
            found = True
            block = lines[at : at + size]
            for side in _sides(block, gutter):
                texts += [_text(line) for line in side if line]
            at += size
        else:
            texts.append(_text(lines[at]))
            at += 1
    return "\n".join(texts) if found else None


def _block(lines: Sequence[_Line]) -> tuple[int, float]:
    """Return of how many lines a block of two columns consists, and where its gutter is."""
    low, high, size, both = float("-inf"), float("inf"), 0, 0
    for line in lines:
        gap = _gap(line)
        if gap and both and not (max(low, gap[0]) + _MIN_GUTTER <= min(high, gap[1])):
            break
        if gap:
            low, high, both = max(low, gap[0]), min(high, gap[1]), both + 1
        elif not both or _is_apart(lines[size - 1], line) or _crosses(line, high):
            break
        elif line[-1].right < high:
            low = max(low, line[-1].right)
        size += 1
    gutter = (low + high) / 2
    prose = both >= _MIN_LINES and _is_prose(lines[:size], gutter)
    return (size, gutter) if prose else (0, 0.0)


def _crosses(line: _Line, right_column: float) -> bool:
    """Say whether a line begins before the right column, and ends in it."""
    return line[0].left < right_column - 1 and line[-1].right > right_column - _MIN_GUTTER


def _is_apart(line: _Line, below: _Line) -> bool:
    """Say whether more than a line's height lies between two lines."""
    height = max(run.top - run.bottom for run in line)
    return min(run.bottom for run in line) - max(run.top for run in below) > _APART * height


def _gap(line: _Line) -> tuple[float, float] | None:
    """Return where a line's widest gap begins and ends, if it is as wide as the line is high."""
    gaps = [
        (after.left - before.right, before.right, after.left) for before, after in pairwise(line)
    ]
    width, begins, ends = max(gaps, default=(0.0, 0.0, 0.0))
    height = max(run.top - run.bottom for run in line)
    return (begins, ends) if width >= max(height, _MIN_GUTTER) else None


def _sides(block: Sequence[_Line], gutter: float) -> tuple[list[_Line], list[_Line]]:
    left = [[run for run in line if run.left < gutter] for line in block]
    right = [[run for run in line if run.left >= gutter] for line in block]
    return left, right


def _is_prose(block: Sequence[_Line], gutter: float) -> bool:
    return all(
        sum(len(_text(line).split()) for line in side if line) >= _MIN_WORDS * sum(map(bool, side))
        for side in _sides(block, gutter)
    )


def _text(line: _Line) -> str:
    return " ".join(run.text for run in line)
