"""The difference of two policies: the rows that only one of them has.

The law of this file: a subject whom no such row concerns is decided alike under both. A row that is
plainly false for a request contributes to no decision, under any effect, and raises for nobody;
so it is enough to look at the rows that differ, as long as everything else is the same: the model,
the links of roles, the schema, and that there is a rule at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from acl.casbin_door import Row
from acl.compiler import residuals
from acl.decide import request_of
from acl.errors import AclError
from acl.policy import Policy, load
from acl.subject import Subject


@dataclass(frozen=True, slots=True)
class Difference:
    """The rules that only one of two policies has, as policies of their own."""

    sides: tuple[Policy, ...]

    def concerns(self, subject: Subject, action: str, at: datetime) -> bool:
        """Say whether a rule that differs may matter to `subject`; in doubt it does."""
        try:
            return any(
                residuals(side, request_of(side, subject, action, at), at) for side in self.sides
            )
        except AclError:
            return True


def difference_of(before: Policy, after: Policy) -> Difference | None:
    """Return the rules that differ, or nothing if more than rules may differ."""
    if not before.rules or not after.rules or _frame(before) != _frame(after):
        return None
    old, new = ({row.values for row in policy.rules} for policy in (before, after))
    return Difference((_only(before, old - new), _only(after, new - old)))


def _frame(policy: Policy) -> tuple[object, ...]:
    links = tuple((row.kind, row.values) for row in _links(policy))
    return policy.model.text, links, policy.matching, policy.schema.digest, policy.suffix


def _links(policy: Policy) -> Iterable[Row]:
    return [row for row in policy.rows if row.kind in policy.model.roles]


def _only(policy: Policy, values: set[tuple[str, ...]]) -> Policy:
    rules = [row for row in policy.rules if row.values in values]
    return load(
        policy.model.text,
        [*rules, *_links(policy)],
        policy.schema,
        matching=policy.matching,
        resource=policy.names.resource,
        suffix=policy.suffix,
    )
