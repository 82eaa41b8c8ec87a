"""What a route may ask for: the open parts, `If-Match`, revisions, a page's place.

The laws of this file:

1. A state's tag is its number in quotation marks; there are no weak tags here (RFC 9110).
2. A change without `If-Match` is 428, with another tag than the current one 412. `*` names no
   state, so it does not pass.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel

from acl.subject import Subject
from retrieval.rights.standing import AtLeast
from retrieval.service.cursors import CursorError, Cursors
from retrieval.service.http.bodies import Asked
from retrieval.service.http.problems import FieldFault, ProblemError, ProblemType
from retrieval.service.wiring import Parts


def _parts(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


Open = Annotated[Parts, Depends(_parts)]
"""The open parts."""


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


MAX_REVISION: Final = 2**31 - 1

_Policy = Annotated[
    int | None,
    Query(
        ge=1,
        le=MAX_REVISION,
        description="Refuse to answer under a policy older than this revision.",
    ),
]
_Label = Annotated[
    int | None,
    Query(
        ge=1,
        le=MAX_REVISION,
        description="Refuse to answer without this change of a label, and all before it.",
    ),
]


class RevisionsAsked(BaseModel):
    """At least which revisions an answer must regard."""

    min_revision: _Policy = None
    min_label_revision: _Label = None

    def at_least(self) -> AtLeast:
        """Return the revisions that the answer must not be older than."""
        return AtLeast(policy=self.min_revision or 0, label=self.min_label_revision or 0)


class Revised(RevisionsAsked, Asked):
    """A body, and at least which revisions its answer must regard."""


def _at_least(min_revision: _Policy = None, min_label_revision: _Label = None) -> AtLeast:
    return AtLeast(policy=min_revision or 0, label=min_label_revision or 0)


Revisions = Annotated[AtLeast, Depends(_at_least)]
"""The revisions that the query asks for."""


def sealed(cursors: Cursors, key: str, subject: Subject, listing: str) -> str:
    """Return the token of what comes behind `key`; `""` where nothing does."""
    return cursors.seal(key, subject, listing) if key else ""


def opened(cursors: Cursors, token: str, subject: Subject, listing: str) -> str:
    """Return the key behind which a page begins; `""` for the first.

    Raises:
        ProblemError: the token is none of this subject's list.
    """
    try:
        return cursors.open(token, subject, listing) if token else ""
    except CursorError as error:
        faults = [FieldFault("/token", "is not a token of this subject's list")]
        raise ProblemError(ProblemType.INVALID, faults) from error
