"""What the compiler answers: denied, or permitted under a predicate. There is no "allow all"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from acl.predicate import Labelled, Predicate


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """Documents whose label satisfies `predicate` may be read.

    Attributes:
        predicate: guards and rules together; never empty.
        rules: the rows that contribute.
        policy_digest: which policy decided.
        not_after: when a time-limited role changes, and the decision must be taken again.
    """

    predicate: Predicate
    rules: tuple[RuleId, ...]
    policy_digest: str
    not_after: datetime | None = None

    @property
    def everything(self) -> bool:
        """Whether the rules left nothing but the guards; worth a line in the audit."""
        return isinstance(self.predicate, Labelled)


Decision: TypeAlias = Denied | Permitted
