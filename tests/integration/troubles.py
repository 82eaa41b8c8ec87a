"""Real parts that fail on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from acl.records import AuditEntry, AuditEvent, AuditUnavailableError, StaleLabelError
from acl.records.audit.log import AuditLog
from acl.records.documents.documents import Documents
from ingest.errors import ParserUnavailableError
from ingest.index.engine import (
    Candidate,
    EngineUnavailableError,
    Leaf,
    Payload,
    Point,
    Vector,
    VectorEngine,
)
from ingest.parts import Encoding
from ingest.read.parsed import Parsed


class _Failing:
    """Everything of a part, but for what a subclass says."""

    def __init__(self, part: object) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


class _Deaf(_Failing):
    async def set_label(self, where: object, payload: Payload) -> None:
        del where, payload
        raise EngineUnavailableError("does not hear of labels")


class _Full(_Failing):
    async def upsert(self, points: Sequence[Point]) -> None:
        del points
        raise EngineUnavailableError("takes no points")


class _Keeping(_Failing):
    async def delete(self, where: object) -> None:
        del where
        raise EngineUnavailableError("deletes nothing")


class _Busy(_Failing):
    async def optimize(self) -> None:
        raise EngineUnavailableError("has no time")


class _Watched(_Failing):
    """An engine behind whose back somebody does something after each upsert."""

    def __init__(self, part: object, deed: Callable[[], Awaitable[object]]) -> None:
        super().__init__(part)
        self._deed = deed

    async def upsert(self, points: Sequence[Point]) -> None:
        await self._part.upsert(points)  # type: ignore[attr-defined]
        await self._deed()


class _Overtaken(_Failing):
    """An engine whose first label arrives late: somebody else's comes before it."""

    def __init__(self, part: object, deed: Callable[[], Awaitable[object]]) -> None:
        super().__init__(part)
        self._deed: Callable[[], Awaitable[object]] | None = deed

    async def set_label(self, where: object, payload: Payload) -> None:
        deed, self._deed = self._deed, None
        if deed is not None:
            await deed()
        await self._part.set_label(where, payload)  # type: ignore[attr-defined]


class _Outrun(_Failing):
    """An engine behind whose first answers something is done before anybody reads them."""

    def __init__(self, part: object, deed: Callable[[], Awaitable[object]]) -> None:
        super().__init__(part)
        self._deed: Callable[[], Awaitable[object]] | None = deed

    async def query(self, leaves: Sequence[Leaf]) -> list[list[Candidate]]:
        answers: list[list[Candidate]] = await self._part.query(leaves)  # type: ignore[attr-defined]
        deed, self._deed = self._deed, None
        if deed is not None:
            await deed()
        return answers


class _Stale(_Failing):
    async def relabel(self, document_id: str, label: object, **rest: object) -> int:
        del label, rest
        raise StaleLabelError(document_id, expected=1, actual=2)


class _Broken(_Failing):
    async def append(self, event: AuditEvent, *, under: object = None) -> AuditEntry:
        del event, under
        raise AuditUnavailableError("the event could not be recorded")


def deaf(engine: VectorEngine) -> VectorEngine:
    """Return an engine that takes no labels."""
    return cast("VectorEngine", _Deaf(engine))


def full(engine: VectorEngine) -> VectorEngine:
    """Return an engine that takes no points."""
    return cast("VectorEngine", _Full(engine))


def keeping(engine: VectorEngine) -> VectorEngine:
    """Return an engine that deletes nothing."""
    return cast("VectorEngine", _Keeping(engine))


def busy(engine: VectorEngine) -> VectorEngine:
    """Return an engine that builds no graph."""
    return cast("VectorEngine", _Busy(engine))


def watched(engine: VectorEngine, deed: Callable[[], Awaitable[object]]) -> VectorEngine:
    """Return an engine; after each upsert something is done."""
    return cast("VectorEngine", _Watched(engine, deed))


def overtaken(engine: VectorEngine, deed: Callable[[], Awaitable[object]]) -> VectorEngine:
    """Return an engine; something is done before its first label arrives."""
    return cast("VectorEngine", _Overtaken(engine, deed))


def outrun(engine: VectorEngine, deed: Callable[[], Awaitable[object]]) -> VectorEngine:
    """Return an engine; something is done between its first answers and who reads them."""
    return cast("VectorEngine", _Outrun(engine, deed))


def stale(documents: Documents) -> Documents:
    """Return documents of which every label has just been changed by somebody else."""
    return cast("Documents", _Stale(documents))


def broken(audit: AuditLog) -> AuditLog:
    """Return an audit log that records nothing."""
    return cast("AuditLog", _Broken(audit))


class Stopping:
    """An encoder behind which the engine is lost after some passages."""

    def __init__(self, encoder: Encoding, *, after: int) -> None:
        self._encoder = encoder
        self._left = after

    async def encode_question(self, text: str) -> Vector:
        return await self._encoder.encode_question(text)

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        self._left -= 1
        if self._left < 0:
            raise EngineUnavailableError("gone")
        return await self._encoder.encode_passages(texts)


class Meddling:
    """An encoder during which somebody else does something, once."""

    def __init__(self, encoder: Encoding, deed: Callable[[], Awaitable[object]]) -> None:
        self._encoder = encoder
        self._deed: Callable[[], Awaitable[object]] | None = deed

    async def encode_question(self, text: str) -> Vector:
        return await self._encoder.encode_question(text)

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        deed, self._deed = self._deed, None
        if deed is not None:
            await deed()
        return await self._encoder.encode_passages(texts)


class NoParser:
    """A parser that does not start."""

    async def parse_bytes(self, name: str, content: bytes) -> Parsed:
        del name, content
        raise ParserUnavailableError("the parser's process does not start")
