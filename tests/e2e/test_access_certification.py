"""The certification scenario of the AuthZEN Authorization API 1.0, over real HTTP.

Two people, a shelf with an active and an archived document, and the levels Basic, Batch and
Discovery; `test_access_certification_search.py` has the level Search. Where the scenario decides by
what a request says of a resource or of an action, this service does not: `docs/authzen.md` says so,
and the last tests here hold it to it.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.access_service import (
    ANN,
    ARCHIVIST,
    DELETE,
    GATEWAY,
    ONE,
    PUBLIC_URL,
    READ,
    TWO,
    WRITE,
    AccessService,
    question,
)
from tests.serving import Service

EVALUATION = "evaluation"


def test_basic_decisions(access: AccessService) -> None:
    for subject, action, expected in (
        ("ann", READ, True),
        ("ann", WRITE, True),
        ("ben", READ, True),
        ("ben", WRITE, False),
    ):
        assert access.decision(GATEWAY, subject, action, ONE) is expected


def test_basic_decisions_by_what_is_said_of_a_subject(access: AccessService) -> None:
    assert access.decision(GATEWAY, "ann", WRITE, TWO) is False
    assert access.decision(GATEWAY, ARCHIVIST, WRITE, TWO) is True
    assert access.decision(GATEWAY, {**ARCHIVIST, "properties": {}}, WRITE, TWO) is False


@pytest.mark.parametrize(
    "more",
    [
        {"context": {"time": "2026-06-27T18:03-07:00", "ip": "192.168.1.1"}},
        {"foo": "bar", "futureField": {"nested": True}},
        {"subject": {"type": "user", "id": "ann", "properties": {"team": "x"}, "more": 1}},
        {"action": {"name": READ, "properties": {"method": "GET"}}},
    ],
)
def test_context_properties_and_unknown_fields_change_nothing(
    access: AccessService, more: dict[str, Any]
) -> None:
    body = {**question("ann", READ, access.id(ONE)), **more}
    answer = access.ask(GATEWAY, EVALUATION, body)
    assert answer["decision"] is True
    assert set(answer) == {"decision", "context"}
    assert set(answer["context"]) == {"decision_id", "policy_revision", "label_revision"}


def broken(access: AccessService) -> list[tuple[object, str]]:
    good = question("ann", READ, access.id(ONE))
    without = [({k: v for k, v in good.items() if k != name}, f"/{name}") for name in good]
    parts = [
        ({**good, name: {k: v for k, v in good[name].items() if k != part}}, f"/{name}/{part}")
        for name in good
        for part in good[name]
    ]
    return [
        *without,
        *parts,
        ({**good, "subject": "ann"}, "/subject"),
        ({**good, "action": {"name": 123}}, "/action/name"),
        ({**good, "resource": {"type": "document", "id": 7}}, "/resource/id"),
        ({**good, "context": []}, "/context"),
        ({**good, "subject": {**good["subject"], "properties": 1}}, "/subject/properties"),
        ([good], ""),
        (None, ""),
    ]


def test_what_is_missing_or_of_another_type_is_400_and_named(access: AccessService) -> None:
    for body, pointer in broken(access):
        problem = access.ask(GATEWAY, EVALUATION, body, status=400)
        assert problem["type"] == "urn:strongroom:problem:malformed"
        assert [one["pointer"] for one in problem["errors"]] == [pointer], body


@pytest.mark.parametrize(
    "properties",
    [
        {"clearance": "top"},
        {"clearance": 9},
        {"clearance": True},
        {"clearance": -1},
        {"groups": "group:a"},
        {"groups": ["user:root"]},
        {"groups": ["finance"]},
        {"compartments": [" "]},
        {"compartments": {}},
    ],
)
def test_a_property_that_no_subject_can_have_is_400(
    access: AccessService, properties: dict[str, Any]
) -> None:
    entity = {"type": "user", "id": "ann", "properties": properties}
    for who in (GATEWAY, ANN):
        access.ask(who, EVALUATION, question(entity, READ, access.id(ONE)), status=400)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "text/plain"),
        (b"{", "application/json"),
        (b"", "application/json"),
        (b"", ""),
        (b'{"subject": 1, "subject": 2}', "application/json"),
        (b"[" * 100, "application/json"),
    ],
)
def test_another_kind_of_body_is_400(access: AccessService, content: bytes, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    with access.service.as_(GATEWAY) as client:
        for address in (EVALUATION, "evaluations", "search/subject"):
            answer = client.post(f"/access/v1/{address}", content=content, headers=headers)
            assert answer.status_code == 400, answer.text
            assert answer.headers["content-type"] == "application/problem+json"


def test_a_request_id_comes_back_as_it_came(access: AccessService) -> None:
    good = question("ann", READ, access.id(ONE))
    with access.service.as_(GATEWAY) as client:
        for body in (good, {}):
            answer = client.post(
                "/access/v1/evaluation", json=body, headers={"X-Request-ID": "abc - 7/é"[:7]}
            )
            assert answer.headers["x-request-id"] == "abc - 7"
        assert "x-request-id" not in client.post("/access/v1/evaluation", json=good).headers
        for strange in ("x" * 201, "a\tb"):
            answer = client.post(
                "/access/v1/evaluation", json=good, headers={"X-Request-ID": strange}
            )
            assert "x-request-id" not in answer.headers
    with access.service.client() as nobody:
        answer = nobody.post("/access/v1/evaluation", headers={"X-Request-ID": "seven"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (401, "seven")


def test_the_same_question_has_the_same_answer(access: AccessService) -> None:
    assert {access.decision(GATEWAY, "ben", WRITE, ONE) for _ in range(5)} == {False}


def decisions(access: AccessService, body: dict[str, Any]) -> list[bool]:
    answer = access.ask(GATEWAY, "evaluations", body)
    assert set(answer) == {"evaluations", "context"}
    assert all(set(one) == {"decision"} for one in answer["evaluations"])
    return [one["decision"] for one in answer["evaluations"]]


def batch(access: AccessService) -> dict[str, Any]:
    """Four questions: yes, no, yes, no."""
    whole = [question(who, act, access.id(ONE)) for who in ("ann", "ben") for act in (READ, WRITE)]
    return {"evaluations": [whole[0], whole[3], whole[2], whole[3]]}


def test_batch_answers_come_in_order(access: AccessService) -> None:
    good = question("ann", READ, access.id(ONE))
    one, two = ({"resource": {"type": "document", "id": access.id(p)}} for p in (ONE, TWO))
    assert decisions(access, batch(access)) == [True, False, True, False]
    shared = {"subject": good["subject"], "action": {"name": WRITE}}
    assert decisions(access, {**shared, "evaluations": [one, two]}) == [True, False]
    acts = [{"action": {"name": name}} for name in (READ, WRITE)]
    ben = {**question("ben", READ, access.id(ONE)), "evaluations": acts}
    assert decisions(access, ben) == [True, False]
    who = [{"subject": {"type": "user", "id": "ann"}}, {"subject": ARCHIVIST}]
    archived = {"action": {"name": WRITE}, **two, "evaluations": who}
    assert decisions(access, archived) == [False, True]
    contexts = {"context": {"a": 1}, **shared, "evaluations": [one, {**one, "context": {"b": 2}}]}
    assert decisions(access, contexts) == [True, True]


def test_batch_takes_what_an_entity_leaves_out_from_the_default(access: AccessService) -> None:
    body = {
        "subject": {"type": "user", "id": "zoe", "properties": {"groups": ["role:archivist"]}},
        "action": {"name": WRITE},
        "resource": {"type": "document"},
        "evaluations": [
            {"resource": {"id": access.id(TWO)}},
            # An entity stands for the whole default: its properties are gone.
            {"resource": {"id": access.id(TWO)}, "subject": {"id": "zoe"}},
            {"resource": {"id": access.id(ONE)}, "subject": {"id": "ann"}},
        ],
    }
    assert decisions(access, body) == [True, False, True]


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        ("execute_all", [True, False, True, False]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_batch_semantics(access: AccessService, semantic: str, expected: list[bool]) -> None:
    options = {"evaluations_semantic": semantic, "another": 1}
    assert decisions(access, {**batch(access), "options": options}) == expected


def test_one_malformed_evaluation_is_false_and_the_others_stand(access: AccessService) -> None:
    good = question("ann", READ, access.id(ONE))
    bad: list[dict[str, Any]] = [
        {"resource": {"type": "document", "id": access.id(ONE)}},
        {},
        {"resource": 7},
        {"resource": {"type": "document", "id": access.id(ONE)}, "subject": None},
        {
            "resource": {"type": "document", "id": access.id(ONE)},
            "subject": {"type": "user", "id": "zoe", "properties": {"clearance": "top"}},
        },
    ]
    body = {"subject": good["subject"], "action": good["action"], "evaluations": bad}
    assert decisions(access, body) == [True, False, False, False, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"evaluations": 7},
        {"evaluations": [7]},
        {"evaluations": [{}] * 201},
        {"subject": "ann"},
        {"options": {"evaluations_semantic": "some"}},
        {"options": []},
    ],
)
def test_a_batch_that_is_wrong_as_a_whole_is_400(
    access: AccessService, wrong: dict[str, Any]
) -> None:
    access.ask(GATEWAY, "evaluations", {**batch(access), **wrong}, status=400)


def test_a_batch_without_evaluations_is_one_evaluation(access: AccessService) -> None:
    good = question("ann", READ, access.id(ONE))
    for body in (good, {**good, "evaluations": []}, {**good, "evaluations": None}):
        assert access.ask(GATEWAY, "evaluations", body)["decision"] is True
    problem = access.ask(GATEWAY, "evaluations", {"subject": good["subject"]}, status=400)
    assert {one["pointer"] for one in problem["errors"]} == {"/action", "/resource"}
    bare = {**good, "subject": {"type": "user"}}
    problem = access.ask(GATEWAY, "evaluations", bare, status=400)
    assert [one["pointer"] for one in problem["errors"]] == ["/subject/id"]


def test_a_name_may_carry_its_kind(access: AccessService) -> None:
    assert access.decision(GATEWAY, "user:ann", READ, ONE) is True
    assert access.decision(GATEWAY, {"type": "service", "id": "ann"}, READ, ONE) is False
    for kind, expected in (("service", True), ("user", False), ("agent", False)):
        subject = {"type": kind, "id": "service:gateway"}
        assert access.decision(GATEWAY, subject, "access:review", ONE) is expected


def test_discovery_needs_no_token_and_believes_no_header(access: AccessService) -> None:
    with access.service.client(Host="evil.example", **{"X-Forwarded-Host": "evil"}) as client:
        answer = client.get("/.well-known/authzen-configuration")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found.pop("policy_decision_point") == PUBLIC_URL
    names = {f"search_{one}_endpoint": f"search/{one}" for one in ("subject", "resource", "action")}
    names |= {"access_evaluation_endpoint": "evaluation"}
    names |= {"access_evaluations_endpoint": "evaluations"}
    assert found == {name: f"{PUBLIC_URL}/access/v1/{end}" for name, end in names.items()}


def test_without_a_public_address_discovery_names_the_socket(service: Service) -> None:
    with service.client(Host="evil.example") as client:
        found = client.get("/.well-known/authzen-configuration").json()
    assert found["policy_decision_point"] == service.server.address


def test_what_a_request_says_of_a_resource_or_an_action_decides_nothing(
    access: AccessService,
) -> None:
    archived = {"type": "document", "id": access.id(TWO), "properties": {"status": "active"}}
    body = {**question("ann", WRITE, access.id(TWO)), "resource": archived}
    assert access.ask(GATEWAY, EVALUATION, body)["decision"] is False
    for soft in (True, False):
        action = {"name": DELETE, "properties": {"soft": soft}}
        body = {**question("ann", DELETE, access.id(ONE)), "action": action}
        assert access.ask(GATEWAY, EVALUATION, body)["decision"] is False


def test_the_scenario_s_own_names_name_nothing_here(access: AccessService) -> None:
    body = {
        "subject": {"type": "user", "id": "ann"},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "record-1"},
    }
    assert access.ask(GATEWAY, EVALUATION, body)["decision"] is False
    for name, kind in (("read", "document"), (READ, "record")):
        resource = {"type": kind, "id": access.id(ONE)}
        other = {**body, "action": {"name": name}, "resource": resource}
        assert access.ask(GATEWAY, EVALUATION, other)["decision"] is False
    for address in ("subject", "resource", "action"):
        assert access.ask(GATEWAY, f"search/{address}", body)["results"] == []
