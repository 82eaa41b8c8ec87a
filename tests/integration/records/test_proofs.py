"""No live label is left out by an activation, and what was refuted stays on record."""

from __future__ import annotations

import asyncio

import pytest
from alembic import command
from sqlalchemy import Connection, text

from acl.records import (
    AuditKind,
    Mismatch,
    PolicyRevision,
    ProofState,
    Records,
    UnprovedLabelsError,
)
from acl.records.audit.chain import Chain
from acl.records.audit.log import begin_chain
from acl.records.migrate import alembic_config
from acl.records.system import database_at
from tests.integration.records.samples import (
    KEY,
    NOW,
    event,
    in_effect,
    label,
    put,
    revision,
    version,
)

PROPOSED = event(AuditKind.POLICY_PROPOSED)
ACTIVATED = event(AuditKind.POLICY_ACTIVATED)


async def digests(records: Records) -> set[str]:
    return {one.digest for one in await records.catalog.distinct_labels()}


async def test_nothing_takes_effect_on_labels_that_were_not_proved(records: Records) -> None:
    await in_effect(records, "a")
    await put(records, version())
    covered = await digests(records)
    await put(records, version("file:b.txt", label=label("confidential")))
    new = await digests(records) - covered
    proposed = await records.policies.propose(revision("b", base=1), PROPOSED)

    with pytest.raises(UnprovedLabelsError, match=r"not proved on 1 live label\(s\)") as raised:
        await records.policies.activate(
            proposed.revision, expected=1, event=ACTIVATED, covered=covered
        )

    assert set(raised.value.digests) == new
    assert (await records.standing.read()).policy == 1
    await records.policies.activate(
        proposed.revision, expected=1, event=ACTIVATED, covered=covered | new
    )
    assert (await records.standing.read()).policy == 2


async def test_a_label_comes_before_an_activation_or_after_it_and_never_in_between(
    records: Records,
) -> None:
    await in_effect(records, "a")
    proposed = await records.policies.propose(revision("b", base=1), PROPOSED)
    begun = [
        await records.documents.begin_version(
            version(f"file:{number}", label=label(owner=f"user:u{number}")), now=NOW
        )
        for number in range(8)
    ]

    async def activate() -> PolicyRevision | set[str]:
        try:
            return await records.policies.activate(
                proposed.revision, expected=1, event=ACTIVATED, covered=frozenset()
            )
        except UnprovedLabelsError as error:
            return set(error.digests)

    found, *_ = await asyncio.gather(
        activate(),
        *(records.documents.commit_version(one, event(AuditKind.INGEST)) for one in begun),
    )

    first = next(
        one.event.kind
        for one in await records.audit.events(after=3)
        if one.event.kind in {AuditKind.POLICY_ACTIVATED, AuditKind.INGEST}
    )
    assert isinstance(found, PolicyRevision) == (first is AuditKind.POLICY_ACTIVATED)


def _before_labels_were_counted(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "0005")
    begin_chain(connection, Chain(KEY))
    for number, state in enumerate(("running", "refuted", "proved"), start=1):
        row = {"number": number, "base": number - 1, "state": state}
        connection.execute(
            text(
                "INSERT INTO policy_revisions (revision, base, digest, model, rules, author, "
                "reason, created_at, activated_by) "
                "VALUES (:number, :base, 'd', 'm', 'r', 'a', '', 1, '')"
            ),
            row,
        )
        connection.execute(
            text("INSERT INTO policy_proofs VALUES (:number, :state, 90, 80, 'x differs', 1)"), row
        )


async def test_of_proofs_that_counted_pairs_only_what_was_refuted_is_kept(url: str) -> None:
    database = database_at(url)
    await database.write(_before_labels_were_counted)
    await database.close()

    records = await Records.open(url, KEY)

    found = [await records.policies.proof(number) for number in (1, 2, 3)]
    assert [None if one is None else (one.state, one.labels, one.mismatches) for one in found] == [
        None, (ProofState.REFUTED, 0, (Mismatch("", "x differs"),)), None,
    ]  # fmt: skip
    await records.close()
