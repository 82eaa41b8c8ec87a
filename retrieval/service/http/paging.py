"""One road from a page's key to the token of the next page, and back."""

from __future__ import annotations

from acl.subject import Subject
from retrieval.service.cursors import CursorError, Cursors
from retrieval.service.http.problems import FieldFault, ProblemError, ProblemType


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
