"""`ETag` and `If-Match`: a change names the state that it was decided on (RFC 9110).

The laws of this file:

1. A state's tag is its number in quotation marks; there are no weak tags here.
2. A change without `If-Match` is 428, with another tag than the current one 412. `*` names no
   state, so that it does not pass.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Response

from retrieval.service.http.problems import ProblemError, ProblemType

_TAG: Final = re.compile(r'"([0-9]{1,18})"\Z')


def _expected(
    if_match: Annotated[
        str | None, Header(description='The ETag that was read, such as `"3"`.')
    ] = None,
) -> int:
    if if_match is None:
        raise ProblemError(ProblemType.PRECONDITION_REQUIRED)
    found = _TAG.match(if_match.strip())
    if found is None:
        raise ProblemError(ProblemType.STALE)
    return int(found[1])


Expected = Annotated[int, Depends(_expected)]
"""The number of the state that the caller expects."""


def tag(response: Response, number: int) -> None:
    """Say which state was answered."""
    response.headers["ETag"] = f'"{number}"'
