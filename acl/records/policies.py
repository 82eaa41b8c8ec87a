"""Policy revisions of record: who proposed what and why, and which took effect when.

The laws of this file:

1. A revision is a number and its texts, and never changes. Only its activation is added, once.
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

import hashlib
from collections.abc import Collection
from dataclasses import asdict, astuple, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from acl.records.audit.chain import AuditEvent, AuditKind, Outcome
from acl.records.audit.log import AuditedPart
from acl.records.database.database import PAGE, snapshot, transaction, upsert
from acl.records.database.errors import (
    AlteredRevisionError,
    RefutedRevisionError,
    StalePolicyError,
    UnknownRevisionError,
    UnprovedLabelsError,
)
from acl.records.database.storable import (
    checked_text,
    checked_time,
    from_json,
    names_from_json,
    names_to_json,
    to_json,
)
from acl.records.tables.heads import Heads, lock_heads, mark_refuted, put_in_effect, require_rights
from acl.records.tables.schema import documents, heads, policy_proofs, policy_revisions
from acl.records.tables.types import LIVE
from acl.subject import PROGRAM


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionTexts:
    """What a revision says, to the letter.

    Attributes:
        model: `model.conf`.
        rules: `policy.csv`.
        matching: `matching.toml`, or `""` where there is none.
        tests: `tests.toml`, or `""` where there is none.
    """

    model: str
    rules: str
    matching: str = ""
    tests: str = ""

    def __post_init__(self) -> None:
        checked_text("model", self.model)
        for name in ("rules", "matching", "tests"):
            if text := getattr(self, name):
                checked_text(name, text)

    @property
    def digest(self) -> str:
        """The digest of all texts to the letter."""
        return digest_of(*astuple(self))


def digest_of(*texts: str) -> str:
    """Return the digest of texts in their order, where one ends and another begins included."""
    parts = (text.encode() for text in texts)
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hashlib.sha256(framed).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRevision:
    """A proposal.

    Attributes:
        texts: of an admitted policy.
        digest: of that policy.
        base: the revision in effect on which it was made, 0 for the first.
        author: who proposes it.
        reason: why, in words for those who read the log; may be empty.
        parties: whoever stands behind it, such as `acme/user:ada`; a name without a tenant is of
            every tenant. By default the author.
    """

    texts: RevisionTexts
    digest: str
    base: int
    author: str
    reason: str
    parties: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.parties:
            object.__setattr__(self, "parties", (self.author,))
        checked_text("digest", self.digest)
        checked_text("author", self.author)
        if self.reason:
            checked_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class PolicyRevision:
    """A revision, without its texts.

    Attributes:
        base: the revision that was in effect when it was proposed.
        activated_at: when it took effect, or `None`.
        activated_by: who let it take effect, or `""`.
        parties: whoever stands behind the proposal; see `NewRevision`.
    """

    revision: int
    base: int
    digest: str
    author: str
    reason: str
    created_at: datetime
    activated_at: datetime | None
    activated_by: str
    parties: tuple[str, ...]


class ProofState(StrEnum):
    """What is known of a revision.

    `sampled`: the gate was passed. `proved`: the whole plan was compared, and nothing differs.
    `refuted`: a pair differs, whether a proof found it or the shadow; nothing changes that.
    """

    SAMPLED = "sampled"
    PROVED = "proved"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A counter-example in words.

    Attributes:
        tenant: of the role and of the label; `""` if they are of two.
        text: who, what, about which label.
    """

    tenant: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is kept of a proof of a revision.

    Attributes:
        labels: distinct labels of live documents that it was about.
        mismatches: some counter-examples.
    """

    state: ProofState
    labels: int
    updated_at: datetime
    mismatches: tuple[Mismatch, ...] = ()


_TABLE: Final = policy_revisions.c
_REVISIONS: Final = select(*(_TABLE[part.name] for part in fields(PolicyRevision)))


class Policies(AuditedPart):
    """The revisions of one database."""

    @transaction
    def propose(
        self,
        connection: Connection,
        new: NewRevision,
        event: AuditEvent,
        *,
        under: Heads | None = None,
    ) -> PolicyRevision:
        """Store a revision, which does not take effect yet.

        Raises:
            StalePolicyError: another revision took effect than the one it is based on.
            MovedOnError: the rights `under` which it was decided do not stand any more.
        """
        in_effect = lock_heads(connection)
        if new.base != in_effect:  # law 2
            raise StalePolicyError(expected=new.base, actual=in_effect)
        require_rights(connection, under)
        last = connection.scalar(select(_TABLE.revision).order_by(_TABLE.revision.desc()).limit(1))
        number = (last or 0) + 1
        connection.execute(
            insert(policy_revisions).values(
                revision=number,
                base=new.base,
                digest=new.digest,
                **asdict(new.texts),
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

    @transaction
    def activate(  # noqa: PLR0913 - what it rests on
        self,
        connection: Connection,
        revision: int,
        *,
        expected: int,
        event: AuditEvent,
        under: Heads | None = None,
        covered: Collection[str] | None = None,
    ) -> PolicyRevision:
        """Let a revision take effect.

        Args:
            connection: of the transaction.
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
        in_effect = lock_heads(connection)
        texts, new = _texts(connection, revision), _revision(connection, revision)
        if in_effect != expected or new.base != in_effect or new.activated_at is not None:  # law 2
            raise StalePolicyError(expected=expected, actual=in_effect)
        require_rights(connection, under)  # law 5
        if _is_refuted(connection, revision):
            raise RefutedRevisionError(revision)  # law 4
        if covered is not None and (missing := _unproved(connection, covered)):
            raise UnprovedLabelsError(missing)
        mine = update(policy_revisions).where(_TABLE.revision == revision)
        connection.execute(mine.values(activated_at=event.time, activated_by=event.subject))
        put_in_effect(connection, revision)
        self._record(connection, event, revision, new.digest, texts)
        return _revision(connection, revision)

    @snapshot
    def current(self, connection: Connection) -> PolicyRevision | None:
        """Return the revision in effect, or `None` before the first."""
        in_effect = _REVISIONS.join(heads, _TABLE.revision == heads.c.policy)
        return next(iter(_select(connection, in_effect)), None)

    @snapshot
    def revision(self, connection: Connection, number: int) -> PolicyRevision:
        """Return one revision.

        Raises:
            UnknownRevisionError: there is none of this number.
        """
        return _revision(connection, number)

    @snapshot
    def texts(self, connection: Connection, number: int) -> RevisionTexts:
        """Return what a revision says.

        Raises:
            UnknownRevisionError: there is none of this number, or its text was not kept.
            AlteredRevisionError: its texts are not those that were recorded.
        """
        return _texts(connection, number)

    @snapshot
    def revisions(
        self, connection: Connection, *, after: int = 0, limit: int = PAGE
    ) -> tuple[PolicyRevision, ...]:
        """Return revisions in their order, beginning behind `after`."""
        newer = _REVISIONS.where(_TABLE.revision > after).order_by(_TABLE.revision)
        return _select(connection, newer.limit(limit))

    @snapshot
    def latest(self, connection: Connection, limit: int) -> tuple[PolicyRevision, ...]:
        """Return the last revisions, the latest first."""
        return _select(connection, _REVISIONS.order_by(_TABLE.revision.desc()).limit(limit))

    @transaction
    def note_proof(self, connection: Connection, revision: int, proof: Proof) -> None:
        """Keep what a proof of a revision came to; a difference that was found stays (law 4).

        Raises:
            UnknownRevisionError: there is none of this number.
        """
        in_effect, about = lock_heads(connection), _revision(connection, revision)
        if _is_refuted(connection, revision):
            return
        _keep(connection, revision, proof)
        if proof.state is not ProofState.REFUTED:
            return
        if revision == in_effect:
            mark_refuted(connection)
        self.audit.append_within(connection, _refutation(about, proof))

    @snapshot
    def proof(self, connection: Connection, revision: int) -> Proof | None:
        """Return what the last proof of a revision came to, if there was one."""
        return _proof(connection, revision)

    def _record(
        self,
        connection: Connection,
        event: AuditEvent,
        number: int,
        digest: str,
        texts: RevisionTexts,
    ) -> None:
        # The chain vouches for the texts, so that a change of both them and their digest shows.
        detail = {**event.detail, "texts_digest": texts.digest}
        known = replace(event, policy_revision=number, policy_digest=digest, detail=detail)
        self.audit.append_within(connection, known)


def _select(connection: Connection, statement: Select[Any]) -> tuple[PolicyRevision, ...]:
    return tuple(map(_revision_of, connection.execute(statement).mappings()))


def _revision(connection: Connection, number: int) -> PolicyRevision:
    row = connection.execute(_REVISIONS.where(_TABLE.revision == number)).mappings().one_or_none()
    if row is None:
        raise UnknownRevisionError(number)
    return _revision_of(row)


def _revision_of(row: RowMapping) -> PolicyRevision:
    return PolicyRevision(**{**row, "parties": names_from_json(row["parties"])})


def _texts(connection: Connection, number: int) -> RevisionTexts:
    columns = [_TABLE[part.name] for part in fields(RevisionTexts)]
    statement = select(_TABLE.texts_digest, *columns).where(_TABLE.revision == number)
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise UnknownRevisionError(number)
    digest, *texts = row
    if not (digest or row.model):
        raise UnknownRevisionError(number)
    if digest_of(*texts) != digest:
        raise AlteredRevisionError(number)
    model, rules, matching, tests = texts
    return RevisionTexts(model=model, rules=rules, matching=matching, tests=tests)


def _refutation(about: PolicyRevision, proof: Proof) -> AuditEvent:
    first = next(iter(proof.mismatches), Mismatch("", ""))
    return AuditEvent(
        kind=AuditKind.POLICY_REFUTED,
        time=proof.updated_at,
        subject=PROGRAM,
        outcome=Outcome.DENIED,
        tenant=first.tenant,
        policy_revision=about.revision,
        policy_digest=about.digest,
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
    statement = select(documents.c.label_digest).where(LIVE).distinct()
    return tuple(sorted(set(connection.scalars(statement)) - set(covered)))
