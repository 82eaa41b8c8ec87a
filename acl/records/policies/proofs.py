"""How far a policy is proved: which labels were compared under which revision.

The laws of this file:

1. A label is on record as compared only after it was, with all its neighbours and for every role.
   That can be said twice and by two processes at once; nothing ever takes it back.
2. A revision that was refuted stays refuted, and what refuted it first stays to be read.
3. Which labels are live is read under the lock of the counters, so that none comes in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, case, delete, select

from acl.records.database.database import Database, upsert
from acl.records.database.storable import checked_time, from_json, to_json
from acl.records.policies.types import Mismatch, Proof, ProofState
from acl.records.tables.core import documents, heads
from acl.records.tables.policy import policy_proofs, proof_labels


@dataclass(frozen=True, slots=True)
class ComparedLabel:
    """A label that was compared.

    Attributes:
        digest: of the label.
        profiles: digest of what the compared roles and neighbours rest on.
    """

    digest: str
    profiles: str


class Proofs:
    """The labels that were compared."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, revision: int, compared: Iterable[ComparedLabel]) -> None:
        """Keep that labels were compared under a revision."""
        await self._database.write(_add, revision, list(compared))

    async def compared(self, revision: int) -> frozenset[ComparedLabel]:
        """Return the labels that were compared under a revision."""
        return await self._database.read(_compared, revision)

    async def forget(self, *, before: int) -> None:
        """Let go of what was compared under revisions that were replaced."""
        await self._database.write(_forget, before)

    async def label_counter(self) -> int:
        """Return the number of the last change of labels, whether or not the engine carries it."""
        return await self._database.read(_label_counter)


def unproved(connection: Connection, covered: Collection[str]) -> tuple[str, ...]:
    """Return the digests of live labels beyond `covered`; the counters must be locked (law 3)."""
    statement = select(documents.c.label_digest).where(documents.c.live_version > 0).distinct()
    return tuple(sorted(set(connection.scalars(statement)) - set(covered)))


def note_proof(connection: Connection, revision: int, proof: Proof) -> None:
    """Keep how far a proof has come (law 2)."""
    values = {
        "state": proof.state.value,
        "labels": proof.labels,
        "done": proof.done,
        "mismatch": to_json("mismatch", {"shown": [asdict(one) for one in proof.mismatches]}),
        "updated_at": checked_time("updated_at", proof.updated_at),
    }
    statement = upsert(connection, policy_proofs).values(revision=revision, **values)
    refuted = policy_proofs.c.state == ProofState.REFUTED.value
    kept = {
        name: case((refuted, policy_proofs.c[name]), else_=statement.excluded[name])
        for name in ("state", "mismatch")
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=["revision"], set_={**values, **kept})
    )


def proof_of(connection: Connection, revision: int) -> Proof | None:
    """Return how far the proof of a revision has come, if it was begun."""
    table = policy_proofs.c
    statement = select(table.state, table.labels, table.done, table.mismatch, table.updated_at)
    row = connection.execute(statement.where(table.revision == revision)).one_or_none()
    if row is None:
        return None
    return Proof(
        state=ProofState(row.state),
        labels=row.labels,
        done=row.done,
        mismatches=tuple(Mismatch(**one) for one in from_json(row.mismatch)["shown"]),
        updated_at=row.updated_at,
    )


def _add(connection: Connection, revision: int, compared: list[ComparedLabel]) -> None:
    rows = [
        {"revision": revision, "profiles_digest": one.profiles, "label_digest": one.digest}
        for one in compared
    ]
    connection.execute(upsert(connection, proof_labels).on_conflict_do_nothing(), rows)


def _compared(connection: Connection, revision: int) -> frozenset[ComparedLabel]:
    table = proof_labels.c
    statement = select(table.label_digest, table.profiles_digest).where(table.revision == revision)
    return frozenset(ComparedLabel(*row) for row in connection.execute(statement))


def _forget(connection: Connection, before: int) -> None:
    connection.execute(delete(proof_labels).where(proof_labels.c.revision < before))


def _label_counter(connection: Connection) -> int:
    return int(connection.execute(select(heads.c.label)).scalar_one())
