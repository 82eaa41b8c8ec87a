"""The opening of a matcher: what is asked before a label is first read.

It is false for most rows, and the same for every label; rows that it cannot tell apart are asked
about once.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import takewhile

from acl.language.casbin_adapter import Row
from acl.language.expression import parse, source
from acl.language.terms import AllOf, Term, known_columns


def conjuncts_of(text: str, term: Term) -> tuple[tuple[str, Term], ...]:
    """Return the parts that a matcher joins with `&&`, each with its text."""
    tree = parse(text)
    nodes = tree.values if isinstance(tree, ast.BoolOp) and isinstance(term, AllOf) else [tree]
    parts = term.parts if isinstance(term, AllOf) and len(nodes) > 1 else (term,)
    return tuple(zip(map(source, nodes), parts, strict=True))


def opening_of(term: Term) -> Term:
    """Return the part of a matcher before it first reads a label."""
    parts = term.parts if isinstance(term, AllOf) else (term,)
    return AllOf(tuple(takewhile(lambda part: known_columns(part) is not None, parts)))


def groups_of(
    opening: Term, rules: Sequence[Row], columns: tuple[str, ...]
) -> tuple[tuple[int, ...], ...]:
    """Return the positions of the rows on which the opening of the matcher cannot differ."""
    read_by = known_columns(opening) or frozenset()
    places = [place for place, name in enumerate(columns) if name in read_by]
    groups: dict[tuple[str, ...], list[int]] = {}
    for position, row in enumerate(rules):
        groups.setdefault(tuple(row.values[place] for place in places), []).append(position)
    return tuple(map(tuple, groups.values()))
