"""All that a change can touch, as the records have it: one value of JSON for each thing.

Keys are `doc:`, `user:`, `group:` and `folder:` with a name, and `policy`, `proposed` and
`jobs`. What is not there has no key. A document's value holds its whole label with shares and
origins, so that two values are equal only if no part of one is in the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from acl.records import AuditKind, LabelState
from acl.records.tables.schema import audit_events, label_jobs
from tests.integration.folders import write
from tests.integration.world import NOW, World

State = dict[str, Any]

TENANT = "acme"
DOC = "doc:"
NAMES = tuple(
    f"{TENANT}/{folder}/d{number}.txt"
    for folder in ("finance", "engineering", "board")
    for number in range(3)
)
PEOPLE = ("user:ada", "user:bob", "user:eve", "user:leo", "user:sam")
GROUPS = {
    "group:finance": ("user:ada",),
    "group:engineering": ("user:bob", "user:eve"),
    "group:legal": ("user:leo",),
    "group:sales": ("user:sam",),
}


CHANGES = (
    *(AuditKind.POLICY_PROPOSED, AuditKind.POLICY_ACTIVATED),
    *(AuditKind.POLICY_REFUTED, AuditKind.DIRECTORY),
    *(AuditKind.INGEST, AuditKind.DELETE),
    *(AuditKind.RELABEL, AuditKind.RELABEL_JOB, AuditKind.FOLDER_LABELLED),
)


def moment(hour: int) -> datetime:
    """Return the time at which a writer works."""
    return NOW + timedelta(hours=hour)


def uri_of(name: str) -> str:
    return f"file:{name}"


def key_of(name: str) -> str:
    return f"{DOC}{uri_of(name)}"


def documents_of(state: State) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the uri of every document with its value."""
    yield from ((key.removeprefix(DOC), one) for key, one in state.items() if key.startswith(DOC))


def text_of(name: str, generation: int) -> str:
    """Return the text of a generation; every paragraph says which one it is."""
    lines = [f"note {name} generation {generation} part {n}" for n in range(1 + generation % 3)]
    return "\n\n".join(lines) + "\n"


def put_on_disk(source: Path, state: State) -> None:
    """Bring the source to what the records have, as if nobody had touched it."""
    for name in NAMES:
        known = state.get(key_of(name))
        if known is None:
            (source / name).unlink(missing_ok=True)
        else:
            write(source, name, text_of(name, known["generation"]))


async def read_state(made: World) -> State:
    """Return everything as the records have it."""
    found = await _documents(made) | await _policy(made) | await _directory(made)
    for one in await made.records.folders.of_tenant(TENANT):
        found[f"folder:{one.path}"] = [dict(one.attributes), one.version]
    found["jobs"] = await made.records.database.read(_count_jobs)
    plain: State = json.loads(json.dumps(found))
    return plain


def document_state(state: LabelState, generation: int) -> dict[str, Any]:
    """Return the value of a document."""
    document = state.document
    return {
        "label": dict(document.label_json),
        "shares": [one.as_json() for one in document.shares],
        "origins": dict(state.origins),
        "version": document.label_version,
        "generation": generation,
    }


async def _documents(made: World) -> State:
    ids = [one.id for one in await made.documents()]
    states = await made.records.labels.states(ids)
    return {
        f"{DOC}{one.document.uri}": document_state(one, await _generation(made, one))
        for one in states.values()
    }


async def _generation(made: World, state: LabelState) -> int:
    """Return which text a document has; all passages have to be of one."""
    passages = await made.records.catalog.document_passages(state.document.id)
    assert len(passages) == state.document.chunk_count
    (generation,) = {int(n) for one in passages for n in re.findall(r"ion (\d+)", one.text)}
    return generation


async def _policy(made: World) -> State:
    policies = made.records.policies
    current, (latest,) = await policies.current(), await policies.latest(1)
    assert current is not None
    return {
        "policy": [current.revision, current.digest, (await made.records.standing.read()).refuted],
        "proposed": [latest.revision, latest.digest],
    }


async def _directory(made: World) -> State:
    users = await made.records.directory.users(TENANT)
    groups = await made.records.directory.groups(TENANT, members=True)
    return {one.state.identity: [one.state.active, one.version] for one in users} | {
        one.identity: [sorted(member.identity for member in one.members), one.version]
        for one in groups
    }


async def count_recorded(made: World) -> int:
    """Return how many changes are on the audit record."""
    return await made.records.database.read(_count_recorded)


def _count_recorded(connection: Connection) -> int:
    kinds = [one.value for one in CHANGES]
    statement = select(func.count()).select_from(audit_events).where(audit_events.c.kind.in_(kinds))
    return connection.scalar(statement) or 0


def _count_jobs(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(label_jobs)) or 0
