"""The plan of a proof: which pairs of a role and a label are compared before an activation.

The laws of this file:

1. Up to `BUDGET` pairs, all of them are the gate that a revision must pass.
2. Beyond, the gate is a sample: first what each row of the policies calls for by itself, then every
   role and every live label once, and every role before a label of another tenant; then pairs
   spread evenly over all of them, up to the budget. Where roles or live labels are more than the
   budget, the sample still has each of them once.
3. An index means the same pair whoever asks and whenever, so that processes can share a plan.
4. A role meets the labels of its own tenant, and one of each other tenant: the guard decides those.
5. Tenants that rows name are looked at whether or not a document is in them, and one besides.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from acl.actions import Action
from acl.decision import TENANT
from acl.labels import Label, LabelSchema
from acl.policy.names import mentions_of
from acl.policy.policy import Policy
from acl.policy.profiles import profiles
from acl.proof.neighbours import Boundaries, key, neighbours
from acl.proof.pairs import CLASSIFICATION, COMPARTMENTS, Pair, Role, coprime
from acl.proof.policy_specimens import Specimens, tenants_named
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
        gate: how many are compared.
        everything: whether that is every pair.
        ends: where each live label by itself has been compared; empty if they are mixed.
    """

    roles: int
    live: int
    generated: int
    pairs: int
    gate: int
    everything: bool
    ends: tuple[int, ...] = ()

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
class _Block:
    """The subjects of one tenant and the labels that they meet.

    The first `live` labels are live, the last `foreign` are of other tenants.
    """

    subjects: tuple[Subject, ...]
    actions: Sequence[str]
    labels: tuple[Label, ...]
    live: int
    foreign: int

    @property
    def roles(self) -> int:
        return len(self.subjects) * len(self.actions)

    @property
    def pairs(self) -> int:
        return self.roles * len(self.labels)

    @property
    def cover(self) -> int:
        """How many pairs have each role and live label once, and each role before a stranger's."""
        if not self.live:
            return 0
        return self.own + (self.roles if self.foreign else 0)

    @property
    def own(self) -> int:
        """How many pairs have each role and each live label once."""
        return max(self.roles, self.live)

    def pair(self, role: int, label: int) -> Pair:
        subject, action = divmod(role, len(self.actions))
        return Pair(Role(self.subjects[subject], self.actions[action]), self.labels[label])


class ProofPlan:
    """The pairs of the gate by index."""

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
        self._blocks = _blocks(subjects, actions, live, generated)
        pairs = [one.pairs for one in self._blocks]
        self._pair_ends = list(accumulate(pairs))
        self._cover_ends = list(accumulate(one.cover for one in self._blocks))
        every, cover = sum(pairs), self._cover_ends[-1] if self._blocks else 0
        everything = every <= budget
        self._seeds = () if everything else tuple(seeds)
        self._covered = 0 if everything else len(self._seeds) + cover
        self._stride = coprime(every)
        self.summary = PlanSummary(
            roles=sum(one.roles for one in self._blocks),
            live=len(live),
            generated=len(generated),
            pairs=every,
            gate=every if everything else max(budget, self._covered),
            everything=everything,
        )

    def pair(self, index: int) -> Pair:
        """Return the pair at `index`, from 0 up to `summary.gate`."""
        if index < len(self._seeds):
            return self._seeds[index]
        if index < self._covered:
            return self._covering(index - len(self._seeds))
        return self._spread(index - self._covered)

    def pairs(self, start: int, stop: int) -> Iterator[Pair]:
        """Yield the pairs from `start` up to `stop`."""
        return (self.pair(index) for index in range(start, min(stop, self.summary.gate)))

    def _covering(self, index: int) -> Pair:
        number, place = _located(self._cover_ends, index)
        block = self._blocks[number]
        role = place - block.own
        if role >= 0:
            return block.pair(role, len(block.labels) - 1 - role % block.foreign)
        return block.pair(place % block.roles, place % block.live)

    def _spread(self, index: int) -> Pair:
        number, place = _located(self._pair_ends, index * self._stride % self.summary.pairs)
        block = self._blocks[number]
        return block.pair(*divmod(place, len(block.labels)))


def plan_for(
    policies: Sequence[Policy],
    live: Sequence[Label],
    *,
    budget: int = BUDGET,
    compartments: frozenset[str] = frozenset(),
    alone: bool = False,
) -> ProofPlan:
    """Return the plan for the last of `policies`, with the roles that any of them names.

    Args:
        policies: the policy in effect, if there is one, and the one that is proposed.
        live: the distinct labels of live documents.
        budget: see law 1.
        compartments: those that subjects have beyond those of the labels.
        alone: whether to leave out every label that is not live.
    """
    schema, needed = policies[-1].schema, compartments | compartments_of(live)
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


def _blocks(
    subjects: Iterable[Subject],
    actions: Sequence[str],
    live: Iterable[Label],
    generated: Iterable[Label],
) -> tuple[_Block, ...]:
    asking: dict[str, list[Subject]] = defaultdict(list)
    for subject in subjects:
        asking[subject.tenant].append(subject)
    mine, near = _by_tenant(live), _by_tenant(generated)
    one_each = {tenant: labels[0] for tenant, labels in (*near.items(), *mine.items())}
    blocks: list[_Block] = []
    for tenant in sorted(asking):
        live_ones = mine.get(tenant, ())
        others = [label for other, label in sorted(one_each.items()) if other != tenant]
        labels = (*live_ones, *near.get(tenant, ()), *others)
        made = _Block(tuple(asking[tenant]), actions, labels, len(live_ones), len(others))
        blocks.append(made)
    return tuple(blocks)


def _by_tenant(labels: Iterable[Label]) -> dict[str, list[Label]]:
    found: defaultdict[str, list[Label]] = defaultdict(list)
    for label in labels:
        found[str(label.values[TENANT])].append(label)
    return found


def _located(ends: Sequence[int], index: int) -> tuple[int, int]:
    block = bisect_right(ends, index)
    return block, index - (ends[block - 1] if block else 0)
