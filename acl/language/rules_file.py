"""`policy.csv`: rows as they are written, whatever editor or spreadsheet saved them.

The laws of this file:

1. Only a line break ends a row; what else could cut a line stays in a column, where `admit` refuses
   it. A byte order mark, a carriage return and a tab around a value mean nothing.
2. Columns are parted by commas. A file that parts them otherwise is refused once, as a whole.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Final

from acl.errors import PolicyError, Refusal
from acl.language.casbin_adapter import RoleDefinition, Row

POLICY_FILE: Final = "policy.csv"
BYTE_ORDER_MARK: Final = "\ufeff"
_FOREIGN: Final = re.compile(r"\s*\"?[A-Za-z]\w*\"?\s*?([;|\t])(?!\s*,)")
_SEPARATORS: Final = {";": "semicolons", "|": "upright strokes", "\t": "tabs"}
_SHOWN: Final = 30


def read_rows(text: str) -> tuple[Row, ...]:
    """Read `policy.csv`: comma-separated, `"` around a field that holds a comma, `#` for comments.

    Raises:
        PolicyError: a line is not comma-separated text.
    """
    lines = list(_lines(text))
    refusals = tuple(_foreign(lines))
    rows: list[Row] = []
    for number, line in () if refusals else lines:
        fields = _fields(line)
        if fields is None:
            reason = "is not comma-separated text with balanced quotes"
            refusals += (Refusal(_place(number), "row", reason),)
        else:
            kind, *values = fields
            rows.append(Row(number, kind, tuple(values)))
    if refusals:
        raise PolicyError(refusals)
    return tuple(rows)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not `splitlines`: what follows an invisible separator would become a row of its own (law 1).
    for number, line in enumerate(text.removeprefix(BYTE_ORDER_MARK).split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _foreign(lines: Sequence[tuple[int, str]]) -> Iterator[Refusal]:
    """Law 2."""
    found = [(number, match[1]) for number, line in lines if (match := _FOREIGN.match(line))]
    if found:
        number, separator = found[0]
        more = f" here and in {len(found) - 1} other lines" if len(found) > 1 else ""
        reason = f"the columns are parted by {_SEPARATORS[separator]}{more}; use commas"
        yield Refusal(_place(number), separator.strip() or "tab", reason)


def _fields(line: str) -> list[str] | None:
    try:
        (fields,) = csv.reader(
            io.StringIO(line.strip().replace("\t", " ")), skipinitialspace=True, strict=True
        )
    except (csv.Error, ValueError):
        return None
    return [field.strip() for field in fields]


def role_columns(definition: RoleDefinition) -> tuple[str, ...]:
    """Return what the columns of a role definition's rows are called."""
    names = ("name", "role", "domain")[: definition.arity]
    return (*names, "from", "until") if definition.timed else names


def wrong_length(row: Row, columns: Sequence[str]) -> str:
    """Return why a row does not fit its columns, or nothing if it does."""
    if len(row.values) == len(columns):
        return ""
    reason = f"has {len(row.values)} columns, the model defines {len(columns)}"
    values = (f"`{value[:_SHOWN]}`" for value in row.values)
    pairs = (f"{name} {next(values, 'is missing')}" for name in columns)
    reason = f"{reason}: {', '.join(pairs)}"
    if rest := ", ".join(values):
        reason += f", and too many: {rest}"
    return reason + _way_out(row, columns)


def _way_out(row: Row, columns: Sequence[str]) -> str:
    if any(value.count("(") > value.count(")") for value in row.values):
        return "; a bracket is open at a comma: a condition with a comma stands in double quotes"
    if len(row.values) == len(columns) + 1 and not row.values[-1]:
        return "; the line ends with a comma too many"
    return ""


def _place(number: int) -> str:
    return f"{POLICY_FILE} line {number}"
