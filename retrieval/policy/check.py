"""A policy is checked before it is proposed: its tests, its promises, and what may not be meant.

The laws of this file:

1. What is checked here needs no installation but for the revision that it is compared with.
2. A promise that cannot be decided fails, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from acl.errors import AclError
from acl.gates.promises import Verdict, Witness, condition_on_labels, never, no_new_access
from acl.labels import CLASSIFICATION, LabelSchema, label_of, level_name
from acl.language.expression import ExpressionError
from acl.policy.policy import Policy
from acl.subject import is_identity, is_tenant
from retrieval.policy.trials import TestReport, tried_alone
from retrieval.rights.policy_source import PolicySource


class DemandError(AclError):
    """A promise that is asked for cannot be understood."""


@dataclass(frozen=True, slots=True)
class Never:
    """That nobody called `who` ever reads what satisfies a condition on labels.

    Attributes:
        who: a principal such as `group:guests`, or one of a tenant, such as `acme/group:guests`.
        condition: about the label alone, such as `classification >= 2`.
    """

    who: str
    condition: str

    def __str__(self) -> str:
        return f"never {self.who} {self.condition}"


@dataclass(frozen=True, slots=True)
class Demands:
    """What is asked of a policy beside its tests.

    Attributes:
        base: nobody may gain access that this policy does not give, if there is one.
        nevers: what may never be.
    """

    base: Policy | None = None
    nevers: tuple[Never, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What came of it.

    Attributes:
        tests: of the policy's own tests.
        promises: how many were asked for.
        broken: those that are not kept, and why.
    """

    tests: TestReport
    promises: int
    broken: tuple[str, ...]


def checked(source: PolicySource, demands: Demands, at: datetime) -> CheckReport:
    """Run the tests of a policy that need no installation, and decide what is asked of it.

    Raises:
        DemandError: what is asked cannot be understood.
        PolicyError: the tests cannot be read.
    """
    policy, broken = source.policy, list[str]()
    for one in demands.nevers:
        broken += _broken(str(one), _never(policy, one, at), policy.schema)
    if demands.base is not None:
        verdict = _no_new_access(demands.base, policy, at)
        broken += _broken("no new access", verdict, policy.schema)
    promises = len(demands.nevers) + (demands.base is not None)
    return CheckReport(tried_alone(source, at), promises, tuple(broken))


def _never(policy: Policy, asked: Never, at: datetime) -> Verdict:
    tenant, slash, name = asked.who.rpartition("/")
    if not is_identity(name) or (slash and not is_tenant(tenant)):
        reason = "is no principal; write one such as `group:guests` or `acme/group:guests`"
        raise DemandError(f"`{asked.who}` {reason}")
    try:
        condition = condition_on_labels(asked.condition, policy)
    except ExpressionError as error:
        raise DemandError(f"`{asked.condition}`: {error.reason}") from error
    return never(policy, asked.who, condition, at)


def _no_new_access(base: Policy, policy: Policy, at: datetime) -> Verdict:
    try:
        return no_new_access(base, policy, at)
    except AclError as error:
        return Verdict(kept=False, reason=str(error))


def _broken(promise: str, verdict: Verdict, schema: LabelSchema) -> list[str]:
    if verdict.kept:
        return []
    if verdict.witness is not None:
        return [f"{promise}: {_sentence(verdict.witness, schema)}"]
    return [f"{promise}: could not be decided, and so does not hold: {verdict.reason}"]


def _sentence(found: Witness, schema: LabelSchema) -> str:
    asker = found.asker
    level = level_name(schema.attributes.get(CLASSIFICATION), asker.clearance)
    beside = [*sorted(asker.groups), f"clearance {level}", *sorted(asker.compartments)]
    values = label_of(found.label, schema).items()
    label = ", ".join(f"{name} {_value(value)}" for name, value in values)
    rules = ", ".join(found.rules) or "the matcher alone"
    return (
        f"{asker.id} of {asker.tenant} ({', '.join(beside)}) could `{found.action}` a document "
        f"with the label ({label}), by {rules}"
    )


def _value(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
