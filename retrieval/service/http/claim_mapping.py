"""How the claims of a provider's token become a subject: which claim says what.

The laws of this file:

1. A claim that the mapping names and that is of another type refuses the token. It is never read as
   "none": a subject without its groups would escape the rules that deny to a group.
2. Tenant and name are required. What is missing of the rest is the weakest: no group, the lowest
   clearance, no compartment, no attribute.
3. Names are made principals by `acl.identity`, with the issuer's prefix in front, so that those of
   two issuers are never one. A table gives a group a principal of the operator's own choice.
4. Groups that the provider left out because they are too many refuse the token, unless the
   directory says which groups that user is in.
5. A tenant that the table does not name is refused. Of what a table of levels or compartments does
   not name, nothing counts.
6. A token that was made for something else (an id token, one bound to a key) is refused by what it
   says of itself.
7. A message names the claim, and the value only where it is a name that the mapping lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from acl.errors import IdentityError, LabelError, RequestError
from acl.identity import folded_name, principal_of
from acl.labels import LabelSchema
from acl.subject import EVERYONE, MAX_GROUPS, RESERVED, Attributes, Subject
from retrieval.service.http.tokens import ClaimsError, acts_of, clearance_of, levels

_SHOWN: Final = 100
_ABSENT: Final = object()


class Others(StrEnum):
    """What becomes of a name that a table does not name."""

    KEEP = "keep"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one thing comes from: a claim, by its JSON pointer, or the same for every token.

    Attributes:
        table: what the provider says, and what is meant; empty if both are the same.
    """

    claim: str = ""
    constant: Any = _ABSENT
    table: Mapping[str, str] = field(default_factory=dict)
    others: Others = Others.KEEP

    def __str__(self) -> str:
        return f"`{self.claim}`" if self.claim else "the mapping's `constant`"

    def value(self, claims: Mapping[str, Any]) -> object:
        """Return what the claims say; the one absent value where they say nothing."""
        return value_at(claims, self.claim) if self.claim else self.constant

    def text(self, claims: Mapping[str, Any]) -> str:
        """Return the text that the claims say.

        Raises:
            ClaimsError: they say none.
        """
        value = self.value(claims)
        if value is _ABSENT:
            raise ClaimsError(f"{self} is missing")  # law 2
        if not isinstance(value, str) or not value:
            raise ClaimsError(f"{self} is not a text")  # law 1
        return value

    def texts(self, claims: Mapping[str, Any]) -> list[str]:
        """Return the texts that the claims list, if they do.

        Raises:
            ClaimsError: it is no list of texts, or too long a one.
        """
        value = self.value(claims)
        if value is _ABSENT:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise ClaimsError(f"{self} is not a list of texts")  # law 1
        if len(value) > MAX_GROUPS:
            raise ClaimsError(f"{self} has more than {MAX_GROUPS} entries")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Who it is: a kind of subject, and the claim with the name.

    Attributes:
        when: claims, by their pointers, that must have these values; otherwise it is another kind.
    """

    kind: str
    name: Source
    when: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMapping:
    """Reads the tokens of one issuer.

    Attributes:
        named: who it is; the first whose `when` is met.
        actor: who acts for the subject, in an `act` claim; without it, `act` is refused.
        memberships: `group` and `role`, and the claim that lists the names.
        attributes: the declared attributes of a subject.
        require: claims that must be there, with one of these values; any value if there is none.
        refuse: claims that must not be there, or not with one of these values.
        overage: claims that say that groups were left out.
        prefix: stands in front of every name of this issuer.
        prefixes: those of every issuer.
        exact: whether the provider's names differ by case alone.
        directory: whether the groups of users come from the directory.
    """

    schema: LabelSchema
    tenant: Source
    named: tuple[Named, ...]
    actor: Named | None = None
    memberships: Mapping[str, Source] = field(default_factory=dict)
    clearance: Source | None = None
    compartments: Source | None = None
    attributes: Mapping[str, Source] = field(default_factory=dict)
    require: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    refuse: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    overage: tuple[str, ...] = ()
    prefix: str = ""
    prefixes: tuple[str, ...] = ("",)
    exact: bool = False
    directory: bool = False

    def subject(self, claims: Mapping[str, Any]) -> Subject:
        """Return the subject that `claims` vouch for.

        Raises:
            ClaimsError: one of the laws is broken.
        """
        self.check_kind_of_token(claims)
        tenant = self.tenant_of(claims)
        acts = acts_of(claims, tenant)
        actors = tuple(self._subject(act, tenant, self.actor_of(act), ()) for act in acts)
        return self._subject(claims, tenant, self.name_of(claims), actors)

    def check_kind_of_token(self, claims: Mapping[str, Any]) -> None:
        """Refuse a token that was made for something else (law 6)."""
        for claim, values in self.require.items():
            said = value_at(claims, claim)
            if said is _ABSENT or (values and said not in values):
                raise ClaimsError(f"`{claim}` is not what the mapping requires")
        for claim, values in self.refuse.items():
            said = value_at(claims, claim)
            if said is not _ABSENT and (not values or said in values):
                raise ClaimsError(f"`{claim}` says that this is no token for a service to take")

    def tenant_of(self, claims: Mapping[str, Any]) -> str:
        """Return the tenant."""
        source, said = self.tenant, self.tenant.text(claims)
        if source.table:
            if (meant := self._looked_up(source, said)) is None:
                raise ClaimsError(f"{source} is `{said[:_SHOWN]}`, which no table names")  # law 5
            return meant
        return folded_name(said)

    def name_of(self, claims: Mapping[str, Any]) -> str:
        """Return the principal of the subject."""
        for one in self.named:
            if all(value_at(claims, claim) == value for claim, value in one.when.items()):
                return self._principal(one.kind, one.name.text(claims), one.name)
        raise ClaimsError("the token names nobody that the mapping knows")

    def actor_of(self, act: Mapping[str, Any]) -> str:
        """Return the principal of one that acts for the subject."""
        if self.actor is None:
            raise ClaimsError("`act` is not mapped: the mapping has no `actor`")
        return self._principal(self.actor.kind, self.actor.name.text(act), self.actor.name)

    def groups_of(self, claims: Mapping[str, Any], identity: str) -> frozenset[str]:
        """Return the groups and roles."""
        for claim in self.overage:
            if value_at(claims, claim) is not _ABSENT and not self._in_directory(identity):
                raise ClaimsError(
                    f"`{claim}` says that groups are left out because they are too many: have the "
                    "provider send fewer, or keep them in the directory"
                )  # law 4
        found = {
            principal
            for kind, source in self.memberships.items()
            for principal in self._memberships(kind, source, claims)
        }
        return frozenset(found - {EVERYONE})

    def clearance_level(self, claims: Mapping[str, Any]) -> int:
        """Return the clearance: of a list, the highest level that its table names."""
        source = self.clearance
        said = _ABSENT if source is None else source.value(claims)
        if source is None or said is _ABSENT:
            return 0
        if source.table:
            many = source.texts(claims) if isinstance(said, list) else [source.text(claims)]
            meant = [self._looked_up(source, one) for one in many]
            return max((self._level(source, one) for one in meant if one is not None), default=0)
        return self._level(source, said)

    def compartments_of(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the compartments."""
        source = self.compartments
        if source is None:
            return frozenset()
        said = source.texts(claims)
        if not source.table:
            return frozenset(said)
        meant = (self._looked_up(source, one) for one in said)
        return frozenset(one for one in meant if one is not None)

    def attributes_of(self, claims: Mapping[str, Any]) -> Attributes:
        """Return the declared attributes that the claims say."""
        said: dict[str, object] = {}
        for name, source in self.attributes.items():
            value = source.value(claims)
            if value is None:
                raise ClaimsError(f"{source} is null")  # law 1
            if value is not _ABSENT:
                said[name] = self._attribute(source, value)
        try:
            return Attributes(self.schema.of_subject(said))
        except LabelError as error:
            fault = error.faults[0]
            source = self.attributes[fault.attribute]
            raise ClaimsError(f"{source} {fault.reason}") from None

    def _subject(
        self,
        claims: Mapping[str, Any],
        tenant: str,
        identity: str,
        actors: tuple[Subject, ...],
    ) -> Subject:
        try:
            return Subject(
                id=identity,
                tenant=tenant,
                clearance=self.clearance_level(claims),
                compartments=self.compartments_of(claims),
                groups=self.groups_of(claims, identity),
                attributes=self.attributes_of(claims),
                actors=actors,
            )
        except RequestError as error:
            raise ClaimsError(str(error)) from None

    def _memberships(self, kind: str, source: Source, claims: Mapping[str, Any]) -> Iterator[str]:
        for said in source.texts(claims):
            meant = self._looked_up(source, said)
            if meant is not None:
                yield meant
            elif source.others is Others.KEEP and not self._is_everyone(kind, said):
                yield self._principal(kind, said, source)

    def _principal(self, kind: str, said: str, source: Source) -> str:
        """Return what a name of this issuer is called here (law 3)."""
        name = self.prefix + (said if self.exact else folded_name(said))
        if max((one for one in self.prefixes if name.startswith(one)), key=len) != self.prefix:
            raise ClaimsError(f"{source} is `{said[:_SHOWN]}`, which is a name of another issuer")
        try:
            principal = principal_of(kind, name, exact=True)
        except IdentityError as error:
            raise ClaimsError(f"{source} {error}") from None
        if principal in RESERVED:
            raise ClaimsError(f"{source} is a name of this program itself")
        return principal

    def _is_everyone(self, kind: str, said: str) -> bool:
        return f"{kind}:{self.prefix}{folded_name(said)}" == EVERYONE

    def _looked_up(self, source: Source, said: str) -> str | None:
        return source.table.get(said if self.exact else folded_name(said))

    def _level(self, source: Source, said: object) -> int:
        try:
            return clearance_of(said, levels(self.schema))
        except ValueError:
            raise ClaimsError(f"{source} is not a level") from None

    def _attribute(self, source: Source, value: object) -> object:
        if not source.table:
            return value
        many = value if isinstance(value, list) else [value]
        meant = [self._looked_up(source, one) for one in many if isinstance(one, str)]
        if len(meant) != len(many) or None in meant:
            raise ClaimsError(f"{source} has a value that its table does not name")
        return meant if isinstance(value, list) else meant[0]

    def _in_directory(self, identity: str) -> bool:
        return self.directory and identity.startswith("user:")


def value_at(claims: Mapping[str, Any], pointer: str) -> object:
    """Return the value at a JSON pointer (RFC 6901), or the one absent value.

    Where the way leads through anything but objects, it is null, which is never what was asked for
    (law 1).
    """
    value: object = claims
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, dict):
            return None
        if name not in value:
            return _ABSENT
        value = value[name]
    return value
