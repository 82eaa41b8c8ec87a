"""Problem documents (RFC 9457): the one place where the text of an HTTP error is made.

The laws of this file:

1. One table says which error has which status and which words. What is not in it is a 500 that
   says nothing.
2. No text of an exception and no value that was sent is repeated. A field is named by a pointer,
   unless its name is not a plain one.
3. "Not found" and "not yours to know" are one problem, byte for byte. It carries no `instance`,
   the only member that differs from one answer to the next, so that the bytes can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:strongroom:problem:"
CHALLENGE: Final = 'Bearer realm="strongroom"'
"""What is answered to a request without a token."""

CHALLENGE_OF_TOKEN: Final = f'{CHALLENGE}, error="invalid_token"'
"""What is answered to a token that is refused (RFC 6750): a client knows to fetch another."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


class ProblemType(StrEnum):
    """The last part of a problem's `type`."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    TOO_SLOW = "too-slow"
    TOO_LARGE = "too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    INVALID = "invalid"
    QUOTA_EXCEEDED = "quota-exceeded"
    FILTER_TOO_LARGE = "filter-too-large"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    NOT_REACHED = "not-reached"
    FORBIDDEN = "forbidden"
    STALE = "stale"
    PRECONDITION_REQUIRED = "precondition-required"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    title: str
    detail: str


KINDS: Final[Mapping[ProblemType, _Kind]] = {
    ProblemType.MALFORMED: _Kind(400, "Malformed request", "The request cannot be read."),
    ProblemType.UNAUTHENTICATED: _Kind(
        401, "Not authenticated", "A valid access token is needed: `Authorization: Bearer …`."
    ),
    ProblemType.NOT_FOUND: _Kind(
        404, "Not found", "There is nothing here that this subject may read."
    ),
    ProblemType.METHOD_NOT_ALLOWED: _Kind(
        405, "Method not allowed", "This address does not answer to this method."
    ),
    ProblemType.TOO_SLOW: _Kind(408, "Too slow", "The body did not arrive in time."),
    ProblemType.TOO_LARGE: _Kind(413, "Too large", "The request is larger than is read here."),
    ProblemType.UNSUPPORTED_MEDIA_TYPE: _Kind(
        415, "Unsupported media type", "A body is `application/json` in UTF-8, not encoded."
    ),
    ProblemType.INVALID: _Kind(
        422, "Invalid request", "A field has a value that it cannot have; see `errors`."
    ),
    ProblemType.QUOTA_EXCEEDED: _Kind(429, "Quota exceeded", "Too many requests; try later."),
    ProblemType.INTERNAL: _Kind(
        500, "Internal error", "Something failed here; nothing was released."
    ),
    ProblemType.FILTER_TOO_LARGE: _Kind(
        500,
        "Filter too large",
        "The policy makes a filter for this subject that is beyond the documented size.",
    ),
    ProblemType.UNAVAILABLE: _Kind(
        503, "Unavailable", "A part of the service does not answer now; try again."
    ),
    ProblemType.NOT_REACHED: _Kind(
        503,
        "Not there yet",
        "The revision that was asked for is not reached; nothing older is answered. Try again.",
    ),
    ProblemType.FORBIDDEN: _Kind(
        403, "Not permitted", "The subject lacks the right to this action; see `errors`."
    ),
    ProblemType.STALE: _Kind(
        412, "Changed meanwhile", "What `If-Match` names is not the current state; read it again."
    ),
    ProblemType.PRECONDITION_REQUIRED: _Kind(
        428, "Precondition required", "A change needs `If-Match` with the ETag that was read."
    ),
    ProblemType.REFUSED: _Kind(
        409, "Refused", "The change was refused as a whole; see `errors`. Nothing has changed."
    ),
}


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field and what is wrong with it, in words of this program."""

    pointer: str
    detail: str


class ProblemError(HTTPException):
    """Raised where a request ends; becomes a problem document.

    An `HTTPException`, because FastAPI turns any other error met in a body into one of its own.

    Attributes:
        kind: which problem.
        faults: the fields that are to blame.
    """

    def __init__(
        self,
        kind: ProblemType,
        faults: Sequence[FieldFault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(KINDS[kind].status, headers=dict(headers or {}))
        self.kind = kind
        self.faults = tuple(faults)


def response(error: ProblemError, instance: str) -> JSONResponse:
    """Return the answer for `error`; `instance` is the id of the request."""
    kind = KINDS[error.kind]
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + error.kind,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.detail,
    }
    headers = dict(error.headers or {})
    if error.kind is not ProblemType.NOT_FOUND:
        body["instance"] = f"urn:uuid:{instance}"
    if error.faults:
        body["errors"] = [{"pointer": one.pointer, "detail": one.detail} for one in error.faults]
    if error.kind is ProblemType.UNAUTHENTICATED:
        headers.setdefault("WWW-Authenticate", CHALLENGE_OF_TOKEN)
    if kind.status == KINDS[ProblemType.UNAVAILABLE].status:
        headers.setdefault("Retry-After", "2")
    return JSONResponse(body, kind.status, headers, media_type=MEDIA_TYPE)


def of_status(status: int) -> ProblemType:
    """Return the problem of an HTTP status that the framework raised."""
    if status >= KINDS[ProblemType.INTERNAL].status:
        unavailable = status == KINDS[ProblemType.UNAVAILABLE].status
        return ProblemType.UNAVAILABLE if unavailable else ProblemType.INTERNAL
    kinds = {kind.status: problem for problem, kind in KINDS.items()}
    return kinds.get(status, ProblemType.MALFORMED)


def field_faults(errors: Sequence[Mapping[str, Any]]) -> list[FieldFault]:
    """Return what pydantic found, in words of this program (law 2)."""
    return [_fault(one) for one in errors[:_MAX_FAULTS]]


def pointer(parts: Sequence[str | int]) -> str:
    """Return a JSON pointer (RFC 6901) to the deepest part whose names are plain."""
    plain: list[str] = []
    for part in parts:
        if isinstance(part, str) and not _PLAIN_NAME.match(part):
            break
        plain.append(f"/{part}")
    return "".join(plain)


_MAX_FAULTS: Final = 20

# Words for pydantic's error types; `{}` is filled from the bounds, which are ours.
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "string_type": "is not a text",
    "string_unicode": "is not valid Unicode",
    "string_too_short": "is shorter than {min_length} characters",
    "string_too_long": "is longer than {max_length} characters",
    "string_pattern_mismatch": "has another form than this field's",
    "int_type": "is not an integer",
    "int_from_float": "is not an integer",
    "int_parsing": "is not an integer",
    "int_parsing_size": "is not an integer within bounds",
    "greater_than_equal": "is less than {ge}",
    "less_than_equal": "is more than {le}",
    "list_type": "is not a list",
    "too_long": "has more than {max_length} entries",
    "too_short": "has fewer than {min_length} entries",
    "enum": "is none of {expected}",
    "literal_error": "is none of {expected}",
    "model_type": "is not an object",
    "model_attributes_type": "is not an object",
    "dict_type": "is not an object",
    "value_error": "is not a value that this field can have",
}


def _fault(error: Mapping[str, Any]) -> FieldFault:
    where = list(error["loc"])
    if where and where[0] in {"body", "query", "path", "header"}:
        where = where[1:]
    words = _WORDS.get(error["type"], "is not a value that this field can have")
    return FieldFault(pointer(where), words.format(**error.get("ctx", {})))


class FieldProblem(BaseModel):
    """One field and what is wrong with it."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:strongroom:problem:invalid",
                    "title": "Invalid request",
                    "status": 422,
                    "detail": "A field has a value that it cannot have; see `errors`.",
                    "instance": "urn:uuid:4d6f1c0e-6c0e-4a53-9f0a-3d0f8f1a2b3c",
                    "errors": [{"pointer": "/top_k", "detail": "is more than 100"}],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: list[FieldProblem] | None = None


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
