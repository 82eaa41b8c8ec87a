"""Deciding for a subject: the request that Casbin sees, the guards, and the agents in between.

The laws of this file:

1. `sub` is the subject's record where the matcher reads its attributes, and the subject's id where
   it compares the name itself. `act` is the action, `dom` the tenant. A model that asks for more
   is refused when it is loaded, not at request time.
2. `groups` of a subject are those of the token, `group:everyone`, and every role that these reach
   in the tenant; `principals` adds the subject's id and the roles that it reaches. Beside the fixed
   attributes stand those that the label schema declares of subjects; what is not known of this one
   is absent, so that reading it raises, and denies.
3. Who acts through agents has the rights of the subject and of each agent, intersected.
4. `env` is the moment of the decision and where the request comes from. A decision that may rest
   on the moment ends with it (`acl.policy.moment`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from acl.algebra.conditions import all_of
from acl.decision import Decision, Denied, DenyReason, Permitted, guard
from acl.errors import PolicyError, Refusal
from acl.language.model_file import MODEL_FILE
from acl.policy.compiler import compile_request
from acl.policy.moment import MOMENT_COLUMNS, end_of_moment, moment_of
from acl.policy.policy import Policy
from acl.predicate import Constant
from acl.subject import Subject

SUBJECT_COLUMNS: Final = frozenset({"sub", "subject", "user"})
ACTION_COLUMNS: Final = frozenset({"act", "action"})
TENANT_COLUMNS: Final = frozenset({"dom", "domain", "tenant"})


def decide(policy: Policy, subject: Subject, action: str, at: datetime) -> Decision:
    """Return what `subject`, through all of its actors, may do with which documents.

    Raises:
        RequestError: an attribute of the subject cannot be decided upon.
        FilterTooLargeError: the rules nest too deep.
    """
    fence = guard(policy.schema, subject.tenant)
    decisions = [
        compile_request(policy, request_of(policy, party, action, at), at, guard=fence)
        for party in (subject, *subject.actors)  # law 3
    ]
    end = end_of_moment(policy.names.request[1], policy.subject_attributes, at)
    return _ending(_intersection(decisions), end)


def _ending(decision: Decision, end: datetime | None) -> Decision:
    """Return a decision that ends at `end` at the latest (law 4)."""
    moments = [moment for moment in (decision.not_after, end) if moment is not None]
    return replace(decision, not_after=min(moments, default=None))


def _intersection(decisions: list[Decision]) -> Decision:
    permitted = [decision for decision in decisions if isinstance(decision, Permitted)]
    denied = next((decision for decision in decisions if isinstance(decision, Denied)), None)
    if denied is not None:
        return denied
    condition = all_of(*(decision.predicate for decision in permitted))
    moments = [decision.not_after for decision in permitted if decision.not_after is not None]
    not_after, digest = min(moments, default=None), permitted[0].policy_digest
    if isinstance(condition, Constant):
        # What the subject may read and what an agent may read can exclude each other.
        return Denied(reason=DenyReason.NO_RULE, policy_digest=digest, not_after=not_after)
    return Permitted(
        predicate=condition,
        rules=tuple(dict.fromkeys(rule for decision in permitted for rule in decision.rules)),
        policy_digest=digest,
        not_after=not_after,
    )


def request_of(policy: Policy, subject: Subject, action: str, at: datetime) -> Mapping[str, object]:
    """Return the asker's columns of the request, as Casbin is given them."""
    request: dict[str, object] = {}
    for column in known_columns(policy):
        if column in SUBJECT_COLUMNS:
            named = f"{policy.names.request[0]}_{column}" in policy.bare
            request[column] = subject.id if named else attributes(policy, subject, at)  # law 1
        elif column in MOMENT_COLUMNS:
            request[column] = moment_of(at, subject.origin)  # law 4
        else:
            request[column] = action if column in ACTION_COLUMNS else subject.tenant
    return request


def known_columns(policy: Policy) -> list[str]:
    """Return the columns of the request that are the asker's side."""
    return [column for column in policy.names.request[1] if column not in policy.names.resource]


def check_columns(policy: Policy) -> None:
    """Refuse a model whose requests hold something that no subject, action or tenant answers.

    Raises:
        PolicyError: naming the columns.
    """
    answered = SUBJECT_COLUMNS | ACTION_COLUMNS | TENANT_COLUMNS | MOMENT_COLUMNS
    reason = "a request has a subject, an action, a tenant and a moment (`env`); this has no value"
    unknown = [column for column in known_columns(policy) if column not in answered]
    if unknown:
        raise PolicyError(tuple(Refusal(MODEL_FILE, f"r.{column}", reason) for column in unknown))


def principals(policy: Policy, subject: Subject, at: datetime) -> frozenset[str]:
    """Return every identity that `subject` acts as, the roles that it reaches included."""
    return _reached(policy, subject.principals, subject.tenant, at)


def attributes(policy: Policy, subject: Subject, at: datetime) -> dict[str, object]:
    """Return the subject's record, as rules read it: `r.sub.<attribute>`."""
    # law 2
    groups = _reached(policy, subject.principals - {subject.id}, subject.tenant, at)
    principals = groups | _reached(policy, frozenset({subject.id}), subject.tenant, at)
    declared = {
        name: value
        for name, value in subject.attributes.as_json().items()
        if name in policy.schema.subject
    }
    return {
        **declared,
        "id": subject.id,
        "tenant": subject.tenant,
        "clearance": subject.clearance,
        "compartments": sorted(subject.compartments),
        "groups": sorted(groups),
        "principals": sorted(principals),
    }


def _reached(policy: Policy, names: frozenset[str], tenant: str, at: datetime) -> frozenset[str]:
    graph = policy.graphs.get("g")
    if graph is None:
        return names
    domain = tenant if policy.model.roles["g"].arity > 2 else ""  # noqa: PLR2004 - with a domain
    return names.union(*(graph.reached(name, domain, at) for name in names))
