"""Who asks: a subject with attributes from a verified token, and the agents acting for them.

The laws of this file:

1. Identities are prefixed by kind and normalised once, so that a user can never be named like a
   role, and a denied user cannot come back in another spelling.
2. Every subject is a member of `group:everyone` of their tenant, and of nothing by default.
3. An attribute that was not given is the weakest one: the lowest clearance, no compartment.
4. A name from outside is one principal or none. It is plain ASCII, in which upper case is folded;
   anything else is escaped by `acl.identity` or refused, never folded: what Unicode would fold
   together, or shows alike, cannot become a second `user:mallory` that no rule denies.
5. What a subject is in is a group or a role. Another person's name among them would lend a subject
   what that person owns.
6. A principal with a meaning of its own is no one's name: `group:everyone` is all of a tenant, and
   the names in `RESERVED` are never those of a token.
7. What else is known of a subject are attributes that `labels.toml` declares under `[subject]`.
   One that is not known is absent, and a rule that asks for it denies.
8. Where a request comes from is what the service itself sees of it. Whoever is not asking right now
   comes from nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

from acl.errors import RequestError

EVERYONE: Final = "group:everyone"
MAX_GROUPS: Final = 1000

_IDENTITY: Final = re.compile(r"(user|group|role|service|agent):[a-z0-9][a-z0-9._@-]{0,190}\Z")
_TENANT: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}\Z")


AttributeValue: TypeAlias = str | int | bool | frozenset[str]


class Attributes(Mapping[str, AttributeValue]):
    """Values of declared attributes by name: equal by value, hashable, and never changed.

    `LabelSchema.of_subject` reads them; nothing is checked here.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, AttributeValue] | None = None) -> None:
        self._values = dict(sorted((values or {}).items()))

    def __getitem__(self, name: str) -> AttributeValue:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"Attributes({self._values})"

    def as_json(self) -> dict[str, Any]:
        """Return the values with sets as sorted lists, in the order of names."""
        return {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in self.items()
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Attributes:
        """Return the attributes that `as_json` returned."""
        sets = {name: frozenset(value) for name, value in stored.items() if isinstance(value, list)}
        return cls({**stored, **sets})


NO_ATTRIBUTES: Final = Attributes()


class Channel(StrEnum):
    """The doors through which a request comes."""

    HTTP = "http"
    AUTHZEN = "authzen"
    SCIM = "scim"
    CLI = "cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request comes from (law 8).

    Attributes:
        network: the address of the peer in its usual spelling; empty where there is none.
        channel: the door; None where there is none.
    """

    network: str = ""
    channel: Channel | None = None

    def as_json(self) -> dict[str, str]:
        """Return what is known, by the name under which rules read it."""
        known = {"channel": self.channel or "", "network": self.network}
        return {name: str(value) for name, value in known.items() if value}


NOWHERE: Final = Origin()


def is_identity(text: str) -> bool:
    """Say whether `text` names a principal of one of the five kinds."""
    return _IDENTITY.match(text) is not None


def is_membership(text: str) -> bool:
    """Say whether `text` names what a subject can be in: a group or a role."""
    return text.startswith(("group:", "role:")) and is_identity(text)


def is_tenant(text: str) -> bool:
    """Say whether `text` can be the tenant of a subject."""
    return _TENANT.match(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One asker.

    Attributes:
        id: `user:…`, `service:…` or `agent:…`.
        tenant: the isolation boundary; from the token, never from a request.
        clearance: the highest classification this subject may read, as an integer level.
        compartments: the need-to-know sets this subject is in.
        groups: `group:…` and `role:…` principals of the token, without `group:everyone`.
        attributes: what `labels.toml` declares under `[subject]`, as far as it is known.
        actors: the agents that act for this subject, outermost first (RFC 8693 `act`). The rights
            of the whole are those of the subject and of each actor, intersected.
        origin: where the request comes from.
    """

    id: str
    tenant: str
    clearance: int = 0  # law 3
    compartments: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    attributes: Attributes = NO_ATTRIBUTES  # law 7
    actors: tuple[Subject, ...] = ()
    origin: Origin = NOWHERE  # law 8

    def __post_init__(self) -> None:
        # law 1
        if not _IDENTITY.match(self.id) or self.id.startswith(("group:", "role:")):
            raise RequestError("the subject's id is not an identity such as user:ada")
        if not _TENANT.match(self.tenant):
            raise RequestError("the subject's tenant is not a plain name")
        if isinstance(self.clearance, bool) or not isinstance(self.clearance, int):
            raise RequestError("the subject's clearance is not a level")
        if len(self.groups) > MAX_GROUPS or len(self.compartments) > MAX_GROUPS:
            raise RequestError(f"the subject is in more than {MAX_GROUPS} groups or compartments")
        for name in sorted(self.groups):
            if not is_membership(name):  # law 5
                raise RequestError(
                    f"`{name[:100]}` is not a group: groups are `group:…` or `role:…`"
                )
        if not all(name and name == name.strip() for name in self.compartments):
            raise RequestError("a compartment of the subject is empty or padded")
        if any(actor.tenant != self.tenant for actor in self.actors):
            raise RequestError("an actor belongs to another tenant")

    def coming_from(self, origin: Origin) -> Subject:
        """Return the subject, with its actors, as one whose request comes from `origin`."""
        actors = tuple(actor.coming_from(origin) for actor in self.actors)
        return replace(self, origin=origin, actors=actors)

    @property
    def principals(self) -> frozenset[str]:
        """Every identity the token itself vouches for."""
        return self.groups | {self.id, EVERYONE}  # law 2


OPERATOR: Final = "service:operator"
"""The person who runs the machine."""

PROGRAM: Final = "service:strongroom"
"""What this program does by itself: the first policy, ended shares, suspensions."""

INGESTION: Final = "service:ingest"
"""What brings documents in."""

RESERVED: Final = frozenset({OPERATOR, PROGRAM, INGESTION})
"""Those who act from within, and never with a token (law 6)."""


class PrincipalKind(StrEnum):
    """The kinds of principal that a directory holds."""

    USER = "user"
    GROUP = "group"


def name_of(identity: str) -> str:
    """Return the name of a principal without its kind."""
    return identity.partition(":")[2]
