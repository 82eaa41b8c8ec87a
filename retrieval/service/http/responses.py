"""The error answers of each kind of route, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from retrieval.service.http.problems import KINDS, MEDIA_TYPE, ProblemType

_SCHEMA: Final = {"$ref": "#/components/schemas/Problem"}


def answer_of(*kinds: ProblemType) -> dict[int | str, dict[str, Any]]:
    """Return the declaration of these error answers."""
    return {
        KINDS[kind].status: {
            "description": KINDS[kind].title,
            "content": {MEDIA_TYPE: {"schema": _SCHEMA}},
        }
        for kind in kinds
    }


_ALWAYS: Final = (ProblemType.UNAUTHENTICATED, ProblemType.INTERNAL, ProblemType.UNAVAILABLE)
_QUERY: Final = answer_of(*_ALWAYS, ProblemType.INVALID)
_BODY: Final = answer_of(
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
    "access": answer_of(
        *_ALWAYS, ProblemType.MALFORMED, ProblemType.TOO_SLOW, ProblemType.TOO_LARGE
    ),
    "document": answer_of(*_ALWAYS, ProblemType.NOT_FOUND),
    "policy": answer_of(
        *_ALWAYS, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND, ProblemType.INVALID
    ),
    "change": answer_of(ProblemType.REFUSED, ProblemType.STALE, ProblemType.PRECONDITION_REQUIRED),
    "revision": answer_of(ProblemType.NOT_REACHED),
    "readiness": answer_of(ProblemType.UNAVAILABLE),
}
