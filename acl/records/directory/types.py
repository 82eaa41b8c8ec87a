"""Users and groups as values: what may be set of them, and what the records add.

The laws of this file:

1. Names are identities in their one spelling; other text is bounded and comes back as it went in.
2. A clearance or compartments of `None` say nothing; `0` and an empty set take everything away.
3. What is said of declared attributes is kept as the text that was said. It is typed against the
   schema each time it is read, and what the schema does not take any more is absent.
4. An entry has the principal that its first name made, for as long as it exists: labels and rules
   go on meaning the same person when the provider renames them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from acl.labels import Attribute, AttributeType, LabelValue, normalise
from acl.records.database.database import PAGE
from acl.records.database.errors import DirectoryFaultError, UnstorableError
from acl.records.database.storable import checked_text
from acl.subject import EVERYONE, Attributes, PrincipalKind, is_identity

MAX_TEXT: Final = 500
MAX_CLEARANCE: Final = 1000
MAX_COMPARTMENTS: Final = 1000

CORE_ATTRIBUTES: Final = ("title", "userType", "preferredLanguage")
ENTERPRISE_ATTRIBUTES: Final = (
    "employeeNumber", "costCenter", "organization", "division", "department",
)  # fmt: skip
DIRECTORY_ATTRIBUTES: Final = frozenset({*CORE_ATTRIBUTES, *ENTERPRISE_ATTRIBUTES})
"""What a directory can say of a person, under the name by which the attribute is declared."""


def typed(attribute: Attribute, text: str) -> LabelValue:
    """Return what a text of a directory, which knows no other type, means for an attribute.

    Raises:
        ValueError: it is no value of this attribute; the text says what was expected.
    """
    match attribute.type:
        case AttributeType.INTEGER if not attribute.levels and _WHOLE.fullmatch(text):
            return attribute.parse(int(text))
        case AttributeType.BOOLEAN if text.casefold() in _TRUTH:
            return _TRUTH[text.casefold()]
        case AttributeType.KEYWORD_SET:
            return attribute.parse([text])
        case _:
            return attribute.parse(text)


_WHOLE: Final = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_TRUTH: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserState:
    """What may be set of a user.

    Attributes:
        identity: `user:…`, which the name makes.
        name: as the provider gives it; empty where that is the name in `identity`.
        external_id: the identity provider's own id; not unique, may be empty.
        display_name: for people; may be empty.
        active: whether requests of this user are answered at all.
        clearance: the highest classification this user may read; `None` where the directory
            does not say.
        compartments: the need-to-know sets of this user; `None` where the directory does not say.
        attributes: the texts of declared attributes; `None` where the directory never said any.
    """

    identity: str
    name: str = ""
    external_id: str = ""
    display_name: str = ""
    active: bool = True
    clearance: int | None = None
    compartments: frozenset[str] | None = None
    attributes: Attributes | None = None

    def __post_init__(self) -> None:
        _check_identity(PrincipalKind.USER, self.identity)
        _check_text("name", self.name)
        _check_text("external_id", self.external_id)
        _check_text("display_name", self.display_name)
        if self.clearance is not None and not 0 <= self.clearance <= MAX_CLEARANCE:
            raise DirectoryFaultError("clearance", "is not a level")
        if self.compartments is not None:
            _check_compartments(self.compartments)
        for name, text in (self.attributes or {}).items():
            _check_text(name, str(text))

    @property
    def says_rights(self) -> bool:
        """Whether the directory, and not the token, says what this user is cleared for."""
        return self.clearance is not None or self.compartments is not None

    def typed_attributes(self, declared: Mapping[str, Attribute]) -> Attributes:
        """Return the declared attributes that the directory says, typed (law 3)."""
        values: dict[str, LabelValue] = {}
        for name, text in (self.attributes or {}).items():
            if name in declared:
                with suppress(ValueError):
                    values[name] = typed(declared[name], str(text))
        return Attributes(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """What may be set of a group.

    Attributes:
        identity: `group:…`, which the name makes.
        name: as the provider gives it; empty where that is the name in `identity`.
        members: the ids of users and groups of the same tenant.
    """

    identity: str
    name: str = ""
    external_id: str = ""
    members: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _check_identity(PrincipalKind.GROUP, self.identity)
        _check_text("name", self.name)
        _check_text("external_id", self.external_id)


class MemberOperation(StrEnum):
    """What is done with members."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class MemberChange:
    """Changes of a group's members, in their order: what is done, with which ids."""

    steps: tuple[tuple[MemberOperation, frozenset[str]], ...]

    def over(self, held: frozenset[str]) -> frozenset[str]:
        """Return the members of a group that had `held`."""
        for operation, ids in self.steps:
            match operation:
                case MemberOperation.ADD:
                    held |= ids
                case MemberOperation.REMOVE:
                    held -= ids
                case MemberOperation.REPLACE:
                    held = ids
                case _:
                    assert_never(operation)
        return held


@dataclass(frozen=True, slots=True)
class Member:
    """A direct member of a group."""

    kind: PrincipalKind
    id: str
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryUser:
    """A user of record; `version` counts up with every change, from 1.

    Attributes:
        identity: by which labels, rules and tokens name the user; a renamed one keeps it (law 4).
    """

    id: str
    tenant: str
    identity: str
    state: UserState
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryGroup:
    """A group of record, with its direct members where they were asked for.

    Attributes:
        identity: by which labels and rules name the group; a renamed one keeps it (law 4).
        called: the identity that its present name makes.
    """

    id: str
    tenant: str
    identity: str
    called: str
    name: str
    external_id: str
    members: tuple[Member, ...]
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def state(self) -> GroupState:
        """What may be set of it."""
        return GroupState(
            identity=self.called,
            name=self.name,
            external_id=self.external_id,
            members=frozenset(one.id for one in self.members),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """What the directory says of one user, in one reading.

    Attributes:
        groups: every group that the user is in, directly or through other groups.
    """

    user: DirectoryUser
    groups: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries to list: those that equal each value that is given.

    Attributes:
        identity: the principal, or what the present name makes; no two entries share either.
        member: the id of a direct member; no user has one.
    """

    id: str | None = None
    identity: str | None = None
    external_id: str | None = None
    member: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of a list in the order of identities.

    Attributes:
        start: how many are passed over. Entries that come and go meanwhile shift the rest, so this
            is for single parts alone.
        after: the identity behind which the part begins; those who read all go by this.
    """

    start: int = 0
    after: str = ""
    limit: int = PAGE


def _check_identity(kind: PrincipalKind, identity: str) -> None:
    if not (is_identity(identity) and identity.startswith(f"{kind.value}:")):
        raise DirectoryFaultError("identity", f"is not the `{kind.value}:…` of its one spelling")
    if identity == EVERYONE:
        raise DirectoryFaultError("identity", "is the name of the group that all are in")


def _check_text(name: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise DirectoryFaultError(name, f"is longer than {MAX_TEXT} characters")
    if text:
        try:
            checked_text(name, text)
        except UnstorableError:
            raise DirectoryFaultError(name, "holds what no text holds") from None


def _check_compartments(names: frozenset[str]) -> None:
    if len(names) > MAX_COMPARTMENTS:
        raise DirectoryFaultError("compartments", f"are more than {MAX_COMPARTMENTS}")
    for name in names:
        try:
            plain = normalise(name) == name
        except ValueError as error:
            raise DirectoryFaultError("compartments", f"one {error}") from None
        if not plain:
            raise DirectoryFaultError("compartments", "one is not in composed form (NFC)")
