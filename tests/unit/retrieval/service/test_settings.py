from __future__ import annotations

import re
from pathlib import Path

import pytest

from retrieval.service.settings import (
    PREFIX,
    Mode,
    Settings,
    SettingsError,
    check_serving,
    load_settings,
)

TABLE = Path(__file__).parents[4] / "docs" / "settings.md"
PRODUCTION = {"STRONGROOM_ISSUER": "https://issuer.test"}
MAPPED = {"STRONGROOM_IDENTITIES": "identities.toml"}


def test_the_page_of_settings_says_what_the_class_says() -> None:
    row = re.compile(r"^\| `(STRONGROOM_\w+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
    rows = row.findall(TABLE.read_text())
    expected = []
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, bool):
            default = str(default).lower()
        shown = "" if default is None else f"`{getattr(default, 'value', default)}`"
        expected.append((f"{PREFIX}{name.upper()}", shown, field.description))
    assert rows == expected


def test_values_come_from_the_environment_and_what_is_given_is_stronger() -> None:
    settings = load_settings({"STRONGROOM_PORT": "9000", "PATH": "/bin"}, host="::1")
    assert (settings.port, settings.host, settings.mode) == (9000, "::1", Mode.PRODUCTION)
    assert settings.people_file == Path("policy/subjects.toml")
    assert settings.accepted_issuer is None


def test_the_real_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_AUDIENCE", "documents")
    assert load_settings().audience == "documents"
    monkeypatch.setenv("STRONGROOM_AUDIENC", "documents")
    with pytest.raises(SettingsError, match="`STRONGROOM_AUDIENC` is not a setting"):
        load_settings()


def test_a_wrong_value_is_named_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match="`STRONGROOM_PORT`: ") as caught:
        load_settings({"STRONGROOM_PORT": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_settings_never_change() -> None:
    settings = load_settings({})
    with pytest.raises(ValueError, match="frozen"):
        settings.mode = Mode.DEVELOPMENT


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_development_serves_loopback_alone(host: str) -> None:
    settings = load_settings({"STRONGROOM_MODE": "development"}, host=host)
    with pytest.raises(SettingsError, match="loopback alone"):
        check_serving(settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_development_serves_loopback(host: str) -> None:
    check_serving(load_settings({"STRONGROOM_MODE": "development"}, host=host))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs `STRONGROOM_ISSUER`"),
        (PRODUCTION, "either `STRONGROOM_JWKS_URL` or `STRONGROOM_JWKS_FILE`"),
        (
            {**PRODUCTION, "STRONGROOM_JWKS_URL": "https://a", "STRONGROOM_JWKS_FILE": "b"},
            "either `STRONGROOM_JWKS_URL` or `STRONGROOM_JWKS_FILE`",
        ),
        ({**PRODUCTION, "STRONGROOM_JWKS_URL": "http://a"}, "must be an https address"),
        ({**PRODUCTION, "STRONGROOM_JWKS_URL": "https://"}, "must be an https address"),
        (
            {**PRODUCTION, "STRONGROOM_JWKS_URL": "http://127.0.0.1:9000/keys"},
            "must be an https address; on this machine.*`STRONGROOM_JWKS_FILE`",
        ),
        (
            {**PRODUCTION, "STRONGROOM_JWKS_URL": "http://[::1]:9000/keys"},
            "must be an https address; on this machine.*`STRONGROOM_JWKS_FILE`",
        ),
        ({**PRODUCTION, **MAPPED}, "leave out `STRONGROOM_ISSUER`"),
        ({"STRONGROOM_JWKS_FILE": "b", **MAPPED}, "leave out `STRONGROOM_ISSUER`"),
    ],
)
def test_production_needs_an_issuer_and_its_keys(given: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_serving(load_settings(given))


def test_production_with_an_issuer_serves_any_host() -> None:
    check_serving(load_settings({**PRODUCTION, "STRONGROOM_JWKS_URL": "https://a"}, host="0.0.0.0"))
    check_serving(load_settings(MAPPED))
