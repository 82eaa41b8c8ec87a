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
from rich.table import Table
from rich.text import Text

out: Final = Console(highlight=False)
err: Final = Console(stderr=True, highlight=False)

_SNIPPET: Final = 280
_BLANKS: Final = re.compile(r"\s+")


def safe(text: object, style: str = "") -> Text:
    """Return foreign text as it may be printed, in one paragraph."""
    plain = _BLANKS.sub(" ", str(text)).strip()
    return Text("".join(_printable(one) for one in plain), style=style)


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


def table(title: str, columns: Iterable[str], rows: Iterable[Sequence[object]]) -> Group:
    """Return a table of foreign texts, with a title above it."""
    made = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else safe(cell) for cell in row))
    # A table's own title is broken at the table's width, which may be narrow.
    return Group(Text(title, style="bold"), made) if title else Group(made)


def fail(message: str) -> None:
    """Print an error."""
    err.print(Text.assemble(("error: ", "bold red"), *_lines(message)))


def _lines(message: str) -> list[Text]:
    lines = [safe(line) for line in message.splitlines()]
    return [part for line in lines for part in (line, Text("\n"))][:-1]


def _printable(character: str) -> str:
    return "�" if unicodedata.category(character) in _HIDDEN else character


_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
