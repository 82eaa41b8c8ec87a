"""The AuthZEN search scenario: every question of its test cases, asked over real HTTP.

Its users become lines of the policy, its records labels; questions and answers are read where they
lie. A department is a group here, view, edit and delete are read, tag and delete.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.access_service import GATEWAY, INTEROP, AccessService

ACTIONS = {"view": "document:read", "edit": "document:tag", "delete": "document:delete"}
PEP = {**GATEWAY, "tenant": "interop"}

pytestmark = pytest.mark.skipif(
    not INTEROP.is_dir(), reason="the search scenario of AuthZEN is not there"
)


def cases(kind: str) -> list[dict[str, Any]]:
    path = INTEROP / "test-harness" / "src" / kind / "results.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["evaluation"]
    assert found
    return found


def asked(access: AccessService, request: dict[str, Any]) -> dict[str, Any]:
    body = dict(request)
    body["resource"] = {"type": "document"}
    if "id" in request["resource"]:
        body["resource"]["id"] = access.id(f"/records/{request['resource']['id']}", "interop")
    if "action" in request:
        body["action"] = {"name": ACTIONS[request["action"]["name"]]}
    return body


def expected(access: AccessService, results: list[dict[str, Any]]) -> set[str]:
    names = [one["name"] if "name" in one else one["id"] for one in results]
    ids = {one: access.ids.get(("interop", f"/records/{one}")) for one in names}
    return {ACTIONS.get(one) or ids[one] or one for one in names}


@pytest.mark.parametrize("kind", ["resource", "subject", "action"])
def test_every_search_finds_what_the_scenario_says(access: AccessService, kind: str) -> None:
    some = False
    for case in cases(kind):
        answer = access.ask(PEP, f"search/{kind}", asked(access, case["request"]))
        found = [one["name"] if "name" in one else one["id"] for one in answer["results"]]
        assert set(found) == expected(access, case["expected"]["results"]), case["request"]
        assert len(found) == len(set(found))
        some |= not found
    # Some of its actions are nobody's, of its searches none of the other kinds is empty.
    assert some is (kind == "action")


def test_what_is_found_evaluates_to_true_and_the_rest_to_false(access: AccessService) -> None:
    ids = {one: path for (tenant, path), one in access.ids.items() if tenant == "interop"}
    for case in cases("resource"):
        body = asked(access, case["request"])
        found = {one["id"] for one in access.ask(PEP, "search/resource", body)["results"]}
        each = [{"resource": {"type": "document", "id": one}} for one in ids]
        del body["resource"]
        answer = access.ask(PEP, "evaluations", {**body, "evaluations": each})
        decisions = [one["decision"] for one in answer["evaluations"]]
        assert {one for one, good in zip(ids, decisions, strict=True) if good} == found
