"""How a token would be read, before anybody depends on it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.commandline import strongroom

ROOT = Path(__file__).parents[5]
ISSUER = "https://acme.okta.com/oauth2/default"
FILE = f"""
[issuer.okta]
preset = "okta"
issuer = "{ISSUER}"
audience = "api://strongroom"
jwks_file = "keys.json"
tenant = {{ constant = "acme" }}
clearance = {{ claim = "/level" }}
"""
KEY = rsa.generate_private_key(65537, 2048)
CLAIMS = {"sub": "Pat.O'Brien@acme.example", "groups": ["Everyone", "Sales EMEA"], "level": 2}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "k"}
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [jwk]}))
    (tmp_path / "identities.toml").write_text(FILE)
    return tmp_path


def explained(folder: Path, text: str, *flags: str, code: int = 0) -> str:
    (folder / "given").write_text(text)
    settings = {"identities": "identities.toml", "policy_dir": str(ROOT / "policy")}
    done = strongroom(folder, "token", "explain", "given", *flags, code=code, **settings)
    return done.stdout + done.stderr


def signed(key: rsa.RSAPrivateKey = KEY, **changed: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "api://strongroom", "iat": now, "exp": now + 600, **CLAIMS}
    return jwt.encode({**claims, **changed}, key, algorithm="RS256", headers={"kid": "k"})


def test_a_token_is_explained_and_never_printed(folder: Path) -> None:
    token = signed()
    for text in (token, f"Bearer {token}\n"):
        said = explained(folder, text)
        assert "checked: signature, issuer, audience and times are good" in said
        assert "user:pat.o--27-brien@acme.example (user:pat.o'brien@acme.example)" in said
        assert "group:sales--20-emea (group:sales emea)" in said
        assert "confidential" in said
        assert "would be accepted" in said
        assert not any(part in said for part in token.split("."))
    answer = json.loads(explained(folder, token, "--json"))
    assert answer["accepted"] is True
    assert token.split(".")[2] not in json.dumps(answer)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": 1_000_000, "iat": 999_000}, "refused: the token has expired"),
        ({"aud": "other"}, "refused: `aud` is another audience"),
        ({"iat": None}, "refused: `iat` is missing"),
        ({"key": "other"}, "refused: the signature is not the key's"),
    ],
)
def test_a_token_that_is_none_says_why(folder: Path, changed: dict[str, Any], reason: str) -> None:
    given = dict(changed)
    key = rsa.generate_private_key(65537, 2048) if given.pop("key", None) else KEY
    said = explained(folder, signed(key, **given), code=1)
    assert reason in said
    assert "user:pat.o" in said
    assert "would be refused" in said


def test_every_claim_that_is_missing_or_wrong_is_named(folder: Path) -> None:
    claims = {**CLAIMS, "sub": 7, "groups": "Everyone", "level": "top"}
    said = explained(folder, json.dumps(claims), code=1)
    for reason in ("`/sub` is not a text", "`/groups` is not a list", "`/level` is not a level"):
        assert reason in said
    assert "not checked: these are bare claims" in said
    assert "accepted" in explained(folder, json.dumps(CLAIMS))
    assert "`act` is not mapped" in explained(folder, json.dumps({**CLAIMS, "act": {}}), code=1)
    assert "no issuer" in explained(folder, json.dumps({**CLAIMS, "iss": "x"}), code=1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("x", "has not three parts"), ("{", "no JSON of one meaning"), ("a.b.c", "not JSON of one")],
)
def test_what_is_no_token(folder: Path, text: str, reason: str) -> None:
    assert reason in explained(folder, text, code=1)


def test_tokens_of_this_form_are_explained_too(tmp_path: Path) -> None:
    people = str(ROOT / "examples" / "company" / "people.toml")

    def said(*arguments: str, code: int = 0) -> str:
        policy = str(ROOT / "policy")
        given = {"mode": "development", "policy_dir": policy, "subjects_file": people}
        return strongroom(tmp_path, "token", *arguments, code=code, **given).stdout

    for name in (("ada",), ("sign", "ada"), ("--lifetime", "60", "ada")):
        (tmp_path / "given").write_text(said(*name))
        shown = said("explain", "given")
        assert "user:ada" in shown
        assert "would be accepted" in shown
    (tmp_path / "given").write_text('{"sub": "user:ada", "tenant": "acme", "groups": ["user:leo"]}')
    assert "`user:leo` is not a group" in said("explain", "given", code=1)


def test_a_revocation_names_one_or_the_other(folder: Path) -> None:
    for given in ((), ("--id", "a", "--subject", "user:ada")):
        said = strongroom(folder, "token", "revoke", "--tenant", "acme", *given, code=1).stderr
        assert "say either `--id` or `--subject`" in said
