"""Known subjects: whom a question about others can be about.

The laws of this file:

1. Whoever is not known does not exist: they may do nothing, and no list names them.
2. What is not known of a subject is the weakest: the lowest clearance, no compartment, no group.
3. Subjects come in the order of their ids, so that a page can continue behind the last one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Protocol

from acl.mentions import mentions_of
from acl.policy import Policy
from acl.records.directory import Directory
from acl.records.directory_types import Slice
from acl.subject import Subject, is_identity

_PAGE: Final = 200

KINDS: Final = ("user", "service", "agent")
"""The kinds of identity that a subject can have."""


class KnownSubjects(Protocol):
    """Who is known in a tenant, and with which attributes."""

    async def subject(self, tenant: str, identity: str) -> Subject | None:
        """Return the subject, or None if nobody of that identity is known."""
        ...

    def subjects(self, tenant: str, *, after: str = "") -> AsyncIterator[Subject]:
        """Yield everybody whose id comes after `after`, in the order of ids."""
        ...


class PolicySubjects:
    """Knows whom the policy names, without a group, clearance or compartment of their own."""

    def __init__(self, policy: Policy) -> None:
        self._mentions = mentions_of(policy)

    async def subject(self, tenant: str, identity: str) -> Subject | None:
        """Return the subject, or None if no row that applies in the tenant names it."""
        return Subject(id=identity, tenant=tenant) if identity in self._named(tenant) else None

    async def subjects(self, tenant: str, *, after: str = "") -> AsyncIterator[Subject]:
        """Yield everybody whom a row that applies in the tenant names."""
        for identity in sorted(self._named(tenant)):
            if identity > after:
                yield Subject(id=identity, tenant=tenant)

    def _named(self, tenant: str) -> set[str]:
        together = self._mentions.in_tenant(tenant)
        return {name for names in together for name in names if kind_of(name) in KINDS}


class DirectorySubjects:
    """Knows the active users of the directory, with their groups and what it says of rights."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def subject(self, tenant: str, identity: str) -> Subject | None:
        """Return the subject, or None if it is no active user of the tenant."""
        entry = await self._directory.resolve(tenant, identity)
        if entry is None or not entry.user.state.active:
            return None
        state = entry.user.state
        return Subject(
            id=identity,
            tenant=tenant,
            clearance=state.clearance or 0,
            compartments=state.compartments or frozenset(),
            groups=entry.groups,
        )

    async def subjects(self, tenant: str, *, after: str = "") -> AsyncIterator[Subject]:
        """Yield every active user of the tenant."""
        start = 0
        while page := await self._directory.users(tenant, part=Slice(start=start, limit=_PAGE)):
            for one in page:
                if one.state.identity > after and one.state.active:
                    known = await self.subject(tenant, one.state.identity)
                    if known is not None:
                        yield known
            start += len(page)


def identity_of(kind: str, name: str) -> str | None:
    """Return the one identity that `ada` and `user:ada` of the kind `user` stand for.

    Nothing is read in two ways: a name holds no colon, so `user:ada` is never a name.
    """
    identity = name if name.startswith(f"{kind}:") else f"{kind}:{name}"
    return identity if kind in KINDS and is_identity(identity) else None


def kind_of(identity: str) -> str:
    """Return the kind of an identity: `user` of `user:ada`."""
    return identity.partition(":")[0]
