"""How far the records have come: one row of counters, moved in the transaction of each change.

The laws of this file:

1. A counter only grows, and moves in the same transaction as the change that it counts. So two
   equal readings mean that nothing of that kind changed in between.
2. `label` numbers every change of who may read a document: a new label, a new document, a deletion.
   Each document keeps the number of its last one.
3. What is read as `label` here has reached the engine: a change that the engine does not carry yet
   is not counted, however many came after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, select, update

from acl.records.database import Database
from acl.records.errors import MovedOnError
from acl.records.schema import documents, heads


class Head(StrEnum):
    """A counter that a change moves by one."""

    LABEL = "label"
    DIRECTORY = "directory"
    SUSPENSION = "suspension"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """One reading of the counters.

    Attributes:
        policy: the policy revision in effect; 0 before the first.
        suspension: changes of the roles that are denied for a time.
        directory: changes of users and groups.
        label: changes of labels that the engine carries (law 3).
    """

    policy: int
    suspension: int
    directory: int
    label: int

    def same_rights(self, other: Heads) -> bool:
        """Say whether no policy and no membership changed between the two readings."""
        mine = self.policy, self.suspension, self.directory
        return mine == (other.policy, other.suspension, other.directory)


class Standing:
    """Reads the counters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Heads:
        """Return one reading.

        Raises:
            RecordsUnavailableError: the records cannot be asked, so nothing is known to be current.
        """
        return await self._database.read(read_heads)


def read_heads(connection: Connection) -> Heads:
    """Return one reading within the caller's transaction."""
    behind = (documents.c.projected_label_version < documents.c.label_version) & (
        documents.c.live_version > 0
    )
    first = select(func.min(documents.c.label_revision)).where(behind).scalar_subquery()
    columns = heads.c.policy, heads.c.suspension, heads.c.directory, heads.c.label
    policy, suspension, directory, label, missing = connection.execute(
        select(*columns, first)
    ).one()
    return Heads(
        policy=policy,
        suspension=suspension,
        directory=directory,
        label=label if missing is None else min(label, missing - 1),
    )


def bump(connection: Connection, head: Head) -> int:
    """Count one change in the caller's transaction, and return its number.

    In PostgreSQL the row stays locked until the transaction ends; call it after the rows of the
    change itself are locked, and before the audit.
    """
    column = heads.c[head.value]
    statement = update(heads).values({head.value: column + 1}).returning(column)
    return int(connection.execute(statement).scalar_one())


def lock_heads(connection: Connection) -> int:
    """Let no other transaction move a counter until this one ends; return the policy in effect."""
    return int(connection.execute(select(heads.c.policy).with_for_update()).scalar_one())


def require_rights(connection: Connection, under: Heads | None) -> None:
    """Check that the rights under which something was decided stand until this transaction ends.

    Call it after the rows of the change itself are locked, and before the audit.

    Raises:
        MovedOnError: they do not.
    """
    if under is not None:
        lock_heads(connection)
        if not under.same_rights(read_heads(connection)):
            raise MovedOnError


def put_in_effect(connection: Connection, revision: int) -> None:
    """Name the policy revision in effect; the row must be locked."""
    connection.execute(update(heads).values(policy=revision))
