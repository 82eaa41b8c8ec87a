"""How far the records have come: counters, each moved in the transaction of the change it counts.

The laws of this file:

1. A counter only grows, and moves in the same transaction as the change that it counts. So two
   equal readings mean that nothing of that kind changed in between. Users and groups are counted
   for each tenant by itself, so that one tenant's changes are nothing to another's requests. The
   revision in effect can become refuted once, and only another one ends that.
2. `label` numbers every change of who may read a document: a new label, a new document, a deletion.
   Each document keeps the number of its last one.
3. What is read as `label` here has reached the engine: a change that the engine does not carry yet
   is not counted, however many came after it.
4. Every change that moves a counter of rights holds the end of the audit chain before it commits.
   Whether a reading stands is asked while holding it too. So what stands then stands until what
   rests on it is on record, and comes before the next change in the order of the chain.
5. Locks are taken in one order, so that no two wait for each other: rows of documents and folders,
   counters, what waits for approval, the end of the chain. The counter of a directory is locked
   first by its own writers, who need no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, select, update

from acl.records.database.database import Part, batches, snapshot, upsert
from acl.records.database.errors import MovedOnError
from acl.records.tables.schema import audit_head, directory_heads, documents, heads
from acl.records.tables.types import LAGS


@dataclass(frozen=True, slots=True)
class DirectoryHead:
    """How many changes of users and groups a tenant has seen."""

    tenant: str
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """One reading of the counters.

    Attributes:
        policy: the policy revision in effect; 0 before the first.
        refuted: whether its compiled filters and Casbin were found to differ.
        directory: changes of users and groups of one tenant; `None` where nothing rests on them.
        label: changes of labels that the engine carries (law 3).
    """

    policy: int
    refuted: bool
    label: int
    directory: DirectoryHead | None = None

    def same_policy(self, other: Heads) -> bool:
        """Say whether the same policy is in effect, and nothing new was found about it."""
        return (self.policy, self.refuted) == (other.policy, other.refuted)

    def same_rights(self, other: Heads) -> bool:
        """Say whether nothing that this reading rests on is another in `other`."""
        return self.same_policy(other) and self.directory in {None, other.directory}


class Standing(Part):
    """Reads the counters."""

    @snapshot
    def read(self, connection: Connection, tenant: str | None = None) -> Heads:
        """Return one reading, with the directory of `tenant` if one is named.

        Raises:
            RecordsUnavailableError: the records cannot be asked, so nothing is known to be current.
        """
        first = select(func.min(documents.c.label_revision)).where(LAGS).scalar_subquery()
        columns = heads.c.policy, heads.c.refuted, heads.c.label
        policy, refuted, label, missing = connection.execute(select(*columns, first)).one()
        directory = None
        if tenant is not None:
            directory = DirectoryHead(tenant, _changes(connection, [tenant]).get(tenant, 0))
        return Heads(
            policy=policy,
            refuted=bool(refuted),
            directory=directory,
            label=label if missing is None else min(label, missing - 1),
        )


def require_rights(connection: Connection, under: Heads | None) -> None:
    """Check that what was decided upon stands until this transaction ends (law 4).

    Call it after the rows of the change itself are locked, and before the audit.

    Raises:
        MovedOnError: it does not.
    """
    if under is None:
        return
    connection.execute(select(audit_head.c.seq).with_for_update())
    if not all(which_stand(connection, [under])):
        raise MovedOnError


def which_stand(connection: Connection, readings: Sequence[Heads | None]) -> list[bool]:
    """Say of each reading whether it stands; the end of the chain must be held (law 4)."""
    given = [one for one in readings if one is not None]
    if not given:
        return [True] * len(readings)
    policy, refuted = connection.execute(select(heads.c.policy, heads.c.refuted)).one()
    changes = _changes(connection, (one.directory.tenant for one in given if one.directory))

    def stands(one: Heads) -> bool:
        directory = one.directory
        if directory is not None:
            directory = replace(directory, changes=changes.get(directory.tenant, 0))
        now = replace(one, policy=policy, refuted=bool(refuted), directory=directory)
        return one.same_rights(now)

    return [one is None or stands(one) for one in readings]


def _changes(connection: Connection, tenants: Iterable[str]) -> dict[str, int]:
    known = directory_heads.c
    found: dict[str, int] = {}
    for batch in batches(tenants):
        statement = select(known.tenant, known.changes).where(known.tenant.in_(batch))
        found |= {row.tenant: row.changes for row in connection.execute(statement)}
    return found


def bump(connection: Connection) -> int:
    """Count one change of a label in the caller's transaction, and return its number.

    In PostgreSQL the row stays locked until the transaction ends; call it after the rows of the
    change itself are locked, and before the audit.
    """
    statement = update(heads).values(label=heads.c.label + 1).returning(heads.c.label)
    return int(connection.execute(statement).scalar_one())


def lock_heads(connection: Connection) -> int:
    """Let no other transaction move a counter until this one ends; return the policy in effect."""
    return int(connection.execute(select(heads.c.policy).with_for_update()).scalar_one())


def lock_directory(connection: Connection, tenant: str) -> None:
    """Let no other writer change the users and groups of a tenant until this transaction ends."""
    row = upsert(connection, directory_heads).values(tenant=tenant, changes=0)
    connection.execute(row.on_conflict_do_nothing())
    mine = directory_heads.c.tenant == tenant
    connection.execute(select(directory_heads.c.changes).where(mine).with_for_update())


def bump_directory(connection: Connection, tenant: str) -> int:
    """Count one change of users or groups, whose writer holds the counter; return its number."""
    column = directory_heads.c.changes
    mine = update(directory_heads).where(directory_heads.c.tenant == tenant)
    counted = connection.execute(mine.values(changes=column + 1).returning(column))
    return int(counted.scalar_one())


def put_in_effect(connection: Connection, revision: int) -> None:
    """Name the policy revision in effect; the row must be locked."""
    connection.execute(update(heads).values(policy=revision, refuted=0))


def mark_refuted(connection: Connection) -> None:
    """Let every request from now on know that the policy in effect is refuted (law 1)."""
    connection.execute(update(heads).values(refuted=1))
