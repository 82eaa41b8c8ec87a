"""What is asked about rights, and what is answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from acl.actions import Action
from acl.errors import RequestError
from acl.explain.changes import Grant
from acl.explain.explain import Explanation, Obstacle
from acl.labels import Label
from acl.records.tables.types import NO_ID, canonical_id
from acl.subject import EVERYONE, Subject
from retrieval.access.subjects import Footing, identity_of
from retrieval.rights.decisions import Decided
from retrieval.rights.standing import ANY, AtLeast

DOCUMENT: Final = "document"
"""The one type of resource."""

MAX_PAGE: Final = 200

# Stands for an id that is none, so that the same is looked up for it as for an absent one.


def action_of(name: str) -> Action | None:
    """Return the action of this name, or None."""
    try:
        return Action(name)
    except ValueError:
        return None


def permits(decided: Decided, label: Label | None) -> bool:
    """Say whether a decision permits what carries `label`; nothing is permitted on None."""
    return label is not None and decided.permits(label)


def check_limit(limit: int) -> None:
    """Check how many entries of a list are asked for at once.

    Raises:
        RequestError: too many, or none.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise RequestError(f"`limit` lies between 1 and {MAX_PAGE}")


class Semantic(StrEnum):
    """When a list of evaluations ends."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_with(self, *, decision: bool) -> bool:
        """Say whether nothing is evaluated after `decision`."""
        if self is Semantic.EXECUTE_ALL:
            return False
        return decision is (self is Semantic.PERMIT_ON_FIRST_PERMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a request says of a subject; None where it says nothing.

    Attributes:
        groups: `group:…` and `role:…` principals.

    Raises:
        RequestError: an attribute is none that a subject can have.
    """

    clearance: int | None = None
    compartments: frozenset[str] | None = None
    groups: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not all(name.startswith(("group:", "role:")) for name in self.groups or ()):
            raise RequestError("a group of the subject is not one such as group:finance")
        self.over(Subject(id="user:any", tenant="any"))

    @classmethod
    def of(
        cls,
        clearance: int | None,
        compartments: Iterable[str] | None,
        groups: Iterable[str] | None,
    ) -> Claimed:
        """Return the attributes of a request's lists; every subject is in `group:everyone`."""
        return cls(
            clearance=clearance,
            compartments=None if compartments is None else frozenset(compartments),
            groups=None if groups is None else frozenset(groups) - {EVERYONE},
        )

    @property
    def names(self) -> list[str]:
        """Return which attributes are given."""
        names = ("clearance", "compartments", "groups")
        return [name for name in names if getattr(self, name) is not None]

    def over(self, known: Subject) -> Subject:
        """Return `known` with the given attributes in place of its own."""
        return replace(known, **{name: getattr(self, name) for name in self.names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """The subject of a question, as the request names it.

    Attributes:
        kind: `user`, `service` or `agent`; any other names no subject.
        name: `ada` or `user:ada`.
    """

    kind: str
    name: str
    claimed: Claimed = field(default_factory=Claimed)

    @property
    def identity(self) -> str | None:
        """Return the identity, or None where the names are none."""
        return identity_of(self.kind, self.name)

    @property
    def id(self) -> str:
        """Return the identity for the record; what is none is not repeated there."""
        return self.identity or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The document of a question, as the request names it."""

    kind: str
    name: str

    @property
    def document_id(self) -> str:
        """Return the id in the one spelling that documents have, or one that no document has."""
        return canonical_id(self.name) if self.kind == DOCUMENT else NO_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May the party do this with the target?"""

    party: Party
    action: str
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What a search looks for: entities of a kind, for an action."""

    kind: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAsked:
    """Which part of a list: what comes behind `after`, how much of it, and how new at least."""

    after: str = ""
    limit: int = 100
    at_least: AtLeast = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Where an answer stands on record.

    Attributes:
        decision_id: finds it again in the audit.
        policy_revision: the policy under which it was decided.
        label_revision: every change of a label up to this number was regarded.
    """

    decision_id: str
    policy_revision: int
    label_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Decisions in the order of the questions, up to where the semantic ends."""

    decisions: tuple[bool, ...]
    context: Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page: ids of documents, identities, or actions; `cursor` is None at the end."""

    names: tuple[str, ...]
    cursor: str | None
    context: Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Readership(Recorded):
    """Who may read a document.

    Attributes:
        subjects: ids of those, among the ones that were asked about, who may.
        principals: names of the policy or the label that give the right to a subject who is
            cleared for the document; several names where it takes all of them. On the first page
            alone.
        incomplete: whether people or names are missing.
        reason: why, in words; empty where none is.
        cursor: the id behind which the next page begins; None at the end.
    """

    subjects: tuple[str, ...]
    principals: tuple[tuple[str, ...], ...]
    incomplete: bool
    cursor: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A document in a list."""

    id: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable(Recorded):
    """What a subject may read, as far as the asker may review it, in the order of the uris.

    Attributes:
        documents: one page of them.
        more: whether there is another page behind the last one.
        footing: on what the answer stands; `None` where the asker may review nothing, and so
            nobody was looked up.
    """

    documents: tuple[Listed, ...]
    more: bool
    footing: Footing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained(Recorded):
    """Why a subject may or may not read a document, in the policy's own lines."""

    explanation: Explanation

    @property
    def subjects(self) -> tuple[Explanation, ...]:
        """Return the explanation of the subject, and of each actor that acts for it."""
        return (self.explanation, *self.explanation.actors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed(Explained):
    """An explanation for a reviewer, and what would change the decision.

    Attributes:
        permitted: what is decided: a suspended role is denied, though the policy permits it.
        suspended: whether that is why.
        grants: the single changes that would let the policy permit it, the smallest first. Their
            numbers count documents that the asker may review.
        incomplete: whether there are more changes than were tried.
        footing: on what the answer stands.
    """

    permitted: bool
    grants: tuple[Grant, ...]
    incomplete: bool
    footing: Footing

    @property
    def subjects(self) -> tuple[Explanation, ...]:
        """Return the explanations; rules say nothing of one whose requests are not answered."""
        absent = self.footing in {Footing.UNKNOWN, Footing.SUSPENDED}
        return () if absent else (self.explanation, *self.explanation.actors)

    @property
    def obstacle(self) -> Obstacle | None:
        """Return the first thing that stands in the way, if it is one of the rules."""
        return self.explanation.obstacle if self.subjects else None
