"""What is wanted of a policy, what comes of it, and why it can be turned down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from acl.errors import AclError
from acl.policy.delegation import Overreach, Verdict
from acl.proof.proof import ProofReport
from acl.records import Mismatch, PolicyRevision, RevisionTexts
from retrieval.policy.rule_changes import changed

ELSEWHERE: Final = "a counter-example that concerns another tenant"
_SHOWN: Final = 3


class OverreachError(AclError):
    """A change reaches beyond the rights of whoever makes it.

    Attributes:
        reasons: one sentence for each thing that goes too far.
    """

    def __init__(self, verdict: Verdict) -> None:
        found = (verdict.sentence,) if isinstance(verdict, Overreach) else map(str, verdict)
        self.reasons = tuple(found)
        super().__init__("\n".join(self.reasons))


class RefutedError(AclError):
    """The compiled filter and the policy differ, so the revision does not take effect.

    Attributes:
        report: what was found.
        shown: counter-examples in words: of one tenant if one is given, and of others only that
            there is one.
    """

    def __init__(self, report: ProofReport, *, tenant: str | None = None) -> None:
        found = [Mismatch(one.tenant, str(one)) for one in report.counterexamples]
        self.report = report
        self.shown = visible(found, tenant, limit=_SHOWN)
        super().__init__(f"the proof failed on {report.wrong} pair(s): {'; '.join(self.shown[:1])}")

    def for_tenant(self, tenant: str | None) -> RefutedError:
        """Return the error as people of a tenant may see it; without one, as it is."""
        return RefutedError(self.report, tenant=tenant)


def visible(
    found: Iterable[Mismatch], tenant: str | None, *, limit: int | None = None
) -> tuple[str, ...]:
    """Return counter-examples as people of a tenant may see them; without one, all.

    Args:
        found: the counter-examples.
        tenant: whose people look at them.
        limit: how many are told at most; beside them it is said that there are others'.
    """
    every = tuple(found)
    mine = tuple(one.text for one in every if tenant in {None, one.tenant})
    others = () if len(mine) == len(every) else (ELSEWHERE,)
    return (*mine[:limit], *others)


class FourEyesError(AclError):
    """Somebody else has to activate a proposal."""

    def __init__(self) -> None:
        super().__init__("who proposed a revision cannot activate it; another has to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is wanted of the policy: whole texts, or rules added and removed.

    Attributes:
        model: the whole model, or None for the one in effect.
        rules: the whole of policy.csv, or None for the one in effect with the changes below.
        add: rows to add.
        remove: rows to remove.
    """

    model: str | None = None
    rules: str | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def applied(self, base: RevisionTexts) -> RevisionTexts:
        """Return the texts that result.

        Raises:
            PolicyError: a row to remove is not there, or a row to add is not one row.
        """
        rules = base.rules if self.rules is None else self.rules
        if self.add or self.remove:
            rules = changed(rules, add=self.add, remove=self.remove)
        return RevisionTexts(model=self.model or base.model, rules=rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activated:
    """A revision that took effect, with the proof that let it."""

    revision: PolicyRevision
    proof: ProofReport
