"""What the compiler answers: denied, or permitted under a predicate; and the guard of every answer.

The laws of this file:

1. There is no "allow all": what is permitted is permitted under a predicate.
2. The tenant is a guard, not a column that a rule could leave out or write as `*`. It comes from
   the verified token and stands beside what the rules permit; no rule can lift it.

That a label is complete and of the current schema is guarded in the filter itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from acl.errors import SchemaError
from acl.labels import AttributeType, LabelSchema
from acl.predicate import NEVER, AnyOf, Condition, Labelled, Predicate


class DenyReason(StrEnum):
    """Why a subject is denied before any document is looked at."""

    NO_RULE = "no rule permits this action to this subject"
    RULE_RAISES = "a rule cannot be evaluated for this subject"


@dataclass(frozen=True, slots=True)
class RuleId:
    """A row of the policy: its kind (`p`, `p2`) and its position, counted from 1."""

    kind: str
    row: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.row}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Nothing may be read; the engine is not asked."""

    reason: DenyReason
    policy_digest: str
    not_after: datetime | None = None

    @property
    def condition(self) -> Condition:
        """Which labels are permitted: none."""
        return NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """Documents whose label satisfies `predicate` may be read.

    Attributes:
        predicate: guards and rules together; never empty.
        rules: the rows that contribute.
        policy_digest: which policy decided.
        not_after: when a time-limited role changes, and the decision must be taken again.
    """

    predicate: Predicate  # law 1
    rules: tuple[RuleId, ...]
    policy_digest: str
    not_after: datetime | None = None

    @property
    def condition(self) -> Condition:
        """Which labels are permitted."""
        return self.predicate

    @property
    def everything(self) -> bool:
        """Whether the rules left nothing but the guards; worth a line in the audit."""
        return isinstance(self.predicate, Labelled)


Decision: TypeAlias = Denied | Permitted


TENANT: Final = "tenant"


def guard(schema: LabelSchema, tenant: str) -> Condition:
    """Return the condition that holds for the documents of `tenant` alone.

    Raises:
        SchemaError: the schema does not declare a required keyword `tenant`.
    """
    attribute = schema.attributes.get(TENANT)
    if attribute is None or not attribute.required or attribute.type is not AttributeType.KEYWORD:
        raise SchemaError("labels.toml must declare `tenant` as a required keyword")
    return AnyOf(TENANT, frozenset({tenant}))  # law 2
