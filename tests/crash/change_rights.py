"""Steps of administrators and of whoever brings documents: policies, directory, texts."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, select

from acl.records import AuditKind, Proof, ProofState, RevisionTexts
from acl.records.directory.directory import Edit, Place
from acl.records.directory.types import GroupState, UserState, Wanted
from acl.records.tables.schema import version_counters
from ingest.context import document_id
from ingest.label.inherit import Origins, settled
from retrieval.rights.policy_source import PolicySource, read_schema, source_of
from tests.crash.change_state import (
    GROUPS,
    NAMES,
    PEOPLE,
    TENANT,
    key_of,
    text_of,
    uri_of,
)
from tests.crash.change_steps import Clerk, Step
from tests.integration.folders import write
from tests.integration.policies import changed, put_in_effect
from tests.integration.world import POLICY

LINES = (
    "p, group:sales, acme, /acme/engineering/*, document:read, True, allow",
    "p, group:legal, acme, /acme/*, document:read, r.obj.classification <= 1, allow",
    "p, group:engineering, acme, /acme/finance/*, document:read, True, allow",
)
WITHOUT = ("p, group:finance, acme, /acme/finance", "g, user:eve")


@cache
def variant(number: int) -> PolicySource:
    """Return one of a few policies; each of the lines is in some of them."""
    add = tuple(line for place, line in enumerate(LINES) if number >> place & 1)
    remove = WITHOUT[number % 3 : number % 3 + 1]
    return changed(POLICY, read_schema(POLICY), add=add, remove=remove)


@cache
def source_from(texts: RevisionTexts) -> PolicySource:
    """Return what a revision says."""
    return source_of(texts, read_schema(POLICY))


async def policy(clerk: Clerk) -> Step | None:
    """Propose a policy and activate it."""
    return _activation(clerk, variant(clerk.random.randrange(2 ** len(LINES))))


async def rollback(clerk: Clerk) -> Step | None:
    """Propose what an earlier revision said, and activate it."""
    in_effect, *_ = clerk.state["policy"]
    number = clerk.random.randint(max(1, in_effect - 20), in_effect)
    return _activation(clerk, source_from(await clerk.made.records.policies.texts(number)))


def _activation(clerk: Clerk, source: PolicySource) -> Step:
    new = [clerk.state["proposed"][0] + 1, source.policy.digest]
    return Step(
        after={"proposed": new, "policy": [*new, False]},
        deed=lambda: put_in_effect(clerk.made.records, source, now=clerk.now),
        whole=False,
    )


async def refute(clerk: Clerk) -> Step | None:
    """Find that Casbin and the filters of the policy in effect differ."""
    revision, digest, refuted = clerk.state["policy"]
    if refuted:
        return None
    found = Proof(state=ProofState.REFUTED, labels=1, updated_at=clerk.now)
    return Step(
        after={"policy": [revision, digest, True]},
        deed=lambda: clerk.made.records.policies.note_proof(revision, found),
    )


async def user(clerk: Clerk) -> Step | None:
    """Let a user be active no more, or again."""
    identity = clerk.random.choice(PEOPLE)
    active, version = clerk.state[identity]
    directory = clerk.made.records.directory
    found = await directory.user(TENANT, Wanted(identity=identity))
    assert found is not None
    place = Place(tenant=TENANT, id=found.id, version=version)
    state = UserState(identity=identity, active=not active)
    edit = Edit(clerk.event(AuditKind.DIRECTORY))
    return Step(
        after={identity: [not active, version + 1]},
        deed=lambda: directory.replace_user(place, state, edit),
    )


async def group(clerk: Clerk) -> Step | None:
    """Let somebody into a group, and somebody out."""
    identity = clerk.random.choice(sorted(GROUPS))
    members, version = clerk.state[identity]
    wanted = set(members) ^ set(clerk.random.sample(PEOPLE, 2))
    directory = clerk.made.records.directory
    ids = {one.state.identity: one.id for one in await directory.users(TENANT)}
    found = await directory.group(TENANT, Wanted(identity=identity))
    assert found is not None
    place = Place(tenant=TENANT, id=found.id, version=version)
    state = GroupState(identity=identity, members=frozenset(ids[one] for one in wanted))
    edit = Edit(clerk.event(AuditKind.DIRECTORY))
    return Step(
        after={identity: [sorted(wanted), version + 1]},
        deed=lambda: directory.replace_group(place, state, edit),
    )


async def create(clerk: Clerk) -> Step | None:
    """Bring a document."""
    absent = [one for one in NAMES if key_of(one) not in clerk.state]
    return await _brought(clerk, clerk.random.choice(absent)) if absent else None


async def ingest(clerk: Clerk) -> Step | None:
    """Bring another text of a document."""
    there = [one for one in NAMES if key_of(one) in clerk.state]
    return await _brought(clerk, clerk.random.choice(there)) if there else None


async def delete(clerk: Clerk) -> Step | None:
    """Take a document away."""
    there = [one for one in NAMES if key_of(one) in clerk.state]
    if len(there) < len(NAMES) // 2:
        return None
    name = clerk.random.choice(there)
    document = await clerk.made.document(uri_of(name))

    async def deed() -> None:
        (clerk.source / name).unlink()
        await clerk.made.pipeline.delete(document.id, actor="user:root")

    return Step(after={key_of(name): None}, deed=deed)


async def _brought(clerk: Clerk, name: str) -> Step:
    known = clerk.state.get(key_of(name)) or await _first(clerk, name)

    async def deed() -> None:
        write(clerk.source, name, text_of(name, clerk.number))
        await clerk.made.ingest(clerk.source)

    return Step(after={key_of(name): {**known, "generation": clerk.number}}, deed=deed)


async def _first(clerk: Clerk, name: str) -> dict[str, Any]:
    """Return a document that comes for the first time: as source and folders say."""
    schema = clerk.made.schema
    source = schema.parse(source_label(name)).as_json()
    folders = await clerk.made.records.folders.of_tenant(TENANT)
    label, origins = settled(schema, {}, Origins(source=source), folders)
    return {
        "label": label.as_json(),
        "shares": [],
        "origins": origins.as_json(),
        "version": 1 + await clerk.made.records.database.read(_last_label, uri_of(name)),
    }


def _last_label(connection: Connection, uri: str) -> int:
    """Return the number of the label that a document had when it was deleted."""
    mine = version_counters.c.document_id == document_id(TENANT, uri)
    return connection.scalar(select(version_counters.c.label_version).where(mine)) or 0


def source_label(name: str) -> dict[str, object]:
    """Return what the source says of a document."""
    return {
        "tenant": TENANT,
        "owner": "user:root",
        "classification": "internal",
        "compartments": [],
        "readers": ["user:leo"],
        "path": f"/{name}",
    }
