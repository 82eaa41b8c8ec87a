"""Tokens as common providers make them, and a provider that makes them, on loopback over https."""

from __future__ import annotations

import ipaddress
import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

ENTRA = """
[issuer.entra]
preset = "entra"
issuer = "https://login.microsoftonline.com/7d1c52a4-30be-4f1e-a6c9-58e0b7d4f213/v2.0"
audience = "api://strongroom"
tenant = { table = { "7d1c52a4-30be-4f1e-a6c9-58e0b7d4f213" = "acme" } }
clearance = { claim = "/roles", table = { "Board" = "restricted", "Staff" = "internal" } }
compartments = { claim = "/groups", table = { "g-legal" = "legal" } }
"""
OKTA = """
[issuer.okta]
preset = "okta"
issuer = "https://acme.okta.com/oauth2/default"
audience = "api://strongroom"
tenant = { constant = "acme" }
groups = { table = { "Sales EMEA" = "group:sales" } }
"""
KEYCLOAK = """
[issuer.keycloak]
preset = "keycloak"
issuer = "https://sso.acme.example/realms/acme"
audience = "strongroom"
subject = { claim = "/sub" }
"""
AUTH0 = """
[issuer.auth0]
preset = "auth0"
issuer = "https://acme.eu.auth0.com/"
audience = "https://rooms.acme.example"
tenant = { table = { "org_9ybsU1dN2dKfDkBi" = "acme" } }
groups = { claim = "/https:~1~1acme.example~1groups" }
clearance = { claim = "/https:~1~1acme.example~1clearance" }
"""
GOOGLE = """
[issuer.google]
preset = "google"
audience = "1234.apps.googleusercontent.com"
tenant = { table = { "acme.example" = "acme" } }
"""
TID = "7d1c52a4-30be-4f1e-a6c9-58e0b7d4f213"


def entra(drawn: random.Random) -> dict[str, Any]:
    groups = [f"{drawn.getrandbits(128):032x}" for _ in range(drawn.randint(0, 5))]
    return {
        "oid": f"{drawn.getrandbits(128):032x}",
        "sub": "Qm9xLXJpdGEtbm90LWEtcmVhbC1pZC0wMDE",
        "tid": TID,
        "preferred_username": name(drawn) + drawn.choice(["#EXT#", ""]) + "@acme.example",
        **({"groups": groups} if groups else {}),
        **drawn.choice([{}, {"roles": drawn.sample(["Board", "Staff", "Reader.All"], 2)}]),
        "ver": "2.0",
        "scp": "search",
    }


def okta(drawn: random.Random) -> dict[str, Any]:
    sub = name(drawn) + "@acme.example"
    return {"sub": sub, "cid": "0oa1", "uid": "00u1", "groups": ["Everyone", *names(drawn)]}


def keycloak(drawn: random.Random) -> dict[str, Any]:
    groups = ["/" + "/".join(names(drawn) or ["all"]) for _ in range(drawn.randint(0, 3))]
    roles = ["default-roles-acme", "offline_access"]
    about = {"preferred_username": name(drawn), "realm_access": {"roles": roles}, "typ": "Bearer"}
    return {"sub": f"f:12:{name(drawn)}", "tenant": "acme", "groups": groups, **about}


def auth0(drawn: random.Random) -> dict[str, Any]:
    kind = drawn.choice(["auth0", "google-oauth2", "samlp|acme", "waad"])
    about = {"org_id": "org_9ybsU1dN2dKfDkBi", "https://acme.example/groups": names(drawn)}
    return {"sub": f"{kind}|{name(drawn)}", "scope": "openid", "gty": "password", **about}


def google(drawn: random.Random) -> dict[str, Any]:
    email = name(drawn) + "@acme.example"
    return {"sub": "1072", "email": email, "email_verified": True, "hd": "acme.example"}


ODD = "aAbBzZ019 ._-+'()#|/éÉøØüß東ш\u200b%&=*\"\\"


def name(drawn: random.Random) -> str:
    return "".join(drawn.choices(ODD, k=drawn.randint(1, 12)))


def names(drawn: random.Random) -> list[str]:
    return [name(drawn) for _ in range(drawn.randint(0, 4))]


SHAPES: dict[str, tuple[str, Callable[[random.Random], dict[str, Any]], str]] = {
    "entra": (ENTRA, entra, "preferred_username"),
    "okta": (OKTA, okta, "sub"),
    "keycloak": (KEYCLOAK, keycloak, "sub"),
    "auth0": (AUTH0, auth0, "sub"),
    "google": (GOOGLE, google, "email"),
}


@dataclass
class Provider:
    """An issuer on loopback.

    Attributes:
        authorities: the file of its own authority.
        path: what stands behind the address in its name, as a realm does.
        asked: the paths that were asked for.
    """

    address: str
    authorities: Path
    path: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    asked: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        """Its name in tokens."""
        return self.address + self.path

    def token(self, claims: dict[str, Any], *, typ: str | None = "JWT", **changed: Any) -> str:
        """Return a signed token."""
        now = int(time.time())
        times = {"iss": self.issuer, "iat": now, "nbf": now, "exp": now + 3600}
        headers = {"kid": "signing-1", "typ": typ}
        return jwt.encode({**times, **claims, **changed}, self.key, "RS256", headers=headers)

    def answer(self, path: str) -> dict[str, Any] | None:
        """Return what is at a path."""
        self.asked.append(path)
        if path == f"{self.path}/.well-known/openid-configuration":
            return {"issuer": self.issuer, "jwks_uri": f"{self.address}/keys"}
        if path != "/keys":
            return None
        # As Entra and Keycloak have it: no `alg`, a certificate, and a key for encryption beside.
        signing = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        signing = {name: value for name, value in signing.items() if name != "key_ops"}
        return {
            "keys": [
                {**signing, "kid": "signing-1", "use": "sig", "x5c": ["MII"], "x5t": "a"},
                {**signing, "kid": "other-1", "use": "enc", "alg": "RSA-OAEP"},
            ]
        }


@contextmanager
def provider(folder: Path, path: str = "") -> Iterator[Provider]:
    """Serve a provider with a certificate of its own authority, made in `folder`."""
    authorities, certificate = _certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made = Provider("", authorities, path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = made.answer(self.path)
            body = json.dumps(answer).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.address = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _certificates(folder: Path) -> tuple[Path, Path]:
    """Return a file of an authority, and one with a certificate for loopback and its key."""
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    about = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of acme")])
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    root = _signed(authority, authority, about, x509.BasicConstraints(ca=True, path_length=None))
    own = _signed(key, authority, about, loopback)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files = folder / "authorities.pem", folder / "server.pem"
    for file, content in zip(files, (root, own + private), strict=True):
        file.write_bytes(content)
    return files


def _signed(
    key: ec.EllipticCurvePrivateKey,
    authority: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    extension: x509.ExtensionType,
) -> bytes:
    now = datetime.now(UTC)
    subject = issuer if key is authority else x509.Name([])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(extension, critical=True)
        .sign(authority, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)
