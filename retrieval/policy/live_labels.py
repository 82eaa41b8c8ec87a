"""The labels that live documents carry, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from acl.errors import LabelError
from acl.labels import Label, LabelSchema
from acl.records import DistinctLabel, Records

_LOG = structlog.stdlib.get_logger("strongroom.labels")


async def live_labels(records: Records, schema: LabelSchema) -> tuple[Label, ...]:
    """Return every distinct label of record.

    A share that has ended and is still written counts too: it is one more label to compare. What
    cannot be read lets nobody read, under any policy; it is left out, and named in the log.

    Raises:
        RecordsError: the records cannot be asked.
    """
    found = await records.catalog.distinct_labels()
    read, unreadable = await asyncio.to_thread(legible, found, schema)
    if unreadable:
        documents = await records.catalog.carrying(unreadable)
        _LOG.error("labels_unreadable", labels=len(unreadable), documents=documents)
    return tuple(label for _, label in read)


def legible(
    found: Iterable[DistinctLabel], schema: LabelSchema
) -> tuple[list[tuple[DistinctLabel, Label]], list[str]]:
    """Return what can be read with its label, and the digests of what cannot."""
    read: list[tuple[DistinctLabel, Label]] = []
    unreadable: list[str] = []
    for one in found:
        try:
            read.append((one, schema.parse(one.label_json)))
        except LabelError:
            unreadable.append(one.digest)
    return read, unreadable
