"""A real service for tests: real records, engine and model, over HTTP on a free loopback port.

It accepts tokens of an issuer whose private keys the tests hold, in production mode.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from ingest.report import IngestReport
from retrieval.service.app import create_app
from retrieval.service.http.issuers import verifier
from retrieval.service.serve import Server, make_server
from retrieval.service.settings import Settings, load_settings
from retrieval.service.wiring import Parts, open_parts, open_pipeline
from tests.scanning import compiled_rules

ISSUER = "https://issuer.test"
AUDIENCE = "strongroom"
POLICY = Path(__file__).parents[1] / "policy"

ADA: dict[str, Any] = {
    "sub": "user:ada",
    "tenant": "acme",
    "groups": ["group:finance"],
    "clearance": "restricted",
    "compartments": ["finance"],
}
BOB: dict[str, Any] = {"sub": "user:bob", "tenant": "acme", "groups": [], "clearance": "internal"}
GUS: dict[str, Any] = {**ADA, "sub": "user:gus", "tenant": "globex"}
# The same name and groups as ada, in the other tenant.
OTHER_ADA: dict[str, Any] = {**ADA, "tenant": "globex"}
AGENT: dict[str, Any] = {"sub": "agent:helper", "clearance": "internal", "groups": []}

FILES = {
    "acme/_label.toml": '[label]\ntenant = "acme"\ncompartments = []\n',
    "acme/handbook/_label.toml": (
        '[label]\nowner = "group:hr"\nclassification = "internal"\nreaders = ["group:everyone"]\n'
    ),
    "acme/handbook/travel.md": "# Travel\n\nThe hotel limit at acme is EUR 140 a night.\n",
    "acme/handbook/lunch.md": "# Lunch\n\nThe canteen serves soup on Mondays.\n",
    "acme/finance/_label.toml": (
        '[label]\nowner = "group:finance"\nclassification = "confidential"\n'
        'compartments = ["finance"]\nreaders = ["group:finance"]\n'
    ),
    "acme/finance/budget.md": "# Budget\n\nThe hotel budget for 2027 is EUR 4.2 million.\n",
    "acme/inbox/quote.txt": "A quote that nobody has labelled.\n",
    "globex/_label.toml": (
        '[label]\ntenant = "globex"\nowner = "group:hr"\nclassification = "internal"\n'
        'compartments = []\nreaders = ["group:everyone"]\n'
    ),
    "globex/handbook/travel.md": "# Travel\n\nThe hotel limit at globex is USD 90 a night.\n",
}


class Keys:
    """The issuer's private keys, by key id."""

    def __init__(self) -> None:
        self.private: dict[str, Any] = {
            "rsa": rsa.generate_private_key(65537, 2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "ed": ed25519.Ed25519PrivateKey.generate(),
        }

    def jwks(self) -> dict[str, Any]:
        """Return the public key set."""
        make = {
            "rsa": jwt.algorithms.RSAAlgorithm,
            "ec": jwt.algorithms.ECAlgorithm,
            "ed": jwt.algorithms.OKPAlgorithm,
        }
        names = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}
        return {
            "keys": [
                make[kid].to_jwk(key.public_key(), as_dict=True)  # type: ignore[attr-defined]
                | {"kid": kid, "alg": names[kid], "use": "sig"}
                for kid, key in self.private.items()
            ]
        }

    def claims(self, who: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
        """Return good claims for `who`; a claim changed to `...` is left out."""
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600, **who, **changed}
        return {name: value for name, value in claims.items() if value is not ...}

    def token(
        self,
        who: Mapping[str, Any],
        *,
        kid: str = "ed",
        headers: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> str:
        """Return a signed token; `headers` are added to good ones."""
        names = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}
        return jwt.PyJWS().encode(
            json.dumps(self.claims(who, **changed)).encode(),
            self.private[kid],
            algorithm=names[kid],
            headers={"typ": "at+jwt", "kid": kid, **(headers or {})},
        )


@dataclass
class Service:
    """A running service."""

    keys: Keys
    settings: Settings
    parts: Parts
    server: Server
    loop: asyncio.AbstractEventLoop
    report: IngestReport
    documents: dict[str, str] = field(default_factory=dict)

    def client(self, token: str | None = None, **headers: str) -> httpx2.Client:
        """Return a client that carries `token`."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return httpx2.Client(
            base_url=self.server.address, headers=headers, timeout=30, trust_env=False
        )

    def as_(self, who: Mapping[str, Any], **changed: Any) -> httpx2.Client:
        """Return a client that is authenticated as `who`."""
        return self.client(self.keys.token(who, **changed))

    def run(self, work: Any) -> Any:
        """Run a coroutine in the service's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


class Thread(threading.Thread):
    """The service in a thread of its own."""

    def __init__(self, folder: Path, given: Mapping[str, Any]) -> None:
        super().__init__(name="service", daemon=True)
        self.folder = folder
        self.given = {"policy_dir": POLICY, **given}
        self.ready = threading.Event()
        self.service: Service | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Serve until told to stop."""
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.error = error
        finally:
            self.ready.set()

    async def _serve(self) -> None:
        keys = Keys()
        jwks = self.folder / "jwks.json"
        jwks.write_text(json.dumps(keys.jwks()))
        settings = load_settings(
            {},
            issuer=ISSUER,
            jwks_file=jwks,
            data_dir=self.folder / "data",
            port=0,
            **{"policy_proof_pairs": 300, **self.given},
        )
        root = self.folder / "documents"
        for name, text in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        async with open_parts(settings) as parts:
            compiled_rules(settings.data_dir)
            async with open_pipeline(parts) as pipeline:
                report = await pipeline.ingest(root, flags={}, on_event=lambda _: None)
            tokens = verifier(settings, parts.schema)
            await parts.encoder.load()
            server = make_server(parts, create_app(parts, tokens), lambda _: self.ready.set())
            loop = asyncio.get_running_loop()
            self.service = Service(keys, settings, parts, server, loop, report)
            for tenant in ("acme", "globex"):
                for one in await parts.records.catalog.list_documents(tenant):
                    self.service.documents[one.uri] = one.id
            await server.serve()
            await tokens.close()


def running(folder: Path, **given: Any) -> Iterator[Service]:
    """Start a service under `given` settings, yield it, and stop it."""
    thread = Thread(folder, given)
    thread.start()
    assert thread.ready.wait(180), "the service did not start"
    if thread.service is None:
        raise AssertionError("the service did not start") from thread.error
    yield thread.service
    thread.service.server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()
    assert thread.error is None


@contextmanager
def quiet() -> Iterator[None]:
    """Log warnings alone."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests of a worker."""
    with quiet():
        yield from running(tmp_path_factory.mktemp("service"))
