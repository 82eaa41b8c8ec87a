"""How the command line names many subjects: each name once, with all that it was looked at with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from acl.labels import Attribute
from acl.subject import Subject
from retrieval.rights.display import level_name

_NAMES: Final = 4


def named(subjects: Iterable[Subject], levels: Attribute | None) -> str:
    """Return who they are; `levels` is the attribute whose levels name clearances, if any."""
    seen: defaultdict[str, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for one in subjects:
        name = ", ".join(sorted(one.groups)) or one.id
        needs = ", ".join(sorted(one.compartments)) or "no compartment"
        seen[name][needs].add(one.clearance)
    told = [f"{name} ({_rights(cleared, levels)})" for name, cleared in seen.items()]
    more = f" and {len(told) - _NAMES} more" if len(told) > _NAMES else ""
    return "; ".join(told[:_NAMES]) + more


def _rights(cleared: dict[str, set[int]], levels: Attribute | None) -> str:
    """Return what decides beside the name; compartments of the same clearances are told at once."""
    alike: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
    for needs, clearances in cleared.items():
        alike[tuple(sorted(clearances))].append(needs)
    return "; ".join(
        f"clearance {_span(clearances, levels)}, {' or '.join(needs)}"
        for clearances, needs in alike.items()
    )


def _span(clearances: Sequence[int], levels: Attribute | None) -> str:
    """Return the names of clearances; those that follow each other by the first and the last."""
    runs: list[list[int]] = []
    for one in clearances:
        if runs and one == runs[-1][-1] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    names = [[level_name(levels, one) for one in (run[0], run[-1])] for run in runs]
    return ", ".join(first if first == last else f"{first} to {last}" for first, last in names)
