"""Asking for access over HTTP: the answers tell nothing, until one is a grant."""

from __future__ import annotations

import uuid
from typing import Any

from tests.serving import ADA, Service

BUDGET = "file:acme/finance/budget.md"
OWNER: dict[str, Any] = {**ADA, "sub": "user:fay", "groups": ["group:finance"]}
ASKER: dict[str, Any] = {**ADA, "sub": "user:zoe", "groups": []}


def test_a_request_tells_nothing(service: Service) -> None:
    ids = [service.documents[BUDGET], str(uuid.uuid4()), "no-uuid"]
    with service.as_(ASKER) as client:
        answers = [
            client.post(f"/v1/documents/{one}/access-requests", json={"reason": "audit"})
            for one in ids
        ]
        mine = client.get("/v1/access-requests/mine").json()["requests"]
    assert {one.status_code for one in answers} == {202}
    assert len({one.content for one in answers}) == 1
    assert {one["state"] for one in mine} == {"open"}
    assert len(mine) == len(ids)


def test_the_owner_decides(service: Service) -> None:
    document = service.documents[BUDGET]
    with service.as_(ASKER) as client:
        client.post(f"/v1/documents/{document}/access-requests", json={})
        assert client.get(f"/v1/documents/{document}").status_code == 404
        assert client.get("/v1/access-requests").json()["requests"] == []
    with service.as_(OWNER) as client:
        waiting = client.get("/v1/access-requests").json()["requests"]
        (mine,) = [one for one in waiting if one["asker"] == "user:zoe"]
        assert mine["uri"] == BUDGET
        grant = f"/v1/access-requests/{mine['id']}:grant"
        assert client.post(grant, json={"until": "2001-01-01T00:00:00Z"}).status_code == 422
        granted = client.post(grant, json={})
        assert granted.status_code == 200
        assert granted.json()["effect"] == {"gains": ["user:zoe"], "loses": []}
        label = client.get(f"/v1/documents/{document}/label")
        assert label.headers["etag"] == granted.headers["etag"]
        assert client.post(grant, json={}).status_code == 404
        refuse = f"/v1/access-requests/{uuid.uuid4()}:refuse"
        assert client.post(refuse).status_code == 404
    with service.as_(ASKER) as client:
        assert client.get(f"/v1/documents/{document}").status_code == 200
        assert client.get(f"/v1/documents/{document}/readers").status_code == 404
        mine = client.get("/v1/access-requests/mine").json()["requests"]
        assert {one["state"] for one in mine if one["document_id"] == document} == {"granted"}
    with service.as_(OWNER) as client:
        readers = client.get(f"/v1/documents/{document}/readers").json()["readers"]
        first = client.get(f"/v1/documents/{document}/readers", params={"limit": 1}).json()
        rest = {"limit": 200, "token": first["next_token"]}
        others = client.get(f"/v1/documents/{document}/readers", params=rest).json()
    assert "user:zoe" in {one["subject"] for one in readers}
    assert len(first["readers"]) == 1
    assert [*first["readers"], *others["readers"]] == readers or first["next_token"] == ""
    with service.as_(OWNER) as client:
        label = client.get(f"/v1/documents/{document}/label")
        undone = client.delete(
            f"/v1/documents/{document}/shares/user:zoe",
            headers={"If-Match": label.headers["etag"]},
        )
    assert undone.status_code < 300


def test_requests_come_page_by_page(service: Service) -> None:
    document = service.documents[BUDGET]
    askers = [{**ASKER, "sub": f"user:z{number}"} for number in range(3)]
    for asker in askers:
        with service.as_(asker) as client:
            path = f"/v1/documents/{document}/access-requests"
            assert client.post(path, json={}).status_code == 202
    found: list[str] = []
    with service.as_(OWNER) as client:
        token, pages = "", 0
        while token or not pages:
            query: dict[str, str | int] = {"limit": 1, "token": token}
            page = client.get("/v1/access-requests", params=query).json()
            found += [one["asker"] for one in page["requests"]]
            token, pages = page["next_token"], pages + 1
        assert client.get("/v1/access-requests", params={"token": "no"}).status_code == 422
    assert {"user:z0", "user:z1", "user:z2"} <= set(found)
    assert len(found) == len(set(found)) == pages


def test_a_service_cannot_ask(service: Service) -> None:
    with service.as_({**ASKER, "sub": "service:sync"}) as client:
        answers = [
            client.post(f"/v1/documents/{one}/access-requests", json={})
            for one in (service.documents[BUDGET], str(uuid.uuid4()))
        ]
    assert {one.status_code for one in answers} == {422}
    assert len({one.json()["detail"] for one in answers}) == 1
