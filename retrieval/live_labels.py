"""The labels that live documents carry, each once."""

from __future__ import annotations

import asyncio

from acl.labels import Label, LabelSchema
from acl.records import DistinctLabel, Records


async def live_labels(records: Records, schema: LabelSchema) -> tuple[Label, ...]:
    """Return every distinct label of record.

    A share that has ended and is still written counts too: it is one more label to compare.

    Raises:
        LabelError: a label was stored under another schema.
        RecordsError: the records cannot be asked.
    """
    found = await records.catalog.distinct_labels()
    return await asyncio.to_thread(_parsed, found, schema)


def _parsed(found: tuple[DistinctLabel, ...], schema: LabelSchema) -> tuple[Label, ...]:
    return tuple(schema.parse(one.label_json) for one in found)
