"""A52 to A56: no token that the issuer did not sign, with the key's own algorithm, is accepted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from tests.serving import ADA, Service


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def made(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    return ".".join([b64(json.dumps(header).encode()), b64(json.dumps(claims).encode())]) + (
        "." + b64(signature)
    )


def refused(service: Service, token: str) -> None:
    with service.client(token) as client:
        answer = client.post("/v1/search", json={"query": "hotel"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    body = answer.json()
    assert body["type"] == "urn:strongroom:problem:unauthenticated"
    assert "errors" not in body


def test_good_tokens_of_every_allowed_algorithm_are_accepted(service: Service) -> None:
    for kid in ("rsa", "ec", "ed"):
        with service.client(service.keys.token(ADA, kid=kid)) as client:
            assert client.get("/v1/documents").status_code == 200


@pytest.mark.parametrize("name", ["none", "None", "nOnE", "NONE", "", "HS256", None, ["EdDSA"], 1])
def test_a52_no_algorithm_and_no_signature(service: Service, name: object) -> None:
    header = {"typ": "at+jwt", "alg": name, "kid": "ed"}
    refused(service, made(header, service.keys.claims(ADA)))
    refused(service, made({**header, "alg": "EdDSA"}, service.keys.claims(ADA)))


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
def test_a53_the_public_key_as_a_secret(service: Service, form: str) -> None:
    public = service.keys.private["rsa"].public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    secret = {
        "pem": public.public_bytes(serialization.Encoding.PEM, spki),
        "der": public.public_bytes(serialization.Encoding.DER, spki),
        "jwk": json.dumps(service.keys.jwks()["keys"][0]).encode(),
    }[form]
    token = made({"typ": "at+jwt", "alg": "HS256", "kid": "rsa"}, service.keys.claims(ADA))
    signed = token.rpartition(".")[0].encode()
    refused(service, f"{signed.decode()}.{b64(hmac.new(secret, signed, hashlib.sha256).digest())}")


class _Trap(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 - shared on purpose

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(404)
        self.end_headers()


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a54_a_key_that_the_token_brings_is_not_taken_and_not_fetched(
    service: Service, name: str
) -> None:
    trap = HTTPServer(("127.0.0.1", 0), _Trap)
    threading.Thread(target=trap.serve_forever, daemon=True).start()
    own = ed25519.Ed25519PrivateKey.generate()
    url = f"http://127.0.0.1:{trap.server_port}/keys"
    public = jwt.algorithms.OKPAlgorithm.to_jwk(own.public_key(), as_dict=True)
    brought = {"jwk": public, "jku": url, "x5u": url, "x5c": ["AAAA"]}[name]
    headers = {"typ": "at+jwt", "kid": "ed", name: brought}
    refused(service, jwt.encode(service.keys.claims(ADA), own, algorithm="EdDSA", headers=headers))
    # Even with a good signature: whoever writes such a header has something in mind.
    refused(service, service.keys.token(ADA, headers={name: brought}))
    trap.shutdown()
    trap.server_close()
    assert _Trap.asked == []


def test_a55_a_key_id_of_another_kind(service: Service) -> None:
    own = ed25519.Ed25519PrivateKey.generate()
    claims = service.keys.claims(ADA)
    for kid in ("ed", "development", "../ed", "' OR 1=1 --", "", "k" * 5000):
        headers = {"typ": "at+jwt", "kid": kid}
        refused(service, jwt.encode(claims, own, algorithm="EdDSA", headers=headers))
    without = jwt.encode(claims, own, algorithm="EdDSA", headers={"typ": "at+jwt"})
    refused(service, without)


def test_a56_the_key_decides_the_algorithm_and_extensions_are_refused(service: Service) -> None:
    headers = {"typ": "at+jwt", "kid": "rsa"}
    key = service.keys.private["rsa"]
    for algorithm in ("PS256", "RS384", "RS512"):
        token = jwt.encode(service.keys.claims(ADA), key, algorithm=algorithm, headers=headers)
        refused(service, token)
    for crit in (["exp"], ["b64"], [], "exp", None):
        claims = service.keys.claims(ADA)
        header = {"typ": "at+jwt", "alg": "EdDSA", "kid": "ed", "crit": crit, "b64": True}
        signed = made(header, claims).rpartition(".")[0]
        signature = service.keys.private["ed"].sign(signed.encode())
        refused(service, f"{signed}.{b64(signature)}")


def test_a56_a_small_rsa_key_of_a_stranger(service: Service) -> None:
    own = rsa.generate_private_key(65537, 2048)
    headers = {"typ": "at+jwt", "kid": "rsa"}
    refused(service, jwt.encode(service.keys.claims(ADA), own, algorithm="RS256", headers=headers))


@pytest.mark.parametrize(
    "token",
    ["x", "a.b", "a.b.c", "a.b.c.d", "....", "Bearer x", "\x7f.\x7f.\x7f", "=.=.=", "e30.e30."],
)
def test_what_is_no_token_at_all(service: Service, token: str) -> None:
    with service.client() as client:
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/v1/documents", headers=headers).status_code == 401


def test_only_one_header_and_only_that_header(service: Service) -> None:
    good = service.keys.token(ADA)
    with service.client() as client:
        twice = [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")]
        assert client.get("/v1/documents", headers=twice).status_code == 401
        for headers in (
            {"Authorization": f"Basic {good}"},
            {"Authorization": good},
            {"Cookie": f"token={good}"},
            {"X-User": "user:ada", "X-Forwarded-User": "user:ada", "X-Tenant": "acme"},
        ):
            assert client.get("/v1/documents", headers=headers).status_code == 401
        url = f"/v1/documents?access_token={good}"
        assert client.get(url).status_code == 401
