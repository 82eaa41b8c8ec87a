"""Known subjects: those that a question about others can be about.

The laws of this file:

1. A subject that is not known does not exist: it may do nothing, and no list names it.
2. A user in more groups than a subject can be in may do nothing either, so is not known.
3. What is not known of a subject is the weakest: the lowest clearance, no compartment, no group.
4. Subjects come in the order of their ids, so that a page can continue behind the last one.
5. Where a directory says who is who, a user whom it does not know or has suspended can ask nothing,
   whatever is said of that user. Where tokens alone say it, nobody here knows all who can ask.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Protocol

from acl.labels import Attribute
from acl.policy.names import Mentions, mentions_of
from acl.policy.policy import Policy
from acl.records.directory.directory import Directory
from acl.records.directory.types import Slice
from acl.subject import MAX_GROUPS, Subject, is_identity

_PAGE: Final = 200
# As many policies and tenants as are asked about at once.
_KEPT: Final = 64

KINDS: Final = ("user", "service", "agent")
"""The kinds of identity that a subject can have."""


class Footing(StrEnum):
    """On what an answer about a subject stands; by the last two it reads nothing."""

    KNOWN = "known"
    DESCRIBED = "described"
    UNKNOWN = "unknown"
    SUSPENDED = "suspended"


class KnownSubjects(Protocol):
    """Who is known in a tenant, and with which attributes.

    Attributes:
        kinds: of which kinds subjects can be known.
        complete: whether nobody else of these kinds can ask; law 5.
    """

    complete: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of identity that are known here."""
        ...

    async def subject(self, tenant: str, identity: str) -> Subject | None:
        """Return the subject, or None if none of that identity is known."""
        ...

    async def suspended(self, tenant: str, identity: str) -> bool:
        """Say whether the subject is known, and kept from asking."""
        ...

    def subjects(self, tenant: str, *, after: str = "") -> AsyncIterator[Subject]:
        """Yield every subject whose id comes after `after`, in the order of ids."""
        ...


class PolicySubjects:
    """Knows the subjects that the policy names; they have no group, clearance or compartment."""

    kinds: Final = KINDS
    complete = False

    def __init__(self, policy: Policy) -> None:
        self._mentions = mentions_of(policy)

    async def subject(self, tenant: str, identity: str) -> Subject | None:
        """Return the subject, or None if no row that applies in the tenant names it."""
        names = _named(self._mentions, tenant)
        place = bisect_right(names, identity)
        known = place > 0 and names[place - 1] == identity
        return Subject(id=identity, tenant=tenant) if known else None

    async def suspended(self, tenant: str, identity: str) -> bool:
        """Say that a policy keeps nobody from asking."""
        del tenant, identity
        return False

    async def subjects(self, tenant: str, *, after: str = "") -> AsyncIterator[Subject]:
        """Yield every subject that a row which applies in the tenant names."""
        names = _named(self._mentions, tenant)
        for identity in names[bisect_right(names, after) :]:
            yield Subject(id=identity, tenant=tenant)


@lru_cache(maxsize=_KEPT)
def _named(mentions: Mentions, tenant: str) -> tuple[str, ...]:
    """Return the subjects that a policy names in a tenant, in order."""
    together = mentions.in_tenant(tenant)
    return tuple(sorted({name for names in together for name in names if kind_of(name) in KINDS}))


class DirectorySubjects:
    """Knows the active users of the directory, with their groups and what it says of rights."""

    kinds: Final = ("user",)
    complete = True

    def __init__(
        self, directory: Directory, declared: Mapping[str, Attribute] = MappingProxyType({})
    ) -> None:
        self._directory = directory
        self._declared = declared

    async def subject(self, tenant: str, identity: str) -> Subject | None:
        """Return the subject, or None if it is no active user of the tenant that can act."""
        entry = await self._directory.resolve(tenant, identity)
        if entry is None or not entry.user.state.active or len(entry.groups) > MAX_GROUPS:
            return None
        state = entry.user.state
        return Subject(
            id=entry.user.identity,
            tenant=tenant,
            clearance=state.clearance or 0,
            compartments=state.compartments or frozenset(),
            groups=entry.groups,
            attributes=state.typed_attributes(self._declared),
        )

    async def suspended(self, tenant: str, identity: str) -> bool:
        """Say whether it is a user of the tenant that is not active, or in too many groups."""
        entry = await self._directory.resolve(tenant, identity)
        return entry is not None and not (
            entry.user.state.active and len(entry.groups) <= MAX_GROUPS
        )

    async def subjects(self, tenant: str, *, after: str = "") -> AsyncIterator[Subject]:
        """Yield every active user of the tenant."""
        while page := await self._directory.users(tenant, part=Slice(after=after, limit=_PAGE)):
            for one in page:
                known = await self.subject(tenant, one.identity) if one.state.active else None
                if known is not None:
                    yield known
            after = page[-1].identity


def identity_of(kind: str, name: str) -> str | None:
    """Return the one identity that `ada` and `user:ada` of the kind `user` stand for.

    Nothing is read in two ways: a name holds no colon, so `user:ada` is never a name.
    """
    identity = name if name.startswith(f"{kind}:") else f"{kind}:{name}"
    return identity if kind in KINDS and is_identity(identity) else None


def kind_of(identity: str) -> str:
    """Return the kind of an identity: `user` of `user:ada`."""
    return identity.partition(":")[0]
