"""Grants: the single changes after which a subject may do what they may not do now.

The laws of this file:

1. A grant is offered only if the decision, taken again with the change applied, permits. A change
   of the policy is applied to a whole policy, read as strictly as any other.
2. The order is from the smallest to the widest, by how many other documents the change would open
   to the subject as well; among equals, by kind.
3. Nothing is offered across tenants, and nothing that takes two changes.

What is offered is an answer to "what is missing", not advice: a wide grant is wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from acl.containment.budget import Budget, UndecidedError
from acl.decision import guard
from acl.explain.changes import Case, Change, GrantKind, changes
from acl.labels import Label
from acl.policy.policy import Policy
from acl.predicate import holds
from acl.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One change after which the subject is permitted.

    Attributes:
        kind: what changes.
        subject: whose rights; an agent's count as well as the subject's.
        value: the reader, compartment, level, role or row, as a person would write it.
        opens: how many documents it opens to the subject, of those that were given.
    """

    kind: GrantKind
    subject: str
    value: str
    opens: int


def grants(  # noqa: PLR0913 - the question, and what to measure the answers by
    policy: Policy,
    subject: Subject,
    action: str,
    label: Label,
    at: datetime,
    *,
    labels: Iterable[tuple[Label, int]] = (),
    budget: Budget | None = None,
) -> tuple[Grant, ...]:
    """Return the single changes that would permit `action`, the smallest first.

    Args:
        policy: the policy in effect.
        subject: who may not.
        action: what they may not do.
        label: of the document with which they may not.
        at: now.
        labels: the labels that documents carry, and how many carry each; what grants are measured
            by. One reader more is a change of one document alone.
        budget: how many rows may be decided upon; where it is overdrawn, changes were left untried.

    Raises:
        RequestError: an attribute of the subject cannot be decided upon.
    """
    asked = Case(policy, subject, action, label, at)
    before = asked.condition()
    if holds(before, label) or not holds(guard(policy.schema, subject.tenant), label):
        return ()  # law 3
    hidden = [(one, number) for one, number in labels if not holds(before, one)]
    tried = changes(asked) if budget is None else _within(budget, asked)
    found = [grant for one in tried if (grant := _measured(one, hidden)) is not None]
    places = {kind: place for place, kind in enumerate(GrantKind)}
    return tuple(sorted(found, key=lambda grant: (grant.opens, places[grant.kind])))  # law 2


def _within(budget: Budget, case: Case) -> Iterator[Change]:
    """Yield changes for as long as the budget lasts; each is decided upon by every row."""
    for change in changes(case):
        try:
            budget.spend(len(case.policy.rows))
        except UndecidedError:
            return
        yield change


def _measured(change: Change, hidden: Iterable[tuple[Label, int]]) -> Grant | None:
    after = change.case.condition()
    if not holds(after, change.case.label):  # law 1
        return None
    opens = sum(number for one, number in hidden if holds(after, one))
    return Grant(
        kind=change.kind,
        subject=change.subject,
        value=change.value,
        opens=1 if change.kind is GrantKind.READER else opens,
    )
