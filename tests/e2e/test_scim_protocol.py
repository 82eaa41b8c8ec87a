"""The form of SCIM: what it asks of a service provider, and what every error looks like."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import ScimProvider
from scim2_tester import Status, check_server

from acl.errors import FilterTooLargeError, RequestError
from acl.records import AuditKind, RecordsUnavailableError
from acl.records.directory.types import DirectoryGroup
from retrieval.rights.directory import UnknownSubjectError
from retrieval.rights.standing import UnsettledError
from retrieval.service.http.problems import ProblemError, ProblemType
from retrieval.service.scim import storage as scim_storage
from retrieval.service.scim.routes import MAX_OPERATIONS, ScimEndpoint
from tests.provisioning import (
    ERROR,
    GROUP,
    IDP,
    MEDIA,
    RIGHTS,
    USER,
    made,
    patched,
    refused,
    search,
)
from tests.serving import BOB, Service

# Where the checker asks for something else on purpose: sets have no order, and nobody becomes
# active because an attribute is taken away.
MEANT = {
    f"Attribute '{RIGHTS}:compartments' was not added or has unexpected value",
    f"Attribute '{RIGHTS}:compartments' was not replaced or has unexpected value",
    "Attribute 'active' was not removed",
}


def test_it_keeps_to_the_specification(idp: httpx2.Client) -> None:
    client = SyncSCIMClient(idp, provider=ScimProvider())
    results = check_server(client)

    good = (Status.SUCCESS, Status.SKIPPED, Status.ACCEPTABLE)
    failed = [str(one.reason).splitlines()[0] for one in results if one.status not in good]
    assert set(failed) <= MEANT, "\n".join(failed)
    assert sum(one.status is Status.SUCCESS for one in results) > 40


def test_who_may_not_is_refused_and_it_is_on_record(scim: Service) -> None:
    body = {"schemas": [USER], "userName": "eve"}
    with scim.as_(BOB, sub="service:other") as client:
        for answer in (
            client.get("/scim/v2/Users"),
            client.get("/scim/v2/ServiceProviderConfig"),
            client.post("/scim/v2/Users", json=body),
        ):
            assert "directory:edit" in refused(answer, 403)
    events = scim.run(scim.parts.records.audit.events(kind=AuditKind.DIRECTORY, limit=10_000))
    assert [(one.event.subject, one.event.outcome) for one in events[-3:]] == [
        ("service:other", "denied")
    ] * 3


def test_errors_of_the_layers_around_have_the_form_too(scim: Service) -> None:
    with scim.client() as client:
        answer = client.get("/scim/v2/Users")
        refused(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["cache-control"] == "no-store"
    with scim.as_({**BOB, "sub": "user:nobody"}) as client:
        refused(client.get("/scim/v2/Users"), 401)
    with scim.as_(IDP) as client:
        refused(client.get("/scim/v2"), 404)
        refused(client.get("/scim/v2/Cars"), 404)
        refused(client.delete("/scim/v2/Users"), 405)
        assert client.get("/v1/nothing").headers["content-type"] == "application/problem+json"


def test_bodies_are_bounded_and_of_one_meaning(scim: Service, idp: httpx2.Client) -> None:
    def post(content: bytes, media: str = MEDIA) -> httpx2.Response:
        return idp.post("Users", content=content, headers={"Content-Type": media})

    refused(post(b"{" + b" " * scim.settings.scim_max_bytes + b"}"), 413)
    refused(post(b"{}", "text/plain"), 415)
    refused(post(b'{"userName": "a", "userName": "b"}'), 400, "invalidSyntax")
    refused(post(b"[" * 100 + b"]" * 100), 400, "invalidSyntax")
    refused(post(b""), 400, "invalidSyntax")
    long = "(" * 3000
    refused(idp.get("Users", params={"filter": long}), 400, "invalidFilter")
    refused(idp.post("Users/.search", json={"filter": long}), 400, "invalidFilter")
    deep = "(" * 990 + "active eq true" + ")" * 990
    assert idp.get("Users", params={"filter": deep}).status_code in {200, 400}
    refused(idp.post("Bulk", json={"schemas": [], "Operations": []}), 501)


def test_lists_are_filtered_and_paged(idp: httpx2.Client) -> None:
    ids = {
        name: made(idp, "Users", userName=name, externalId=f"X-{name}", active=name != "cy")["id"]
        for name in ("dan", "ann", "bea", "cy")
    }
    held = [{"value": ids["ann"]}, {"value": ids["cy"]}]
    team = made(idp, "Groups", displayName="team", members=held)
    made(idp, "Groups", displayName="empty")

    def names(kind: str = "Users", **asked: Any) -> list[str]:
        answer = idp.get(kind, params=asked)
        answer.raise_for_status()
        found = answer.json().get("Resources", [])
        return [one.get("userName") or one["displayName"] for one in found]

    assert names() == ["ann", "bea", "cy", "dan"]
    assert names(startIndex=2, count=2) == ["bea", "cy"]
    assert names(filter='userName eq "ANN"') == ["ann"]
    assert names(filter='userName eq "no body"') == []
    assert names(filter='externalId eq "X-bea"') == ["bea"]
    assert names(filter='externalId eq "x-bea"') == []
    assert names(filter='externalId eq "X-cy" and active eq true') == []
    assert names(filter='userName eq "ann" or userName eq "cy"') == ["ann", "cy"]
    assert names(filter='not (userName eq "ann")') == ["bea", "cy", "dan"]
    assert names(filter="active eq true", startIndex=2, count=1) == ["bea"]
    assert names(filter=f'id eq "{ids["dan"]}"') == ["dan"]
    assert names("Groups", filter='displayName eq "Team"') == ["team"]
    assert names("Groups", filter=f'members eq "{ids["cy"]}"') == ["team"]
    assert names("Groups", filter=f'members[value eq "{ids["cy"]}"]') == ["team"]
    assert names("Groups", filter=f'id eq "{team["id"]}" and members eq "{ids["dan"]}"') == []
    page = idp.get("Users", params={"filter": "active eq true", "count": 1}).json()
    assert (page["totalResults"], page["itemsPerPage"], page["startIndex"]) == (3, 1, 1)
    assert idp.get("Users", params={"count": 0}).json()["totalResults"] == 4
    refused(idp.get("Users", params={"filter": "shoeSize eq 4"}), 400, "invalidFilter")
    refused(idp.get("Users", params={"sortBy": "userName"}), 501)
    refused(idp.get("/"), 501)

    full = idp.get("Groups", params={"filter": 'displayName eq "team"'}).json()["Resources"][0]
    slim = idp.get("Groups", params={"excludedAttributes": "members"}).json()["Resources"]
    assert {one["value"] for one in full["members"]} == {ids["ann"], ids["cy"]}
    assert [one.get("members") for one in slim] == [None, None]
    only = idp.get(f"Groups/{team['id']}", params={"attributes": "displayName"}).json()
    assert "members" not in only


SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


@pytest.mark.parametrize("number", [10**11, 2**63, -(10**20), 10**40])
@pytest.mark.parametrize("name", ["startIndex", "count"])
def test_numbers_beyond_all_counting_are_refused(
    idp: httpx2.Client, name: str, number: int
) -> None:
    for answer in (
        idp.get("Users", params={name: number}),
        idp.post("Users/.search", json={"schemas": [SEARCH], name: number}),
    ):
        assert f"`{name}`" in refused(answer, 400, "invalidValue")
    assert idp.get("Users", params={name: 10**10 - 1}).status_code == 200


@pytest.mark.parametrize("text", [r"\ud800", r"\u0000", "\0", r"a\udfffb"])
@pytest.mark.parametrize(
    "filter_",
    [
        'externalId eq "{}"',
        'id eq "{}"',
        'userName eq "{}"',
        'not (displayName co "{}")',
        'active eq true and (id pr or displayName sw "{}")',
    ],
)
def test_filters_with_what_no_text_holds_are_refused(
    idp: httpx2.Client, filter_: str, text: str
) -> None:
    asked = filter_.format(text)
    for answer in (
        idp.get("Users", params={"filter": asked}),
        idp.post("Users/.search", json={"schemas": [SEARCH], "filter": asked}),
    ):
        refused(answer, 400, "invalidFilter")
    members = {"filter": f'members[value eq "{text}"]'}
    refused(idp.get("Groups", params=members), 400, "invalidFilter")
    good = {"filter": r'externalId eq "\ud83d\ude00"'}
    assert idp.get("Users", params=good).json()["totalResults"] == 0


def test_entries_are_not_looked_up_by_what_no_text_holds(idp: httpx2.Client) -> None:
    for path in ("Users/%00", "Groups/%00", "Users/a%00b", "Users/%ED%A0%80"):
        refused(idp.get(path), 404)
        refused(idp.delete(path), 404)


def test_a_large_change_holds_up_no_search(
    scim: Service, idp: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, of_group = Event(), Event(), scim_storage._of_group

    def slow(group: DirectoryGroup) -> Any:
        begun.set()
        assert go_on.wait(10), "nobody was answered meanwhile"
        return of_group(group)

    made(idp, "Users", userName="bob")
    monkeypatch.setattr(scim_storage, "_of_group", slow)
    body = {"schemas": [GROUP], "displayName": "all"}
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(idp.post, "Groups", json=body)
        assert begun.wait(10)
        assert search(scim, BOB).status_code == 200
        go_on.set()
    assert answer.result().status_code == 201


def test_a_change_has_so_many_operations(idp: httpx2.Client) -> None:
    path = f"Users/{made(idp, 'Users', userName='bob')['id']}"
    named = {"op": "replace", "path": "displayName", "value": "Bob"}

    assert patched(idp, path, *[named] * MAX_OPERATIONS).status_code == 204
    words = refused(patched(idp, path, *[named] * (MAX_OPERATIONS + 1)), 413)
    assert words == f"a change has at most {MAX_OPERATIONS} operations"


def test_two_writers_of_one_entry_do_not_undo_each_other(idp: httpx2.Client) -> None:
    bob = made(idp, "Users", userName="bob")
    path, seen = f"Users/{bob['id']}", bob["meta"]["version"]
    assert idp.get(path).headers["etag"] == seen
    assert idp.get(path, headers={"If-None-Match": seen}).status_code == 304

    body = {"schemas": [USER], "userName": "bob", "displayName": "first"}
    first = idp.put(path, json=body, headers={"If-Match": seen})
    assert first.status_code == 200
    assert first.headers["etag"] != seen
    body["displayName"] = "second"
    refused(idp.put(path, json=body, headers={"If-Match": seen}), 412)
    refused(idp.delete(path, headers={"If-Match": seen}), 412)
    assert idp.get(path).json()["displayName"] == "first"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestError("a"), 422),
        (FilterTooLargeError("a"), 422),
        (RecordsUnavailableError("a"), 503),
        (UnsettledError(), 503),
        (UnknownSubjectError("user:ada"), 401),
        (ProblemError(ProblemType.TOO_SLOW), 408),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_every_error_has_the_form(scim: Service, error: Exception, status: int) -> None:
    scope = {"type": "http", "state": {"request_id": "1"}}
    answer = ScimEndpoint(scim.parts)._failed(scope, error)

    assert int(answer.status) == status
    assert answer.body is not None
    assert answer.body["schemas"] == [ERROR]
    assert answer.body["status"] == str(status)
    assert "secret" not in str(answer.body)
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_what_is_not_kept_is_taken_and_dropped(idp: httpx2.Client) -> None:
    sent = {
        "schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "userName": "bob",
        "password": "hunter2",
        "emails": [{"value": "bob@acme.example", "primary": True}],
        "name": {"givenName": "Bob"},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "x"},
    }
    answer = idp.post("Users", json=sent)
    assert answer.status_code == 201
    assert answer.json().keys() == {"schemas", "id", "userName", "active", "meta"}
    mail = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "b@acme.example"}
    both = {"op": "replace", "path": "displayName", "value": "B"}
    path = f"Users/{answer.json()['id']}"
    assert patched(idp, path, mail, both).status_code == 204
    assert idp.get(path).json()["displayName"] == "B"


def test_a_wrong_value_gets_one_sentence_and_no_library_s_text(idp: httpx2.Client) -> None:
    path = f"Users/{made(idp, 'Users', userName='bob')['id']}"
    team = f"Groups/{made(idp, 'Groups', displayName='team')['id']}"
    wrong = {"op": "replace", "path": "active", "value": "nope"}
    said = refused(patched(idp, path, wrong), 400, "invalidValue")
    assert said == '`active` must be true or false, and is `"nope"`'
    body = {"schemas": [USER], "userName": "cy", "active": "nope"}
    assert refused(idp.post("Users", json=body), 400, "invalidValue") == said

    sub = {"op": "replace", "value": 7}
    for answer in (
        patched(idp, path, {**sub, "path": "active.x"}),
        patched(idp, path, {**sub, "path": "displayName.x"}),
        patched(idp, path, {**sub, "path": 'active[value eq "x"]'}),
        patched(idp, path, {**sub, "path": "a b ["}),
        patched(idp, path, {"op": "remove", "path": "userName"}),
        patched(idp, team, {**sub, "path": 'members[value eq "x"].type'}),
        patched(idp, team, {**sub, "path": "members.value"}),
        patched(idp, team, {"op": "add", "path": 'members[value eq "x"]', "value": 7}),
        patched(idp, team, {"op": "remove", "path": "members", "value": [{"value": {"a": 1}}]}),
        patched(idp, team, {"op": "remove", "path": "members", "value": 7}),
        idp.get("Users", params={"count": "many"}),
        idp.get("Users", params={"attributes": "a b", "filter": "userName eq"}),
        idp.post("Users/.search", json={"schemas": [SEARCH], "count": "many"}),
        idp.post("Users/.search", json={"schemas": [], "count": 1}),
        idp.post("Users/.search", json=[]),
    ):
        assert answer.status_code == 400, answer.request.content
        words = answer.json()["detail"]
        assert "\n" not in words
        assert len(words) < 250
        for name in ("pydantic", "scim2", "http", "Input should", "Value error", "[User", "class"):
            assert name not in words.lower(), words


def test_what_is_read_only_or_empty_is_not_answered_as_done(idp: httpx2.Client) -> None:
    path = f"Users/{made(idp, 'Users', userName='bob')['id']}"
    held = {"op": "add", "path": "groups", "value": [{"value": "0" * 8}]}
    assert "`groups` is read-only" in refused(patched(idp, path, held), 400, "mutability")
    empty = idp.post("Users", json={"schemas": [], "userName": "cn2"})
    assert "`schemas` is required" in refused(empty, 400, "invalidValue")


def test_no_address_comes_from_a_header(scim: Service, idp: httpx2.Client) -> None:
    bob = made(idp, "Users", userName="bob")
    team = made(idp, "Groups", displayName="team", members=[{"value": bob["id"]}])
    forged = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example;proto=https",
    }
    for where in ("Users?count=1", f"Groups/{team['id']}", "Schemas", "ResourceTypes"):
        answer = idp.get(where, headers=forged)
        assert answer.status_code == 200
        assert "evil" not in answer.text + str(answer.headers)
        assert f"{scim.server.address}/scim/v2/" in answer.text
    body = {"schemas": [USER], "userName": "cy"}
    answer = idp.post("Users", json=body, headers=forged)
    assert answer.headers["location"].startswith(f"{scim.server.address}/scim/v2/Users/")
    refused(idp.get("Users/1", headers=forged), 404)
