"""Whom one may ask about, and that nothing else can be told from an answer."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from acl.records import Outcome
from tests.e2e.access_service import ANN, BEN, EVA, GATEWAY, AccessService, question

READ = "document:read"
ENGINE, REACTOR, ONE, TWO = "/plans/engine", "/plans/reactor", "/shelf/one", "/shelf/two"
ABSENT = str(uuid.uuid4())


def told(access: AccessService, who: dict[str, Any], address: str, body: object) -> str:
    """Return an answer without what differs from one to the next."""
    answer = access.ask(who, address, body)
    answer["context"]["decision_id"] = ""
    return json.dumps(answer)


def test_anybody_may_ask_about_themself(access: AccessService) -> None:
    assert access.decision(EVA, "eva", READ, ENGINE) is True
    assert access.decision(EVA, "user:eva", READ, ENGINE) is True
    assert access.decision(EVA, "eva", READ, REACTOR) is False
    assert access.decision(EVA, "eva", "access:review", ENGINE) is False


@pytest.mark.parametrize(
    "properties",
    [
        {"clearance": "restricted"},
        {"clearance": 3, "groups": ["role:manager", "group:engineering"]},
    ],
)
def test_what_a_body_says_of_the_asker_is_not_read(
    access: AccessService, properties: dict[str, Any]
) -> None:
    me = {"type": "user", "id": "eva", "properties": properties}
    assert access.decision(EVA, me, READ, REACTOR) is False
    # Neither more nor less: what the token says stays.
    assert access.decision(EVA, {**me, "properties": {"groups": []}}, READ, ENGINE) is True
    body = {**question(me, READ, ""), "resource": {"type": "document"}}
    found = [one["id"] for one in access.ask(EVA, "search/resource", body)["results"]]
    assert found == [access.id(ENGINE)]


def test_a_reviewer_describes_others_and_what_is_not_said_is_the_weakest(
    access: AccessService,
) -> None:
    said: dict[str, Any] = {"groups": ["group:engineering"]}
    lee = {"type": "user", "id": "lee", "properties": said}
    assert access.decision(GATEWAY, lee, READ, ENGINE) is False
    said["clearance"] = "internal"
    assert access.decision(GATEWAY, lee, READ, ENGINE) is True
    assert access.decision(GATEWAY, lee, READ, REACTOR) is False
    said["groups"].append("group:contractors")
    assert access.decision(GATEWAY, lee, READ, ENGINE) is False


def test_of_others_nothing_is_told_without_the_right_to_review(access: AccessService) -> None:
    """Ben is allowed, and the gateway is told so; to Eva the document is like one that is not."""
    assert access.decision(GATEWAY, "ben", READ, ONE) is True
    described = {"type": "user", "id": "ben", "properties": {"clearance": 3}}
    for subject in ("ben", described, {"type": "service", "id": "gateway"}):
        answers = {
            told(access, EVA, "evaluation", question(subject, READ, one))
            for one in (access.id(ONE), access.id(REACTOR), ABSENT, "no-id", "")
        }
        assert len(answers) == 1
        assert '"decision": false' in answers.pop()


def test_searches_about_others_find_nothing_without_the_right_to_review(
    access: AccessService,
) -> None:
    hidden, absent = access.id(ONE), ABSENT
    body = {**question("ben", READ, ""), "resource": {"type": "document"}}
    assert access.ask(EVA, "search/resource", body)["results"] == []
    for address, subject in (("search/subject", {"type": "user"}), ("search/action", "ben")):
        one, two = (
            told(access, EVA, address, question(subject, READ, name)) for name in (hidden, absent)
        )
        assert one == two
        assert '"results": []' in one


def test_an_owner_reviews_their_own_documents_alone(access: AccessService) -> None:
    assert access.decision(ANN, "ben", READ, ONE) is True
    assert access.decision(ANN, "ben", READ, ENGINE) is False
    who = question({"type": "user"}, READ, access.id(ONE))
    found = [one["id"] for one in access.ask(ANN, "search/subject", who)["results"]]
    assert found == ["ann", "ben"]
    body = {**question("ben", READ, ""), "resource": {"type": "document"}}
    shelf = [access.id(ONE), access.id(TWO)]
    assert [one["id"] for one in access.ask(ANN, "search/resource", body)["results"]] == shelf


def test_a_search_for_subjects_names_the_asker_where_they_may(access: AccessService) -> None:
    body = question({"type": "user"}, READ, access.id(ENGINE))
    assert access.ask(EVA, "search/subject", body)["results"] == [{"type": "user", "id": "eva"}]
    assert access.ask(BEN, "search/subject", body)["results"] == []


def test_an_agent_asks_with_the_rights_of_the_whole_chain(access: AccessService) -> None:
    strong = {"sub": "agent:strong", "clearance": "restricted", "groups": ["group:engineering"]}
    weak = {"sub": "agent:weak"}
    assert access.decision({**EVA, "act": strong}, "eva", READ, ENGINE) is True
    assert access.decision({**EVA, "act": weak}, "eva", READ, ENGINE) is False
    # The right to review is the chain's too.
    assert access.decision({**GATEWAY, "act": weak}, "ben", READ, ONE) is False


def test_tenants_are_apart(access: AccessService) -> None:
    other = {**GATEWAY, "tenant": "elsewhere"}
    mine, theirs = access.id(ONE), access.id(ONE, "elsewhere")
    assert access.ask(other, "evaluation", question("ann", READ, mine))["decision"] is False
    assert access.ask(other, "evaluation", question("ann", READ, theirs))["decision"] is True
    body = {**question("ann", READ, ""), "resource": {"type": "document"}}
    found = access.ask(other, "search/resource", body)["results"]
    assert found == [{"type": "document", "id": theirs}]
    for address, subject in (("search/subject", {"type": "user"}), ("search/action", "ann")):
        body = question(subject, READ, mine)
        assert access.ask(other, address, body)["results"] == []


def test_a_page_token_is_good_for_its_asker_and_question_alone(access: AccessService) -> None:
    body = {**question("ann", READ, ""), "resource": {"type": "document"}, "page": {"limit": 1}}
    page = {"token": access.ask(GATEWAY, "search/resource", body)["page"]["next_token"]}
    again = access.ask(GATEWAY, "search/resource", {**body, "page": page})
    assert [one["id"] for one in again["results"]] == [access.id(TWO)]
    # Unknown fields do not make another question.
    access.ask(GATEWAY, "search/resource", {**body, "page": page, "more": 1})
    for who, changed in (
        (ANN, {}),
        ({**GATEWAY, "tenant": "elsewhere"}, {}),
        (GATEWAY, {"subject": {"type": "user", "id": "ben"}}),
        (GATEWAY, {"action": {"name": "document:tag"}}),
    ):
        problem = access.ask(who, "search/resource", {**body, "page": page, **changed}, status=400)
        assert [one["pointer"] for one in problem["errors"]] == ["/page/token"]


def test_every_answer_is_on_record_and_names_what_it_released(access: AccessService) -> None:
    one, ann = access.id(ONE), {"type": "user", "id": "ann", "properties": {"clearance": 0}}
    action_search = question(ann, "", one)
    del action_search["action"]
    documents = {**question("ann", READ, ""), "resource": {"type": "document"}}
    asked: list[tuple[str, dict[str, Any], tuple[str, ...], dict[str, Any]]] = [
        ("evaluation", question("ann", READ, one), (one,), {}),
        ("evaluation", question("zoe", READ, one), (), {}),
        ("evaluations", {**question("ann", READ, one), "evaluations": [{}, {}]}, (one,), {}),
        ("search/resource", documents, (one, access.id(TWO)), {"about": "user:ann"}),
        (
            "search/subject",
            question({"type": "user"}, READ, one),
            (one,),
            {"found": ["user:ann", "user:ben"]},
        ),
        ("search/subject", question({"type": "user"}, READ, ABSENT), (), {"found": []}),
        (
            "search/action",
            action_search,
            (one,),
            {"claimed": ["clearance"], "found": ["access:review", READ, "document:tag"]},
        ),
    ]
    for address, body, released, detail in asked:
        decision_id = access.ask(GATEWAY, address, body)["context"]["decision_id"]
        (event,) = [event for event in access.events() if event.decision_id == decision_id]
        assert event.resources == released
        assert event.outcome is (Outcome.PERMITTED if released else Outcome.DENIED)
        assert (event.subject, event.tenant) == ("service:gateway", "cert")
        assert event.policy_revision > 0
        assert detail.items() <= event.detail.items()


def test_the_record_repeats_nothing_that_is_no_name(access: AccessService) -> None:
    body = question("no\nname", "no action", "no id")
    decision_id = access.ask(GATEWAY, "evaluation", body)["context"]["decision_id"]
    (event,) = [event for event in access.events() if event.decision_id == decision_id]
    assert "no" not in json.dumps(event.detail["evaluations"]).replace("none", "")
    assert event.action == ""


def test_the_api_needs_a_token(access: AccessService) -> None:
    with access.service.client() as nobody:
        for address in ("evaluation", "evaluations", "search/subject", "search/action"):
            answer = nobody.post(f"/access/v1/{address}", json={})
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
