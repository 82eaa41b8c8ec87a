"""Values of declared attributes, and origins, for the subjects that stand for every role.

The laws of this file:

1. An attribute that some rule reads stands with each value that is compared with it, in an
   expression or through a column, up to a fixed number, and it stands unknown.
2. Requests come from nowhere, and, where a rule asks, through each door, from each network that is
   compared with the address, and from elsewhere.
3. The same policies give the same values in the same order.
"""

from __future__ import annotations

import ast
import ipaddress
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from acl.labels import Attribute
from acl.language.expression import attributes_read, bare_names, parse
from acl.policy.policy import Policy
from acl.subject import NO_ATTRIBUTES, NOWHERE, Attributes, Channel, Origin

_MOST: Final = 8
_ELSEWHERE: Final = "192.0.2.1"


def declared_of(policies: Iterable[Policy]) -> tuple[Attributes, ...]:
    """Return what subjects can be known to have, as far as `policies` tell it apart."""
    found: dict[str, dict[object, None]] = {}
    for policy in policies:
        for name in sorted(policy.subject_attributes & policy.schema.subject.keys()):
            values = _values(policy, policy.schema.subject[name])
            found.setdefault(name, {}).update(dict.fromkeys(values))
    known = {name: list(values)[:_MOST] for name, values in found.items() if values}
    most = max(map(len, known.values()), default=0)
    together = (
        Attributes({name: values[place % len(values)] for name, values in known.items()})  # type: ignore[misc]
        for place in range(most)
    )
    return tuple(dict.fromkeys((NO_ATTRIBUTES, *together)))  # law 1


def origins_of(policies: Iterable[Policy]) -> tuple[Origin, ...]:
    """Return where requests can come from, as far as `policies` tell it apart (law 2)."""
    networks: dict[str, None] = {"": None}
    channels: tuple[Channel | None, ...] = (None,)
    for policy in policies:
        if "network" in policy.subject_attributes:
            networks |= dict.fromkeys((_ELSEWHERE, *_addresses(_compared(policy, "network"))))
        if "channel" in policy.subject_attributes:
            channels = (None, *Channel)
    pairs = product(list(networks)[: _MOST + 2], channels)
    found = (Origin(network=network, channel=channel) for network, channel in pairs)
    return tuple(dict.fromkeys((NOWHERE, *found)))


def _addresses(written: Iterable[object]) -> Iterator[str]:
    """Yield one address of each network that is written."""
    for value in written:
        try:
            yield str(ipaddress.ip_network(str(value), strict=False)[0])
        except ValueError:
            continue


def _compared(policy: Policy, name: str) -> list[object]:
    """Return what expressions compare with an attribute of this name."""
    raw: list[object] = []
    for text in (policy.model.matchers[f"m{policy.suffix}"], *sorted(policy.rule_terms)):
        for node in ast.walk(parse(text)):
            if isinstance(node, ast.Compare | ast.Call) and name in _read(node):
                raw += _beside(policy, node)
    return raw


def _values(policy: Policy, attribute: Attribute) -> Iterator[object]:
    raw = _compared(policy, attribute.name)
    for value in (*raw, True, *range(len(attribute.levels))):
        for written in (value, [value]):
            try:
                yield attribute.parse(written)
            except ValueError:
                continue


def _read(node: ast.expr) -> set[str]:
    return {name for _, name in attributes_read(node)}


def _beside(policy: Policy, node: ast.expr) -> Iterator[object]:
    """Yield what stands beside an attribute: constants, and what rows have in columns."""
    yield from (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    columns = bare_names(node) & set(policy.columns)
    for row in policy.rules:
        named = policy.named(row)
        yield from (named[column] for column in sorted(columns))
