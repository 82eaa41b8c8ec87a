"""Who a subject is at this moment, where the directory and not the token says so.

The laws of this file:

1. A user that the directory does not have, or has as inactive, is no one, even with a valid token.
   This is asked of the records for each request; nothing is remembered.
2. A user's groups are exactly those of the directory, directly or through other groups. Groups of
   the token are ignored, so that a membership that was taken away is gone before the token is.
3. Where the directory says anything of clearance or compartments, both are the directory's, and
   what it leaves out is the weakest.
4. The same is true of the declared attributes that a directory can say; others are the token's.
5. Services and agents have no directory: their token says who they are. Each actor is asked for as
   the subject is.
6. A user acts as the principal that the directory keeps, whatever the name is by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from acl.errors import AclError
from acl.labels import Attribute
from acl.records.directory.directory import Directory
from acl.records.directory.types import DIRECTORY_ATTRIBUTES
from acl.subject import Attributes, PrincipalKind, Subject

_USER: Final = f"{PrincipalKind.USER.value}:"


class UnknownSubjectError(AclError):
    """A verified token names a user that the directory does not have, or has as inactive."""

    def __init__(self, identity: str) -> None:
        super().__init__(f"`{identity}` is not an active user of this tenant's directory")
        self.identity = identity


class SubjectResolver:
    """Turns the subject of a token into the subject that is decided upon."""

    def __init__(
        self, directory: Directory, declared: Mapping[str, Attribute] = MappingProxyType({})
    ) -> None:
        self._directory = directory
        self._declared = declared

    async def resolve(self, subject: Subject) -> Subject:
        """Return `subject` as the directory says it is now.

        Raises:
            UnknownSubjectError: it, or one of its actors, is no active user.
            RequestError: it is in more groups than a subject can be in.
            RecordsUnavailableError: the directory cannot be asked.
        """
        actors = [await self._known(actor) for actor in subject.actors]
        return replace(await self._known(subject), actors=tuple(actors))

    async def _known(self, subject: Subject) -> Subject:
        if not subject.id.startswith(_USER):
            return subject
        entry = await self._directory.resolve(subject.tenant, subject.id)
        if entry is None or not entry.user.state.active:
            raise UnknownSubjectError(subject.id)
        state = entry.user.state
        known = replace(subject, id=entry.user.identity, groups=entry.groups)  # law 6
        if state.attributes is not None:
            others = {
                name: value
                for name, value in subject.attributes.items()
                if name not in DIRECTORY_ATTRIBUTES
            }
            said = state.typed_attributes(self._declared)
            known = replace(known, attributes=Attributes({**others, **said}))  # law 4
        if not state.says_rights:
            return known
        return replace(
            known,
            clearance=state.clearance or 0,
            compartments=state.compartments or frozenset(),
        )
