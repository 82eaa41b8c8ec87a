"""What the command line prints: an answer as panel or table, or with `--json` as the API sends it.

The laws of this file:

1. A title, a snippet or a file name comes from others. It is printed without control, format and
   bidirectional characters, and rich never reads its brackets as markup. In JSON all of them are
   escaped.
2. With `--json`, standard output is one JSON value: the answer, field by field, as the API has it.
3. An answer for which no other form is given is printed field by field: what has one value in one
   table, each list in a table of its own.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

out: Final = Console(highlight=False)
err: Final = Console(stderr=True, highlight=False)

_SNIPPET: Final = 280
_WIDE: Final = 10_000
_BETWEEN: Final = 3
_DIGEST: Final = re.compile(r"\b[0-9a-f]{64}\b")
_DIGITS: Final = 12
_BLANKS: Final = re.compile(r"\s+")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_HEADS: Final = {"uri": "document", "document_id": "document", "created_at": "when", "at": "when"}


class CommandError(Exception):
    """What keeps a command from its answer; one sentence for the person who typed it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a command answers.

    Attributes:
        answer: a model of the API, or a frozen value of the product.
        lines: how people read it; by default field by field (law 3).
        code: the exit code.
        err: what is said on standard error.
        raw: a text that is printed to the letter, where it is not asked for as JSON.
    """

    answer: Any
    lines: Sequence[object] | None = None
    code: int = 0
    err: Sequence[object] = ()
    raw: str = ""


def show(shown: Shown, *, as_json: bool) -> None:
    """Print an answer."""
    if as_json:
        out.out(as_text(shown.answer), highlight=False)  # law 2
    elif shown.raw:
        out.out(shown.raw, end="", highlight=False)
    else:
        for line in fields_of(shown.answer) if shown.lines is None else shown.lines:
            out.print(line)
    for line in shown.err:
        err.print(line)


def as_text(value: object) -> str:
    """Return a value as JSON whose text no terminal takes for a command."""
    return json.dumps(to_jsonable_python(value, fallback=dict), ensure_ascii=True, indent=2)


def fields_of(value: object) -> list[RenderableType]:
    """Return an answer field by field (law 3)."""
    single, lists = list[tuple[str, object]](), list[RenderableType]()
    for name, part in _items(value):
        title = name.replace("_", " ")
        values = part if isinstance(part, list | tuple) else ()
        if values and (isinstance(values[0], BaseModel) or is_dataclass(values[0])):
            lists.append(records(values, title=title))
        else:
            single.append((title, part))
    return [table("", ("what", "value"), single), *lists]


def records(values: Sequence[object], names: str = "", *, title: str = "") -> Group:
    """Return a table with one row for each value.

    Args:
        values: models or frozen values of one type.
        names: the fields that are shown, between blanks; by default all of them.
        title: what stands above.
    """
    if not values:
        return Group()
    shown = names.split() or [name for name, _ in _items(values[0])]
    rows = [[getattr(value, name) for name in shown] for value in values]
    return table(title, [_HEADS.get(name, name).replace("_", " ") for name in shown], rows)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Group:
    """Return a table of foreign texts, with a title above it; nothing without a row.

    Where not even the longest words fit beside each other, each row is a block of lines.
    """
    cells = [[cell if isinstance(cell, Text) else safe(in_words(cell)) for cell in r] for r in rows]
    if not cells:
        return Group()
    widths = _widths(columns, cells, out.width)
    made = _beside(columns, cells, widths) if widths else _below(columns, cells)
    # A table's own title is broken at the table's width, which may be narrow.
    return Group(Text(title, style="bold"), made) if title else Group(made)


def safe(text: object, style: str = "") -> Text:
    """Return foreign text as it may be printed, in one paragraph (law 1)."""
    plain = _BLANKS.sub(" ", str(text)).strip()
    shown = ("�" if unicodedata.category(sign) in _HIDDEN else sign for sign in plain)
    return Text("".join(shown), style=style)


def in_words(value: object) -> str:
    """Return a value in words; of a digest, the beginning."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M} UTC"
        case list() | tuple():
            return ", ".join(in_words(part) for part in value) or "none"
        case Mapping():
            return "; ".join(f"{name} {in_words(part)}" for name, part in value.items()) or "none"
        case _:
            return _DIGEST.sub(lambda digest: digest[0][:_DIGITS], str(value))


def count(number: int, noun: str, many: str = "") -> str:
    """Return how many there are, in words."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"


def excerpt(text: str, words: Sequence[str], *, length: int = _SNIPPET) -> Text:
    """Return the part of a passage in which most of `words` stand, one sentence at least."""
    sentences = re.split(r"(?<=[.!?])\s+", safe(text).plain)
    wanted = {word.lower() for word in words}
    scored = [sum(word in sentence.lower() for word in wanted) for sentence in sentences]
    best = max(range(len(sentences)), key=lambda place: (scored[place], -place))
    shown = ("… " if best else "") + " ".join(sentences[best : best + 3])
    return Text(shown if len(shown) <= length else shown[: length - 1].rstrip() + "…")


def fail(message: str) -> None:
    """Print an error."""
    lines = [part for line in message.splitlines() for part in (safe(line), Text("\n"))]
    err.print(Text.assemble(("error: ", "bold red"), *lines[:-1]))


def _items(value: object) -> list[tuple[str, object]]:
    if isinstance(value, BaseModel):
        return [(name, getattr(value, name)) for name in type(value).model_fields]
    return [(field.name, getattr(value, field.name)) for field in fields(value)]  # type: ignore[arg-type]


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
    least = [max(cell.minimum for cell in column) for column in measured]
    wanted = [max(cell.maximum for cell in column) for column in measured]
    spare = room - sum(least) - _BETWEEN * len(least) - 1
    if spare < 0:
        return []
    missing = sum(wanted) - sum(least)
    return [
        few if missing == 0 else few + min(many - few, spare * (many - few) // missing)
        for few, many in zip(least, wanted, strict=True)
    ]
