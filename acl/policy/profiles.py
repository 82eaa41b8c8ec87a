"""Profiles: the subjects that stand for every role that some policies know.

The laws of this file:

1. Each principal that a policy names - in a link, in a column, in the text of a rule or in the
   matcher - has a profile in each tenant where a row with that name can apply. Groups and roles are
   held by a stranger. Names that stand in one row are also held together. One stranger is named
   nowhere and stands for all other people.
2. Each stands with the lowest and the highest clearance, and with no and with all compartments.
   Where an expression asks for more than "at least" or "at most", every clearance stands; for each
   compartment that is named, one subject has it alone and one has all but it.
   Each stands with and without the values of declared attributes that expressions ask for
   and from each place from which expressions let requests come (`acl.policy.declared`).
3. The same policies give the same profiles in the same order.

A row is left out of a tenant only if the opening of its matcher, which no label changes, says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import product
from typing import Final

from acl.decision import TENANT
from acl.labels import Label
from acl.policy.declared import declared_of, origins_of
from acl.policy.names import Mentions, is_named, mentions_of
from acl.policy.policy import Policy
from acl.subject import MAX_GROUPS, Attributes, Origin, Subject, is_tenant

_STRANGER: Final = "user:stranger"
_HELD: Final = ("group:", "role:")


def profiles(
    policies: Iterable[Policy],
    *,
    tenants: Iterable[str],
    clearances: tuple[int, ...],
    compartments: frozenset[str],
    labels: Iterable[Label] = (),
) -> tuple[Subject, ...]:
    """Return the subjects that stand for every role.

    Args:
        policies: for a change, the one in effect and the one proposed.
        tenants: where a subject can be; a text that no subject's tenant can be is skipped.
        clearances: every level.
        compartments: every compartment; beyond the number that a subject can be in, the first.
        labels: those whom they name as an owner or a reader have a profile too.
    """
    compared, by_labels = tuple(policies), _by_tenant(labels)
    known, declared = [mentions_of(policy) for policy in compared], declared_of(compared)
    origins = origins_of(compared)
    everyone = frozenset[str]().union(*(mentions.everyone for mentions in known))
    listed = frozenset[str]().union(*(names for each in by_labels.values() for names in each))
    strange = fresh(_STRANGER, everyone | listed)  # law 1
    levels = _levels(clearances, every=any(mentions.asks_clearance for mentions in known))
    sets = _sets(frozenset(sorted(compartments)[:MAX_GROUPS]), known)
    every = tuple(product(levels, sets, declared, origins))
    subjects: list[Subject] = []
    for tenant in sorted(set(filter(is_tenant, tenants))):
        together = {frozenset[str](), *by_labels.get(tenant, ())}
        together = together.union(*(mentions.in_tenant(tenant) for mentions in known))
        for names in sorted(together, key=sorted):  # laws 1 and 3
            subjects += _standing(names, strange, tenant, every)
    return tuple(dict.fromkeys(subjects))


def stands_for(profile: Subject) -> tuple[str, ...]:
    """Return the names that a profile stands for: what it holds, or else itself."""
    return tuple(sorted(profile.groups)) or (profile.id,)


def fresh(name: str, taken: Collection[str]) -> str:
    """Return `name`, with a number behind it if it is taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _levels(clearances: Iterable[int], *, every: bool) -> tuple[int, ...]:
    levels = sorted(set(clearances)) or [0]
    return tuple(levels) if every else tuple(dict.fromkeys((levels[0], levels[-1])))  # law 2


def _sets(every: frozenset[str], known: Iterable[Mentions]) -> tuple[frozenset[str], ...]:
    spoken = every & {text for mentions in known for text in mentions.texts}
    sets = [frozenset[str](), every]
    for compartment in sorted(spoken):
        sets += [frozenset({compartment}), every - {compartment}]
    return tuple(dict.fromkeys(sets))


def _standing(
    names: frozenset[str],
    strange: str,
    tenant: str,
    attributes: Iterable[tuple[int, frozenset[str], Attributes, Origin]],
) -> Iterator[Subject]:
    held = frozenset(name for name in names if name.startswith(_HELD))
    for identity in sorted(names - held) or [strange]:
        for clearance, compartments, declared, origin in attributes:
            yield Subject(
                id=identity,
                tenant=tenant,
                clearance=clearance,
                compartments=compartments,
                groups=held,
                attributes=declared,
                origin=origin,
            )


def _by_tenant(labels: Iterable[Label]) -> dict[str, set[frozenset[str]]]:
    named: dict[str, set[frozenset[str]]] = {}
    for label in labels:
        mine = named.setdefault(str(label.values.get(TENANT, "")), set())
        mine |= {frozenset({text}) for text in filter(is_named, label.texts)}
    return named
