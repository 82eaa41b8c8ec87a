"""Signatures; bodies follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.records import Records
from acl.subject import Subject
from ingest.parts import Encoding
from retrieval.decisions import Decisions
from retrieval.narrow import Narrowing
from retrieval.recheck import Counts
from retrieval.snapshot import SnapshotHolder
from retrieval.store import Mode, Store

READ: Final = "document:read"
MAX_QUERY: Final = 4000
MAX_TOP_K: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    query: str
    top_k: int = 10
    mode: Mode = Mode.HYBRID
    narrowing: tuple[Narrowing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    chunk_id: str
    document_id: str
    title: str
    uri: str
    media_type: str
    text: str
    start: int
    end: int
    score: float
    classification: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    hits: tuple[Hit, ...]
    decision_id: str
    policy_revision: int


class Searcher:
    def __init__(
        self,
        *,
        records: Records,
        store: Store,
        encoder: Encoding,
        snapshots: SnapshotHolder,
        query_key: bytes,
        decisions: Decisions | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def counts(self) -> Counts:
        raise NotImplementedError

    async def search(self, subject: Subject, request: SearchRequest, now: datetime) -> SearchPage:
        """Raises RequestError, NarrowingError, FilterTooLargeError, EngineError,
        RecordsUnavailableError, AuditUnavailableError."""
        raise NotImplementedError
