"""The error answers of each kind of route, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from retrieval.service.problems import KINDS, MEDIA_TYPE, ProblemType

_SCHEMA: Final = {"$ref": "#/components/schemas/Problem"}


def _of(*kinds: ProblemType) -> dict[int | str, dict[str, Any]]:
    return {
        KINDS[kind].status: {
            "description": KINDS[kind].title,
            "content": {MEDIA_TYPE: {"schema": _SCHEMA}},
        }
        for kind in kinds
    }


_ALWAYS: Final = (ProblemType.UNAUTHENTICATED, ProblemType.INTERNAL, ProblemType.UNAVAILABLE)
_QUERY: Final = _of(*_ALWAYS, ProblemType.INVALID)
_BODY: Final = _of(
    *_ALWAYS,
    ProblemType.MALFORMED,
    ProblemType.TOO_SLOW,
    ProblemType.TOO_LARGE,
    ProblemType.UNSUPPORTED_MEDIA_TYPE,
    ProblemType.INVALID,
)

ANSWERS: Final[Mapping[str, dict[int | str, dict[str, Any]]]] = {
    "query": _QUERY,
    "body": _BODY,
    "access": _of(*_ALWAYS, ProblemType.MALFORMED, ProblemType.TOO_SLOW, ProblemType.TOO_LARGE),
    "document": _of(*_ALWAYS, ProblemType.NOT_FOUND),
    "policy": _of(*_ALWAYS, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND, ProblemType.INVALID),
    "change": _of(ProblemType.REFUSED, ProblemType.STALE, ProblemType.PRECONDITION_REQUIRED),
    "revision": _of(ProblemType.NOT_REACHED),
    "readiness": _of(ProblemType.UNAVAILABLE),
}
