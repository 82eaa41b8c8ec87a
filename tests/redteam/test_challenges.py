"""What a 401 says to a client: `invalid_token` to a token that is refused, nothing without one."""

from __future__ import annotations

import pytest

from tests.serving import ADA, Service

BARE = 'Bearer realm="strongroom"'
TOKEN = f'{BARE}, error="invalid_token"'
DOORS = [
    ("GET", "/v1/documents"),
    ("POST", "/v1/search"),
    ("GET", "/v1/nothing"),
    ("POST", "/access/v1/evaluation"),
    ("POST", "/access/v1/search/resource"),
    ("GET", "/scim/v2/Users"),
    ("GET", "/scim/v2/ServiceProviderConfig"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("method", "path"), DOORS)
def test_every_door_tells_a_refused_token_from_none(
    service: Service, method: str, path: str
) -> None:
    expired = service.keys.token(ADA, iat=1_000_000, exp=1_000_600)
    forged = service.keys.token(ADA)[:-4] + "AAAA"
    for header in ("Bearer x", "bearer x", "Bearer", "Bearer a.b.c", f"Bearer {expired}"):
        assert challenge(service, method, path, header) == TOKEN
    assert challenge(service, method, path, f"Bearer {forged}") == TOKEN
    for bare in ("", "Basic YTpi", "Bearerx y"):
        assert challenge(service, method, path, bare) == BARE


def challenge(service: Service, method: str, path: str, header: str) -> str:
    with service.client(**({"Authorization": header} if header else {})) as client:
        answer = client.request(method, path)
    assert answer.status_code == 401
    return answer.headers["www-authenticate"]
