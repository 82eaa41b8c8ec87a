"""The product's own ranking on a test collection: real model, real engine, real filter.

Each document becomes a labelled document of its tenant, each question is asked by a subject of the
tenant that it belongs to, under the policy's predicate for that tenant.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from acl.decision import guard
from acl.engine.filter import to_filter
from acl.engine.payload import point_payload
from acl.labels import Attribute, AttributeType, LabelSchema
from acl.predicate import Constant
from bench.collections_ir import DEPTH, Text
from ingest.encode.chunk import Chunker
from ingest.encode.models import verified_model_folder
from ingest.index.edge.client import EdgeEngine
from ingest.index.engine import Point
from ingest.parts import Encoding
from retrieval.search.store import Mode, Question, Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SCHEMA: Final = LabelSchema({"tenant": Attribute(name="tenant", type=AttributeType.KEYWORD)})
PUBLIC: Final = "public"
_BATCH: Final = 256
# Passages asked for, so that ten different documents are among them.
_PASSAGES: Final = 60


@dataclass(slots=True)
class Ranker:
    """An index of documents, and the way to ask it."""

    engine: EdgeEngine
    encoder: Encoding
    chunker: Chunker
    owners: dict[str, str]
    tenants: dict[str, str]

    async def add(self, documents: Sequence[Text]) -> None:
        """Chunk, encode and write `documents` with their labels."""
        chunks = [(one, text) for one in documents for text in self._chunks(one)]
        for start in range(0, len(chunks), _BATCH):
            batch = chunks[start : start + _BATCH]
            vectors = await self.encoder.encode_passages([text for _, text in batch])
            points = [
                self._point(document, text, vector, start + place)
                for place, ((document, text), vector) in enumerate(zip(batch, vectors, strict=True))
            ]
            await self.engine.upsert(points)

    def _chunks(self, document: Text) -> Iterator[str]:
        found = [chunk.text for chunk in self.chunker.chunks(document.text)]
        yield from found or [document.id]

    def _point(self, document: Text, text: str, vector: object, number: int) -> Point:
        tenant = document.tenant or PUBLIC
        id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{document.id}/{number}"))
        self.owners[id_] = document.id
        self.tenants[document.id] = tenant
        payload = point_payload(
            SCHEMA.parse({"tenant": tenant}), SCHEMA, document=document.id, version=1, meta={}
        )
        return Point(id_, vector, text, payload)  # type: ignore[arg-type]

    async def ask(self, question: Text, mode: Mode) -> list[str]:
        """Return the ids of the ten best documents that the question's tenant may see."""
        predicate = guard(SCHEMA, question.tenant or PUBLIC)
        if isinstance(predicate, Constant):
            raise TypeError("a guard is a predicate")
        store = Store(self.engine, SCHEMA)
        vector = await self.encoder.encode_question(question.text)
        found = await store.search(
            to_filter(predicate, SCHEMA),
            Question(question.text, vector),
            mode=mode,
            narrowing=None,
            limit=_PASSAGES,
        )
        return list(dict.fromkeys(self.owners[one.id] for one in found))[:DEPTH]


@asynccontextmanager
async def ranker(encoder: Encoding) -> AsyncIterator[Ranker]:
    """Open an empty index in a folder that is removed afterwards."""
    with TemporaryDirectory() as folder:
        engine = EdgeEngine(Path(folder))
        await engine.open(SCHEMA)
        try:
            chunker = Chunker.from_folder(verified_model_folder())
            yield Ranker(engine, encoder, chunker, {}, {})
        finally:
            await engine.close()
