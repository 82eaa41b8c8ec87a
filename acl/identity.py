"""From a name that another system gives to a principal, in one spelling.

The laws of this file:

1. Two names that people take for one are one principal or none. A name is plain ASCII, in which
   upper case is folded; anything else is refused, never folded: what Unicode would fold together,
   or shows alike, cannot become a second `user:mallory` that no rule denies.
2. A principal that has a meaning of its own is nobody's name: `group:everyone` is all of a tenant.
3. The names under which this program itself puts things on record are nobody's, whatever a token
   says.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from acl.errors import IdentityError
from acl.subject import EVERYONE, is_identity

OPERATOR: Final = "service:operator"
"""Whoever runs the machine."""

PROGRAM: Final = "service:strongroom"
"""What this program does by itself: the first policy, ended shares, refutations."""

INGESTION: Final = "service:ingest"
"""What brings documents in."""

RESERVED: Final = frozenset({OPERATOR, PROGRAM, INGESTION})
"""Who acts from within, and never with a token."""


class PrincipalKind(StrEnum):
    """The kinds of principal that a directory holds."""

    USER = "user"
    GROUP = "group"


def identity_of(kind: PrincipalKind, name: str) -> str:
    """Return the principal called `name`, such as `user:ada` for `Ada`.

    Raises:
        IdentityError: `name` names none (laws 1 and 2).
    """
    if not name.isascii():
        raise IdentityError("holds a character other than plain letters, digits and `._@-`")
    identity = f"{kind.value}:{name.lower()}"
    if not is_identity(identity):
        raise IdentityError(
            "is not a name of letters, digits and `._@-` that begins with a letter or digit and "
            "has at most 191 characters"
        )
    if identity == EVERYONE:
        raise IdentityError("is the name of the group that everybody is in")
    return identity


def name_of(identity: str) -> str:
    """Return the name of a principal without its kind."""
    return identity.partition(":")[2]
