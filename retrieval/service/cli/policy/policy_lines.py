"""How lines of a policy are shown: what each new one touches, and what is odd about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType

from acl.errors import Caution
from retrieval.service.api.policy_lines import TouchedLine, Warned
from retrieval.service.cli.render import records, safe, table

_SHOWN: Final = 20


def warned(warnings: Sequence[Caution | Warned]) -> list[RenderableType]:
    """Return what says that lines may do something else than is meant."""
    if not warnings:
        return []
    rows = records(warnings, "where column value reason nearest", title="warnings")
    said = f"{len(warnings)} warning(s): these lines may not do what is meant"
    return [rows, safe(said, "yellow")]


def touched(lines: Sequence[TouchedLine]) -> list[RenderableType]:
    """Return what new lines touch today, and loudly those that touch nothing."""
    some = [line for line in lines if not line.why_none][:_SHOWN]
    none = [line for line in lines if line.why_none][:_SHOWN]
    rows = [(line.line, line.row, line.people, line.documents) for line in some]
    return [
        table("What each new line touches", ("line", "row", "people", "documents"), rows),
        *(
            safe(f"line {line.line} touches NOTHING today: {line.why_none}: {line.row}", "bold red")
            for line in none
        ),
    ]
