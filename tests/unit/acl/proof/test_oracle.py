"""Casbin is asked under the guard, for the subject and each of its actors, and at the moment."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime

from acl.decision import Permitted
from acl.policy.decide import decide
from acl.predicate import holds
from acl.proof.proof import PolicyOracle
from acl.subject import Subject
from tests.unit.acl.company_policy import policy
from tests.unit.acl.default_policy import ADA, NOW, READ, label

OWN = label(owner=ADA.id, path="/x/y", compartments=[])
DURING, AFTER = datetime(2026, 2, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def test_the_guard_stands_before_whatever_casbin_says() -> None:
    oracle = PolicyOracle(policy())
    request = oracle.request(ADA, READ, NOW)

    assert oracle.allows(request, OWN)
    assert not oracle.allows(request, label(owner=ADA.id, path="/x/y", tenant="beta"))


def test_each_actor_has_to_be_allowed_too() -> None:
    oracle = PolicyOracle(policy())
    agent = Subject(id="agent:helper", tenant=ADA.tenant, clearance=3)

    assert oracle.allows(oracle.request(replace(ADA, actors=(ADA,)), READ, NOW), OWN)
    assert not oracle.allows(oracle.request(replace(ADA, actors=(agent,)), READ, NOW), OWN)
    assert not oracle.allows(oracle.request(replace(agent, actors=(ADA,)), READ, NOW), OWN)


def test_roles_are_those_of_the_moment_whatever_was_asked_before() -> None:
    made = policy()
    oracle, sam = PolicyOracle(made), Subject(id="user:sam", tenant="acme", clearance=3)
    one = label(path="/acme/finance/x", compartments=[])
    told = []
    for at in (DURING, AFTER, DURING):
        decision = decide(made, sam, READ, at)
        told.append(oracle.allows(oracle.request(sam, READ, at), one))
        assert told[-1] is (isinstance(decision, Permitted) and holds(decision.predicate, one))

    assert told == [True, False, True]


def test_threads_ask_one_after_the_other() -> None:
    oracle = PolicyOracle(policy())
    right, wrong = oracle.request(ADA, READ, NOW), oracle.request(ADA, "document:tag", AFTER)
    expected = oracle.allows(right, OWN), oracle.allows(wrong, OWN)
    found: set[tuple[bool, bool]] = set()

    def ask() -> None:
        found.update((oracle.allows(right, OWN), oracle.allows(wrong, OWN)) for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert found == {expected}
