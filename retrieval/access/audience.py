"""The names that policy and labels know, and who of them may read.

The laws of this file:

1. A name stands for every subject that bears it: as profiles, with the clearance that the labels
   ask for, and with no and all compartments. The stranger, who is in nothing, stands for everyone.
2. Who gains and who loses by a change of a label is told to those who may review access.
3. Trying names costs rows of the policy; as many are tried as `MAX_ROWS` allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from acl.actions import Action
from acl.errors import Budget, FilterTooLargeError, RequestError, UndecidedError
from acl.labels import Label
from acl.policy.decide import principals
from acl.policy.names import Fitting
from acl.policy.policy import Policy
from acl.policy.profiles import profiles, stands_for
from acl.subject import EVERYONE, Subject
from ingest.label.inherit import CLASSIFICATION, COMPARTMENTS
from retrieval.access.types import permits
from retrieval.rights.decisions import Decisions, PolicySnapshot

READ: Final = Action.DOCUMENT_READ
MAX_ROWS: Final = 100_000
"""As many rows are decided upon for names or changes; a policy of 1,000 rows allows 100 of them."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of an audience: the subject, and the names under which it is told of."""

    subject: Subject
    names: tuple[str, ...]


Audience: TypeAlias = Callable[[PolicySnapshot, str, Sequence[Label]], Iterable[Member]]
"""Whose reading is compared, under a policy, in a tenant, for these labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Who may read after a change and could not before, and the other way round."""

    gains: tuple[str, ...]
    loses: tuple[str, ...]


def roles(snapshot: PolicySnapshot, tenant: str, labels: Sequence[Label]) -> Iterable[Member]:
    """Return the profiles that stand for all that policy or labels name (law 1)."""
    levels = [label.values.get(CLASSIFICATION) for label in labels]
    named = [label.values.get(COMPARTMENTS) for label in labels]
    for profile in profiles(
        (snapshot.policy,),
        tenants=(tenant,),
        clearances=tuple(level for level in levels if isinstance(level, int)) or (0,),
        compartments=frozenset[str]().union(*(one for one in named if isinstance(one, frozenset))),
        labels=labels,
    ):
        stranger = profile.id == "user:stranger" and not profile.groups
        yield Member(profile, (EVERYONE,) if stranger else stands_for(profile))


def effect(
    snapshot: PolicySnapshot,
    decisions: Decisions,
    members: Iterable[Member],
    labels: tuple[Label, Label],
    now: datetime,
) -> Effect:
    """Return who gains and who loses between the first label and the second."""
    before, after = labels
    gains, loses = dict[str, None](), dict[str, None]()
    for member in members:
        decided = decisions.decide(snapshot, member.subject, READ, now)
        could, can = permits(decided, before), permits(decided, after)
        if can and not could:
            gains |= dict.fromkeys(member.names)
        if could and not can:
            loses |= dict.fromkeys(member.names)
    return Effect(gains=tuple(gains), loses=tuple(loses))


def names_giving(
    audience: Audience, snapshot: PolicySnapshot, tenant: str, label: Label, now: datetime
) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Return the names that give the right to read, and whether names were left untried (law 3)."""
    policy = snapshot.policy
    useful = Fitting(policy, tenant, READ, label).names()
    decisions, budget = Decisions(), Budget(MAX_ROWS)
    giving: set[tuple[str, ...]] = set()
    for member in audience(snapshot, tenant, [label]):
        if not _counts(member, useful, policy, now):
            continue
        try:
            budget.spend(len(policy.rows))
            decided = decisions.decide(snapshot, member.subject, READ, now)
        except UndecidedError:
            return _fewest(giving), True
        except (FilterTooLargeError, RequestError):
            continue
        if permits(decided, label):
            giving.add(member.names)
    return _fewest(giving), False


def _counts(member: Member, useful: frozenset[str] | None, policy: Policy, now: datetime) -> bool:
    """Say whether a member can be permitted where a stranger is not, or is the stranger."""
    stranger = member.names == (EVERYONE,)
    return stranger or useful is None or bool(principals(policy, member.subject, now) & useful)


def _fewest(names: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Return the names without those that hold others of them: fewer are enough."""
    sets = {frozenset(name): name for name in names}
    least = [name for one, name in sets.items() if not any(other < one for other in sets)]
    return tuple(sorted(least))
