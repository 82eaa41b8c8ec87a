"""A service with documents to decide upon, for the tests of `/access/v1`."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from acl.records import AuditEvent, AuditKind, NewChunk, NewVersion
from tests.conformance.originals import SHARED
from tests.serving import Service, quiet, running

POLICY = Path(__file__).parent / "access"
INTEROP = SHARED / "authzen" / "authzen-search-demo"
PUBLIC_URL = "https://rooms.example.org"

GATEWAY = {"sub": "service:gateway", "tenant": "cert", "clearance": "restricted"}
ANN = {"sub": "user:ann", "tenant": "cert"}
BEN = {"sub": "user:ben", "tenant": "cert"}
EVA = {
    "sub": "user:eva",
    "tenant": "cert",
    "clearance": "internal",
    "groups": ["group:engineering"],
}

# What the scenario calls read, write and delete, a shelf's active document and its archived one.
READ, WRITE, DELETE = "document:read", "document:tag", "document:delete"
ONE, TWO = "/shelf/one", "/shelf/two"
ARCHIVIST = {"type": "user", "id": "zoe", "properties": {"groups": ["role:archivist"]}}

DOCUMENTS = (
    ("cert", "/shelf/one", "user:ann", "public", "none", "active"),
    ("cert", "/shelf/two", "user:ann", "public", "none", "archived"),
    ("cert", "/plans/engine", "user:mia", "internal", "none", "active"),
    ("cert", "/plans/reactor", "user:mia", "restricted", "none", "active"),
    ("elsewhere", "/shelf/one", "user:ann", "public", "none", "active"),
)


@dataclass
class AccessService:
    """The running service and the ids of its documents."""

    service: Service
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    clients: dict[str, httpx2.Client] = field(default_factory=dict)

    def id(self, path: str, tenant: str = "cert") -> str:
        return self.ids[tenant, path]

    def client(self, who: dict[str, Any]) -> httpx2.Client:
        """Return the one client of somebody; making one takes longer than asking."""
        key = json.dumps(who, sort_keys=True)
        if key not in self.clients:
            self.clients[key] = self.service.as_(who)
        return self.clients[key]

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def ask(
        self, who: dict[str, Any], address: str, body: object, *, status: int = 200
    ) -> dict[str, Any]:
        """Return the answer to one question."""
        answer = self.client(who).post(f"/access/v1/{address}", json=body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == (
            "application/json" if status == 200 else "application/problem+json"
        )
        found: dict[str, Any] = answer.json()
        return found

    def decision(self, who: dict[str, Any], subject: object, action: str, path: str) -> bool:
        """Return the decision on one of the documents."""
        body = question(subject, action, self.ids.get((who["tenant"], path), path))
        found = self.ask(who, "evaluation", body)["decision"]
        assert isinstance(found, bool)
        return found

    def events(self) -> list[AuditEvent]:
        log = self.service.parts.records.audit
        found = self.service.run(log.events(kind=AuditKind.EVALUATE, limit=100_000))
        return [one.event for one in found]

    def put(self, tenant: str, path: str, label: dict[str, object]) -> str:
        """Store a document, and return its id."""
        return str(self.service.run(self._put(tenant, path, label)))

    async def _put(self, tenant: str, path: str, label: dict[str, object]) -> str:
        parts, now = self.service.parts, datetime.now(UTC)
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant}{path}"))
        new = NewVersion(
            document_id=identity,
            tenant=tenant,
            uri=f"file:{path}",
            title=path,
            media_type="text/plain",
            label=parts.schema.parse({"tenant": tenant, "path": path, **label}),
            content_digest="0" * 64,
            chunks=(NewChunk(0, path),),
        )
        begun = await parts.records.documents.begin_version(new, now=now)
        event = AuditEvent(kind=AuditKind.INGEST, time=now, subject="service:test")
        await parts.records.documents.commit_version(begun, event)
        self.ids[tenant, path] = identity
        return identity


def question(subject: object, action: str, resource: str) -> dict[str, Any]:
    entity = {"type": "user", "id": subject} if isinstance(subject, str) else subject
    return {
        "subject": entity,
        "action": {"name": action},
        "resource": {"type": "document", "id": resource},
    }


def people() -> list[dict[str, Any]]:
    """Return the users of the search scenario, where it lies."""
    return read("users.json") if INTEROP.is_dir() else []


def read(name: str) -> Any:
    return json.loads((INTEROP / "data" / name).read_text(encoding="utf-8"))


def _policy(folder: Path) -> Path:
    """Write the policy, with a line for what each user of the search scenario is."""
    shutil.copytree(POLICY, folder)
    with (folder / "policy.csv").open("a", encoding="utf-8") as file:
        for user in people():
            file.write(f"g, user:{user['id']}, role:{user['role']}\n")
            file.write(f"g, user:{user['id']}, group:{user['department'].lower()}\n")
    return folder


@pytest.fixture(scope="session")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccessService]:
    folder = tmp_path_factory.mktemp("access")
    given = {"policy_dir": _policy(folder / "policy"), "public_url": PUBLIC_URL}
    with quiet():
        for service in running(folder, **given):
            made = AccessService(service)
            names = ("owner", "classification", "department", "status")
            for tenant, path, *values in DOCUMENTS:
                made.put(tenant, path, dict(zip(names, values, strict=True)))
            for one in read("records.json") if INTEROP.is_dir() else ():
                made.put("interop", f"/records/{one['id']}", _record(one))
            yield made
            made.close()


def _record(one: dict[str, Any]) -> dict[str, object]:
    return {
        "owner": f"user:{one['owner']}",
        "classification": "public",
        "department": f"group:{one['department'].lower()}",
        "status": "active",
    }
