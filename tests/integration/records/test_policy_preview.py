"""A preview over the records: the labels of the moment, the people, and what was released."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from acl.actions import Action
from acl.admission.admission import read_csv
from acl.policy.policy import Policy, load
from acl.predicate import ALWAYS
from acl.records import AuditEvent, AuditKind, Outcome, Records
from acl.subject import Subject
from retrieval.policy import preview as previewing
from retrieval.policy.preview import corpus_of, past_releases, preview_policy
from retrieval.rights.releases import rights
from tests.builders import NOW, SCHEMA, event, label, put, version

MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = p.sub in r.sub.principals && r.act == p.act && r.obj.classification <= r.sub.clearance
"""
ADA = Subject(id="user:ada", tenant="acme", clearance=2)
BEN = Subject(id="user:ben", tenant="acme", clearance=1)


def policy(*names: str) -> Policy:
    rows = "".join(f"p, {name}, {Action.DOCUMENT_READ}\n" for name in names)
    return load(MODEL, read_csv(rows), SCHEMA)


def released(subject: Subject, *documents: str, **more: Any) -> AuditEvent:
    return event(
        AuditKind.SEARCH,
        subject=subject.id,
        tenant=subject.tenant,
        action=Action.DOCUMENT_READ,
        resources=documents,
        decision_id="d1",
        detail={"rights": [rights(subject)]},
        **more,
    )


async def filled(records: Records, levels: Sequence[str]) -> list[str]:
    return [
        (await put(records, version(f"file:{number}", label=label(level)))).id
        for number, level in enumerate(levels)
    ]


async def test_a_preview_counts_what_is_on_record(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previewing, "_PAGE", 2)
    ids = await filled(records, ["public", "internal", "confidential", "internal", "public"])
    await put(records, version("file:other", tenant="beta", label=label(tenant="beta")))
    corpus = await corpus_of(records, SCHEMA, ["acme", "beta"], NOW)
    events = [
        released(BEN, ids[0], ids[1]),
        released(ADA, ids[2]),
        released(BEN, ids[3], outcome=Outcome.DENIED),
        released(BEN),
        replace(released(BEN, ids[3]), kind=AuditKind.INGEST),
        replace(released(BEN, ids[3]), detail={}),
    ]
    found = await preview_policy(
        policy("user:ada", "user:ben"),
        policy("user:ada", "group:new"),
        corpus,
        people=[ADA, BEN],
        releases=past_releases(events),
        readable=ALWAYS,
        at=NOW,
    )

    assert found.documents == 6
    (people,) = found.people
    (change,) = people.changes
    assert (people.action, change.subjects, people.unchanged) == ("document:read", (BEN,), 1)
    assert change.lost.by_level == (("public", 2), ("internal", 2))
    assert set(change.lost.samples) == {ids[0], ids[1], ids[3], ids[4]}
    (roles,) = found.roles
    gaining = {
        one.groups for each in roles.changes if each.gained.documents for one in each.subjects
    }
    assert gaining == {frozenset({"group:new"})}
    assert found.releases.releases == 2
    (refused,) = found.releases.refused
    assert (refused.release.id, refused.release.at) == ("d1", NOW)
    assert refused.refused == (ids[0], ids[1])


async def test_no_document_no_change(records: Records) -> None:
    corpus = await corpus_of(records, SCHEMA, ["acme"], NOW + timedelta(days=1))
    found = await preview_policy(
        policy("user:ada"), policy("user:ben"), corpus, people=[ADA], releases=(), readable=ALWAYS,
        at=NOW,
    )  # fmt: skip

    assert found.documents == 0
    assert found.people[0].changes == ()
    assert found.people[0].unchanged == 1
    assert found.roles[0].changes == ()
