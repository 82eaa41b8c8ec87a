"""The steps of a label's life in SQL, within a transaction that locked the document.

The laws of this file:

1. What is stored can be read again: a value that no schema would read is refused here. A
   label that cannot be read all the same is readable by no one, and stops no other document.
2. The label, its version, its shares, where its values come from and what is remembered of the
   change move together, and `bump` counts it.
3. What waits for approval was decided on the label before; it is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from acl.errors import LabelError
from acl.labels import READERS, Label, require_bounded
from acl.records.database.errors import StaleFolderError, UnstorableError
from acl.records.database.storable import from_json, to_json
from acl.records.labels.types import ApprovalKind, ApprovalState, ChangeKind, LabelChange, LabelEdit
from acl.records.tables.heads import bump
from acl.records.tables.schema import approvals, documents, folder_labels, label_changes
from acl.records.tables.transitions import was_live
from acl.records.tables.types import DocumentRecord, Share, share_columns, standing


def origins_of(connection: Connection, document_id: str) -> dict[str, Any]:
    """Return where the values of a document's label come from."""
    mine = documents.c.id == document_id
    return from_json(connection.execute(select(documents.c.origins).where(mine)).scalar_one())


def set_on_document(
    old: DocumentRecord, label: Label, origins: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the origins after the document was given a whole new label."""
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
    """Put a label in the place of `old`, which is locked and is what was decided upon (law 2).

    The caller checks a label that comes from outside; one that stood before may be what it is.
    """
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
    change = LabelChange(
        document_id=old.id,
        label_version=version,
        kind=edit.kind,
        before=before,
        after=state_json(label_json, shares, edit.origins),
        by=by,
        at=at,
        reason=edit.reason,
        change_id=edit.change_id,
    )
    remember(connection, change)
    return version


def state_json(
    label: Mapping[str, Any], shares: Iterable[Share], origins: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is remembered of a label."""
    shared = [one.as_json() for one in shares]
    return {"label": dict(label), "shares": shared, "origins": dict(origins)}


def remember(connection: Connection, change: LabelChange) -> None:
    """Keep a change, and drop what waited for the label before it (law 3)."""
    stored = {
        "kind": change.kind.value,
        "before": None if change.before is None else to_json("before", change.before),
        "after": to_json("after", change.after),
    }
    connection.execute(insert(label_changes).values({**asdict(change), **stored}))
    older = approvals.c.version < change.label_version
    waiting = (approvals.c.about == change.document_id) & older
    drop_waiting(connection, ApprovalKind.LABEL, waiting)


def drop_waiting(connection: Connection, kind: ApprovalKind, these: ColumnElement[bool]) -> None:
    """Drop what waits for approval and was decided on what stands no more."""
    mine = (approvals.c.kind == kind.value) & (approvals.c.state == ApprovalState.OPEN.value)
    connection.execute(delete(approvals).where(mine, these))


def this_folder(tenant: str, path: str) -> ColumnElement[bool]:
    """Return what is true for the row of a folder."""
    return (folder_labels.c.tenant == tenant) & (folder_labels.c.path == path)


def require_folder_version(connection: Connection, tenant: str, path: str, expected: int) -> bool:
    """Lock a folder's label and say whether there is one.

    Raises:
        StaleFolderError: it is another version than expected.
    """
    stands = select(folder_labels.c.version).where(this_folder(tenant, path)).with_for_update()
    actual = connection.scalar(stands) or 0
    if actual != expected:
        raise StaleFolderError(path, expected=expected, actual=actual)
    return actual > 0


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
    change = LabelChange(
        document_id=new.id,
        label_version=new.label_version,
        kind=ChangeKind.INGEST,
        before=before,
        after=after,
        by=by,
        at=new.updated_at,
    )
    remember(connection, change)
