"""From the claims of a verified token to a subject with its actors.

The laws of this file:

1. A claim of the wrong type refuses the token. It is never read as "none": a subject without its
   groups would escape the rules that deny to a group.
2. Groups that the issuer left out because they are too many ("overage") refuse the token.
3. `tenant` is required, and an actor's tenant is the subject's.
4. What the claims do not say is the weakest: the lowest clearance, no group, no compartment.
5. Nobody has a token of the names under which this program itself is on record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from acl.errors import RequestError
from acl.labels import Attribute
from acl.subject import MAX_GROUPS, RESERVED, Subject

MAX_ACTORS: Final = 4

# What an issuer writes when it does not list the groups: the list is elsewhere, or cut.
_OVERAGE: Final = frozenset({"_claim_names", "_claim_sources", "hasgroups"})
_MAX_LEVEL: Final = 1000


class ClaimsError(ValueError):
    """A claim is missing or of another type; the message names the claim and repeats no value."""


def subject_of(claims: Mapping[str, Any], levels: Attribute | None) -> Subject:
    """Return the subject that `claims` vouch for.

    Args:
        claims: of a token whose signature and times were verified.
        levels: the label's attribute whose level names a clearance may use, if there is one.

    Raises:
        ClaimsError: one of the laws is broken, or a name is no identity.
    """
    tenant = _text(claims, "tenant")
    actors = tuple(_subject(act, tenant, levels, ()) for act in _acts(claims, tenant))
    return _subject(claims, tenant, levels, actors)


def _acts(claims: Mapping[str, Any], tenant: str) -> Iterator[Mapping[str, Any]]:
    """Yield the `act` claims, outermost first."""
    inner, depth = claims, 0
    while "act" in inner:
        inner, depth = inner["act"], depth + 1
        if not isinstance(inner, dict):
            raise ClaimsError("`act` is not an object")
        if depth > MAX_ACTORS:
            raise ClaimsError(f"`act` is nested more than {MAX_ACTORS} deep")
        if inner.get("tenant", tenant) != tenant:
            raise ClaimsError("`act` belongs to another tenant")
        yield inner


def _subject(
    claims: Mapping[str, Any],
    tenant: str,
    levels: Attribute | None,
    actors: tuple[Subject, ...],
) -> Subject:
    if _OVERAGE & claims.keys():
        raise ClaimsError("`groups` are not all in the token")
    name, groups = _text(claims, "sub"), _texts(claims, "groups")
    if RESERVED & {name, *groups}:
        raise ClaimsError("`sub` or a group is a name of this program itself")
    try:
        return Subject(
            id=name,
            tenant=tenant,
            clearance=_clearance(claims, levels),
            compartments=_texts(claims, "compartments"),
            groups=groups - {"group:everyone"},
            actors=actors,
        )
    except RequestError as error:
        raise ClaimsError(str(error)) from None


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise ClaimsError(f"`{name}` is not a text")
    return value


def _texts(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    value = claims.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ClaimsError(f"`{name}` is not a list of texts")
    if len(value) > MAX_GROUPS:
        raise ClaimsError(f"`{name}` has more than {MAX_GROUPS} entries")
    return frozenset(value)


def _clearance(claims: Mapping[str, Any], levels: Attribute | None) -> int:
    value = claims.get("clearance", 0)
    if levels is not None and levels.levels:
        try:
            level = levels.parse(value)
        except ValueError:
            raise ClaimsError("`clearance` is not a level") from None
        assert isinstance(level, int)
        return level
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_LEVEL:
        raise ClaimsError("`clearance` is not a level")
    return value
