"""Labels of record as people change them: with history and shares that end.

The laws of this file:

1. A change names the version that it was decided upon. Of two that name the same one is stored;
   the other is refused, and nothing of it is. So no label is ever the union of two.
2. The change, what is remembered of it, the audit event, what it did of a job and the approval that
   it used up are one transaction.
3. A share that ended is taken out of the label by a change like any other, whose author is this
   program. That it has ended takes effect without.
4. Nothing here returns a document of which no version is live.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, or_, select

from acl.labels import Label, LabelValue
from acl.records.audit.chain import AuditEvent
from acl.records.audit.log import AuditedPart
from acl.records.database.database import PAGE, batches, json_value, snapshot, transaction
from acl.records.database.errors import RecordsConflictError, UnknownDocumentError
from acl.records.database.storable import checked_time, from_json, is_storable
from acl.records.labels import steps as label_steps
from acl.records.labels.approvals import use_up
from acl.records.labels.jobs import settle_item
from acl.records.labels.types import (
    NOTHING,
    STATE_COLUMNS,
    ChangeKind,
    ItemState,
    LabelChange,
    LabelEdit,
    LabelState,
    Provided,
    state_of,
)
from acl.records.tables import transitions as step
from acl.records.tables.heads import require_rights
from acl.records.tables.schema import documents, label_changes
from acl.records.tables.types import LIVE, ended, without


class Labels(AuditedPart):
    """Labels and their history."""

    async def state(self, document_id: str) -> LabelState | None:
        """Return a live document with the origins of its label, or `None`."""
        return (await self.states([document_id])).get(document_id)

    @snapshot
    def states(
        self, connection: Connection, document_ids: Iterable[str]
    ) -> Mapping[str, LabelState]:
        """Return the live documents among these, with the origins of their labels."""
        return _states(connection, document_ids)

    @snapshot
    def below(
        self,
        connection: Connection,
        tenant: str,
        folder: str,
        *,
        after: str = "",
        limit: int = PAGE,
    ) -> tuple[LabelState, ...]:
        """Return live documents whose `path` begins so, by uri, beginning behind `after`."""
        path = json_value(connection, documents.c.label, "path")
        lies = func.substr(path, 1, len(folder)) == folder
        statement = (
            select(*STATE_COLUMNS)
            .where(LIVE, documents.c.tenant == tenant, documents.c.uri > after, lies)
            .order_by(documents.c.uri)
            .limit(limit)
        )
        return tuple(map(state_of, connection.execute(statement)))

    @snapshot
    def naming(
        self,
        connection: Connection,
        tenant: str,
        principal: str,
        *,
        after: str = "",
        limit: int = PAGE,
    ) -> tuple[LabelState, ...]:
        """Return live documents whose label or shares hold this text, by uri, behind `after`.

        It may stand in any attribute; the caller looks where.
        """
        if not is_storable(principal):
            return ()
        held = [
            column.contains(f'"{principal}"', autoescape=True)
            for column in (documents.c.label, documents.c.shares)
        ]
        statement = (
            select(*STATE_COLUMNS)
            .where(LIVE, documents.c.tenant == tenant, documents.c.uri > after, or_(*held))
            .order_by(documents.c.uri)
            .limit(limit)
        )
        return tuple(map(state_of, connection.execute(statement)))

    @snapshot
    def named(self, connection: Connection, tenant: str, attribute: str) -> frozenset[str]:
        """Return every element that live documents of a tenant have in a set of their labels."""
        value = json_value(connection, documents.c.label, attribute)
        statement = select(value).where(LIVE, documents.c.tenant == tenant, value.is_not(None))
        found = connection.execute(statement.distinct()).scalars()
        return frozenset(name for text in found for name in json.loads(text))

    @transaction
    def change(
        self,
        connection: Connection,
        edit: LabelEdit,
        event: AuditEvent,
        *,
        provided: Provided = NOTHING,
    ) -> int:
        """Change a label of record; return its new version, which the engine must follow.

        Args:
            connection: of the transaction.
            edit: the new label, and what it was decided upon.
            event: by whom and when.
            provided: what must still be so.

        Raises:
            UnstorableError: the label could not be read again.
            UnknownDocumentError: no such live document.
            StaleLabelError: the label was changed meanwhile.
            MovedOnError: the rights do not stand any more.
            RecordsConflictError: the approval or the job's document is no longer waiting.
        """
        step.lock(connection, edit.document_id)
        if provided.job and not settle_item(
            connection, provided.job, edit.document_id, ItemState.DONE
        ):
            raise RecordsConflictError("this document of the job was done by another")
        old = step.live_document(connection, edit.document_id)
        step.require_label_version(old, edit.expected_version)  # law 1
        if provided.approval:
            use_up(connection, provided.approval, edit.document_id, event)
        label_steps.require_storable(edit.label)
        version = label_steps.relabel(connection, old, edit, by=event.subject, at=event.time)
        require_rights(connection, provided.under)
        decided = () if provided.decided is None else (provided.decided,)
        self.audit.append_within(connection, event, *decided)  # law 2
        return version

    @snapshot
    def history(
        self,
        connection: Connection,
        document_id: str,
        *,
        below: int | None = None,
        limit: int = PAGE,
    ) -> tuple[LabelChange, ...]:
        """Return the changes of a document's label, the last one first."""
        return _history(connection, document_id, below, limit)

    @snapshot
    def remembered(
        self,
        connection: Connection,
        document_id: str,
        *,
        below: int | None = None,
        limit: int = PAGE,
    ) -> tuple[LabelState | None, tuple[LabelChange, ...]]:
        """Return a live document with the changes of its label, from one snapshot."""
        state = _states(connection, [document_id]).get(document_id)
        return state, _history(connection, document_id, below, limit)

    @snapshot
    def due(self, connection: Connection, at: datetime, *, limit: int = PAGE) -> tuple[str, ...]:
        """Return documents of which a share has ended and still stands in the label."""
        statement = (
            select(documents.c.id)
            .where(documents.c.shares_next <= checked_time("at", at), LIVE)
            .order_by(documents.c.shares_next)
            .limit(limit)
        )
        return tuple(connection.execute(statement).scalars())

    @snapshot
    def next_expiry(self, connection: Connection) -> datetime | None:
        """Return when the next share ends."""
        known = documents.c.shares_next.is_not(None) & LIVE
        earliest = select(func.min(documents.c.shares_next)).where(known)
        first: datetime | None = connection.scalar(earliest)
        return first

    @transaction
    def expire(self, connection: Connection, document_id: str, event: AuditEvent) -> int | None:
        """Take out of the label what ended by the event's time; return the version (law 3).

        `None` means that there was nothing to take out.
        """
        step.lock(connection, document_id)
        try:
            old = step.live_document(connection, document_id)
        except UnknownDocumentError:
            return None
        gone = ended(old.shares, event.time)
        if not gone:
            return None
        edit = LabelEdit(
            document_id=document_id,
            expected_version=old.label_version,
            label=_stored(without(old.label_json, gone)),
            shares=tuple(one for one in old.shares if one.principal not in gone),
            origins=label_steps.origins_of(connection, document_id),
            kind=ChangeKind.EXPIRY,
            reason="shares ended: " + ", ".join(sorted(gone)),
            change_id="",
        )
        version = label_steps.relabel(connection, old, edit, by=event.subject, at=event.time)
        self.audit.append_within(connection, event)
        return version


def _stored(label: Mapping[str, Any]) -> Label:
    """Return the label of a stored form, for which no schema is at hand."""
    values: dict[str, LabelValue] = {
        name: frozenset(value) if isinstance(value, list) else value
        for name, value in label.items()
    }
    return Label(values)


def _states(connection: Connection, ids: Iterable[str]) -> dict[str, LabelState]:
    found: dict[str, LabelState] = {}
    for batch in batches(ids):
        statement = select(*STATE_COLUMNS).where(LIVE, documents.c.id.in_(batch))
        states = map(state_of, connection.execute(statement))
        found |= {state.document.id: state for state in states}
    return found


def _history(
    connection: Connection, document_id: str, below: int | None, limit: int
) -> tuple[LabelChange, ...]:
    statement = select(label_changes).where(label_changes.c.document_id == document_id)
    if below is not None:
        statement = statement.where(label_changes.c.label_version < below)
    latest = statement.order_by(label_changes.c.label_version.desc()).limit(limit)
    return tuple(map(_label_change, connection.execute(latest).mappings()))


def _label_change(row: RowMapping) -> LabelChange:
    before = row["before"]
    parsed = {
        "kind": ChangeKind(row["kind"]),
        "before": None if before is None else from_json(before),
        "after": from_json(row["after"]),
    }
    return LabelChange(**{**row, **parsed})
