"""What is asked of the decision point, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from acl.actions import Action
from acl.errors import RequestError
from acl.records.tables.types import NO_ID, canonical_id
from acl.subject import Subject
from retrieval.access.known_subjects import identity_of
from retrieval.rights.standing import ANY, AtLeast

DOCUMENT: Final = "document"
"""The one type of resource."""

# Stands for an id that is none, so that the same is looked up for it as for an absent one.


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
    """What the one who asks says of another subject; None where nothing is said.

    Attributes:
        groups: `group:…` and `role:…` principals.

    Raises:
        RequestError: an attribute is none that a subject can have.
    """

    clearance: int | None = None
    compartments: frozenset[str] | None = None
    groups: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not all(one.startswith(("group:", "role:")) for one in self.groups or ()):
            raise RequestError("a group of the subject is not one such as group:finance")
        self.over(Subject(id="user:any", tenant="any"))

    @property
    def names(self) -> list[str]:
        """Return which attributes are given."""
        return [name for name in ("clearance", "compartments", "groups") if self.gives(name)]

    def gives(self, name: str) -> bool:
        """Say whether an attribute is given."""
        return getattr(self, name) is not None

    def over(self, known: Subject) -> Subject:
        """Return `known` with the given attributes in place of its own."""
        return replace(known, **{name: getattr(self, name) for name in self.names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Whom a question is about.

    Attributes:
        kind: `user`, `service` or `agent`; any other names nobody.
        name: `ada` or `user:ada`.
    """

    kind: str
    name: str
    claimed: Claimed = field(default_factory=Claimed)

    @property
    def identity(self) -> str | None:
        """Return the identity, or None where the names are none."""
        return identity_of(self.kind, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which document a question is about."""

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
class Evaluated:
    """Decisions in the order of the questions, up to where the semantic ends."""

    decisions: tuple[bool, ...]
    decision_id: str
    policy_revision: int
    label_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page: ids of documents, identities, or actions; `cursor` is None at the end."""

    names: tuple[str, ...]
    cursor: str | None
    decision_id: str
    policy_revision: int
    label_revision: int


def action_of(name: str) -> Action | None:
    """Return the action of this name, or None."""
    try:
        return Action(name)
    except ValueError:
        return None
