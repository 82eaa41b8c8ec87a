"""The collection's birth certificate: start-up refuses vectors or labels of another making."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import Connection, select

from acl.records.database.database import Database
from acl.records.database.errors import RecordsMismatchError
from acl.records.database.storable import checked_time
from acl.records.database.upsert import upsert
from acl.records.tables.core import collection_state
from acl.records.tables.types import CollectionState


class Collection:
    """What the collection was made with, stated once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def require(self, state: CollectionState, *, now: datetime) -> None:
        """State what the collection is made with, or check that it is what was stated first.

        Raises:
            RecordsMismatchError: it was made with something else; the text names what differs.
        """
        stored = await self._database.write(_state, state, checked_time("now", now))
        differing = [
            f"`{field.name}` is `{getattr(stored, field.name)}`, not `{getattr(state, field.name)}`"
            for field in fields(state)
            if getattr(stored, field.name) != getattr(state, field.name)
        ]
        if differing:
            raise RecordsMismatchError("the collection was made otherwise: " + "; ".join(differing))


def _state(connection: Connection, state: CollectionState, now: datetime) -> CollectionState:
    """Store `state` unless one is stored; return the one that is."""
    row = {"id": 1, "created_at": now, **asdict(state)}
    connection.execute(upsert(connection, collection_state).values(row).on_conflict_do_nothing())
    columns = [collection_state.c[field.name] for field in fields(state)]
    return CollectionState(**dict(connection.execute(select(*columns)).mappings().one()))
