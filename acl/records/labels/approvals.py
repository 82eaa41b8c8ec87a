"""What one party asks for and another has to approve: a lower label, a folder, access.

The laws of this file:

1. What is asked for a label or a folder names the version that it was decided upon. It is stored
   only while that version stands, and falls with it.
2. It is used up in the transaction of the change that it allows, once. What no one approved stays
   open; what was decided is kept with who decided.
3. It is as good as gone once it is `KEPT` old, open or decided.
4. A request for access is stored whether or not the document exists, so that nothing that its
   asker sees, counts or waits for depends on it. One asker has one for each document, and at most
   `MAX_OPEN`. Asking again takes the place of the request before, open or decided; so what an asker
   sees of a request, they have said themselves.
5. Those who decide about access are shown requests for documents that exist, so that no number of
   others hides one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from acl.records.audit.chain import AuditEvent
from acl.records.audit.log import AuditedPart
from acl.records.database.database import snapshot, transaction
from acl.records.database.errors import RecordsConflictError, RecordsError
from acl.records.database.storable import (
    from_json,
    is_storable,
    names_from_json,
    names_to_json,
    to_json,
)
from acl.records.labels.steps import require_folder_version
from acl.records.labels.types import Approval, ApprovalKind, ApprovalState
from acl.records.tables import transitions as step
from acl.records.tables.heads import Heads, lock_heads, require_rights
from acl.records.tables.schema import approvals, documents
from acl.records.tables.types import LIVE

MAX_OPEN: Final = 100
KEPT: Final = timedelta(days=30)

_TABLE: Final = approvals.c


class TooManyRequestsError(RecordsError):
    """The asker has too many requests for access that are not old enough to be gone."""

    def __init__(self) -> None:
        super().__init__(f"more than {MAX_OPEN} requests within {KEPT.days} days")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a list goes on: behind what was asked for at this time under this id."""

    at: datetime
    id: str


class Approvals(AuditedPart):
    """What waits for approval in one database, and what was decided lately."""

    @transaction
    def ask(
        self,
        connection: Connection,
        new: Approval,
        event: AuditEvent,
        *,
        under: Heads | None = None,
    ) -> None:
        """Store what is asked for.

        Raises:
            UnknownDocumentError: it is about the label of a document that is not live.
            StaleLabelError, StaleFolderError: another version stands by now (law 1).
            TooManyRequestsError: the asker has too many requests for access (law 4).
            MovedOnError: the rights `under` which it was decided do not stand any more.
        """
        _require_version(connection, new)  # law 1
        # Two of one asker are counted one after the other.
        lock_heads(connection)
        gone = (_TABLE.tenant == new.tenant) & ~_kept(event.time)
        connection.execute(delete(approvals).where(gone))  # law 3
        if new.kind is ApprovalKind.ACCESS:
            _make_room(connection, new)  # law 4
        connection.execute(insert(approvals).values(_row(new)))
        require_rights(connection, under)
        self.audit.append_within(connection, event)

    @snapshot
    def waiting(  # noqa: PLR0913 - a list has as many sides
        self,
        connection: Connection,
        kind: ApprovalKind,
        tenant: str,
        *,
        now: datetime,
        about: str | None = None,
        after: Place | None = None,
        limit: int | None = None,
    ) -> tuple[Approval, ...]:
        """Return what waits in a tenant, the latest first.

        Args:
            connection: of the snapshot.
            kind: for what.
            tenant: whose documents and folders.
            now: what is too old by then is gone (law 3).
            about: this document or folder alone.
            after: where the list goes on.
            limit: as many at most.
        """
        wanted = _open(now) & (_TABLE.kind == kind.value) & (_TABLE.tenant == tenant)
        if about is not None:
            wanted &= _TABLE.about == about
        if kind is ApprovalKind.ACCESS:
            wanted &= _of_live_document(tenant)  # law 5
        return _select(connection, wanted & _behind(after), limit)

    @snapshot
    def of_asker(
        self, connection: Connection, tenant: str, by: str, *, now: datetime
    ) -> tuple[Approval, ...]:
        """Return one asker's requests for access, open or decided, the latest first."""
        mine = _requests_of(tenant, by) & _kept(now)
        return _select(connection, mine, MAX_OPEN)

    @snapshot
    def one(
        self, connection: Connection, kind: ApprovalKind, approval_id: str, *, now: datetime
    ) -> Approval | None:
        """Return what waits under this id, or `None`."""
        if not is_storable(approval_id):
            return None
        wanted = _open(now) & (_TABLE.kind == kind.value) & (_TABLE.id == approval_id)
        return next(iter(_select(connection, wanted, 1)), None)

    @transaction
    def refuse(self, connection: Connection, approval_id: str, event: AuditEvent) -> bool:
        """Note that the event's subject refused; return whether it was open."""
        refused = _decide(connection, _TABLE.id == approval_id, ApprovalState.REFUSED, event)
        if refused:
            self.audit.append_within(connection, event)
        return refused


def use_up(connection: Connection, approval_id: str, about: str, event: AuditEvent) -> None:
    """Note that what was asked for is granted, in the transaction that grants it (law 2).

    Raises:
        RecordsConflictError: it does not wait any more.
    """
    # Those who ask hold the counters before any of these rows.
    lock_heads(connection)
    this = (_TABLE.id == approval_id) & (_TABLE.about == about)
    if not _decide(connection, this, ApprovalState.GRANTED, event):
        raise RecordsConflictError("the proposal was decided upon by another")


def _decide(
    connection: Connection, this: ColumnElement[bool], state: ApprovalState, event: AuditEvent
) -> bool:
    decided = update(approvals).where(this, _open(event.time))
    values = {"state": state.value, "decided_at": event.time, "decided_by": event.subject}
    return bool(connection.execute(decided.values(values)).rowcount)


def _require_version(connection: Connection, new: Approval) -> None:
    """Hold what it is about, and refuse what was decided upon another version."""
    match new.kind:
        case ApprovalKind.LABEL:
            step.hold_label(connection, new.about, new.version)
        case ApprovalKind.FOLDER:
            require_folder_version(connection, new.tenant, new.about, new.version)
        case ApprovalKind.ACCESS:
            pass
        case _ as never:
            assert_never(never)


def _make_room(connection: Connection, new: Approval) -> None:
    """Let a request take the place of the one before, if its asker has not too many (law 4)."""
    mine = _requests_of(new.tenant, new.by)
    connection.execute(delete(approvals).where(mine, _TABLE.about == new.about))
    if (connection.scalar(select(func.count()).where(mine)) or 0) >= MAX_OPEN:
        raise TooManyRequestsError


def _requests_of(tenant: str, by: str) -> ColumnElement[bool]:
    access = _TABLE.kind == ApprovalKind.ACCESS.value
    return access & (_TABLE.tenant == tenant) & (_TABLE.by == by)


def _kept(now: datetime) -> ColumnElement[bool]:
    return _TABLE.at > now - KEPT


def _open(now: datetime) -> ColumnElement[bool]:
    return _kept(now) & (_TABLE.state == ApprovalState.OPEN.value)


def _of_live_document(tenant: str) -> ColumnElement[bool]:
    mine = (documents.c.id == _TABLE.about) & (documents.c.tenant == tenant)
    return select(documents.c.id).where(LIVE, mine).exists()


def _behind(place: Place | None) -> ColumnElement[bool]:
    if place is None:
        return true()
    return or_(_TABLE.at < place.at, and_(_TABLE.at == place.at, _TABLE.id > place.id))


def _row(new: Approval) -> dict[str, object]:
    return {
        **asdict(new),
        "kind": new.kind.value,
        "state": new.state.value,
        "changes": to_json("changes", new.changes),
        "wanted": to_json("wanted", new.wanted),
        "parties": names_to_json("parties", new.parties),
    }


def _approval(row: RowMapping) -> Approval:
    parsed = {
        "kind": ApprovalKind(row["kind"]),
        "state": ApprovalState(row["state"]),
        "changes": from_json(row["changes"]),
        "wanted": from_json(row["wanted"]),
        "parties": names_from_json(row["parties"]),
    }
    return Approval(**{**row, **parsed})


def _select(
    connection: Connection, wanted: ColumnElement[bool], limit: int | None
) -> tuple[Approval, ...]:
    statement = select(approvals).where(wanted).order_by(_TABLE.at.desc(), _TABLE.id)
    return tuple(map(_approval, connection.execute(statement.limit(limit)).mappings()))
