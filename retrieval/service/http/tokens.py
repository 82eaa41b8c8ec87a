"""Access tokens (RFC 9068): verified strictly and read into a subject; signed in development alone.

The laws of this file:

1. The header is read before any key is looked up: `typ` is one that the issuer's tokens have
   (`at+jwt`, unless a mapping says otherwise), the algorithm is asymmetric
   and listed, and nothing in it brings a key of its own (`jwk`, `jku`, `x5u`, `x5c`), asks for an
   extension (`crit`, `b64`) or hides what the token holds (`enc`, `zip`, `cty`).
2. The algorithm that verifies is the one the key was published for, not the one the token names.
3. `iss`, `aud`, `exp`, `iat` and `sub` are there. Times are whole numbers, and a token lives no
   longer than the settings say.
4. Neither the header nor the claims say one thing twice.
5. Every refusal is one error; what exactly was wrong goes to the log, not to the asker.
6. A claim of the wrong type refuses the token. It is never read as "none": a subject without its
   groups would escape the rules that deny to a group.
7. Groups that the issuer left out because they are too many ("overage") refuse the token.
8. `tenant` is required, and an actor's tenant is the subject's.
9. What the claims do not say is the weakest: the lowest clearance, no group, no compartment.
10. No token is for one of the names under which this program itself is on record.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from acl.errors import LabelError, RequestError
from acl.labels import Attribute, LabelSchema
from acl.records.directory.types import MAX_CLEARANCE
from acl.subject import MAX_GROUPS, RESERVED, Attributes, Subject
from retrieval.service.http.bodies import StrictJsonError, parse_json
from retrieval.service.http.token_keys import ALGORITHMS, DEVELOPMENT_KEY_ID, ONLY_KEY, TokenKeys

CLASSIFICATION: Final = "classification"
MAX_ACTORS: Final = 4
MAX_TOKEN_BYTES: Final = 16 * 1024
TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
REQUIRED: Final = ("iss", "aud", "exp", "iat", "sub")

_REFUSED: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip", "cty"})
_MAX_KEY_ID: Final = 256
_MAX_TIME: Final = 2**40
# What an issuer writes when it does not list the groups: the list is elsewhere, or cut.
_OVERAGE: Final = frozenset({"_claim_names", "_claim_sources", "hasgroups"})


class TokenError(Exception):
    """The token vouches for no subject; the message is for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must say to be accepted."""

    issuer: str
    audience: str
    max_seconds: int = 3600
    leeway_seconds: int = 10
    types: frozenset[str] = TYPES
    token_id: str = "jti"  # noqa: S105 - the name of a claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One whose tokens are taken.

    Attributes:
        read: makes a subject of verified claims, or raises `ClaimsError`.
    """

    keys: TokenKeys
    rules: TokenRules
    read: Callable[[Mapping[str, Any]], Subject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a token vouches for, and by what it can be taken back.

    Attributes:
        token_id: its own id, or `""`.
    """

    subject: Subject
    token_id: str
    issued_at: datetime


class TokenVerifier:
    """Turns a token into a subject, or refuses."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._issuers = {one.rules.issuer: one for one in issuers}
        self._clock = clock

    async def verify(self, token: str) -> Subject:
        """Return the subject of `token`.

        Raises:
            TokenError: it is refused.
            KeysUnavailableError: the issuer's keys cannot be had.
        """
        return (await self.verified(token)).subject

    async def verified(self, token: str) -> Verified:
        """Return what `token` vouches for.

        Raises:
            TokenError, KeysUnavailableError: as `verify`.
        """
        issuer, claims = await self.claims(token)
        token_id = claims.get(issuer.rules.token_id, "")
        if not isinstance(token_id, str):
            raise TokenError(f"`{issuer.rules.token_id}` is not a text")
        try:
            subject = issuer.read(claims)
        except ClaimsError as error:
            raise TokenError(str(error)) from None
        issued_at = datetime.fromtimestamp(_moment(claims, "iat"), UTC)
        return Verified(subject=subject, token_id=token_id, issued_at=issued_at)

    async def claims(self, token: str) -> tuple[Issuer, Mapping[str, Any]]:
        """Return the issuer of `token` and what the token says, verified.

        Raises:
            TokenError, KeysUnavailableError: as `verify`.
        """
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise TokenError("the token is too long, or not ASCII")
        header = segment(token, 0)
        issuer = self.issuer_of(segment(token, 1))
        key = await issuer.keys.key(_key_id(header, issuer.rules.types))
        if key is None:
            raise TokenError("the issuer has no such key")
        if key.algorithm_name != header["alg"]:
            raise TokenError("the key is for another algorithm")  # law 2
        return issuer, self._claims(token, key, issuer.rules)

    def issuer_of(self, claims: Mapping[str, Any]) -> Issuer:
        """Return the issuer that unverified claims name.

        Raises:
            TokenError: it is none of those that are accepted.
        """
        name = claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise TokenError("`iss` is no issuer that is accepted")
        return issuer

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Whose tokens are taken."""
        return tuple(self._issuers.values())

    async def close(self) -> None:
        """Let go of the keys' connections."""
        for one in self._issuers.values():
            await one.keys.close()

    def _claims(self, token: str, key: jwt.PyJWK, rules: TokenRules) -> Mapping[str, Any]:
        try:
            jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=rules.audience,
                issuer=rules.issuer,
                leeway=rules.leeway_seconds,
                options={
                    "require": list(REQUIRED),
                    "enforce_minimum_key_length": True,
                    # Times are checked below against one clock, as whole numbers.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise TokenError(_reason(error)) from None
        claims = segment(token, 1)
        self._check_times(claims, rules)
        return claims

    def _check_times(self, claims: Mapping[str, Any], rules: TokenRules) -> None:
        issued, expires = _moment(claims, "iat"), _moment(claims, "exp")
        begins = _moment(claims, "nbf") if "nbf" in claims else issued
        now, leeway = self._clock().timestamp(), rules.leeway_seconds
        if expires <= now - leeway:
            raise TokenError("the token has expired")
        if max(issued, begins) > now + leeway:
            raise TokenError("the token is not valid yet")
        if not 0 < expires - issued <= rules.max_seconds:
            raise TokenError("the token lives too long")


@dataclass(frozen=True, slots=True)
class DevelopmentIssuer:
    """Signs tokens for people at this machine; no production service accepts them."""

    key: Ed25519PrivateKey
    rules: TokenRules
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def issue(self, subject: Subject, *, seconds: int) -> str:
        """Return a token for `subject` that lives for `seconds`."""
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.rules.issuer,
            "aud": self.rules.audience,
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(16),
            "client_id": "strongroom-cli",
            "tenant": subject.tenant,
            **_claims_of(subject),
        }
        return jwt.encode(
            claims,
            self.key,
            algorithm="EdDSA",
            headers={"typ": "at+jwt", "kid": DEVELOPMENT_KEY_ID},
        )


def _claims_of(subject: Subject) -> dict[str, object]:
    """Return what a token says of a subject, its actors nested as `act`."""
    act: dict[str, object] | None = None
    for one in reversed((subject, *subject.actors)):
        claims: dict[str, object] = {
            "sub": one.id,
            "clearance": one.clearance,
            "compartments": sorted(one.compartments),
            "groups": sorted(one.groups),
            **one.attributes.as_json(),
        }
        act = claims if act is None else {**claims, "act": act}
    assert act is not None
    return act


def _reason(error: Exception) -> str:
    match error:
        case jwt.InvalidSignatureError():
            return "the signature is not the key's"
        case jwt.InvalidAudienceError():
            return "`aud` is another audience"
        case jwt.MissingRequiredClaimError():
            return f"`{error.claim}` is missing"
        case _:
            return f"the token is refused: {type(error).__name__}"


def segment(token: str, place: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a token, unverified.

    Raises:
        TokenError: it is no JSON object of one meaning.
    """
    segments = token.split(".")
    if len(segments) != 3:  # noqa: PLR2004 - header, claims, signature
        raise TokenError("the token has not three parts")
    part = segments[place]
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        value = parse_json(raw)
    except (binascii.Error, StrictJsonError, ValueError):
        raise TokenError("a part of the token is not JSON of one meaning") from None
    if not isinstance(value, dict):
        raise TokenError("a part of the token is not an object")
    return value


def _key_id(header: Mapping[str, Any], types: Collection[str]) -> str:
    """Check the header (law 1) and return the id of the key."""
    if _REFUSED & header.keys():
        raise TokenError("the header brings a key or an extension")
    kind, algorithm, key_id = header.get("typ", ""), header.get("alg"), header.get("kid", ONLY_KEY)
    if not isinstance(kind, str) or kind.lower() not in types:
        raise TokenError("the token is not an access token: its `typ` is not taken")
    if algorithm not in ALGORITHMS:
        raise TokenError("the algorithm is not allowed")
    if not isinstance(key_id, str) or len(key_id) > _MAX_KEY_ID:
        raise TokenError("the key's id is not a text")
    return key_id


def _moment(claims: Mapping[str, Any], name: str) -> int:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_TIME:
        raise TokenError(f"`{name}` is not a whole number of seconds")
    return value


class ClaimsError(ValueError):
    """A claim is missing or of another type; the message names the claim, or a wrong group."""


def subject_of(claims: Mapping[str, Any], schema: LabelSchema) -> Subject:
    """Return the subject that `claims` vouch for.

    Args:
        claims: of a token whose signature and times were verified.
        schema: declares the levels that a clearance may name, and the attributes of subjects.

    Raises:
        ClaimsError: one of the laws is broken, or a name is no identity.
    """
    tenant = _text(claims, "tenant")
    actors = tuple(_subject(act, tenant, schema, ()) for act in acts_of(claims, tenant))
    return _subject(claims, tenant, schema, actors)


def acts_of(claims: Mapping[str, Any], tenant: str) -> Iterator[Mapping[str, Any]]:
    """Yield the `act` claims, outermost first."""
    inner, depth = claims, 0
    while "act" in inner:
        inner, depth = inner["act"], depth + 1
        if not isinstance(inner, dict):
            raise ClaimsError("`act` is not an object")
        if depth > MAX_ACTORS:
            raise ClaimsError(f"`act` is nested more than {MAX_ACTORS} deep")
        if inner.get("tenant", tenant) != tenant:
            raise ClaimsError("`act` belongs to another tenant")  # law 8
        yield inner


def _subject(
    claims: Mapping[str, Any],
    tenant: str,
    schema: LabelSchema,
    actors: tuple[Subject, ...],
) -> Subject:
    if _OVERAGE & claims.keys():
        raise ClaimsError("`groups` are not all in the token")  # law 7
    name, groups = _text(claims, "sub"), _texts(claims, "groups")
    if RESERVED & {name, *groups}:
        raise ClaimsError("`sub` or a group is a name of this program itself")  # law 10
    try:
        return Subject(
            id=name,
            tenant=tenant,
            clearance=_clearance(claims, levels(schema)),
            compartments=_texts(claims, "compartments"),
            groups=groups - {"group:everyone"},
            attributes=_attributes(claims, schema),
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
        raise ClaimsError(f"`{name}` is not a list of texts")  # law 6
    if len(value) > MAX_GROUPS:
        raise ClaimsError(f"`{name}` has more than {MAX_GROUPS} entries")
    return frozenset(value)


def _attributes(claims: Mapping[str, Any], schema: LabelSchema) -> Attributes:
    said = {name: claims[name] for name in schema.subject if name in claims}
    if None in said.values():
        raise ClaimsError("a declared attribute is null")  # law 6
    try:
        return Attributes(schema.of_subject(said))
    except LabelError as error:
        raise ClaimsError(str(error)) from None


def _clearance(claims: Mapping[str, Any], levels: Attribute | None) -> int:
    try:
        return clearance_of(claims.get("clearance", 0), levels)
    except ValueError:
        raise ClaimsError("`clearance` is not a level") from None


def clearance_of(value: object, levels: Attribute | None) -> int:
    """Return the clearance that a level's name or number stands for.

    Raises:
        ValueError: it is no level.
    """
    level = value if levels is None or not levels.levels else levels.parse(value)
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= MAX_CLEARANCE:
        raise ValueError("is not a level")
    return level


def levels(schema: LabelSchema) -> Attribute | None:
    """Return the attribute whose levels name clearances, if the label has one."""
    return schema.attributes.get(CLASSIFICATION)
