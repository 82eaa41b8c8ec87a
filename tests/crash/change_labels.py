"""Steps of data owners: labels, shares, folders, jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from acl.records import ChangeKind, FolderLabel, LabelState, Share
from acl.records.tables.types import without
from ingest.label.inherit import typed_values
from ingest.project import Projector
from ingest.reconcile import Sweeper
from retrieval.labels.folders import FolderRequest
from retrieval.labels.requests import LabelRequest, ShareRequest
from retrieval.labels.selection import Planned, Selection
from retrieval.labels.views import Target
from retrieval.rights.authority import OPERATOR
from tests.crash.change_state import DOC, TENANT, document_state, documents_of, moment
from tests.crash.change_steps import Clerk, Step

READERS = ("user:eve", "user:gus", "group:legal", "group:sales", "group:engineering")
LEVELS = 3


async def tighten(clerk: Clerk) -> Step | None:
    """Raise the classification, or take the readers away as well."""
    level = {"classification": clerk.random.randint(2, LEVELS)}
    return await _relabel(clerk, clerk.random.choice([level, {**level, "readers": []}]))


async def widen(clerk: Clerk) -> Step | None:
    """Lower the classification, and let others read."""
    level = clerk.random.randint(0, 1)
    values = {"classification": level, "compartments": [], "readers": _readers(clerk)}
    return await _relabel(clerk, values)


async def both(clerk: Clerk) -> Step | None:
    """Tighten one part of a label and widen another: a mixture of the two is wider than either."""
    up = {"classification": LEVELS, "readers": [*_readers(clerk), "user:ada"]}
    down = {"classification": 0, "readers": [], "compartments": ["board"]}
    return await _relabel(clerk, clerk.random.choice([up, down]))


async def share(clerk: Clerk) -> Step | None:
    """Share a document, for some hours or for good."""
    state = await _any(clerk)
    name = clerk.random.choice(READERS)
    if state is None or name in state.document.label_json["readers"]:
        return None
    hours = clerk.random.choice([None, 1, 1, 2, 3])
    until = None if hours is None else clerk.now + timedelta(hours=hours)
    asked = ShareRequest(principal=name, until=until)
    return await _change(clerk, state, LabelRequest(kind=ChangeKind.SHARE, share=(asked,)))


async def unshare(clerk: Clerk) -> Step | None:
    """Take a share back."""
    shared = [uri for uri, one in documents_of(clerk.state) if _alive(clerk, one)]
    if not shared:
        return None
    state = await _known(clerk, clerk.random.choice(shared))
    name = clerk.random.choice([one for one in state.document.shares if not one.over(clerk.now)])
    request = LabelRequest(kind=ChangeKind.UNSHARE, unshare=frozenset({name.principal}))
    return await _change(clerk, state, request)


async def undo(clerk: Clerk) -> Step | None:
    """Take the last change of a label back."""
    state = await _any(clerk)
    if state is None:
        return None
    document = state.document
    (last,) = await clerk.made.records.labels.history(document.id, limit=1)
    if last.before is None or last.label_version != document.label_version:
        return None
    after = await _after(clerk, state, LabelRequest(kind=ChangeKind.UNDO, restore=last.before))
    target = Target(document.id, document.label_version)
    if after is None:
        return None
    return Step(
        after=after,
        deed=lambda: clerk.desk.undo(OPERATOR, target, reason="undone", now=clerk.now),
    )


async def expire(clerk: Clerk) -> Step | None:
    """Let an hour pass, and take out the shares that end in it."""
    then = moment(clerk.hour + 1)
    after: dict[str, Any] = {}
    for uri, known in documents_of(clerk.state):
        gone = {one.principal for one in map(Share.from_json, known["shares"]) if one.over(then)}
        if gone:
            after[DOC + uri] = _without(known, frozenset(gone))
    sweeper = Sweeper(clerk.made.records, Projector(clerk.made.stores))
    deed = lambda: sweeper.sweep(now=then)  # noqa: E731 - the deed
    return Step(after=after, deed=deed, whole=False, hours=1)


async def folder(clerk: Clerk) -> Step | None:
    """Set what a folder says, or let it say nothing any more."""
    path = f"/{TENANT}/{clerk.random.choice(['finance', 'engineering', 'board'])}/"
    attributes, version = clerk.state.get(f"folder:{path}", [{}, 0])
    new: dict[str, object] = {
        "classification": clerk.random.randint(0, LEVELS),
        "readers": _readers(clerk),
    }
    asked = FolderRequest(folder=path, tenant=TENANT, values=new, reason="a folder's")
    if attributes and clerk.random.choice([True, False]):
        asked = FolderRequest(folder=path, tenant=TENANT, unset=frozenset(new), reason="no more")
    said = attributes | typed_values(clerk.made.schema, asked.values)
    said = {name: value for name, value in said.items() if name not in asked.unset}
    setting = FolderLabel(tenant=TENANT, path=path, attributes=said, by="", at=clerk.now)
    planned = await clerk.folders.plan(OPERATOR, asked)
    request = LabelRequest(kind=ChangeKind.FOLDER, refresh=True, reason=asked.reason)
    return Step(
        after={f"folder:{path}": [said, version + 1], "jobs": clerk.state["jobs"] + 1},
        deed=lambda: clerk.folders.set_folder(OPERATOR, asked),
        later=await _later(clerk, planned, request, setting),
    )


async def bulk(clerk: Clerk) -> Step | None:
    """Store a job that changes every document."""
    values = {"classification": clerk.random.randint(0, LEVELS), "readers": _readers(clerk)}
    request = LabelRequest(values=values, reason="many")
    selection = Selection(folder=f"/{TENANT}/", tenant=TENANT)
    planned = await clerk.bulk.plan(OPERATOR, selection, request)
    later = await _later(clerk, planned, request, None)
    if not later:
        return None
    return Step(
        after={"jobs": clerk.state["jobs"] + 1},
        deed=lambda: clerk.bulk.begin(OPERATOR, selection, request),
        later=later,
    )


async def job(clerk: Clerk) -> Step | None:
    """Carry out the job that was begun."""
    unfinished = await clerk.made.records.jobs.unfinished()
    assert bool(unfinished) == bool(clerk.later)
    if not unfinished:
        return None
    (one,) = unfinished
    deed = lambda: clerk.bulk.run(one.id)  # noqa: E731 - the deed
    return Step(after=clerk.later, deed=deed, whole=False)


def _readers(clerk: Clerk) -> list[str]:
    return sorted(clerk.random.sample(READERS, clerk.random.randint(1, 2)))


def _alive(clerk: Clerk, known: Mapping[str, Any]) -> bool:
    return any(not one.over(clerk.now) for one in map(Share.from_json, known["shares"]))


def _without(known: Mapping[str, Any], gone: frozenset[str]) -> dict[str, Any]:
    return {
        **known,
        "label": dict(without(known["label"], gone)),
        "shares": [one for one in known["shares"] if one["principal"] not in gone],
        "version": known["version"] + 1,
    }


async def _any(clerk: Clerk) -> LabelState | None:
    uris = [uri for uri, _ in documents_of(clerk.state)]
    return await _known(clerk, clerk.random.choice(uris)) if uris else None


async def _known(clerk: Clerk, uri: str) -> LabelState:
    """Return a document of record, which is as everything acknowledged left it."""
    document = await clerk.made.document(uri)
    state = await clerk.made.records.labels.state(document.id)
    assert state is not None
    known = clerk.state[DOC + uri]
    assert document_state(state, known["generation"]) == known
    return state


async def _relabel(clerk: Clerk, values: Mapping[str, object]) -> Step | None:
    state = await _any(clerk)
    if state is None:
        return None
    return await _change(clerk, state, LabelRequest(values=values))


async def _change(clerk: Clerk, state: LabelState, request: LabelRequest) -> Step | None:
    after = await _after(clerk, state, request)
    target = Target(state.document.id, state.document.label_version)
    if after is None:
        return None
    return Step(
        after=after,
        deed=lambda: clerk.desk.change(OPERATOR, target, request, now=clerk.now),
    )


async def _after(
    clerk: Clerk,
    state: LabelState,
    request: LabelRequest,
    folders: Sequence[FolderLabel] | None = None,
) -> dict[str, Any] | None:
    """Return the document as it would be, or `None` if nothing would be another."""
    authority = await clerk.desk.authority(OPERATOR, clerk.now)
    outcome = await clerk.desk.outcomes.of(authority, state, request, folders=folders)
    key = DOC + state.document.uri
    after = {
        "label": outcome.after.as_json(),
        "shares": [one.as_json() for one in outcome.shares],
        "origins": outcome.origins.as_json(),
        "version": state.document.label_version + 1,
        "generation": clerk.state[key]["generation"],
    }
    return {key: after} if outcome.changes else None


async def _later(
    clerk: Clerk, planned: Planned, request: LabelRequest, setting: FolderLabel | None
) -> dict[str, Any]:
    """Return what a job will make true."""
    folders = await clerk.made.records.folders.of_tenant(TENANT)
    if setting is not None:
        folders = (*(one for one in folders if one.path != setting.path), setting)
    later: dict[str, Any] = {}
    for uri in planned.uris.values():
        later |= await _after(clerk, await _known(clerk, uri), request, folders) or {}
    return later
