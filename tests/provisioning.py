"""A service that asks its directory who is who, and an identity provider that fills it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.serving import POLICY, Service, quiet, running

IDP: dict[str, Any] = {"sub": "service:idp", "tenant": "acme"}
OTHER_IDP: dict[str, Any] = {"sub": "service:idp", "tenant": "globex"}
RULE = "\np, service:idp, *, /*, directory:edit, True, allow\n"

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
RIGHTS = "urn:strongroom:scim:schemas:1.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
MEDIA = "application/scim+json"


@pytest.fixture(scope="session")
def scim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("scim")
    with quiet():
        yield from running(folder, policy_dir=with_idp(folder), directory="scim")


def with_idp(folder: Path) -> Path:
    """Return a policy folder in `folder` that lets the identity provider in."""
    policy = folder / "policy"
    shutil.copytree(POLICY, policy)
    with (policy / "policy.csv").open("a") as rules:
        rules.write(RULE)
    return policy


@pytest.fixture
def idp(scim: Service) -> Iterator[httpx2.Client]:
    """An identity provider, beginning with an empty directory."""
    with scim.as_(IDP) as client:
        client.base_url = f"{scim.server.address}/scim/v2/"
        client.headers["Content-Type"] = MEDIA
        for kind in ("Groups", "Users"):
            while found := client.get(f"{kind}?count=200").json().get("Resources"):
                for one in found:
                    assert client.delete(f"{kind}/{one['id']}").status_code == 204
        yield client


def made(client: httpx2.Client, kind: str, **fields: Any) -> dict[str, Any]:
    schemas = [USER if kind == "Users" else GROUP, *(one for one in fields if ":" in one)]
    answer = client.post(kind, json={"schemas": schemas, **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == answer.json()["meta"]["location"]
    return dict(answer.json())


def patched(client: httpx2.Client, path: str, *operations: dict[str, Any]) -> httpx2.Response:
    return client.patch(path, json={"schemas": [PATCH], "Operations": list(operations)})


def refused(answer: httpx2.Response, status: int, scim_type: str | None = None) -> str:
    """Check that an answer is an error in SCIM's form, and return what it says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA
    body = answer.json()
    assert body["schemas"] == [ERROR]
    assert body["status"] == str(status)
    assert body.get("scimType") == scim_type
    return str(body["detail"])


def search(scim: Service, who: dict[str, Any]) -> httpx2.Response:
    with scim.as_(who) as client:
        return client.post("/v1/search", json={"query": "hotel limit"})


def titles(scim: Service, who: dict[str, Any]) -> set[str]:
    answer = search(scim, who)
    answer.raise_for_status()
    return {one["title"] for one in answer.json()["hits"]}
