"""How an evaluator parses: one expression at a time; if it is asked for long, each text once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from acl.language.expression import ONE_TREE_AT_A_TIME


class Expression(Protocol):
    """What parsing gives: an expression with the functions that it may call."""

    functions: object


E = TypeVar("E", bound=Expression)


def one_at_a_time(parse: Callable[[str, object], E]) -> Callable[[str, object], E]:
    """Return `parse` for several threads; see `ONE_TREE_AT_A_TIME`."""

    def parsed(text: str, functions: object) -> E:
        with ONE_TREE_AT_A_TIME:
            return parse(text, functions)

    return parsed


def remembered(parse: Callable[[str, object], E]) -> Callable[[str, object], E]:
    """Return `parse` with a memory by text; the functions are those of the latest call."""
    known: dict[str, E] = {}

    def parsed(text: str, functions: object) -> E:
        if text not in known:
            known[text] = parse(text, functions)
        known[text].functions = functions
        return known[text]

    return parsed
