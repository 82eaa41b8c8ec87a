"""Where a request comes from is what the service sees: the peer and the address that was called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from acl.decision import Permitted
from acl.policy.decide import decide
from acl.subject import Origin, Subject
from retrieval.service.http.authentication import Authentication
from tests.unit.acl.default_policy import READ
from tests.unit.acl.policy.test_moment import ADA, FRIDAY, admitted

LOCAL = admitted('ipMatch(r.env.network, "127.0.0.0/8")')
OFFICE = admitted('ipMatch(r.env.network, "10.0.0.0/8")')
FORGED = {
    "Authorization": "Bearer x",
    "X-Forwarded-For": "10.0.0.7",
    "Forwarded": "for=10.0.0.7",
    "X-Real-IP": "10.0.0.7",
}


class Verifier:
    async def verified(self, _token: str) -> Any:
        return SimpleNamespace(subject=ADA, token_id="t", issued_at=FRIDAY)


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    subject = scope["state"]["subject"]
    rights = [isinstance(decide(one, subject, READ, FRIDAY), Permitted) for one in (LOCAL, OFFICE)]
    await JSONResponse([subject.origin.as_json(), rights])(scope, receive, send)


async def asked(peer: str, path: str = "/v1/search") -> Any:
    closed = Authentication(told, cast("Any", Verifier()))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        client = (peer, 5) if peer else None
        await closed({**scope, "state": {}, "client": client}, receive, send)

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://strongroom") as client:
        return (await client.post(path, headers=FORGED, json={"network": "10.0.0.7"})).json()


@pytest.mark.parametrize(
    ("peer", "network", "rights"),
    [
        ("127.0.0.1", "127.0.0.1", [True, False]),
        ("10.1.2.3", "10.1.2.3", [False, True]),
        ("::ffff:10.1.2.3", "10.1.2.3", [False, True]),
        ("2001:DB8::1", "2001:db8::1", [False, False]),
    ],
)
async def test_the_peer_decides_and_no_header(peer: str, network: str, rights: list[bool]) -> None:
    assert await asked(peer) == [{"channel": "http", "network": network}, rights]


@pytest.mark.parametrize("peer", ["", "testclient"])
async def test_without_an_address_rules_that_ask_deny(peer: str) -> None:
    assert await asked(peer) == [{"channel": "http"}, [False, False]]


@pytest.mark.parametrize(
    ("path", "channel"),
    [("/access/v1/evaluation", "authzen"), ("/scim/v2/Users", "scim"), ("/v1/labels", "http")],
)
async def test_the_door_is_the_address_that_was_called(path: str, channel: str) -> None:
    assert (await asked("127.0.0.1", path))[0]["channel"] == channel


def test_agents_come_from_where_the_subject_comes_from() -> None:
    origin = Origin(network="10.0.0.1")
    whole = Subject(id="user:bob", tenant="acme", actors=(ADA,))
    assert whole.coming_from(origin).actors[0].origin == origin
