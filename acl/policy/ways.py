"""Ways: how a rule that names a role or a group reaches somebody.

The law of this file: a way begins with a name that the subject has by themself, from the token or
as their id, and each step is a link that holds at the moment. Of several ways the shortest is told,
and the subject's own name before their groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from acl.language.casbin_adapter import Row
from acl.policy.decide import SUBJECT_COLUMNS
from acl.policy.policy import Policy
from acl.subject import Subject

ROLES = "g"
"""The role definition in which subjects have roles."""


def addressed(policy: Policy, row: Row) -> tuple[str, ...]:
    """Return what stands in the columns of a rule that name whom it is for."""
    columns = policy.model.policies[row.kind]
    return tuple(
        value for name, value in zip(columns, row.values, strict=True) if name in SUBJECT_COLUMNS
    )


def domain_of(policy: Policy, subject: Subject) -> str:
    """Return the domain in which a subject's roles count, or the empty one if there are none."""
    definition = policy.model.roles.get(ROLES)
    return subject.tenant if definition is not None and definition.arity > 2 else ""  # noqa: PLR2004


def way(policy: Policy, subject: Subject, names: Iterable[str], at: datetime) -> tuple[str, ...]:
    """Return the way from the subject to one of `names`, or nothing if there is none."""
    graph, domain = policy.graphs.get(ROLES), domain_of(policy, subject)
    found: list[tuple[str, ...]] = []
    for name in names:
        for mine in (subject.id, *sorted(subject.principals - {subject.id})):
            path = (mine,) if mine == name else graph and graph.path(mine, name, domain, at)
            if path:
                found.append(path)
    return min(found, key=len, default=())
