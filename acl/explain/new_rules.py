"""New rules: the rows that would allow one subject one action on one document, or on its folder.

The law of this file: each column is filled with what the matcher compares it with - the subject's
id, their tenant, the action, the document's own attribute - and a column that is compared with
nothing of the kind is not guessed at. Whether a row then permits is for the caller to try.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product

from acl.labels import Label
from acl.language.casbin_adapter import Row
from acl.language.terms import Compare, Matches, Rule, walk
from acl.policy.decide import ACTION_COLUMNS, SUBJECT_COLUMNS, TENANT_COLUMNS
from acl.policy.policy import Policy
from acl.subject import Subject


def rules_for(policy: Policy, subject: Subject, action: str, label: Label) -> Iterator[Row]:
    """Yield rows that allow `subject` alone, the narrower first."""
    kind, names = policy.names.policy
    columns = [_values(policy, name, subject, action, label) for name in names]
    number = 1 + max((row.number for row in policy.rows), default=0)
    for values in product(*columns):
        yield Row(number, kind, values)


def _values(
    policy: Policy, name: str, subject: Subject, action: str, label: Label
) -> tuple[str, ...]:
    """Return what can stand in a column; nothing if that cannot be said."""
    column = f"{policy.names.policy[0]}_{name}"
    if name in SUBJECT_COLUMNS:
        return (subject.id,)
    if name in ACTION_COLUMNS:
        return (action,)
    if name in TENANT_COLUMNS:
        return (subject.tenant,)
    if name == "eft":
        return ("allow",)
    if name == "priority":
        return _before(policy, column)
    if any(isinstance(one, Rule) and one.column == column for one in walk(policy.term)):
        return ("True",)
    return tuple(_compared(policy, column, label))


def _before(policy: Policy, column: str) -> tuple[str, ...]:
    """Return a priority before all others, if there is room."""
    taken = [policy.named(row)[column] for row in policy.rules]
    first = min((int(one) for one in taken if one.isascii() and one.isdigit()), default=1)
    return (str(first - 1),) if first > 0 else ()


def _compared(policy: Policy, column: str, label: Label) -> Iterator[str]:
    for term in walk(policy.term):
        if not isinstance(term, Compare | Matches) or not _is_column(term.operand.node, column):
            continue
        value = label.values.get(term.attribute.name)
        if not isinstance(value, str):
            continue
        if isinstance(term, Matches):
            yield from (value, f"{value.rpartition('/')[0]}/*")
        elif term.operator == "==":
            yield value


def _is_column(node: ast.expr, column: str) -> bool:
    return isinstance(node, ast.Name) and node.id == column
