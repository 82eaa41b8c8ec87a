"""Who gains and who loses by a change of a label: told to those who may review access."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from acl.actions import Action
from acl.labels import Label
from acl.policy.profiles import profiles, stands_for
from acl.subject import EVERYONE, Subject
from ingest.label.inherit import CLASSIFICATION, COMPARTMENTS
from retrieval.rights.decisions import Decisions
from retrieval.rights.snapshot import PolicySnapshot


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of an audience: the subject, and the names under which they are told of."""

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
    """Return the profiles that stand for everybody whom policy or labels name.

    Each stands with the clearance that the labels ask for, and with no and all compartments.
    """
    levels = [one.values.get(CLASSIFICATION) for one in labels]
    named = [label.values.get(COMPARTMENTS) for label in labels]
    found = profiles(
        (snapshot.policy,),
        tenants=(tenant,),
        clearances=tuple(one for one in levels if isinstance(one, int)) or (0,),
        compartments=frozenset[str]().union(*(one for one in named if isinstance(one, frozenset))),
        labels=labels,
    )
    for one in found:
        yield Member(one, _names(one))


def _names(profile: Subject) -> tuple[str, ...]:
    # The stranger, who is in nothing, stands for everybody.
    return (
        (EVERYONE,) if profile.id == "user:stranger" and not profile.groups else stands_for(profile)
    )


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
    for one in members:
        decided = decisions.decide(snapshot, one.subject, Action.DOCUMENT_READ, now)
        could, can = decided.permits(before), decided.permits(after)
        if can and not could:
            gains |= dict.fromkeys(one.names)
        if could and not can:
            loses |= dict.fromkeys(one.names)
    return Effect(gains=tuple(gains), loses=tuple(loses))
