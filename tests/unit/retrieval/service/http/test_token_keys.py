from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from retrieval.service.http.token_keys import (
    PAUSE,
    REFRESH,
    STALE,
    FetchedKeys,
    FixedKeys,
    KeyAddress,
    KeysUnavailableError,
    new_signing_key,
    read_key_set,
    read_signing_key,
)
from retrieval.service.settings import SettingsError


def jwk(kid: object = "a", **changed: Any) -> dict[str, Any]:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return {**jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True), "kid": kid, **changed}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_only_public_keys_of_an_allowed_kind_are_taken() -> None:
    weak = jwt.algorithms.RSAAlgorithm.to_jwk(
        rsa.generate_private_key(65537, 1024).public_key(), as_dict=True
    )
    strong = jwt.algorithms.RSAAlgorithm.to_jwk(
        rsa.generate_private_key(65537, 2048).public_key(), as_dict=True
    )
    curve = jwt.algorithms.ECAlgorithm.to_jwk(
        ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True
    )
    for entry in (weak, strong, curve):
        entry.pop("key_ops", None)
    keys = read_key_set(
        key_set(
            jwk("good"),
            {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"},
            jwk("other use", use="enc"),
            jwk(7),
            jwk("broken", x="!"),
            {**weak, "kid": "weak"},
            {**strong, "kid": "strong"},
            {**strong, "kid": "pss", "alg": "PS256"},
            {**strong, "kid": "long", "alg": "RS512"},
            {**curve, "kid": "curve"},
        )
    )
    assert {kid: key.algorithm_name for kid, key in keys.items()} == {
        "good": "EdDSA",
        "strong": "RS256",
        "pss": "PS256",
    }


@pytest.mark.parametrize(
    "raw",
    [b"{", b"[]", b"{}", b'{"keys": {}}', json.dumps({"keys": [{}] * 101}).encode()],
)
def test_what_is_no_key_set(raw: bytes) -> None:
    with pytest.raises(ValueError, match="key set"):
        read_key_set(raw)
    with pytest.raises(ValueError, match="names a key twice"):
        read_key_set(key_set(jwk("a"), jwk("a")))


async def test_a_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(jwk("a")))
    keys = FixedKeys.from_file(path)
    assert await keys.key("a") is not None
    assert await keys.key("b") is None
    await keys.close()
    for content in (b"{", key_set()):
        path.write_bytes(content)
        with pytest.raises(SettingsError, match=r"`jwks\.json`"):
            FixedKeys.from_file(path)
    with pytest.raises(SettingsError, match="not a readable"):
        FixedKeys.from_file(tmp_path / "absent")


class Issuer:
    """An issuer behind a transport, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.answer: Callable[[], httpx2.Response] = lambda: httpx2.Response(200, content=b"")

    def keys(self) -> FetchedKeys:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))
        return FetchedKeys(
            KeyAddress(url="https://issuer.test/keys"), client=client, clock=lambda: self.now
        )

    def _answer(self, _: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        return self.answer()

    def publish(self, *keys: dict[str, Any]) -> None:
        self.answer = lambda: httpx2.Response(200, content=key_set(*keys))


async def test_the_issuer_is_asked_once_in_a_while_whatever_strangers_send() -> None:
    issuer = Issuer()
    issuer.publish(jwk("a"))
    keys = issuer.keys()
    assert await keys.key("a") is not None
    for number in range(100):
        assert await keys.key(f"made up {number}") is None
    assert issuer.asked == 1
    issuer.publish(jwk("a"), jwk("b"))
    issuer.now += PAUSE
    assert await keys.key("b") is not None
    assert issuer.asked == 2
    issuer.now += REFRESH - 1
    assert await keys.key("a") is not None
    assert issuer.asked == 2
    issuer.now += 2
    issuer.publish(jwk("b"))
    assert await keys.key("a") is None
    await keys.close()


async def test_without_news_keys_are_used_for_a_while_and_then_no_longer() -> None:
    issuer = Issuer()
    issuer.publish(jwk("a"))
    keys = issuer.keys()
    assert await keys.key("a") is not None

    def fail() -> httpx2.Response:
        raise httpx2.ConnectError("down")

    issuer.answer = fail
    issuer.now += STALE - 1
    assert await keys.key("a") is not None
    issuer.now += 2
    with pytest.raises(KeysUnavailableError):
        await keys.key("a")
    await keys.close()


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(500),
        httpx2.Response(302, headers={"Location": "https://evil.test"}),
        httpx2.Response(200, content=b"<html>"),
        httpx2.Response(200, content=b" " * 300_000),
    ],
)
async def test_an_answer_that_is_no_key_set(answer: httpx2.Response) -> None:
    issuer = Issuer()
    issuer.answer = lambda: answer
    keys = issuer.keys()
    with pytest.raises(KeysUnavailableError):
        await keys.key("a")
    await keys.close()


def test_the_signing_key_is_an_ed25519_key() -> None:
    assert read_signing_key(new_signing_key()).sign(b"x")
    with pytest.raises(SettingsError, match="not a private key"):
        read_signing_key(b"nothing")
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(SettingsError, match="not an Ed25519 key"):
        read_signing_key(other)
