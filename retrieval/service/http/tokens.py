"""Access tokens (RFC 9068): verified strictly, and signed in development alone.

The laws of this file:

1. The header is read before any key is looked up: `typ` is `at+jwt`, the algorithm is asymmetric
   and listed, and nothing in it brings a key of its own (`jwk`, `jku`, `x5u`, `x5c`), asks for an
   extension (`crit`, `b64`) or hides what the token holds (`enc`, `zip`, `cty`).
2. The algorithm that verifies is the one the key was published for, not the one the token names.
3. `iss`, `aud`, `exp`, `iat` and `sub` are there. Times are whole numbers, and a token lives no
   longer than the settings say.
4. Neither the header nor the claims say one thing twice.
5. Every refusal is one error; what exactly was wrong goes to the log, not to the asker.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from acl.labels import Attribute
from acl.subject import Subject
from retrieval.service.http.bodies import StrictJsonError, parse_json
from retrieval.service.http.claims import ClaimsError, subject_of
from retrieval.service.http.token_keys import ALGORITHMS, DEVELOPMENT_KEY_ID, TokenKeys

MAX_TOKEN_BYTES: Final = 16 * 1024
TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
REQUIRED: Final = ("iss", "aud", "exp", "iat", "sub")

_REFUSED: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip", "cty"})
_MAX_KEY_ID: Final = 256
_MAX_TIME: Final = 2**40


class TokenError(Exception):
    """The token vouches for nobody; the message is for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must say to be accepted."""

    issuer: str
    audience: str
    max_seconds: int = 3600
    leeway_seconds: int = 10


class TokenVerifier:
    """Turns a token into a subject, or refuses."""

    def __init__(
        self,
        keys: TokenKeys,
        rules: TokenRules,
        *,
        levels: Attribute | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._levels = levels
        self._clock = clock

    async def verify(self, token: str) -> Subject:
        """Return the subject of `token`.

        Raises:
            TokenError: it is refused.
            KeysUnavailableError: the issuer's keys cannot be had.
        """
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise TokenError("the token is too long, or not ASCII")
        header = _segment(token, 0)
        key_id = _key_id(header)
        key = await self._keys.key(key_id)
        if key is None:
            raise TokenError("the issuer has no such key")
        if key.algorithm_name != header["alg"]:
            raise TokenError("the key is for another algorithm")
        claims = self._claims(token, key)
        try:
            return subject_of(claims, self._levels)
        except ClaimsError as error:
            raise TokenError(str(error)) from None

    async def close(self) -> None:
        """Let go of the keys' connections."""
        await self._keys.close()

    def _claims(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        rules = self._rules
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
            raise TokenError(f"the token is refused: {type(error).__name__}") from None
        claims = _segment(token, 1)
        self._check_times(claims)
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        issued, expires = _moment(claims, "iat"), _moment(claims, "exp")
        begins = _moment(claims, "nbf") if "nbf" in claims else issued
        now, leeway = self._clock().timestamp(), self._rules.leeway_seconds
        if expires <= now - leeway:
            raise TokenError("the token has expired")
        if max(issued, begins) > now + leeway:
            raise TokenError("the token is not valid yet")
        if not 0 < expires - issued <= self._rules.max_seconds:
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
        }
        act = claims if act is None else {**claims, "act": act}
    assert act is not None
    return act


def _segment(token: str, place: int) -> dict[str, Any]:
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


def _key_id(header: Mapping[str, Any]) -> str:
    """Check the header (law 1) and return the id of the key."""
    if _REFUSED & header.keys():
        raise TokenError("the header brings a key or an extension")
    kind, algorithm, key_id = header.get("typ"), header.get("alg"), header.get("kid")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise TokenError("the token is not an access token")
    if algorithm not in ALGORITHMS:
        raise TokenError("the algorithm is not allowed")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= _MAX_KEY_ID:
        raise TokenError("the key's id is not a text")
    return key_id


def _moment(claims: Mapping[str, Any], name: str) -> int:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_TIME:
        raise TokenError(f"`{name}` is not a whole number of seconds")
    return value
