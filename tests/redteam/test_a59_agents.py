"""A59, A63: what acts for somebody takes away; and a tenant comes from the token alone."""

from __future__ import annotations

from typing import Any

import pytest

from acl.records import AuditKind
from tests.serving import ADA, AGENT, BOB, OTHER_ADA, Service

BUDGET = "file:acme/finance/budget.md"


def listed(service: Service, who: dict[str, Any]) -> set[str]:
    with service.as_(who) as client:
        answer = client.get("/v1/documents")
    assert answer.status_code == 200, answer.text
    return {one["uri"] for one in answer.json()["documents"]}


def refused(service: Service, who: dict[str, Any]) -> None:
    with service.as_(who) as client:
        assert client.get("/v1/documents").status_code == 401


def test_a59_an_agent_alone_has_its_own_rights(service: Service) -> None:
    assert listed(service, {**AGENT, "tenant": "acme"}) == listed(service, BOB)


def test_a59_a_chain_has_the_rights_that_all_of_it_have(service: Service) -> None:
    strong = {**AGENT, **{k: ADA[k] for k in ("groups", "clearance", "compartments")}}
    assert BUDGET in listed(service, {**ADA, "act": strong})
    assert BUDGET not in listed(service, {**ADA, "act": {**strong, "act": AGENT}})
    assert BUDGET not in listed(service, {**ADA, "act": {**AGENT, "act": strong}})
    assert BUDGET not in listed(service, {**ADA, "act": {**strong, "clearance": "internal"}})
    # An actor of which the token says nothing but its name has nothing but what is public to all.
    assert listed(service, {**ADA, "act": {"sub": "agent:bare"}}) == set()


def test_a59_both_are_on_record(service: Service) -> None:
    with service.as_({**ADA, "act": AGENT}) as client:
        decision = client.post("/v1/search", json={"query": "hotel"}).json()["decision_id"]
    events = service.run(service.parts.records.audit.events(kind=AuditKind.SEARCH, limit=10_000))
    (event,) = [one.event for one in events if one.event.decision_id == decision]
    assert event.subject == "user:ada"
    assert event.actors == ("agent:helper",)


@pytest.mark.parametrize(
    "act",
    [
        *(None, "agent:helper", [], [AGENT], 7, {}, {"sub": ""}, {"sub": "helper"}, {"sub": None}),
        *({**AGENT, "tenant": "globex"}, {**AGENT, "act": None}, {**AGENT, "act": "x"}),
        {**AGENT, "groups": "group:finance"},
        {**AGENT, "act": {**AGENT, "act": {**AGENT, "act": {**AGENT, "act": AGENT}}}},
    ],
)
def test_a59_a_broken_chain_refuses_the_token(service: Service, act: object) -> None:
    refused(service, {**ADA, "act": act})


def test_a63_tenants_are_apart(service: Service) -> None:
    assert listed(service, ADA) & listed(service, OTHER_ADA) == set()
    identity = service.documents[BUDGET]
    with service.as_(OTHER_ADA) as client:
        assert client.get(f"/v1/documents/{identity}").status_code == 404
        assert client.get("/v1/documents", params={"tenant": "acme"}).status_code in {200, 422}
        headers = {"X-Tenant": "acme", "X-Tenant-Id": "acme"}
        answer = client.post("/v1/search", json={"query": "hotel"}, headers=headers)
        assert {hit["uri"] for hit in answer.json()["hits"]} == {"file:globex/handbook/travel.md"}
        body = {"query": "hotel", "tenant": "acme"}
        assert client.post("/v1/search", json=body).status_code == 422


@pytest.mark.parametrize(
    "name", ["", "*", "Acme", "acme ", "acme\n", "acme,globex", None, ["acme"]]
)
def test_a63_a_tenant_that_is_none(service: Service, name: object) -> None:
    refused(service, {**ADA, "tenant": name})
