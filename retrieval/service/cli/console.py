"""What the command line prints: tables and panels, with every foreign text made harmless.

A title, a snippet or a file name comes from others. It is printed without control, format and
bidirectional characters, and rich never reads its brackets as markup.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.console import Console, Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

out: Final = Console(highlight=False)
err: Final = Console(stderr=True, highlight=False)

_SNIPPET: Final = 280
_WIDE: Final = 10_000
_BETWEEN: Final = 3
_BLANKS: Final = re.compile(r"\s+")


def safe(text: object, style: str = "") -> Text:
    """Return foreign text as it may be printed, in one paragraph."""
    plain = _BLANKS.sub(" ", str(text)).strip()
    return Text("".join(_printable(one) for one in plain), style=style)


def in_words(value: object) -> str:
    """Return a value of a label in words."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return str(value)


def snippet(text: str, *, length: int = _SNIPPET) -> Text:
    """Return the beginning of a passage."""
    whole = safe(text).plain
    return Text(whole if len(whole) <= length else whole[: length - 1].rstrip() + "…")


def excerpt(text: str, words: Sequence[str], *, length: int = _SNIPPET) -> Text:
    """Return the part of a passage in which most of `words` stand, one sentence at least."""
    sentences = re.split(r"(?<=[.!?])\s+", safe(text).plain)
    wanted = {word.lower() for word in words}
    scored = [sum(word in sentence.lower() for word in wanted) for sentence in sentences]
    best = max(range(len(sentences)), key=lambda place: (scored[place], -place))
    shown = " ".join(sentences[best : best + 3])
    return snippet(("… " if best else "") + shown, length=length)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Group:
    """Return a table of foreign texts, with a title above it; nothing without a row.

    Where not even the longest words fit beside each other, each row is a block of lines.
    """
    cells = [[cell if isinstance(cell, Text) else safe(cell) for cell in row] for row in rows]
    if not cells:
        return Group()
    widths = _widths(columns, cells, out.width)
    made = _beside(columns, cells, widths) if widths else _below(columns, cells)
    # A table's own title is broken at the table's width, which may be narrow.
    return Group(Text(title, style="bold"), made) if title else Group(made)


def _beside(columns: Sequence[str], rows: Sequence[Sequence[Text]], widths: list[int]) -> Table:
    made = Table(box=box.SIMPLE_HEAD)
    for column, width in zip(columns, widths, strict=True):
        made.add_column(column, width=width)
    for row in rows:
        made.add_row(*row)
    return made


def _below(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    made = Table.grid(padding=(0, 2), pad_edge=True)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            made.add_row(column, cell)
        made.add_row()
    return made


def _widths(columns: Sequence[str], rows: Sequence[Sequence[Text]], room: int) -> list[int]:
    """Return how wide each column is to be, in cells, so that no word is broken; [] if one is."""
    measured = [
        [Measurement.get(out, out.options.update(width=_WIDE), cell) for cell in (Text(name), *of)]
        for name, of in zip(columns, zip(*rows, strict=True), strict=True)
    ]
    least = [max(one.minimum for one in column) for column in measured]
    wanted = [max(one.maximum for one in column) for column in measured]
    spare = room - sum(least) - _BETWEEN * len(least) - 1
    if spare < 0:
        return []
    missing = sum(wanted) - sum(least)
    return [
        few if missing == 0 else few + min(many - few, spare * (many - few) // missing)
        for few, many in zip(least, wanted, strict=True)
    ]


def fail(message: str) -> None:
    """Print an error."""
    err.print(Text.assemble(("error: ", "bold red"), *_lines(message)))


def _lines(message: str) -> list[Text]:
    lines = [safe(line) for line in message.splitlines()]
    return [part for line in lines for part in (line, Text("\n"))][:-1]


def _printable(character: str) -> str:
    return "�" if unicodedata.category(character) in _HIDDEN else character


_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
