"""Parsed expressions by their text, for an evaluator that is asked about the same ones for long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar


class Expression(Protocol):
    """What parsing gives: an expression with the functions that it may call."""

    functions: object


E = TypeVar("E", bound=Expression)


def remembered(parse: Callable[[str, object], E]) -> Callable[[str, object], E]:
    """Return `parse` with a memory by text; the functions are those of the latest call."""
    known: dict[str, E] = {}

    def parsed(text: str, functions: object) -> E:
        if text not in known:
            known[text] = parse(text, functions)
        known[text].functions = functions
        return known[text]

    return parsed
