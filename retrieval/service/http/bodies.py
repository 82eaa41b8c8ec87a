"""Bodies of requests: bounded before they are read, and of one meaning.

The laws of this file:

1. What is longer than the limit is refused when its length is known, or when the limit is passed;
   it is never held as a whole.
2. A body is `application/json`, without a content encoding. Nothing is guessed from its bytes.
3. A body arrives within `SECONDS`, or not at all.
4. JSON has one meaning: no key twice, no `NaN`, no unbounded depth. Two parsers that read one text
   differently are a way around a check.
5. A body holds the declared fields alone, and no value is converted into another type.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, NoReturn, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from retrieval.service.http.problems import FieldFault, ProblemError, ProblemType

MAX_DEPTH: Final = 32


class StrictJsonError(ValueError):
    """The text is not JSON of one meaning; the message repeats nothing of it."""


def parse_json(raw: bytes) -> Any:  # noqa: ANN401 - JSON is of any type
    """Return the value of `raw`.

    Raises:
        StrictJsonError: not UTF-8, not JSON, too deep, a key twice, or a number out of range.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise StrictJsonError("is not UTF-8 text") from None
    _check_depth(text)
    try:
        return json.loads(
            text, object_pairs_hook=_once, parse_constant=_constant, parse_float=_finite
        )
    except StrictJsonError:
        raise
    except (ValueError, RecursionError):
        raise StrictJsonError("is not valid JSON") from None


def _check_depth(text: str) -> None:
    """Count brackets outside strings; the parser would recurse before anyone could look."""
    depth, quoted, escaped = 0, False, False
    for character in text:
        if quoted:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise StrictJsonError(f"is nested more than {MAX_DEPTH} deep")
        elif character in "]}":
            depth -= 1


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise StrictJsonError("names a key twice in one object")
    return found


def _constant(_: str) -> NoReturn:
    raise StrictJsonError("holds a number that JSON does not have")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise StrictJsonError("holds a number that is out of range")
    return value


DEFAULT_LIMIT: Final = 64 * 1024
SECONDS: Final = 10.0

# The rest of a body that is not read would be taken for the next request.
_CLOSE: Final = {"Connection": "close"}


class StrictRequest(Request):
    """A request whose body obeys the laws of this file."""

    async def body(self) -> bytes:
        """Return the body.

        Raises:
            ProblemError: it is too large, or says that it is something else than JSON.
        """
        if not hasattr(self, "_whole"):
            try:
                async with asyncio.timeout(SECONDS):
                    self._whole = await self._bounded()
            except TimeoutError:
                raise ProblemError(ProblemType.TOO_SLOW, headers=_CLOSE) from None
        return self._whole

    async def json(self) -> Any:  # noqa: ANN401 - JSON is of any type
        """Return the body's value.

        Raises:
            ProblemError: it is not JSON of one meaning.
        """
        try:
            return parse_json(await self.body())
        except StrictJsonError as error:
            faults = [FieldFault("", f"the body {error}")]
            raise ProblemError(ProblemType.MALFORMED, faults) from None

    @property
    def limit(self) -> int:
        """How many bytes a body may have."""
        return int(getattr(self.app.state, "body_limit", DEFAULT_LIMIT))

    @property
    def media(self) -> frozenset[str]:
        """What a body may say that it is."""
        return frozenset({"application/json"})

    async def _bounded(self) -> bytes:
        limit = self.limit
        declared = self.headers.get("content-length", "0")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
            raise ProblemError(ProblemType.TOO_LARGE, headers=_CLOSE)
        self._check_type()
        parts: list[bytes] = []
        size = 0
        async for part in self.stream():
            size += len(part)
            if size > limit:
                raise ProblemError(ProblemType.TOO_LARGE, headers=_CLOSE)
            parts.append(part)
        return b"".join(parts)

    def _check_type(self) -> None:
        media, _, parameters = self.headers.get("content-type", "").partition(";")
        plain = parameters.strip().lower() in {"", "charset=utf-8", 'charset="utf-8"'}
        if media.strip().lower() not in self.media or not plain:
            raise ProblemError(ProblemType.UNSUPPORTED_MEDIA_TYPE)
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise ProblemError(ProblemType.UNSUPPORTED_MEDIA_TYPE)


class StrictRoute(APIRoute):
    """A route that reads its body by the laws of this file."""

    request_class: type[StrictRequest] = StrictRequest

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, given a `StrictRequest`."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(self.request_class(request.scope, request.receive))

        return strict


class Asked(BaseModel):
    """What is asked: undeclared fields are refused, and nothing is converted (law 5)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Answered(BaseModel):
    """What is answered: the attributes of a value of the packages below, by their names."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


Answer = TypeVar("Answer", bound=Answered)


class _Together:
    """The attributes of a value, and others beside them."""

    def __init__(self, value: object, more: Mapping[str, object]) -> None:
        self.__dict__.update(more, _value=value)

    def __getattr__(self, name: str) -> object:
        return getattr(self.__dict__["_value"], name)


def answer(model: type[Answer], value: object, **more: object) -> Answer:
    """Return the answer that `value` and `more`, which it does not have, make together."""
    return model.model_validate(_Together(value, more))
