"""Chains of roles that Casbin would not follow to their end, and circles of roles.

The laws of this file:

1. A link that stands more hops above its first name than Casbin follows gives that name nothing,
   without a word; it is refused by its row, whatever shorter ways there are.
2. Roles that lead back to themselves are one role under several names; each link of such a circle
   is refused.

Links count in their own domain, and windows are left aside: a chain is too long as it is written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from acl.language.casbin_adapter import Row
from acl.language.roles import HOPS, HOPS_TIMED
from acl.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Broken:
    """A link that cannot stand, and why."""

    row: Row
    reason: str


def broken_links(policy: Policy) -> Iterator[Broken]:
    """Yield the links of circles and those at which a chain becomes too long, by row."""
    found: list[Broken] = []
    for kind, definition in policy.model.roles.items():
        domains: dict[str, list[Row]] = defaultdict(list)
        for row in policy.rows:
            if row.kind == kind:
                domain = row.values[2] if definition.arity > 2 else ""  # noqa: PLR2004 - a domain
                domains[domain].append(row)
        hops = HOPS_TIMED if definition.timed else HOPS
        for rows in domains.values():
            found += _broken(rows, hops)
    yield from sorted(found, key=lambda one: one.row.number)


def _broken(rows: Sequence[Row], hops: int) -> Iterator[Broken]:
    heights, left = _heights(rows)
    for row in _circles(left):
        yield Broken(row, "closes a circle of roles")
    for row in rows:
        if heights.get(row.values[0]) == hops:
            yield Broken(row, f"is hop {hops + 1} of a chain; Casbin follows {hops}")


def _heights(rows: Iterable[Row]) -> tuple[dict[str, int], list[Row]]:
    """Return how many hops lead up to each name, and the links for which that has no answer."""
    above: dict[str, list[Row]] = defaultdict(list)
    waiting: Counter[str] = Counter()
    for row in rows:
        above[row.values[0]].append(row)
        waiting[row.values[1]] += 1
    ready = [name for name in above if not waiting[name]]
    heights = dict.fromkeys(ready, 0)
    while ready:
        name = ready.pop()
        for row in above.pop(name, ()):
            role = row.values[1]
            heights[role] = max(heights.get(role, 0), heights[name] + 1)
            waiting[role] -= 1
            if not waiting[role]:
                ready.append(role)
    # What a circle leads to has no height either; whoever waits for ever is left out.
    settled = {name: height for name, height in heights.items() if not waiting[name]}
    return settled, [row for rest in above.values() for row in rest]


def _circles(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the links that lead on to others of `rows` without an end."""
    while True:
        names = {row.values[0] for row in rows}
        kept = [row for row in rows if row.values[1] in names]
        if len(kept) == len(rows):
            return kept
        rows = kept
