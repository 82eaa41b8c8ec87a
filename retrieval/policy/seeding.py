"""The first policy: what the folder says, when the records know none yet.

The laws of this file:

1. The folder counts once. From then on the records say what is in effect; a folder that says
   something else is a proposal that nobody has made.
2. It takes effect only if its tests hold: those that name no document and no person, since there
   are none yet.
3. A revision whose text an earlier version of this program did not keep gets a successor, with
   the text in the folder.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Final

from acl.errors import PolicyError, Refusal
from acl.labels import LabelSchema
from acl.records import (
    AuditEvent,
    AuditKind,
    NewRevision,
    Records,
    StalePolicyError,
    UnknownRevisionError,
)
from retrieval.policy.trials import tried_alone
from retrieval.rights.decisions import PolicySnapshot
from retrieval.rights.policy_source import PolicySource, read_schema, read_source, source_of

REASON: Final = "the policy folder, at first start"


async def seeded(records: Records, folder: Path, *, actor: str, now: datetime) -> PolicySnapshot:
    """Return the policy in effect; it is the one in `folder` if there was none.

    Raises:
        PolicyError, SchemaError: the revision in effect, or the folder, cannot be read.
        RecordsError: the records cannot be asked.
    """
    schema = await asyncio.to_thread(read_schema, folder)
    snapshot = await in_effect(records, schema)
    if snapshot is None:
        source = await asyncio.to_thread(read_source, folder)
        await asyncio.to_thread(_require_tests, source, now)
        await _seed(records, source, actor=actor, now=now)
        snapshot = await in_effect(records, schema)
    assert snapshot is not None
    return snapshot


def _require_tests(source: PolicySource, now: datetime) -> None:
    failures = tried_alone(source, now).failures
    if failures:
        raise PolicyError(tuple(Refusal(one.place, "expect", one.reason) for one in failures))


async def in_effect(records: Records, schema: LabelSchema) -> PolicySnapshot | None:
    """Return the policy in effect, or `None` where there is none whose text is known.

    Raises:
        PolicyError, SchemaError: it cannot be read.
        RecordsError: the records cannot be asked.
    """
    heads = await records.standing.read()
    try:
        texts = await records.policies.texts(heads.policy)
    except UnknownRevisionError:
        return None
    policy = source_of(texts, schema).policy
    return PolicySnapshot(policy=policy, revision=heads.policy, refuted=heads.refuted)


async def _seed(records: Records, source: PolicySource, *, actor: str, now: datetime) -> None:
    base = (await records.standing.read()).policy
    new = NewRevision(
        texts=source.texts,
        digest=source.policy.digest,
        base=base,
        author=actor,
        reason=REASON,
    )
    proposed = AuditEvent(kind=AuditKind.POLICY_PROPOSED, time=now, subject=actor)
    activated = AuditEvent(kind=AuditKind.POLICY_ACTIVATED, time=now, subject=actor)
    try:
        revision = await records.policies.propose(new, proposed)
        await records.policies.activate(revision.revision, expected=base, event=activated)
    except StalePolicyError:
        # Another process, started at the same time, was first.
        return
