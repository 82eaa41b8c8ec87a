"""The plan of a proof: which pairs of a role and a label are compared, and in which order.

The laws of this file:

1. Up to `BUDGET` pairs, all of them are the gate that a revision must pass.
2. Beyond, the gate is a sample: first every role and every live label once, then pairs spread
   evenly over all of them, up to the budget. Where roles or live labels are more than the budget,
   the first part still has each of them once.
3. After the gate comes every pair there is. An index means the same pair whoever asks and whenever,
   so that a proof can stop and go on, and several processes can share it.
4. A role meets the labels of its own tenant, and one of each other tenant: the guard decides those.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import gcd
from typing import Final

from acl.actions import Action
from acl.guards import TENANT
from acl.labels import Label, LabelSchema
from acl.mentions import mentions_of
from acl.neighbours import Boundaries, key, neighbours
from acl.policy import Policy
from acl.profiles import profiles
from acl.subject import Subject

BUDGET: Final = 20_000
NEIGHBOURS_PER_LABEL: Final = 40
CLASSIFICATION: Final = "classification"
COMPARTMENTS: Final = "compartments"
_GOLDEN: Final = 0.6180339887


@dataclass(frozen=True, slots=True)
class Role:
    """A profile and an action: what one filter is compiled for."""

    profile: Subject
    action: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A role and a label on which the two roads are compared."""

    role: Role
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """What a plan holds, for people and for the record.

    Attributes:
        roles: profiles times actions.
        live: distinct labels of live documents.
        generated: neighbours of them.
        pairs: all pairs, each once.
        gate: how many comparisons come before the activation.
        total: the comparisons of gate and full proof together.
        everything: whether the gate holds every pair.
    """

    roles: int
    live: int
    generated: int
    pairs: int
    gate: int
    total: int
    everything: bool

    def __str__(self) -> str:
        what = f"{self.roles} roles, {self.live} labels and {self.generated} neighbours of them"
        if self.everything:
            return f"all {self.pairs} pairs of {what}"
        return (
            f"{self.gate} of {self.pairs} pairs of {what}: "
            "each role and each label of a live document once, the rest spread evenly"
        )


@dataclass(frozen=True, slots=True)
class _Block:
    """The roles of one tenant and the labels that they meet; the first `live` labels are live."""

    roles: tuple[Role, ...]
    labels: tuple[Label, ...]
    live: int

    @property
    def pairs(self) -> int:
        return len(self.roles) * len(self.labels)

    @property
    def cover(self) -> int:
        """How many pairs have each role and each live label once."""
        return max(len(self.roles), self.live) if self.pairs else 0


class ProofPlan:
    """Pairs by index: the gate first, then all of them."""

    def __init__(
        self,
        subjects: Iterable[Subject],
        actions: Sequence[str],
        live: Sequence[Label],
        generated: Sequence[Label] = (),
        *,
        budget: int = BUDGET,
    ) -> None:
        """Lay out the pairs of `subjects` and `actions` with live and generated labels."""
        self._blocks = _blocks(subjects, actions, live, generated)
        pairs = [one.pairs for one in self._blocks]
        self._pair_ends = list(accumulate(pairs))
        self._cover_ends = list(accumulate(one.cover for one in self._blocks))
        every, cover = sum(pairs), self._cover_ends[-1] if self._blocks else 0
        everything = every <= budget
        self._sampled = 0 if everything else max(budget, cover)
        self._stride = _coprime(every)
        self.summary = PlanSummary(
            roles=sum(len(one.roles) for one in self._blocks),
            live=len(live),
            generated=len(generated),
            pairs=every,
            gate=every if everything else self._sampled,
            total=every + self._sampled,
            everything=everything,
        )

    def pair(self, index: int) -> Pair:
        """Return the pair at `index`, from 0 up to `summary.total`."""
        cover = self._cover_ends[-1]
        if index < self._sampled:
            return self._covering(index) if index < cover else self._spread(index - cover)
        return self._spread(index - self._sampled)

    def pairs(self, start: int, stop: int) -> Iterator[Pair]:
        """Yield the pairs from `start` up to `stop`."""
        return (self.pair(index) for index in range(start, min(stop, self.summary.total)))

    def _covering(self, index: int) -> Pair:
        block, place = _located(self._cover_ends, index)
        roles, labels = self._blocks[block].roles, self._blocks[block].labels
        return Pair(roles[place % len(roles)], labels[place % (self._blocks[block].live or 1)])

    def _spread(self, index: int) -> Pair:
        every = self.summary.pairs
        block, place = _located(self._pair_ends, index * self._stride % every)
        roles, labels = self._blocks[block].roles, self._blocks[block].labels
        return Pair(roles[place // len(labels)], labels[place % len(labels)])


def plan_for(
    policies: Sequence[Policy],
    live: Sequence[Label],
    *,
    budget: int = BUDGET,
    compartments: frozenset[str] = frozenset(),
) -> ProofPlan:
    """Return the plan for the last of `policies`, with the roles that any of them names.

    Args:
        policies: the policy in effect, if there is one, and the one that is proposed.
        live: the distinct labels of live documents.
        budget: see law 1.
        compartments: those that subjects have beyond those of the labels.
    """
    schema = policies[-1].schema
    subjects = profiles(
        policies,
        tenants=tenants_of(live),
        clearances=clearances_of(schema, live),
        compartments=compartments | compartments_of(live),
    )
    boundaries = Boundaries.of(policies, subjects)
    return ProofPlan(
        subjects,
        actions_of(policies),
        live,
        generated_of(live, boundaries, limit=budget),
        budget=budget,
    )


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


def _blocks(
    subjects: Iterable[Subject],
    actions: Sequence[str],
    live: Iterable[Label],
    generated: Iterable[Label],
) -> tuple[_Block, ...]:
    roles: dict[str, list[Role]] = defaultdict(list)
    for subject in subjects:
        roles[subject.tenant] += [Role(subject, action) for action in actions]
    mine, near = _by_tenant(live), _by_tenant(generated)
    return tuple(
        _Block(
            tuple(roles[tenant]),
            (
                *mine.get(tenant, ()),
                *near.get(tenant, ()),
                *(labels[0] for other, labels in sorted(mine.items()) if other != tenant),
            ),
            len(mine.get(tenant, ())),
        )
        for tenant in sorted(roles)
    )


def _by_tenant(labels: Iterable[Label]) -> dict[str, list[Label]]:
    found: defaultdict[str, list[Label]] = defaultdict(list)
    for label in labels:
        found[str(label.values[TENANT])].append(label)
    return found


def _located(ends: Sequence[int], index: int) -> tuple[int, int]:
    block = bisect_right(ends, index)
    return block, index - (ends[block - 1] if block else 0)


def _coprime(every: int) -> int:
    """Return a step that visits each of `every` places once and spreads the first of them."""
    step = max(1, round(every * _GOLDEN))
    while gcd(step, every) > 1:
        step += 1
    return step
