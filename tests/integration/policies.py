"""Policies that take effect without proof or preview, for tests of what obeys them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from acl.labels import LabelSchema
from acl.records import AuditEvent, AuditKind, NewRevision, PolicyRevision, Records, RevisionTexts
from retrieval.rights.policy_source import PolicySource, read_source, source_of


async def put_in_effect(records: Records, source: PolicySource, *, now: datetime) -> PolicyRevision:
    """Record `source` as a revision, and let it take effect."""
    base = (await records.standing.read()).policy
    new = NewRevision(
        texts=source.texts,
        digest=source.policy.digest,
        base=base,
        author="user:root",
        reason="test",
    )
    proposed = AuditEvent(kind=AuditKind.POLICY_PROPOSED, time=now, subject="user:root")
    activated = AuditEvent(kind=AuditKind.POLICY_ACTIVATED, time=now, subject="user:root")
    revision = await records.policies.propose(new, proposed)
    return await records.policies.activate(revision.revision, expected=base, event=activated)


def changed(
    folder: Path, schema: LabelSchema, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()
) -> PolicySource:
    """Return the policy in `folder` with some lines added, and those that hold a text removed."""
    texts = read_source(folder).texts
    kept = [one for one in texts.rules.split("\n") if not any(text in one for text in remove)]
    rules = "\n".join([*kept, *add]) + "\n"
    return source_of(RevisionTexts(model=texts.model, rules=rules), schema)
