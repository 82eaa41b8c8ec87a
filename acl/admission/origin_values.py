"""Origin values: what rules compare with the door and the address that a request comes from.

The laws of this file:

1. A door is one of a closed list. An address is compared with an address in its usual spelling, and
   `ipMatch` is given an address or a network.
2. A column of the row is held to that where its row cannot apply without the comparison: under `||`
   it may stand beside a star that it is compared with first.
"""

from __future__ import annotations

import ast
import ipaddress
from collections.abc import Iterator, Mapping

from acl.admission.row_values import line_of
from acl.errors import Refusal
from acl.language.expression import source
from acl.language.model_file import MODEL_FILE
from acl.language.terms import Rule, walk
from acl.policy.moment import MOMENT_COLUMNS
from acl.policy.policy import Policy
from acl.subject import Channel

_MATCH = "ipMatch"


def origin_faults(policy: Policy) -> Iterator[Refusal]:
    """Yield every value that no origin of a request can have."""
    prefix, columns = policy.names.request
    records = {f"{prefix}_{one}" for one in MOMENT_COLUMNS & set(columns)}
    if not records:
        return
    matcher = policy.tree(policy.model.matchers[f"m{policy.suffix}"])
    yield from _faults(matcher, records, {}, MODEL_FILE)
    rules = sorted({part.column for part in walk(policy.term) if isinstance(part, Rule)})
    for row in policy.rules:
        named = policy.named(row)
        for column in rules:
            tree, plain = policy.tree(named[column]), column.partition("_")[2]
            yield from _faults(tree, records, {}, line_of(row), plain)
        for tree in (matcher, *(policy.tree(named[column]) for column in rules)):
            for part in _needed(tree):  # law 2
                yield from _faults(part, records, named, line_of(row))


def _faults(
    tree: ast.expr, records: set[str], row: Mapping[str, str], where: str, column: str = ""
) -> Iterator[Refusal]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare | ast.Call):
            continue
        read = {name for part in _operands(node) if (name := _read(part, records))}
        values = list(_values(node, row))
        for name in sorted(read):
            for value, at in values:
                reason = _reason(name, value, network=_is_match(node))
                if reason:
                    yield Refusal(where, source(node), reason, at or column)


def _operands(node: ast.Compare | ast.Call) -> list[ast.expr]:
    return [node.left, *node.comparators] if isinstance(node, ast.Compare) else node.args


def _read(node: ast.expr, records: set[str]) -> str:
    match node:
        case ast.Attribute(value=ast.Name(id=record), attr="network" | "channel" as name):
            return name if record in records else ""
        case _:
            return ""


def _values(node: ast.Compare | ast.Call, row: Mapping[str, str]) -> Iterator[tuple[object, str]]:
    """Yield literals, or with a row what stands in its columns, and in which column."""
    for operand in _operands(node):
        parts = operand.elts if isinstance(operand, ast.List | ast.Tuple) else [operand]
        for part in parts:
            match part:
                case ast.Constant(value=value) if not row:
                    yield value, ""
                case ast.Name(id=name) if name in row:
                    yield row[name], name.partition("_")[2]
                case _:
                    pass


def _is_match(node: ast.Compare | ast.Call) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == _MATCH


def _reason(name: str, value: object, *, network: bool) -> str:
    """Return why an origin never has a value, or nothing (law 1)."""
    if name == "channel":
        known = ", ".join(Channel)
        return "" if value in set(Channel) else f"`{value}` is no channel; there is {known}"
    return _no_network(str(value)) if network else _no_address(str(value))


def _no_network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"`{text}` is neither an address nor a network such as 10.0.0.0/8"
    return ""


def _no_address(text: str) -> str:
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        if not _no_network(text):
            return f'`{text}` is a network, no address; write ipMatch(r.env.network, "{text}")'
        return f"`{text}` is no address"
    return "" if address == text else f"`{text}` is never spelt so; write `{address}`"


def _needed(tree: ast.expr) -> Iterator[ast.expr]:
    match tree:
        case ast.BoolOp(op=ast.And(), values=values):
            for value in values:
                yield from _needed(value)
        case ast.BoolOp():
            return
        case _:
            yield tree
