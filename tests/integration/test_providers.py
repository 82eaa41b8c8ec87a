"""Identity providers on loopback: their descriptions, keys and tokens, over TLS of their own."""

from __future__ import annotations

import json
import random
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from acl.identity import display_name, folded_name
from acl.labels import LabelSchema
from acl.subject import Subject
from retrieval.service.http.issuers import verifier
from retrieval.service.http.token_keys import KeysUnavailableError
from retrieval.service.http.tokens import TokenError
from retrieval.service.settings import Settings, SettingsError, load_settings
from tests.provider_tokens import GOOGLE, SHAPES, Provider, provider
from tests.serving import POLICY

SCHEMA = LabelSchema.from_toml((POLICY / "labels.toml").read_text())
CODE = {"client_id": "rooms", "redirect_uri": "https://rooms.example/", "response_type": "code"}
TYPES: dict[str, str | None] = {"okta": None}


@pytest.fixture(name="idp", scope="module")
def _idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("provider"), "/realms/acme") as made:
        yield made


def settings_of(folder: Path, text: str, **given: Any) -> Settings:
    file = folder / "identities.toml"
    file.write_text(text)
    return load_settings({}, identities=file, data_dir=folder / "data", **given)


def named(text: str, idp: Provider, *more: str) -> str:
    """Return a provider's table with the issuer of this provider."""
    text = re.sub(r'issuer = ".*"\n', "", text)
    lines = (f'issuer = "{idp.issuer}"', *more)
    return re.sub(r"(preset = .*\n)", lambda found: found[1] + "\n".join(lines) + "\n", text)


def trusted(idp: Provider) -> str:
    return f'ca_file = "{idp.authorities}"'


async def read(settings: Settings, *tokens: str) -> list[Subject]:
    reader = verifier(settings, SCHEMA)
    try:
        return [await reader.verify(token) for token in tokens]
    finally:
        await reader.close()


@pytest.mark.parametrize("preset", sorted(SHAPES))
async def test_tokens_of_each_provider_by_discovery_over_tls(
    tmp_path: Path, idp: Provider, preset: str
) -> None:
    text, claims_of, claim = SHAPES[preset]
    settings = settings_of(tmp_path, named(text, idp, trusted(idp)))
    (audience,) = re.findall(r'audience = "(.*)"', text)
    drawn = random.Random(preset)
    made = [{**claims_of(drawn), "aud": audience} for _ in range(20)]
    idp.asked.clear()
    typ = TYPES.get(preset, "JWT")
    subjects = await read(settings, *(idp.token(one, typ=typ) for one in made))
    assert [display_name(one.id) for one in subjects] == [
        f"user:{folded_name(one[claim])}" for one in made
    ]
    assert {one.tenant for one in subjects} == {"acme"}
    assert idp.asked == ["/realms/acme/.well-known/openid-configuration", "/keys"]

    forged = rsa.generate_private_key(65537, 2048)
    for wrong in (
        idp.token(made[0], typ=typ, aud="other"),
        idp.token(made[0], typ=typ, iss="https://evil.example"),
        idp.token(made[0], typ="logout+jwt"),
        idp.token(made[0], typ=typ, iat=1, exp=2),
        jwt.encode({**made[0], "iss": idp.issuer}, forged, "RS256", headers={"kid": "signing-1"}),
        jwt.encode({**made[0], "iss": idp.issuer}, forged, "RS256", headers={"kid": "other-1"}),
    ):
        with pytest.raises(TokenError):
            await read(settings, wrong)


async def test_an_authority_of_one_s_own_is_trusted_where_it_is_named(
    tmp_path: Path, idp: Provider
) -> None:
    text, claims_of, _ = SHAPES["okta"]
    token = idp.token({**claims_of(random.Random(1)), "aud": "api://strongroom"})
    with pytest.raises(KeysUnavailableError):
        await read(settings_of(tmp_path, named(text, idp)), token)
    for_all = settings_of(tmp_path, named(text, idp), jwks_ca_file=idp.authorities)
    assert len(await read(for_all, token)) == 1
    direct = named(text, idp, trusted(idp), f'jwks_url = "{idp.address}/keys"')
    assert len(await read(settings_of(tmp_path, direct), token)) == 1
    for wrong in ("absent.pem", "identities.toml"):
        with pytest.raises(SettingsError, match="is not a readable file of authorities"):
            await read(settings_of(tmp_path, named(text, idp, f'ca_file = "{wrong}"')), token)


async def test_without_a_file_of_identities_the_authority_is_named_too(
    tmp_path: Path, idp: Provider
) -> None:
    claims = {"sub": "user:ada", "tenant": "acme", "aud": "strongroom"}
    given = {"issuer": idp.issuer, "jwks_url": f"{idp.address}/keys", "data_dir": tmp_path}
    token = idp.token(claims, typ="at+jwt")
    (ada,) = await read(load_settings({}, **given, jwks_ca_file=idp.authorities), token)
    assert ada.id == "user:ada"
    with pytest.raises(KeysUnavailableError):
        await read(load_settings({}, **given), token)


@pytest.mark.parametrize(
    ("description", "listed"),
    [
        ({"issuer": "https://evil.example"}, False),
        ({"jwks_uri": "http://sso.acme.example/keys"}, False),
        ({"jwks_uri": 7}, False),
        ({}, True),
    ],
)
async def test_a_description_is_believed_of_its_own_issuer_over_https(
    tmp_path: Path, description: dict[str, Any], *, listed: bool
) -> None:
    class Other(Provider):
        def answer(self, path: str) -> dict[str, Any] | None:
            found = super().answer(path)
            return found if path == "/keys" or found is None else {**found, **description}

    with provider(tmp_path) as idp:
        idp.__class__ = Other
        text, claims_of, _ = SHAPES["okta"]
        settings = settings_of(tmp_path, named(text, idp, trusted(idp)))
        token = idp.token({**claims_of(random.Random(1)), "aud": "api://strongroom"})
        if listed:
            assert await read(settings, token)
        else:
            with pytest.raises(KeysUnavailableError):
                await read(settings, token)
            assert "/keys" not in idp.asked


async def test_an_id_token_of_a_provider_in_development(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library that this one is built on
        from oidc_provider_mock import User, run_server_in_thread  # noqa: PLC0415

        about = {"email": "Rita@acme.example", "email_verified": True, "hd": "acme.example"}
        with run_server_in_thread(user_claims=[User(sub="rita", claims=about)]) as server:
            issuer = f"http://127.0.0.1:{server.server_port}"
            token = id_token(issuer)
            text = GOOGLE.replace("1234.apps.googleusercontent.com", "rooms")
            text = text.replace('"google"\n', f'"google"\nissuer = "{issuer}"\n')
            with pytest.raises(SettingsError, match="`issuer` must be an https address"):
                await read(settings_of(tmp_path, text), token)
            (rita,) = await read(settings_of(tmp_path, text, mode="development"), token)
            assert (rita.id, rita.tenant) == ("user:rita@acme.example", "acme")
            swapped = token.split(".")
            swapped[1] = id_token(issuer, scope="openid").split(".")[1]
            with pytest.raises(TokenError, match="the signature is not the key's"):
                await read(settings_of(tmp_path, text, mode="development"), ".".join(swapped))


def id_token(issuer: str, scope: str = "openid email") -> str:
    """Return an id token, as a browser and an application get it."""
    with httpx2.Client(base_url=issuer, trust_env=False) as client:
        asked = client.post(
            "/oauth2/authorize", params={**CODE, "scope": scope}, data={"sub": "rita"}
        )
        (code,) = parse_qs(urlsplit(asked.headers["location"]).query)["code"]
        grant = {"grant_type": "authorization_code", "code": code, "client_secret": "x"}
        given = client.post("/oauth2/token", data={**CODE, **grant})
    return str(json.loads(given.content)["id_token"])
