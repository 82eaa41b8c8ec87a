"""Real parts that fail on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from acl.records import AuditEntry, AuditEvent, AuditUnavailableError
from acl.records.audit import AuditLog
from ingest.errors import ParserUnavailableError
from ingest.index.engine import EngineUnavailableError, Payload, Point, Vector, VectorEngine
from ingest.parsed import Parsed
from ingest.parts import Encoding


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


class _Broken(_Failing):
    async def append(self, event: AuditEvent) -> AuditEntry:
        del event
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


class NoParser:
    """A parser that does not start."""

    async def parse_bytes(self, name: str, content: bytes) -> Parsed:
        del name, content
        raise ParserUnavailableError("the parser's process does not start")
