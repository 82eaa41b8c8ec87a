"""What the engine must hold, whatever was done: the records' labels, on whole points, no more."""

from __future__ import annotations

from datetime import datetime

from acl.engine.payload import DOCUMENT, VERSION, label_payload
from acl.engine.wire import Filter, MatchAny, Range
from ingest.index.engine import Candidate
from tests.integration.world import NOW, World

EVERYTHING = Filter(must=(Range(VERSION, gte=0),))


def points_of(document_id: str) -> Filter:
    """Return the filter for every point of a document, whatever its version."""
    return Filter(must=(MatchAny(DOCUMENT, (document_id,)),))


async def points(made: World) -> list[Candidate]:
    """Return every point."""
    return [one async for one in made.engine.scroll(EVERYTHING)]


async def assert_points_are_whole(made: World) -> None:
    """Whatever the engine holds carries a complete label, all of it or none."""
    for point in await points(made):
        label = point.payload["label"]
        assert label == label_payload(made.schema.parse(label["value"]), made.schema)


async def assert_engine_equals_records(made: World, *, at: datetime = NOW) -> None:
    """Every live passage has its point, with the label of record at `at`, and there are no more."""
    documents = {one.id: one for one in await made.documents()}
    found: dict[str, int] = {}
    for point in await points(made):
        document = documents[point.payload["document"]["id"]]
        assert point.payload["document"]["version"] == document.live_version
        assert point.payload["label"] == label_payload(document.label(made.schema, at), made.schema)
        found[document.id] = found.get(document.id, 0) + 1
    assert found == {one.id: one.chunk_count for one in documents.values()}
