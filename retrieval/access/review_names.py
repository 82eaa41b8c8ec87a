"""The names that give the right to read a document, tried as far as a budget goes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from acl.containment.budget import Budget, UndecidedError
from acl.errors import FilterTooLargeError, RequestError
from acl.labels import Label
from acl.policy.decide import principals
from acl.policy.fitting import Fitting
from acl.policy.policy import Policy
from acl.subject import EVERYONE
from retrieval.access.audience import Audience, Member
from retrieval.access.questions import permits
from retrieval.rights.decisions import Decisions
from retrieval.rights.snapshot import PolicySnapshot
from retrieval.search.search import READ

MAX_ROWS: Final = 100_000
"""As many rows are decided upon for names or changes; a policy of 1,000 rows allows 100 of them."""


def names_giving(
    audience: Audience, snapshot: PolicySnapshot, tenant: str, label: Label, now: datetime
) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Return the names that give the right to read, and whether names were left untried."""
    policy = snapshot.policy
    useful = Fitting(policy, tenant, READ, label).names()
    decisions, budget = Decisions(), Budget(MAX_ROWS)
    found: set[tuple[str, ...]] = set()
    for one in audience(snapshot, tenant, [label]):
        if not _counts(one, useful, policy, now):
            continue
        try:
            budget.spend(len(policy.rows))
            decision = decisions.decide(snapshot, one.subject, READ, now)
        except UndecidedError:
            return _fewest(found), True
        except (FilterTooLargeError, RequestError):
            continue
        if permits(decision, label):
            found.add(one.names)
    return _fewest(found), False


def _counts(member: Member, useful: frozenset[str] | None, policy: Policy, now: datetime) -> bool:
    """Say whether a member can be permitted where a stranger is not, or is the stranger."""
    stranger = member.names == (EVERYONE,)
    return stranger or useful is None or bool(principals(policy, member.subject, now) & useful)


def _fewest(names: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Return the names without those that hold others of them: fewer are enough."""
    sets = {frozenset(one): one for one in names}
    least = [names for one, names in sets.items() if not any(other < one for other in sets)]
    return tuple(sorted(least))
