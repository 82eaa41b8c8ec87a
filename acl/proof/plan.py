"""The plan of a proof: which pairs of a role and a label are compared, and in which order.

The laws of this file:

1. A role meets every label of its own tenant, and one label of each other: the guard decides those.
2. The plan goes through the labels in rounds, and in each round a label meets another role. So the
   first pairs of a tenant have each of its roles and each of its live labels.
3. The first `BUDGET` pairs are the gate that a revision must pass. If there are more, the gate has
   first what each row of the policies calls for by itself; then, of each tenant, every role, every
   live label, and every role before a label of another tenant, even where they alone are more than
   the budget; and as many more pairs of each tenant as it has its share in all.
4. An index means the same pair whoever asks and whenever, so that processes can share a plan.
5. Tenants that rows name are looked at whether or not a document is in them, and one besides.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import lcm
from typing import Final

from acl.actions import Action
from acl.decision import TENANT
from acl.labels import Label, LabelSchema
from acl.policy.names import mentions_of
from acl.policy.policy import Policy
from acl.policy.profiles import profiles
from acl.proof.labels import (
    CLASSIFICATION,
    COMPARTMENTS,
    Boundaries,
    Pair,
    Role,
    Specimens,
    coprime,
    key,
    neighbours,
    spread,
    tenants_named,
)
from acl.subject import Subject

BUDGET: Final = 20_000
NEIGHBOURS_PER_LABEL: Final = 40
_ORIGINS: Final = 50
SEEDED: Final = 2
"""Up to one pair in so many of the gate is what rows call for by themselves."""

SPECIMENS: Final = 10
"""Up to one in so many of the generated labels comes from the policies' texts alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """What a plan holds, for people and for the record.

    Attributes:
        roles: profiles times actions.
        live: distinct labels of live documents.
        generated: neighbours of them, and labels that the policies call for.
        pairs: all pairs, each once.
        gate: how many are compared before a revision takes effect.
        whole: how many the whole plan has; what rows call for can stand in it twice.
    """

    roles: int
    live: int
    generated: int
    pairs: int
    gate: int
    whole: int

    @property
    def everything(self) -> bool:
        """Whether the gate is the whole plan."""
        return self.gate == self.whole

    def __str__(self) -> str:
        some = "all" if self.everything else f"{self.gate} of"
        if not self.live:
            return (
                f"no documents; proved on {self.generated} generated labels: "
                f"{some} {self.pairs} pairs with {self.roles} roles"
            )
        what = f"{some} {self.pairs} pairs of {self.roles} roles, {self.live} labels of documents"
        what += f" and {self.generated} generated ones"
        if self.everything:
            return what
        return (
            f"{what}: what each row calls for, each role and each label of a document once, "
            "the rest spread evenly"
        )


@dataclass(frozen=True, slots=True)
class _Grid:
    """The subjects of one tenant, and labels that they meet.

    Attributes:
        least: how many of the first pairs the gate has in any case.
    """

    subjects: Sequence[Subject]
    actions: Sequence[str]
    labels: Sequence[Label]
    least: int

    @property
    def roles(self) -> int:
        return len(self.subjects) * len(self.actions)

    @property
    def pairs(self) -> int:
        return self.roles * len(self.labels)

    def pair(self, index: int) -> Pair:
        """Return the pair at `index`: the next label with the next role (law 2).

        Where both are through at once, the roles move on by one, so that no pair comes twice.
        """
        role = index + index // lcm(self.roles, len(self.labels))
        subject, action = divmod(role * coprime(self.roles) % self.roles, len(self.actions))
        label = self.labels[index % len(self.labels)]
        return Pair(Role(self.subjects[subject], self.actions[action]), label)


class ProofPlan:
    """The pairs of a proof by index."""

    def __init__(  # noqa: PLR0913 - roles, labels, what comes first, how many
        self,
        subjects: Iterable[Subject],
        actions: Sequence[str],
        live: Sequence[Label],
        generated: Sequence[Label] = (),
        *,
        seeds: Sequence[Pair] = (),
        budget: int = BUDGET,
    ) -> None:
        """Lay out the pairs of `subjects` and `actions` with live and generated labels."""
        asking: defaultdict[str, list[Subject]] = defaultdict(list)
        for subject in subjects:
            asking[subject.tenant].append(subject)
        grids = _grids(asking, actions, live, generated)
        every = sum(grid.pairs for grid in grids)
        self._seeds = tuple(seeds) if every > budget else ()
        shares = _shares(grids, budget - len(self._seeds))
        self._parts = [
            *((grid, 0, share) for grid, share in zip(grids, shares, strict=True)),
            *((grid, share, grid.pairs) for grid, share in zip(grids, shares, strict=True)),
        ]
        sizes = (stop - start for _, start, stop in self._parts)
        self._ends = list(accumulate(sizes, initial=len(self._seeds)))
        self.summary = PlanSummary(
            roles=sum(map(len, asking.values())) * len(actions),
            live=len(live),
            generated=len(generated),
            pairs=every,
            gate=len(self._seeds) + sum(shares),
            whole=len(self._seeds) + every,
        )

    def pair(self, index: int) -> Pair:
        """Return the pair at `index`, from 0 up to `summary.whole`."""
        if index < len(self._seeds):
            return self._seeds[index]
        number = bisect_right(self._ends, index) - 1
        grid, start, _ = self._parts[number]
        return grid.pair(start + index - self._ends[number])

    def pairs(self, start: int, stop: int) -> Iterator[Pair]:
        """Yield the pairs from `start` up to `stop`."""
        return (self.pair(index) for index in range(start, min(stop, self.summary.whole)))


def plan_for(
    policies: Sequence[Policy],
    live: Sequence[Label],
    *,
    budget: int = BUDGET,
    alone: bool = False,
) -> ProofPlan:
    """Return the plan for the last of `policies`, with the roles that any of them names.

    Args:
        policies: the policy in effect, if there is one, and the one that is proposed.
        live: the distinct labels of live documents.
        budget: see law 3.
        alone: whether to leave out every label that is not live.
    """
    schema, needed = policies[-1].schema, compartments_of(live)
    subjects = profiles(
        policies,
        tenants=tenants_of(live) | (set() if alone else {*tenants_named(policies)}),
        clearances=clearances_of(schema, live),
        compartments=needed,
    )
    actions = actions_of(policies)
    if alone:
        return ProofPlan(subjects, actions, live, budget=budget)
    called = Specimens(policies, subjects, actions, compartments=needed)
    seeds, specimens = called.seeds(budget // SEEDED), called.labels(budget // SPECIMENS)
    near = generated_of(
        live or specimens[:_ORIGINS], Boundaries.of(policies, subjects), limit=budget
    )
    generated = {key(one): one for one in (*near, *specimens, *(one.label for one in seeds))}
    known = {key(one) for one in live}
    beside = [label for digest, label in generated.items() if digest not in known]
    return ProofPlan(subjects, actions, live, beside, seeds=seeds, budget=budget)


def actions_of(policies: Iterable[Policy]) -> tuple[str, ...]:
    """Return the actions that some rule can permit, and reading in any case."""
    known = [mentions_of(policy) for policy in policies]
    texts = {text for one in known for text in one.actions}
    if not texts <= set(Action):
        return tuple(sorted({*Action, *texts}))
    return tuple(sorted({Action.DOCUMENT_READ, *texts}))


def generated_of(live: Sequence[Label], boundaries: Boundaries, *, limit: int) -> tuple[Label, ...]:
    """Return neighbours of each label, each once and none of them live.

    They are about `limit` at most; many live labels have one each.
    """
    share = max(1, min(NEIGHBOURS_PER_LABEL, limit // len(live))) if live else 0
    found = {key(label): label for label in live}
    for place, label in enumerate(live):
        for one in neighbours(label, boundaries, limit=share, start=place * share):
            found.setdefault(key(one), one)
    return tuple(found.values())[len({key(label) for label in live}) :]


def tenants_of(live: Iterable[Label]) -> set[str]:
    """Return the tenants in which there are labels."""
    return {str(label.values[TENANT]) for label in live}


def clearances_of(schema: LabelSchema, live: Iterable[Label]) -> tuple[int, ...]:
    """Return every level: those that are declared, or else those that occur."""
    attribute = schema.attributes.get(CLASSIFICATION)
    if attribute is not None and attribute.levels:
        return tuple(range(len(attribute.levels)))
    values = (label.values.get(CLASSIFICATION) for label in live)
    return tuple({value for value in values if isinstance(value, int)})


def compartments_of(live: Iterable[Label]) -> frozenset[str]:
    """Return every compartment that a label has."""
    sets = (label.values.get(COMPARTMENTS) for label in live)
    return frozenset[str]().union(*(one for one in sets if isinstance(one, frozenset)))


def _grids(
    asking: Mapping[str, Sequence[Subject]],
    actions: Sequence[str],
    live: Iterable[Label],
    generated: Iterable[Label],
) -> list[_Grid]:
    mine, near = _by_tenant(live), _by_tenant(generated)
    one_each = {tenant: labels[0] for tenant, labels in (*near.items(), *mine.items())}
    grids: list[_Grid] = []
    for tenant, subjects in sorted(asking.items()):
        of_documents, beside = mine.get(tenant, []), near.get(tenant, [])
        # Wherever the gate ends, it has seen neighbours of many labels rather than of the first.
        labels = [*of_documents, *(beside[place] for place in spread(len(beside), len(beside)))]
        others = [label for other, label in sorted(one_each.items()) if other != tenant]
        roles = len(subjects) * len(actions)
        least = (max(roles, len(of_documents)), roles) if of_documents else (0, 0)  # law 3
        grids.append(_Grid(subjects, actions, labels, least[0]))
        grids.append(_Grid(subjects, actions, others, least[1]))
    return [grid for grid in grids if grid.pairs]


def _shares(grids: Sequence[_Grid], budget: int) -> list[int]:
    """Return how many pairs of each grid the gate has."""
    least = [min(grid.least, grid.pairs) for grid in grids]
    left = [grid.pairs - some for grid, some in zip(grids, least, strict=True)]
    more = min(max(0, budget - sum(least)), sum(left))
    ends = [end * more // max(1, sum(left)) for end in accumulate(left, initial=0)]
    return [some + stop - start for some, (start, stop) in zip(least, pairwise(ends), strict=True)]


def _by_tenant(labels: Iterable[Label]) -> dict[str, list[Label]]:
    found: defaultdict[str, list[Label]] = defaultdict(list)
    for label in labels:
        found[str(label.values[TENANT])].append(label)
    return found
