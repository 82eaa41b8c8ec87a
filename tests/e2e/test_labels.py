"""Labels over real HTTP: preconditions, rights, shares that end, jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.commandline import strongroom
from tests.serving import ADA, BOB, FILES, POLICY, Service, running

HR: dict[str, Any] = {
    "sub": "user:hana",
    "tenant": "acme",
    "groups": ["group:hr"],
    "clearance": "internal",
}
STEWARD: dict[str, Any] = {**ADA, "sub": "user:stew", "groups": ["role:steward"]}
TRAVEL, BUDGET = "file:acme/handbook/travel.md", "file:acme/finance/budget.md"
ABSENT = "5b0f4b0e-9d5d-4f0b-8b39-0d1f7f7f7f7f"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose labels may change without changing what other tests see."""
    yield from running(tmp_path_factory.mktemp("labels"))


def label_of(own: Service, uri: str = TRAVEL) -> str:
    return f"/v1/documents/{own.documents[uri]}/label"


def etag(client: httpx2.Client, address: str) -> dict[str, str]:
    return {"If-Match": client.get(address).headers["etag"]}


def uris(client: httpx2.Client) -> set[str]:
    answer = client.post("/v1/search", json={"query": "hotel limit", "top_k": 20})
    return {one["uri"] for one in answer.json()["hits"]}


def test_a_change_names_the_version_that_it_was_decided_on(own: Service) -> None:
    body = {"set": {"classification": "internal", "readers": ["group:hr", "user:bob"]}}
    with own.as_(STEWARD) as client:
        address = label_of(own)
        before = client.get(address)
        assert before.json()["origins"]["readers"] == "source"
        assert client.patch(address, json=body).status_code == 428
        stale = client.patch(address, json=body, headers={"If-Match": '"99"'})
        assert (stale.status_code, stale.json()["title"]) == (412, "Changed meanwhile")
        tag = {"If-Match": before.headers["etag"]}
        dry = client.patch(address, json={**body, "dry_run": True}, headers=tag).json()
        assert "group:finance" in dry["effect"]["loses"]
        done = client.patch(address, json={**body, "reason": "small circle"}, headers=tag)
        assert (done.status_code, done.headers["etag"]) == (200, '"2"')
        # The ETag of the document is that of its label.
        with own.as_(BOB) as bob:
            read = bob.get(f"/v1/documents/{own.documents[TRAVEL]}")
        assert read.headers["etag"] == done.headers["etag"]
        with own.as_(ADA) as ada:
            assert TRAVEL not in uris(ada)
        back = client.post(f"{address}:undo", json={}, headers={"If-Match": '"2"'})
        assert back.json()["after"]["readers"] == ["group:everyone"]
        changes = client.get(f"{address}/history").json()["changes"]
        assert [(one["kind"], one["reason"]) for one in changes[:2]] == [
            ("undo", ""),
            ("relabel", "small circle"),
        ]
        # What the history remembers is written as it is written everywhere.
        assert changes[0]["after"] == back.json()["after"]


def test_hidden_and_absent_are_the_same_bytes_for_every_address(own: Service) -> None:
    hidden = own.documents[BUDGET]
    with own.as_(BOB, clearance="public") as bob:
        for method, end, body in (
            ("GET", "label", None),
            ("PATCH", "label", {"set": {"owner": "user:bob"}}),
            ("GET", "label/history", None),
            ("POST", "label:undo", {}),
            ("POST", "label:approve", {"proposal": ABSENT}),
            ("POST", "shares", {"principal": "user:bob"}),
            ("DELETE", "shares/user:bob", None),
        ):
            answers = [
                bob.request(
                    method, f"/v1/documents/{one}/{end}", json=body, headers={"If-Match": '"1"'}
                )
                for one in (hidden, ABSENT, "nonsense")
            ]
            assert {one.status_code for one in answers} == {404}
            assert len({one.content for one in answers}) == 1


def test_who_may_read_and_not_change_is_told_the_right(own: Service) -> None:
    with own.as_(BOB) as bob:
        answer = bob.patch(
            label_of(own), json={"set": {"readers": []}}, headers={"If-Match": '"1"'}
        )
        stale = bob.patch(label_of(own), json={"set": {"readers": []}}, headers=etag_of(own))
    assert answer.status_code in {403, 412}
    assert stale.status_code == 403
    assert stale.json()["errors"] == [
        {"pointer": "", "detail": "needs the right to `document:tag`"}
    ]


def etag_of(own: Service) -> dict[str, str]:
    with own.as_(HR) as client:
        return etag(client, label_of(own))


def test_faults_are_named_by_field_and_not_repeated(own: Service) -> None:
    with own.as_(STEWARD) as client:
        tag = etag(client, label_of(own))
        answer = client.patch(
            label_of(own), json={"set": {"classification": "s3cret", "path": "/x"}}, headers=tag
        )
        assert answer.status_code == 422
        assert [one["pointer"] for one in answer.json()["errors"]] == ["/classification", "/path"]
        assert "s3cret" not in answer.text
        address = f"/v1/documents/{own.documents[TRAVEL]}/shares"
        for body in (
            {"principal": "bob"},
            {"principal": "user:bob", "until": "tomorrow"},
            {"principal": "user:bob", "until": "2020-01-01T00:00:00Z"},
            {"principal": "user:bob", "until": "2099-01-01T00:00:00"},
            {"principal": "user:bob", "until": "9999-12-31T23:59:59-12:00"},
            {"principal": "user:bob", "until": "0001-01-01T00:00:00+14:00"},
        ):
            assert client.post(address, json=body, headers=tag).status_code == 422
        for selection in ({}, {"document_ids": ["x"], "folder": "/acme/"}):
            assert client.post("/v1/documents:relabel", json=selection).status_code == 422


def test_a_share_ends_by_itself(own: Service) -> None:
    address = f"/v1/documents/{own.documents[BUDGET]}/shares"
    cleared = {"clearance": "confidential", "compartments": ["finance"]}
    with own.as_(ADA) as ada, own.as_(BOB, **cleared) as bob:
        assert BUDGET not in uris(bob)
        ends = datetime.now(UTC) + timedelta(seconds=2)
        body = {"principal": "user:bob", "until": ends.isoformat()}
        done = ada.post(address, json=body, headers=etag(ada, label_of(own, BUDGET)))
        assert done.json()["effect"] == {"gains": ["user:bob"], "loses": []}
        assert BUDGET in uris(bob)
        time.sleep(max(0, (ends - datetime.now(UTC)).total_seconds()))
        assert BUDGET not in uris(bob)
        assert ada.get(label_of(own, BUDGET)).json()["shares"] == []


def test_a_share_is_taken_back(own: Service) -> None:
    address = f"/v1/documents/{own.documents[BUDGET]}/shares"
    with own.as_(ADA) as ada, own.as_(BOB, clearance="restricted", compartments=["finance"]) as bob:
        ada.post(address, json={"principal": "user:bob"}, headers=etag(ada, label_of(own, BUDGET)))
        assert BUDGET in uris(bob)
        gone = ada.request(
            "DELETE", f"{address}/user:bob", headers=etag(ada, label_of(own, BUDGET))
        )
        assert gone.status_code == 200
        assert BUDGET not in uris(bob)


def test_whoever_may_only_read_gets_the_same_bytes_whatever_they_ask(own: Service) -> None:
    document = f"/v1/documents/{own.documents[TRAVEL]}"
    shares = f"{document}/shares"
    asked: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", shares, {"principal": "group:everyone"}),
        ("POST", shares, {"principal": "user:zed"}),
        ("DELETE", f"{shares}/user:zed", None),
        ("PATCH", f"{document}/label", {"set": {"owner": "group:hr"}}),
        ("PATCH", f"{document}/label", {"set": {"owner": "user:zed"}}),
        ("POST", f"{document}/label:undo", {}),
        ("POST", f"{document}/label:approve", {"proposal": ABSENT}),
    ]
    with own.as_(STEWARD) as steward:
        current = etag(steward, label_of(own))
        steward.patch(label_of(own), json={"set": {"readers": ["user:bob"]}}, headers=current)
        current = etag(steward, label_of(own))
    with own.as_(BOB) as bob:
        answers = [
            bob.request(method, address, json=body, headers=tag)
            for method, address, body in asked
            for tag in (current, {"If-Match": '"99"'})
        ]
    bodies = [one.json() for one in answers]
    for one in bodies:
        one.pop("instance")
    assert {one.status_code for one in answers} == {403}
    assert bodies == [bodies[0]] * len(bodies)


def test_a_folder_is_set_on_the_version_that_was_read(own: Service) -> None:
    address, folder = "/v1/folders", {"folder": "/acme/inbox"}
    body = {**folder, "set": {"classification": "restricted"}, "reason": "audit"}
    with own.as_(STEWARD) as steward:
        before = steward.get(address, params=folder)
        assert (before.json(), before.headers["etag"]) == ({"folders": [], "proposals": []}, '"0"')
        assert steward.patch(address, json=body).status_code == 428
        tag = {"If-Match": before.headers["etag"]}
        dry = steward.patch(address, json={**body, "dry_run": True}, headers=tag).json()
        assert (dry["dry_run"], dry["job"], dry["changes_left_off"]) == (True, "", 0)
        done = steward.patch(address, json=body, headers=tag)
        assert (done.status_code, done.headers["etag"]) == (200, '"1"')
        stale = steward.patch(address, json=body, headers=tag)
        assert stale.status_code == 412
        (shown,) = steward.get(address).json()["folders"]
        assert (shown["folder"], shown["label"], shown["version"]) == (
            "/acme/inbox/",
            {"classification": "restricted"},
            1,
        )
        bad = steward.patch(address, json={**body, "folder": "/acme/../x"}, headers=tag)
        assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/folder")
        job = done.json()["job"]
        assert job in {one["id"] for one in steward.get("/v1/jobs").json()["jobs"]}
        again = steward.post(f"/v1/jobs/{job}:resume")
        assert (again.status_code, again.json()["pending"]) == (202, 0)
        absent = steward.post("/v1/folders:approve", json={"proposal": ABSENT})
        assert absent.status_code == 404
    with own.as_(HR) as owner:
        refused = owner.patch(address, json=body, headers={"If-Match": '"1"'})
        assert refused.status_code == 403
        needed = "needs the right to `document:declassify` on every label that a document in this"
        assert refused.json()["errors"][0]["detail"].startswith(needed)
        assert owner.get(address).json() == {"folders": [], "proposals": []}
        assert owner.get("/v1/jobs").json() == {"jobs": []}
        assert owner.post(f"/v1/jobs/{job}:resume").status_code == 404


def test_a_job_is_its_authors_to_see(own: Service) -> None:
    body = {"folder": "/acme/handbook/", "set": {"compartments": ["finance"]}}
    with own.as_(STEWARD) as steward, own.as_(ADA) as ada:
        dry = steward.post("/v1/documents:relabel", json={**body, "dry_run": True})
        assert (dry.status_code, dry.json()["total"], dry.json()["job"]) == (202, 2, "")
        job = steward.post("/v1/documents:relabel", json=body).json()["job"]
        shown = steward.get(f"/v1/jobs/{job}").json()
        assert (shown["done"], shown["pending"], shown["problems"]) == (2, 0, [])
        hidden = ada.get(f"/v1/jobs/{job}")
        assert hidden.status_code == 404
        assert hidden.content == ada.get(f"/v1/jobs/{ABSENT}").content
    with own.as_(BOB) as bob:
        assert not uris(bob) & {TRAVEL, "file:acme/handbook/lunch.md"}


def test_the_command_line_does_the_same(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "docs" / name).write_text(text)
    (tmp_path / "people.toml").write_text(
        '[subjects."user:hana"]\ntenant = "acme"\nclearance = "internal"\ngroups = ["group:hr"]\n'
        '[subjects."user:bob"]\ntenant = "acme"\nclearance = "internal"\n'
        '[subjects."user:stew"]\ntenant = "acme"\nclearance = "restricted"\n'
        'compartments = ["finance"]\ngroups = ["role:steward"]\n'
    )
    settings = {
        "data_dir": str(tmp_path / "data"),
        "policy_dir": str(POLICY),
        "subjects_file": str(tmp_path / "people.toml"),
    }

    def run(*arguments: str, code: int = 0, eyes: str = "false") -> str:
        done = strongroom(tmp_path, *arguments, code=code, declassify_four_eyes=eyes, **settings)
        return done.stdout + done.stderr

    run("ingest", "docs", "--quiet", code=1)
    travel, hana, stew = "acme/handbook/travel.md", ("--as", "hana"), ("--as", "stew")
    assert "source" in run("label", "show", travel, *hana)
    assert "access:review" in run("label", "show", travel, "--as", "bob", code=1)
    unlabelled = "acme/inbox/quote.txt"
    assert f"file:{unlabelled} waits in quarantine" in run("label", "show", unlabelled, code=1)
    assert "no such document" in run("label", "show", unlabelled, *hana, code=1)
    hidden = run("label", "show", "acme/finance/budget.md", "--as", "bob", code=1)
    assert hidden == run("label", "show", "acme/finance/none.md", "--as", "bob", code=1)
    dry = run("label", "set", travel, "--set", "readers=group:hr", "--dry-run", *hana)
    assert "lose access, where cleared for it: group:everyone" in dry
    assert "Nothing was changed" in dry
    run("label", "set", travel, "--set", "readers=group:hr", "--reason", "draft", *hana)
    run("label", "share", travel, "user:bob", "--until", "7d", *hana)
    assert "Shared with" in run("label", "show", travel)
    run("label", "unshare", travel, "user:bob", *hana)
    version = int(run("label", "show", travel, *hana).split("label version ")[1].split()[0])
    stale = run("label", "undo", travel, "--version", str(version - 1), *hana, code=1)
    assert f"carries label version {version}" in stale
    run("label", "undo", travel, "--version", str(version), *hana)
    history = run("label", "history", travel)
    assert "readers: group:everyone → group:hr" in history
    beyond = run("label", "set", travel, "--set", "classification=restricted", *hana)
    assert "It is beyond your rights now" in beyond
    assert "no such document" in run("label", "undo", travel, *hana, code=1)
    assert "gain access, where cleared for it: group:hr" in run("label", "undo", travel)
    folder = ("label", "folder", "/acme/handbook/", "--set", "classification=confidential")
    assert "2 documents would change" in run(*folder, "--dry-run", *stew)
    said = run(*folder, *stew)
    assert "2 of 2 documents changed" in said
    job = said.split("job ")[1].split()[0]
    assert job in run("label", "jobs")
    assert "2 of 2 documents changed" in run("label", "jobs", "--resume", job)
    assert "folder /acme/handbook/" in run("label", "show", travel)
    assert "confidential" in run("label", "folder", "--tenant", "acme")
    assert "whose folders" in run("label", "folder", code=1)
    lower = ("label", "folder", "/acme/handbook/", "--set", "classification=internal")
    assert "would wait" in run(*lower, "--dry-run", *stew, eyes="true")
    waits = run(*lower, *stew, eyes="true")
    proposal = waits.split("proposal ")[1].split()[0]
    assert proposal[:8] in run("label", "folder", "--tenant", "acme", *stew)
    approve = ("label", "folder", "--approve", proposal)
    assert "somebody else" in run(*approve, *stew, code=1, eyes="true")
    assert "2 of 2 documents changed" in run(*approve, eyes="true")
    run("label", "set", "acme/", "--set", "classification=restricted", *stew)
    assert "internal" in run("label", "set", travel, "--inherit", "classification", *stew)
    assert "Waits" in run(
        "label", "set", travel, "--set", "classification=public", *stew, eyes="true"
    )
    assert "somebody else" in run("label", "approve", travel, *stew, code=1, eyes="true")
    assert "Done" in run("label", "approve", travel, eyes="true")
    assert "0 proposals" in run("label", "approve", travel, code=1)
    for until in ("soon", "9999-12-31"):
        said = run("label", "share", travel, "user:x", "--until", until, code=1)
        assert "no moment" in said
    assert "these are many" in run(
        "label", "set", "acme/", "--set", "owner=user:x", "--version", "1", code=1
    )
    assert "say what is to change" in run("label", "set", travel, code=1)
    assert "not both" in run("label", "set", "acme/", travel, "--set", "owner=user:x", code=1)
    assert "no job" in run("label", "jobs", "--resume", ABSENT, code=1)


def test_what_a_leaver_owns_is_handed_over(service: Service) -> None:
    lunch = service.documents["file:acme/handbook/lunch.md"]
    asked = {"from": "group:hr", "to": "group:people", "dry_run": True}
    with service.as_({**ADA, "sub": "user:stew", "groups": ["role:steward"]}) as client:
        planned = client.post("/v1/documents:hand-over", json=asked)
        assert planned.status_code == 202, planned.text
        assert lunch in planned.json()["documents"]
        chosen = {"owner": "group:hr", "set": {"classification": "internal"}, "dry_run": True}
        found = client.post("/v1/documents:relabel", json=chosen)
        assert found.status_code == 202
        for wrong in ({"from": "hr", "to": "user:a"}, {"from": "user:a", "to": "user:a"}):
            assert client.post("/v1/documents:hand-over", json=wrong).status_code == 422
    with service.as_(BOB) as client:
        assert client.post("/v1/documents:hand-over", json=asked).status_code in {202, 403}
