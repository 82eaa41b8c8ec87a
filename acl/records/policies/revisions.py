"""Policy revisions: what was proposed by whom and why, and which revision took effect when.

The laws of this file:

1. A revision is a number and two texts, and never changes. Only its activation is added, once.
   Texts are compared with the digest that was stored with them whenever they are read.
2. A revision is proposed on the revision in effect, and can take effect only while that one still
   is. So activations go up in number, and of two proposals made side by side one takes effect.
3. What happens is on the audit record in the transaction in which it happens.
4. A revision that was refuted stays refuted, and what refuted it first stays to be read. It takes
   no effect; where it is in effect already, the counters say so from that transaction on.
5. An activation rests on rights that still stand in its own transaction.
6. Which labels are live is read under the lock of the counters, so that none comes in between.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
from typing import Final

from sqlalchemy import Connection, RowMapping, insert, select, update

from acl.records.audit.events import AuditEvent, AuditKind, Outcome
from acl.records.audit.log import AuditLog
from acl.records.database.database import Database, upsert
from acl.records.database.errors import (
    AlteredRevisionError,
    RefutedRevisionError,
    StalePolicyError,
    UnknownRevisionError,
    UnprovedLabelsError,
)
from acl.records.database.storable import (
    checked_time,
    from_json,
    names_from_json,
    names_to_json,
    to_json,
)
from acl.records.policies.types import (
    Mismatch,
    NewRevision,
    PolicyRevision,
    Proof,
    ProofState,
    RevisionTexts,
    digest_of,
)
from acl.records.tables.core import documents, heads
from acl.records.tables.heads import (
    Heads,
    lock_heads,
    mark_refuted,
    put_in_effect,
    require_rights,
)
from acl.records.tables.policy import policy_proofs, policy_revisions
from acl.subject import PROGRAM

_TABLE: Final = policy_revisions.c
_ABOUT: Final = (
    _TABLE.revision,
    _TABLE.base,
    _TABLE.digest,
    _TABLE.author,
    _TABLE.reason,
    _TABLE.created_at,
    _TABLE.activated_at,
    _TABLE.activated_by,
    _TABLE.parties,
)
_DIGEST: Final = "texts_digest"


class Policies:
    """The revisions of one database."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def propose(
        self, new: NewRevision, event: AuditEvent, *, under: Heads | None = None
    ) -> PolicyRevision:
        """Store a revision, which does not take effect yet.

        Raises:
            StalePolicyError: another revision took effect than the one it is based on.
            MovedOnError: the rights `under` which it was decided do not stand any more.
        """
        return await self._database.write(self._propose, new, event, under)

    async def activate(
        self,
        revision: int,
        *,
        expected: int,
        event: AuditEvent,
        under: Heads | None = None,
        covered: Collection[str] | None = None,
    ) -> PolicyRevision:
        """Let a revision take effect.

        Args:
            revision: which.
            expected: the revision in effect, as the caller knows it.
            event: recorded with the number and digest of the revision.
            under: the rights under which it was decided; they must still stand.
            covered: digests of the labels that it was proved on; without it none is asked for.

        Raises:
            UnknownRevisionError: there is none of this number whose text was kept.
            AlteredRevisionError: its texts are not those that were recorded.
            UnprovedLabelsError: a document carries another label than those.
            StalePolicyError: not `expected` is in effect, or the revision is based on another.
            RefutedRevisionError: a proof of it found a difference.
            MovedOnError: the rights do not stand any more.
        """
        return await self._database.write(
            self._activate, revision, expected, event, under=under, covered=covered
        )

    async def current(self) -> PolicyRevision | None:
        """Return the revision in effect, or `None` before the first."""
        return await self._database.read(_current)

    async def revision(self, number: int) -> PolicyRevision:
        """Return one revision.

        Raises:
            UnknownRevisionError: there is none of this number.
        """
        return await self._database.read(_revision, number)

    async def texts(self, number: int) -> RevisionTexts:
        """Return what a revision says.

        Raises:
            UnknownRevisionError: there is none of this number, or its text was not kept.
            AlteredRevisionError: its texts are not those that were recorded.
        """
        return await self._database.read(_texts, number)

    async def revisions(self, *, after: int = 0, limit: int = 100) -> tuple[PolicyRevision, ...]:
        """Return revisions in their order, beginning behind `after`."""
        return await self._database.read(_revisions, after, limit)

    async def latest(self, limit: int) -> tuple[PolicyRevision, ...]:
        """Return the last revisions, the latest first."""
        return await self._database.read(_latest, limit)

    async def note_proof(self, revision: int, proof: Proof) -> None:
        """Keep what a proof of a revision came to; a difference that was found stays (law 4).

        Raises:
            UnknownRevisionError: there is none of this number.
        """
        await self._database.write(self._note_proof, revision, proof)

    async def proof(self, revision: int) -> Proof | None:
        """Return what the last proof of a revision came to, if there was one."""
        return await self._database.read(_proof, revision)

    def _propose(
        self, connection: Connection, new: NewRevision, event: AuditEvent, under: Heads | None
    ) -> PolicyRevision:
        in_effect = lock_heads(connection)
        if new.base != in_effect:
            raise StalePolicyError(expected=new.base, actual=in_effect)
        require_rights(connection, under)
        last = connection.scalar(select(_TABLE.revision).order_by(_TABLE.revision.desc()).limit(1))
        number = (last or 0) + 1
        connection.execute(
            insert(policy_revisions).values(
                revision=number,
                base=new.base,
                digest=new.digest,
                model=new.texts.model,
                rules=new.texts.rules,
                author=new.author,
                reason=new.reason,
                created_at=event.time,
                activated_at=None,
                activated_by="",
                parties=names_to_json("parties", new.parties),
                texts_digest=new.texts.digest,
            )
        )
        self._record(connection, event, number, new.digest, new.texts)
        return _revision(connection, number)

    def _activate(  # noqa: PLR0913 - what it rests on
        self,
        connection: Connection,
        number: int,
        expected: int,
        event: AuditEvent,
        *,
        under: Heads | None,
        covered: Collection[str] | None,
    ) -> PolicyRevision:
        in_effect = lock_heads(connection)
        texts, found = _texts(connection, number), _revision(connection, number)
        if in_effect != expected or found.base != in_effect or found.activated_at is not None:
            raise StalePolicyError(expected=expected, actual=in_effect)
        require_rights(connection, under)
        if _is_refuted(connection, number):
            raise RefutedRevisionError(number)  # law 4
        if covered is not None and (missing := _unproved(connection, covered)):
            raise UnprovedLabelsError(missing)
        mine = update(policy_revisions).where(_TABLE.revision == number)
        connection.execute(mine.values(activated_at=event.time, activated_by=event.subject))
        put_in_effect(connection, number)
        self._record(connection, event, number, found.digest, texts)
        return _revision(connection, number)

    def _note_proof(self, connection: Connection, number: int, proof: Proof) -> None:
        in_effect, found = lock_heads(connection), _revision(connection, number)
        if _is_refuted(connection, number):
            return
        _keep(connection, number, proof)
        if proof.state is not ProofState.REFUTED:
            return
        if number == in_effect:
            mark_refuted(connection)
        self._audit.append_within(connection, _refutation(found, proof))

    def _record(
        self,
        connection: Connection,
        event: AuditEvent,
        number: int,
        digest: str,
        texts: RevisionTexts,
    ) -> None:
        # The chain vouches for the texts, so that whoever changes both them and their digest shows.
        detail = {**event.detail, _DIGEST: texts.digest}
        known = replace(event, policy_revision=number, policy_digest=digest, detail=detail)
        self._audit.append_within(connection, known)


def _current(connection: Connection) -> PolicyRevision | None:
    statement = select(*_ABOUT).join_from(
        policy_revisions, heads, _TABLE.revision == heads.c.policy
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _revision_of(row)


def _revision(connection: Connection, number: int) -> PolicyRevision:
    statement = select(*_ABOUT).where(_TABLE.revision == number)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise UnknownRevisionError(number)
    return _revision_of(row)


def _revision_of(row: RowMapping) -> PolicyRevision:
    return PolicyRevision(**{**row, "parties": names_from_json(row["parties"])})


def _texts(connection: Connection, number: int) -> RevisionTexts:
    columns = _TABLE.model, _TABLE.rules, _TABLE.texts_digest
    row = connection.execute(select(*columns).where(_TABLE.revision == number)).one_or_none()
    if row is None or not (row.model or row.texts_digest):
        raise UnknownRevisionError(number)
    if digest_of(row.model, row.rules) != row.texts_digest:
        raise AlteredRevisionError(number)
    return RevisionTexts(model=row.model, rules=row.rules)


def _revisions(connection: Connection, after: int, limit: int) -> tuple[PolicyRevision, ...]:
    statement = select(*_ABOUT).where(_TABLE.revision > after).order_by(_TABLE.revision)
    return tuple(map(_revision_of, connection.execute(statement.limit(limit)).mappings()))


def _latest(connection: Connection, limit: int) -> tuple[PolicyRevision, ...]:
    statement = select(*_ABOUT).order_by(_TABLE.revision.desc()).limit(limit)
    return tuple(map(_revision_of, connection.execute(statement).mappings()))


def _refutation(found: PolicyRevision, proof: Proof) -> AuditEvent:
    first = next(iter(proof.mismatches), Mismatch("", ""))
    return AuditEvent(
        kind=AuditKind.POLICY_REFUTED,
        time=proof.updated_at,
        subject=PROGRAM,
        outcome=Outcome.DENIED,
        tenant=first.tenant,
        policy_revision=found.revision,
        policy_digest=found.digest,
        detail={"reason": first.text},
    )


def _is_refuted(connection: Connection, number: int) -> bool:
    known = _proof(connection, number)
    return known is not None and known.state is ProofState.REFUTED


def _keep(connection: Connection, number: int, proof: Proof) -> None:
    values = {
        "state": proof.state.value,
        "labels": proof.labels,
        "mismatch": to_json("mismatch", {"shown": [asdict(one) for one in proof.mismatches]}),
        "updated_at": checked_time("updated_at", proof.updated_at),
    }
    statement = upsert(connection, policy_proofs).values(revision=number, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["revision"], set_=values))


def _proof(connection: Connection, number: int) -> Proof | None:
    table = policy_proofs.c
    statement = select(table.state, table.labels, table.mismatch, table.updated_at)
    row = connection.execute(statement.where(table.revision == number)).one_or_none()
    if row is None:
        return None
    return Proof(
        state=ProofState(row.state),
        labels=row.labels,
        mismatches=tuple(Mismatch(**one) for one in from_json(row.mismatch)["shown"]),
        updated_at=row.updated_at,
    )


def _unproved(connection: Connection, covered: Collection[str]) -> tuple[str, ...]:
    """Return the digests of live labels beyond `covered`; the counters must be locked (law 6)."""
    statement = select(documents.c.label_digest).where(documents.c.live_version > 0).distinct()
    return tuple(sorted(set(connection.scalars(statement)) - set(covered)))
