"""The counters of change, and releases that are recorded only while their rights stand."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, text

from acl.records import AuditKind, MovedOnError, Records
from acl.records.audit.chain import Chain
from acl.records.audit.log import begin_chain
from acl.records.migrate import alembic_config
from acl.records.system import database_at
from tests.integration.records.samples import (
    KEY,
    NOW,
    document_id,
    event,
    in_effect,
    label,
    put,
    version,
)


async def test_every_change_of_a_label_has_a_number(records: Records) -> None:
    assert (await records.standing.read()).label == 0

    first = await put(records, version())
    second = await put(records, version("file:b.txt"))
    again = await put(records, version("file:b.txt", "other text", content_digest="2"))

    assert [one.label_revision for one in (first, second, again)] == [1, 2, 2]
    await records.documents.delete_document(second.id, event(AuditKind.DELETE))
    assert (await records.standing.read()).label == 3


async def test_a_label_that_the_engine_lacks_is_not_counted(records: Records) -> None:
    await put(records, version())
    relabelled = event(AuditKind.RELABEL)
    await records.documents.relabel(
        document_id("file:a.txt"), label("confidential"), expected_label_version=1, event=relabelled
    )
    await put(records, version("file:b.txt"))

    assert (await records.standing.read()).label == 1
    await records.projection.mark_projected(document_id("file:a.txt"), 2)
    assert (await records.standing.read()).label == 3


async def test_a_release_is_recorded_while_its_rights_stand(records: Records) -> None:
    await in_effect(records, "a")
    pinned = await records.standing.read()
    await records.audit.append(event(AuditKind.SEARCH), under=pinned)
    await put(records, version())
    await records.audit.append(event(AuditKind.SEARCH), under=pinned)

    await in_effect(records, "b")

    before = await records.audit.head()
    with pytest.raises(MovedOnError):
        await records.audit.append(event(AuditKind.SEARCH), under=pinned)
    assert await records.audit.head() == before


async def test_of_releases_that_share_a_commit_each_is_judged_alone(records: Records) -> None:
    old = await records.standing.read()
    await in_effect(records, "a")
    new = await records.standing.read()
    append = records.audit.append

    outcomes = await asyncio.gather(
        *(append(event(), under=(old, new, None)[n % 3]) for n in range(9)), return_exceptions=True
    )

    assert [isinstance(one, MovedOnError) for one in outcomes] == [True, False, False] * 3
    assert (await records.audit.verify()).fault is None


async def test_events_are_found_by_document_and_by_time(records: Records) -> None:
    kinds = {AuditKind.SEARCH}
    for resources in (("a", "b"), ("b",), ("c", "c")):
        await records.audit.append(event(AuditKind.SEARCH, resources=resources))
    await records.audit.append(event(AuditKind.DELETE, resources=("b",)))

    found = await records.audit.concerning("b", kinds=kinds)
    assert [one.seq for one in found] == [2, 1]
    assert [one.seq for one in await records.audit.concerning("c", kinds=kinds)] == [3]
    assert await records.audit.concerning("d", kinds=kinds) == ()


async def test_the_last_events_of_some_tenants_come_latest_first(records: Records) -> None:
    for tenant, later in (("acme", 0), ("globex", 1), ("acme", 2), ("", 3), ("acme", 4)):
        await records.audit.append(event(AuditKind.SEARCH, tenant=tenant, later=later))
    await records.audit.append(event(AuditKind.DELETE, tenant="acme", later=5))

    async def found(*tenants: str, **more: Any) -> list[int]:
        asked = {"kinds": {AuditKind.SEARCH}, "tenants": tenants, **more}
        return [one.seq for one in await records.audit.since(NOW, **asked)]

    assert await found("acme") == [5, 3, 1]
    assert await found("acme", "globex", limit=3) == [5, 3, 2]
    assert await found("acme", before=5, limit=1) == [3]
    assert await found("nobody") == []
    kinds = {AuditKind.SEARCH}
    future = NOW.replace(year=NOW.year + 1)
    assert await records.audit.since(future, kinds=kinds, tenants=["acme"]) == ()


def _first_version(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "0001")
    begin_chain(connection, Chain(KEY))
    connection.execute(text("INSERT INTO policy_revisions VALUES (1, 'x', 7), (2, 'y', 8)"))
    event = {"resources": ["a", "b", "a", 3], "subject": "user:ada", "actors": ["agent:x"]}
    bodies = [
        json.dumps({**event, "outcome": "permitted"}),
        json.dumps({**event, "outcome": "denied"}),
        "{}",
        "not json",
    ]
    for number, body in enumerate(bodies, start=1):
        row = {"seq": number, "body": body, "hash": "0" * 64}
        connection.execute(
            text("INSERT INTO audit_events VALUES (:seq, 1, 'search', :body, :hash, :hash)"), row
        )


def _of_the_common_count(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "0006")
    begin_chain(connection, Chain(KEY))
    connection.execute(
        text("UPDATE heads SET policy = 3, suspension = 2, directory = 7, label = 0")
    )
    for table, kind, tenant in (
        ("users", "user", "acme"),
        ("users", "user", "globex"),
        ("groups", "group", "acme"),
        ("groups", "group", "initech"),
    ):
        more = ", '', 1" if kind == "user" else ""
        columns = ", display_name, active" if kind == "user" else ""
        connection.execute(
            text(
                f"INSERT INTO directory_{table} "
                f"(id, tenant, identity, external_id, version, created_at, updated_at{columns}) "
                f"VALUES (:id, :tenant, :identity, '', 1, 1, 1{more})"
            ),
            {"id": str(uuid.uuid4()), "tenant": tenant, "identity": f"{kind}:a"},
        )


async def test_each_tenant_goes_on_from_the_common_count(url: str) -> None:
    database = database_at(url)
    await database.write(_of_the_common_count)
    await database.close()

    records = await Records.open(url, KEY)

    found = {one: await records.standing.read(one) for one in ("acme", "globex", "initech", "new")}
    changes = {one: head.directory.changes for one, head in found.items() if head.directory}
    assert changes == {"acme": 7, "globex": 7, "initech": 7, "new": 0}
    assert {(one.policy, one.refuted, one.label) for one in found.values()} == {(3, False, 0)}
    await records.close()


async def test_records_of_the_first_version_are_brought_along(url: str) -> None:
    database = database_at(url)
    await database.write(_first_version)
    await database.close()

    records = await Records.open(url, KEY)

    current = await records.policies.current()
    assert current is not None
    assert (current.revision, current.digest, current.base) == (2, "y", 1)
    found = await records.database.read(
        lambda one: one.execute(text("SELECT resource, seq, reader FROM audit_resources")).all()
    )
    reader = '["user:ada","agent:x"]'
    assert sorted(map(tuple, found)) == [
        ("a", 1, reader),
        ("a", 2, ""),
        ("b", 1, reader),
        ("b", 2, ""),
    ]
    await records.close()


def _nobody_got_anything(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "0010")
    begin_chain(connection, Chain(KEY))
    row = {"body": '{"subject": "user:ada", "actors": [], "outcome": "denied"}', "hash": "0" * 64}
    connection.execute(
        text("INSERT INTO audit_events VALUES (1, 1, 'search', :body, :hash, :hash)"), row
    )
    connection.execute(text("INSERT INTO audit_resources (resource, seq) VALUES ('a', 1)"))


async def test_who_was_refused_is_no_reader(url: str) -> None:
    database = database_at(url)
    await database.write(_nobody_got_anything)
    await database.close()

    records = await Records.open(url, KEY)

    found = await records.database.read(
        lambda one: one.execute(text("SELECT resource, seq, reader FROM audit_resources")).all()
    )
    assert list(map(tuple, found)) == [("a", 1, "")]
    await records.close()
