"""Which source of record a folder is, and what is known of it.

The laws of this file:

1. A folder that was read in before is found by where it lies, or by the name that is said; what is
   newly said of it counts from then on, and what is not said stays. It takes another root only when
   the old one is gone.
2. A new one is called after its folder, with a number where that name is taken.
3. A folder that lies in a source is a part of it, and no source of its own.
4. A source that was removed and comes back at the same root is the same one: its documents come
   back under their labels. No other source ever gets them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from acl.labels import normalise
from acl.records import AuditEvent, AuditKind, Outcome, Records, RecordsConflictError, SourceRecord
from acl.subject import INGESTION
from ingest.errors import SourceError

FOLDER: Final = "folder"
_SOURCES: Final = uuid.UUID("0b7f3c0e-6f0a-5b58-8f39-5f6f5a1f7d21")


async def source_of_path(
    records: Records, path: Path, *, name: str = "", at: str = "", label: Mapping[str, object]
) -> SourceRecord:
    """Return the source that the folder or file at `path` belongs to, as it would be on record.

    Args:
        records: the system of record.
        path: a folder, or one file of it.
        name: what the source is called; by default after its folder.
        at: the place under which its documents stand.
        label: label attributes that win over what is written in the source.

    Raises:
        RecordsConflictError: the folder is a source of another name, or lies in another source.
        SourceError: `at` is no place.
    """
    root = str(await asyncio.to_thread(_root, path))
    place = _place(at)
    here = await records.sources.rooted(FOLDER, root)
    if here is not None and name not in {"", here.name}:
        raise RecordsConflictError(f"`{root}` is the source `{here.name}` already")
    if here is None:
        await _require_apart(records, Path(root))
    known = here or (await records.sources.named(name) if name else None)
    if known is None:  # law 2
        made = name or await _free_name(records, Path(root).name or "folder")
        return SourceRecord(
            id=await _free_id(records, root),
            name=made,
            root=root,
            at=place,
            label=dict(label),
            created_at=datetime.now(UTC),
        )
    if known.root != root and await asyncio.to_thread(Path(known.root).exists):
        raise RecordsConflictError(
            f"the source `{known.name}` lies at `{known.root}`, which is still there; give "
            f"`{Path(root).name}` another name"
        )
    return replace(known, root=root, at=place or known.at, label={**known.label, **label})  # law 1


async def registered(
    records: Records, source: SourceRecord, *, by: str = INGESTION
) -> SourceRecord:
    """Bring what is known of a source to the records, if it is new; return it.

    Raises:
        RecordsConflictError: its name or its root is that of another source.
    """
    if await records.sources.named(source.name) != source:
        await records.sources.put(source, source_event(source, by=by, what="registered"))
    return source


def source_event(source: SourceRecord, *, by: str, what: str) -> AuditEvent:
    """Return the audit event of a change to a source."""
    return AuditEvent(
        kind=AuditKind.SOURCE,
        time=datetime.now(UTC),
        subject=by,
        outcome=Outcome.PERMITTED,
        detail={"source": source.name, "root": source.root, "what": what},
    )


async def _require_apart(records: Records, root: Path) -> None:
    for each in await records.sources.listed():
        if root.is_relative_to(each.source.root):  # law 3
            name = each.source.name
            raise RecordsConflictError(
                f"`{root.name}` lies in the source `{name}`; `strongroom source run {name}` reads "
                "it in with the rest"
            )


def _root(path: Path) -> Path:
    top = path.resolve()
    return top if top.is_dir() else top.parent


def _place(at: str) -> str:
    parts = [part for part in at.split("/") if part]
    try:
        for part in parts:
            normalise(part)
    except ValueError as error:
        raise SourceError(f"`--at {at}` is no place: it {error}") from error
    if not {".", ".."}.isdisjoint(parts):
        raise SourceError(f"`--at {at}` is no place: write it as `/archive/2025`")
    return "".join(f"/{part}" for part in parts)


async def _free_id(records: Records, root: str) -> str:
    """Return the id that a source at this root had before, unless one that moved took it along."""
    made = str(uuid.uuid5(_SOURCES, root))
    taken = {each.source.id for each in await records.sources.listed()}
    return str(uuid.uuid4()) if made in taken else made  # law 4


async def _free_name(records: Records, wanted: str) -> str:
    name, number = wanted, 1
    while await records.sources.named(name) is not None:
        number += 1
        name = f"{wanted}-{number}"
    return name
