from __future__ import annotations

from pathlib import Path

import pytest

from ingest.read.scan import SecretScanner

GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
KEY = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgHcTz6sE2I2yPB\n"
    "-----END RSA PRIVATE KEY-----"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def scanner(cache: Path) -> SecretScanner:
    return SecretScanner(cache)


def test_secrets_are_named_by_their_kinds_and_by_nothing_else(scanner: SecretScanner) -> None:
    text = f"Größe 🙂: the token is {GITHUB} and\n\n{KEY}\n{GITHUB}\n"

    assert scanner.scan(text) == ("betterleaks.github-pat", "betterleaks.private-key")


@pytest.mark.parametrize("text", ["", "The quarterly report.", "half a character \ud800"])
def test_ordinary_text_holds_no_secret(scanner: SecretScanner, text: str) -> None:
    assert scanner.scan(text) == ()


def test_text_is_never_written_to_the_cache(scanner: SecretScanner, cache: Path) -> None:
    scanner.scan(f"token {GITHUB}")

    kept = [path.read_bytes() for path in cache.rglob("*") if path.is_file()]
    assert kept
    assert all(GITHUB.encode() not in content for content in kept)
