"""JSON from strangers: one meaning, a bounded depth, and numbers that exist.

Python's parser takes the last of two equal keys, `NaN`, and any depth that the stack allows. Two
parsers that read one text differently are a way around a check, so all of that is refused here.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

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
