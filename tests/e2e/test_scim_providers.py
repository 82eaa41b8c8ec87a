"""What Entra and Okta send, in the order in which their documentation shows it."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.provisioning import GROUP, PATCH, USER, refused, search
from tests.serving import BOB, Service

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GUEST = "joe_partner.example#EXT#@acme.example"
JOE = {**BOB, "sub": "user:joe_partner.example--23-ext--23-@acme.example"}


def found(client: httpx2.Client, kind: str, filter_: str) -> list[dict[str, Any]]:
    answer = client.get(kind, params={"filter": filter_}).raise_for_status()
    resources: list[dict[str, Any]] = answer.json().get("Resources", [])
    return resources


def change(client: httpx2.Client, path: str, *operations: dict[str, Any]) -> None:
    body = {"schemas": [PATCH], "Operations": list(operations)}
    answer = client.patch(path, json=body)
    assert answer.status_code in {200, 204}, answer.text


def test_entra_from_the_first_guest_to_the_soft_deletion(scim: Service, idp: httpx2.Client) -> None:
    # It tests the connection by a user that cannot be there.
    assert found(idp, "Users", 'userName eq "non-existent@acme.example"') == []
    assert found(idp, "Users", f'userName eq "{GUEST}"') == []
    sent = {
        "schemas": [USER, ENTERPRISE],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": GUEST,
        "active": True,
        "displayName": "Joe Partner (Guest)",
        "emails": [{"primary": True, "type": "work", "value": "joe@partner.example"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Joe Partner", "familyName": "Partner", "givenName": "Joe"},
        "roles": [],
        ENTERPRISE: {"department": "Sales", "manager": {"value": "7"}},
    }
    made = idp.post("Users", json=sent)
    assert made.status_code == 201, made.text
    path = f"Users/{made.json()['id']}"
    assert made.json()["userName"] == GUEST
    assert search(scim, JOE).status_code == 200
    (known,) = found(idp, "Users", f'userName eq "{GUEST.upper()}"')
    assert known["externalId"] == sent["externalId"]
    assert found(idp, "Users", f'externalId eq "{sent["externalId"]}"') == [known]

    change(
        idp,
        path,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "joe@new.example"},
        {"op": "Replace", "path": "name.familyName", "value": "Partner-Smith"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Marketing"},
        {"op": "Replace", "path": "displayName", "value": "Joe Partner-Smith"},
    )
    change(idp, path, {"op": "Add", "value": {"name.givenName": "J", f"{ENTERPRISE}:title": "x"}})
    assert idp.get(path).json()["displayName"] == "Joe Partner-Smith"

    group = {
        "schemas": [
            GROUP,
            "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
        ],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
        "displayName": "Sales Team (EMEA)",
        "meta": {"resourceType": "Group"},
    }
    team = idp.post("Groups", json=group)
    assert team.status_code == 201, team.text
    where, joe = f"Groups/{team.json()['id']}", {"value": made.json()["id"]}
    (held,) = idp.get(
        "Groups",
        params={"excludedAttributes": "members", "filter": 'displayName eq "Sales Team (EMEA)"'},
    ).json()["Resources"]
    assert "members" not in held
    change(idp, where, {"op": "Add", "path": "members", "value": [{"$ref": None, **joe}]})
    assert [one["value"] for one in idp.get(where).json()["members"]] == [joe["value"]]
    change(idp, where, {"op": "Replace", "path": "displayName", "value": "Vertrieb (Süd)"})
    change(idp, where, {"op": "Remove", "path": "members", "value": [{"$ref": None, **joe}]})
    assert "members" not in idp.get(where).json()

    change(idp, path, {"op": "Replace", "path": "userName", "value": "joe@acme.example"})
    assert search(scim, JOE).status_code == 200, "renamed, the same principal"
    # Soft deletion is a text with Entra's first provisioning service.
    change(idp, path, {"op": "Replace", "path": "active", "value": "False"})
    assert idp.get(path).json()["active"] is False
    assert search(scim, JOE).status_code == 401
    change(idp, path, {"op": "Replace", "path": "active", "value": "True"})
    assert search(scim, JOE).status_code == 200
    assert idp.delete(path).status_code == 204
    assert idp.delete(where).status_code == 204
    refused(idp.get(path), 404)
    assert search(scim, JOE).status_code == 401


def test_okta_from_the_first_user_to_deactivation(scim: Service, idp: httpx2.Client) -> None:
    paged: dict[str, str | int] = {
        "filter": 'userName eq "pat.o\'brien@acme.example"',
        "startIndex": 1,
        "count": 100,
    }
    assert idp.get("Users", params=paged).json()["totalResults"] == 0
    sent = {
        "schemas": [USER],
        "userName": "pat.o'brien@acme.example",
        "name": {"givenName": "Pat", "familyName": "O'Brien"},
        "emails": [{"primary": True, "value": "pat@acme.example", "type": "work"}],
        "displayName": "Pat O'Brien",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    made = idp.post("Users", json=sent)
    assert made.status_code == 201, made.text
    user_id, pat = made.json()["id"], {**BOB, "sub": "user:pat.o--27-brien@acme.example"}
    path = f"Users/{user_id}"
    assert search(scim, pat).status_code == 200
    refused(idp.post("Users", json=sent), 409, "uniqueness")

    whole = {**made.json(), **sent, "displayName": "Patricia O'Brien", "id": user_id}
    assert idp.put(path, json=whole).json()["displayName"] == "Patricia O'Brien"
    held = {
        "schemas": [GROUP],
        "displayName": "Okta Admins",
        "members": [{"value": user_id, "display": "pat.o'brien@acme.example"}],
    }
    team = idp.post("Groups", json=held)
    assert team.status_code == 201, team.text
    group_id = team.json()["id"]
    where = f"Groups/{group_id}"
    change(idp, where, {"op": "replace", "value": {"id": group_id, "displayName": "Admins 2"}})
    assert idp.get(where).json()["displayName"] == "Admins 2"
    gone = {"op": "remove", "path": f'members[value eq "{user_id}"]'}
    back = {"op": "add", "path": "members", "value": [{"value": user_id, "display": "Pat"}]}
    change(idp, where, gone, back)
    change(idp, where, {"op": "replace", "path": "members", "value": back["value"]})
    assert len(idp.get(where).json()["members"]) == 1
    assert idp.put(where, json={**held, "id": group_id, "members": []}).status_code == 200

    # Okta deactivates without a path, and never deletes.
    change(idp, path, {"op": "replace", "value": {"active": False}})
    assert search(scim, pat).status_code == 401
    change(idp, path, {"op": "replace", "value": {"active": True}})
    assert search(scim, pat).status_code == 200
