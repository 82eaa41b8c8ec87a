"""What a review of access tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from acl.explain.explain import Explanation
from acl.explain.grants import Grant
from acl.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who is asked about: one page of them.

    Attributes:
        of_tenant: everybody of a tenant whose id comes behind another, in the order of ids.
        after: the id behind which the page begins.
        limit: as many are named at most.
    """

    of_tenant: Callable[[str, str], AsyncIterator[Subject]]
    after: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Readership:
    """Who may read a document.

    Attributes:
        subjects: ids of those, among the ones that were asked about, who may.
        principals: names of the policy or the label that give the right to somebody who is cleared
            for the document; several names where it takes all of them. On the first page alone.
        incomplete: whether there are more names than were tried.
        cursor: behind whom the next page begins; None at the end.
    """

    subjects: tuple[str, ...]
    principals: tuple[tuple[str, ...], ...]
    incomplete: bool
    cursor: str | None
    decision_id: str
    policy_revision: int
    label_revision: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A document in a list."""

    id: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What somebody may read, as far as the asker may review it, in the order of the uris.

    Attributes:
        documents: one page of them.
        more: whether there is another page behind the last one.
    """

    documents: tuple[Listed, ...]
    more: bool
    decision_id: str
    policy_revision: int
    label_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """Why somebody may or may not read a document.

    Attributes:
        explanation: in the policy's own lines.
        permitted: what is decided.
        grants: the single changes that would let the policy permit it, the smallest first. Their
            numbers count documents that the asker may review.
        incomplete: whether there are more changes than were tried.
    """

    explanation: Explanation
    permitted: bool
    grants: tuple[Grant, ...]
    incomplete: bool
    decision_id: str
    policy_revision: int
    label_revision: int
