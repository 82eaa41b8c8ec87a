"""Whatever single change is offered permits, and every smaller one of its kind that permits is."""

from __future__ import annotations

import random

from acl.decision import Permitted
from acl.errors import PolicyError
from acl.explain.changes import Grant, GrantKind, grants
from acl.explain.explain import explain
from acl.labels import Label
from acl.language.casbin_adapter import Row
from acl.policy.decide import decide
from acl.policy.policy import Policy, load
from acl.predicate import holds
from acl.subject import Subject
from tests.properties.test_delegation import READ, paper, people, policy, rows
from tests.unit.acl.default_policy import NOW, SCHEMA

CASES = 280
ALWAYS = (
    'p, group:everyone, acme, /acme/*, document:read, "any_of(r.obj.readers, [r.sub.id])", allow',
    "p, group:x, acme, /acme/finance/*, document:read, True, deny",
    "p, group:finance, acme, /acme/*, document:read, True, allow",
)


def may(made: Policy, subject: Subject, label: Label) -> bool:
    decision = decide(made, subject, READ, NOW)
    return isinstance(decision, Permitted) and holds(decision.predicate, label)


def reread(made: Policy, rows: list[Row]) -> Policy:
    return load(made.model.text, rows, SCHEMA)


def applied(made: Policy, subject: Subject, label: Label, grant: Grant) -> bool:
    """Say whether the subject may after the grant, applied as somebody would by hand."""
    values = {**label.values, "readers": {*label.as_json()["readers"], grant.value}}
    fields = tuple(part.strip() for part in grant.value.split(","))
    levels = SCHEMA.attributes["classification"].levels
    match grant.kind:
        case GrantKind.READER:
            return may(made, subject, SCHEMA.parse(values))
        case GrantKind.COMPARTMENT:
            return may(made, changed(subject, compartment=grant.value), label)
        case GrantKind.CLEARANCE:
            level = levels.index(grant.value)
            lower = [may(made, changed(subject, clearance=one), label) for one in range(level)]
            assert not any(lower[subject.clearance :])
            return may(made, changed(subject, clearance=level), label)
        case GrantKind.MEMBERSHIP:
            link = Row(999, "g", (subject.id, grant.value, subject.tenant, "_", "_"))
            return may(reread(made, [*made.rows, link]), subject, label)
        case GrantKind.RULE_ADDED:
            return may(reread(made, [*made.rows, Row(999, "p", fields[1:])]), subject, label)
        case GrantKind.RULE_REMOVED:
            left = [row for row in made.rows if ", ".join((row.kind, *row.values)) != grant.value]
            return may(reread(made, left), subject, label)


def changed(subject: Subject, *, compartment: str = "", clearance: int | None = None) -> Subject:
    return Subject(
        id=subject.id,
        tenant=subject.tenant,
        clearance=subject.clearance if clearance is None else clearance,
        compartments=subject.compartments | ({compartment} if compartment else set()),
        groups=subject.groups,
    )


def test_what_is_offered_permits_and_explanations_agree() -> None:
    rng = random.Random(4)
    kinds: dict[GrantKind, int] = {}
    done = 0
    while done < CASES:
        ranked = rng.random() < 0.3
        try:
            made = policy([*rows(rng, ranked=ranked), *(() if ranked else ALWAYS)], ranked=ranked)
        except PolicyError:  # A link that stands twice with two windows.
            continue
        for subject in people(rng):
            label = paper(rng)
            done += 1
            allowed = may(made, subject, label)
            told = explain(made, subject, READ, label, NOW)
            assert told.permitted == allowed
            assert (told.obstacle is None) == allowed
            offered = grants(made, subject, READ, label, NOW, labels=[(label, 3)])
            assert not (allowed and offered)
            for grant in offered:
                assert applied(made, subject, label, grant), (grant, subject, label)
                assert grant.opens == (1 if grant.kind is GrantKind.READER else 3)
                kinds[grant.kind] = kinds.get(grant.kind, 0) + 1
    assert kinds.keys() == set(GrantKind)
