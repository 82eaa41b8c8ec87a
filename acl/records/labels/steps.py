"""The steps of a label's life in SQL, within a transaction that locked the document.

The laws of this file:

1. What is stored can be read again: a value that no schema would read is refused here, whoever
   made it. One that is there all the same lets nobody read, and stops nobody else.
2. The label, its version, its shares, where its values come from and what is remembered of the
   change move together, and `bump` counts it.
3. Whatever waits for approval was decided on the label before; it is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from acl.errors import LabelError
from acl.labels import Label, require_bounded
from acl.records.database.errors import UnstorableError
from acl.records.database.storable import from_json, to_json
from acl.records.labels.types import ChangeKind, LabelEdit
from acl.records.tables.core import documents
from acl.records.tables.heads import bump
from acl.records.tables.labels import label_changes, label_proposals
from acl.records.tables.shares import READERS, Share, share_columns, standing
from acl.records.tables.transitions import was_live
from acl.records.tables.types import DocumentRecord


def origins_of(connection: Connection, document_id: str) -> dict[str, Any]:
    """Return where the values of a document's label come from."""
    mine = documents.c.id == document_id
    return from_json(connection.execute(select(documents.c.origins).where(mine)).scalar_one())


def set_on_document(
    old: DocumentRecord, label: Label, origins: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the origins after somebody gave the document a whole new label."""
    new = label.as_json()
    moved = {
        name
        for name in new.keys() | old.label_json.keys()
        if new.get(name) != old.label_json.get(name)
    }
    folders = {name: path for name, path in origins.get("folders", {}).items() if name not in moved}
    return {**origins, "own": sorted(moved.union(origins.get("own", ()))), "folders": folders}


def require_storable(label: Label) -> None:
    """Refuse a label that could not be read again (law 1).

    Raises:
        UnstorableError: naming the attributes.
    """
    try:
        require_bounded(label)
    except LabelError as error:
        raise UnstorableError(f"the label cannot be stored: {error}") from error


def relabel(
    connection: Connection, old: DocumentRecord, edit: LabelEdit, *, by: str, at: datetime
) -> int:
    """Put a label in the place of `old`, which is locked and is what was decided upon (law 2)."""
    if edit.label.values.get("tenant", old.tenant) != old.tenant:
        raise UnstorableError("the label names another tenant than the document")
    label_json, version = edit.label.as_json(), old.label_version + 1
    shares = standing(edit.shares, label_json.get(READERS, ()))
    before = state_json(old.label_json, old.shares, origins_of(connection, old.id))
    connection.execute(
        update(documents)
        .where(documents.c.id == old.id)
        .values(
            label=to_json("label", label_json),
            label_digest=edit.label.digest,
            label_version=version,
            label_revision=bump(connection),
            origins=to_json("origins", edit.origins),
            updated_at=at,
            **share_columns(shares),
        )
    )
    remember(
        connection,
        old.id,
        version,
        kind=edit.kind,
        before=before,
        after=state_json(label_json, shares, edit.origins),
        by=by,
        at=at,
        reason=edit.reason,
        change_id=edit.change_id,
    )
    return version


def state_json(
    label: Mapping[str, Any], shares: Iterable[Share], origins: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is remembered of a label."""
    shared = [one.as_json() for one in shares]
    return {"label": dict(label), "shares": shared, "origins": dict(origins)}


def remember(  # noqa: PLR0913 - a change has as many sides
    connection: Connection,
    document_id: str,
    version: int,
    *,
    kind: ChangeKind,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
    by: str,
    at: datetime,
    reason: str = "",
    change_id: str = "",
) -> None:
    """Keep a change, and drop what waited for the label before it (law 3)."""
    connection.execute(
        insert(label_changes).values(
            document_id=document_id,
            label_version=version,
            kind=kind.value,
            before=None if before is None else to_json("before", before),
            after=to_json("after", after),
            by=by,
            at=at,
            reason=reason,
            change_id=change_id,
        )
    )
    waiting = label_proposals.c.document_id == document_id
    connection.execute(
        delete(label_proposals).where(waiting, label_proposals.c.expected_version < version)
    )


def remember_ingest(
    connection: Connection,
    old: DocumentRecord,
    origins: Mapping[str, Any],
    new: DocumentRecord,
    *,
    by: str,
) -> None:
    """Keep that a version went live with another label than the one before it, or with the first.

    A document that was deleted and is there again begins a new history; one that was withdrawn goes
    on with its own.
    """
    before = state_json(old.label_json, old.shares, origins) if was_live(old) else None
    after = state_json(new.label_json, new.shares, origins_of(connection, new.id))
    remember(
        connection,
        new.id,
        new.label_version,
        kind=ChangeKind.INGEST,
        before=before,
        after=after,
        by=by,
        at=new.updated_at,
    )
