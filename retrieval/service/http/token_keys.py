"""Where the keys come from that sign tokens: a file, the issuer's address, or this machine.

The laws of this file:

1. Only public keys of an allowed kind are taken; each is bound to one algorithm when it is read.
   A symmetric key in a key set is passed over, so that it can never verify anything.
2. Keys come from the configured place alone, or from the one that the configured issuer's own
   description names, never from what a token says of itself.
3. The issuer is asked at most once in `PAUSE` seconds, whatever key ids strangers make up. Keys
   are used for `STALE` seconds without news from the issuer, and then no longer.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import httpx2
import jwt
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from retrieval.service.http.bodies import StrictJsonError, parse_json
from retrieval.service.settings import SettingsError, key_address_fault

log = structlog.get_logger("strongroom.keys")

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
DEVELOPMENT_KEY_ID: Final = "development"

ONLY_KEY: Final = ""
"""Stands for the id of a key in a token that names none: an issuer with one key may do so."""

REFRESH: Final = 600.0
PAUSE: Final = 30.0
STALE: Final = 3600.0

_MAX_SET_BYTES: Final = 256 * 1024
_MAX_KEYS: Final = 100
_MIN_RSA_BITS: Final = 2048


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be had now, so that no token can be verified."""


class TokenKeys(Protocol):
    """Looks up a public key."""

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key, or `None` when the issuer has none of this id.

        Raises:
            KeysUnavailableError: the issuer cannot be asked.
        """

    async def close(self) -> None:
        """Let go of connections."""


class FixedKeys:
    """Keys that were read once."""

    def __init__(self, keys: Mapping[str, jwt.PyJWK]) -> None:
        self._keys = dict(keys)

    @classmethod
    def from_file(cls, path: Path) -> FixedKeys:
        """Return the keys of a JWKS file.

        Raises:
            SettingsError: the file cannot be read, or holds no usable key.
        """
        try:
            keys = read_key_set(path.read_bytes())
        except (OSError, ValueError) as error:
            raise SettingsError(f"`{path.name}` is not a readable JWKS file") from error
        if not keys:
            raise SettingsError(f"`{path.name}` holds no key that may sign tokens")
        return cls(keys)

    @classmethod
    def of_development(cls, private: Ed25519PrivateKey) -> FixedKeys:
        """Return the one key that this machine signs with."""
        jwk = jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
        return cls({DEVELOPMENT_KEY_ID: jwt.PyJWK(jwk, algorithm="EdDSA")})

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key of this id, or `None`."""
        return _of_id(self._keys, key_id)

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAddress:
    """Where an issuer publishes its keys.

    Attributes:
        url: where the keys are; with `issuer`, the description that names the place.
        issuer: the one whose description is at `url`.
        authorities: a file of those that the address is trusted by, and no others.
        development: whether a description may name http on loopback.
    """

    url: str
    issuer: str | None = None
    authorities: Path | None = None
    development: bool = False


class FetchedKeys:
    """Keys that the issuer publishes, fetched when they are needed (law 3)."""

    def __init__(
        self,
        address: KeyAddress,
        *,
        client: httpx2.AsyncClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetch keys from `address`.

        Raises:
            SettingsError: the file of authorities cannot be read.
        """
        self._address = address
        self._client = client or httpx2.AsyncClient(
            timeout=5.0,
            follow_redirects=False,
            trust_env=False,
            verify=_trust(address.authorities),
        )
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._tried: float | None = None

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key of this id, asking the issuer when it is unknown or old.

        Raises:
            KeysUnavailableError: the issuer did not answer, and what is known is too old.
        """
        if self._due(key_id):
            async with self._lock:
                if self._due(key_id):
                    await self._refresh()
        if self._fetched is None or self._clock() - self._fetched > STALE:
            raise KeysUnavailableError("the issuer's keys cannot be had")
        return _of_id(self._keys, key_id)

    async def close(self) -> None:
        """Close the connection to the issuer."""
        await self._client.aclose()

    def _due(self, key_id: str) -> bool:
        now = self._clock()
        if self._tried is not None and now - self._tried < PAUSE:
            return False
        if self._fetched is None or now - self._fetched > REFRESH:
            return True
        return key_id != ONLY_KEY and key_id not in self._keys

    async def _refresh(self) -> None:
        self._tried = self._clock()
        try:
            self._keys = read_key_set(await self._body(await self._place()))
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("keys not fetched", reason=str(error) or type(error).__name__)
            return
        self._fetched = self._clock()

    async def _place(self) -> str:
        """Return the address of the keys, asking the issuer's own description for it."""
        address = self._address
        if address.issuer is None:
            return address.url
        try:
            document = parse_json(await self._body(address.url))
        except StrictJsonError as error:
            raise ValueError("the issuer's description is not JSON") from error
        if not isinstance(document, dict) or document.get("issuer") != address.issuer:
            raise ValueError("the description is one of another issuer")  # law 2
        place = document.get("jwks_uri")
        fault = "is no text"
        if isinstance(place, str):
            fault = key_address_fault(place, development=address.development) or ""
        if fault:
            raise ValueError(f"the description's `jwks_uri` {fault}")
        return str(place)

    async def _body(self, url: str) -> bytes:
        async with self._client.stream("GET", url) as response:
            if response.status_code != httpx2.codes.OK:
                raise ValueError("the issuer answered with another status")
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _MAX_SET_BYTES:
                    raise ValueError("the key set is too large")
        return body


def _of_id(keys: Mapping[str, jwt.PyJWK], key_id: str) -> jwt.PyJWK | None:
    if key_id == ONLY_KEY and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(key_id)


def _trust(authorities: Path | None) -> ssl.SSLContext | bool:
    if authorities is None:
        return True
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise SettingsError(f"`{authorities}` is not a readable file of authorities") from error


def read_key_set(raw: bytes) -> dict[str, jwt.PyJWK]:
    """Return the usable keys of a JWKS by their id.

    Raises:
        ValueError: it is not a key set, has too many keys, or names an id twice.
    """
    try:
        document = parse_json(raw)
    except StrictJsonError as error:
        raise ValueError("the key set is not JSON") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
        raise ValueError("the key set has no list of keys, or too many")
    keys: dict[str, jwt.PyJWK] = {}
    for entry in listed:
        if (found := _usable(entry)) is None:
            continue
        if found[0] in keys:
            raise ValueError("the key set names a key twice")
        keys[found[0]] = found[1]
    return keys


def _usable(entry: object) -> tuple[str, jwt.PyJWK] | None:
    if not isinstance(entry, dict) or entry.get("kty") not in {"RSA", "EC", "OKP"}:
        return None
    key_id = entry.get("kid")
    if not isinstance(key_id, str) or entry.get("use", "sig") != "sig":
        return None
    public: dict[str, Any] = {name: entry[name] for name in _PUBLIC if name in entry}
    try:
        key = jwt.PyJWK(public)
    except jwt.PyJWTError:
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _MIN_RSA_BITS:
        return None
    return (key_id, key) if key.algorithm_name in ALGORITHMS else None


# A private part, should an issuer publish one by mistake, is never loaded.
_PUBLIC: Final = ("kty", "alg", "crv", "x", "y", "n", "e")


def new_signing_key() -> bytes:
    """Return a fresh Ed25519 private key as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_signing_key(pem: bytes) -> Ed25519PrivateKey:
    """Return the private key in `pem`.

    Raises:
        SettingsError: it is not an Ed25519 private key.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise SettingsError("the signing key is not a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError("the signing key is not an Ed25519 key")
    return key
