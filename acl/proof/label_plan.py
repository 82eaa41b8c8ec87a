"""The plan of a proof label by label: each live label with its neighbours, for every role.

The laws of this file:

1. A label's pairs stand together, so that a label is compared wholly or not at all.
2. What its roles and neighbours rest on, beside the policies and the schema, are `Surroundings`:
   the levels and compartments of its tenant. While their digest stays, so do the pairs.
3. The neighbours of different labels begin at different places, so that many labels together cross
   every boundary.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from acl.decision import TENANT
from acl.labels import Label, LabelSchema
from acl.policy.policy import Policy
from acl.policy.profiles import profiles
from acl.proof.neighbours import Boundaries, neighbours
from acl.proof.pairs import Pair, Role
from acl.proof.plan import PlanSummary, actions_of, clearances_of, compartments_of
from acl.proof.policy_specimens import tenants_named
from acl.subject import Subject

NEIGHBOURS: Final = 20
_RULES: Final = "1"
"""Counts up whenever other pairs come of the same texts, so that labels are compared again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What roles and neighbours of a tenant's labels rest on.

    Attributes:
        clearances: every level.
        compartments: every compartment.
    """

    clearances: tuple[int, ...]
    compartments: tuple[str, ...]

    def digest(self, tenant: str, schema: LabelSchema) -> str:
        """Return what is the same as long as the same pairs come of it (law 2)."""
        rests_on = [_RULES, NEIGHBOURS, schema.digest, tenant, self.clearances, self.compartments]
        return hashlib.sha256(json.dumps(rests_on).encode()).hexdigest()


def surroundings_of(labels: Iterable[Label], schema: LabelSchema) -> dict[str, Surroundings]:
    """Return what surrounds the labels of each tenant."""
    by_tenant: defaultdict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_tenant[str(label.values[TENANT])].append(label)
    return {
        tenant: Surroundings(
            clearances=tuple(sorted(clearances_of(schema, mine))),
            compartments=tuple(sorted(compartments_of(mine))),
        )
        for tenant, mine in by_tenant.items()
    }


@dataclass(frozen=True, slots=True)
class _Unit:
    """A label and its neighbours, and who meets them."""

    subjects: Sequence[Subject]
    labels: tuple[Label, ...]


class LabelPlan:
    """Pairs by index, label by label."""

    def __init__(
        self,
        policies: Sequence[Policy],
        labels: Sequence[Label],
        surroundings: Mapping[str, Surroundings],
    ) -> None:
        """Lay out the pairs of `labels` under the last of `policies`."""
        self._actions = actions_of(policies)
        tenants = {str(one.values[TENANT]) for one in labels}
        who = {one: _subjects(policies, one, surroundings[one]) for one in sorted(tenants)}
        around = {one: _boundaries(policies, subjects) for one, subjects in who.items()}
        self._units = [
            _Unit(who[tenant], (label, *_neighbours(label, around[tenant])))
            for label in labels
            for tenant in [str(label.values[TENANT])]
        ]
        sizes = [len(one.subjects) * len(self._actions) * len(one.labels) for one in self._units]
        self._ends = tuple(accumulate(sizes))
        self.summary = PlanSummary(
            roles=sum(map(len, who.values())) * len(self._actions),
            live=len(labels),
            generated=sum(len(one.labels) - 1 for one in self._units),
            pairs=sum(sizes),
            gate=sum(sizes),
            everything=True,
            ends=self._ends,
        )

    def pairs(self, start: int, stop: int) -> Iterator[Pair]:
        """Yield the pairs from `start` up to `stop`."""
        return (self._pair(index) for index in range(start, min(stop, self.summary.pairs)))

    def _pair(self, index: int) -> Pair:
        number = bisect_right(self._ends, index)
        unit, place = self._units[number], index - (self._ends[number - 1] if number else 0)
        role, label = divmod(place, len(unit.labels))
        subject, action = divmod(role, len(self._actions))
        return Pair(Role(unit.subjects[subject], self._actions[action]), unit.labels[label])


def _subjects(policies: Sequence[Policy], tenant: str, around: Surroundings) -> tuple[Subject, ...]:
    return profiles(
        policies,
        tenants={tenant},
        clearances=around.clearances,
        compartments=frozenset(around.compartments),
    )


def _boundaries(policies: Sequence[Policy], subjects: Sequence[Subject]) -> Boundaries:
    """Return what to cross; of tenants what the policies name, so that no document moves it."""
    found = Boundaries.of(policies, subjects)
    return Boundaries(found.schema, {**found.values, TENANT: tenants_named(policies)})


def _neighbours(label: Label, boundaries: Boundaries) -> tuple[Label, ...]:
    return neighbours(label, boundaries, limit=NEIGHBOURS, start=int(label.digest[:8], 16))
