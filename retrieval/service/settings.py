"""Every setting of the program, in one frozen class; `docs/settings.md` is held against it.

The laws of this file:

1. A setting comes from the environment as `STRONGROOM_<NAME>`. A name that no setting has is an
   error, because a typing error must never leave a default in place unseen.
2. No secret is a setting. A setting names the file that holds the secret (`*_FILE`); secrets that
   only this program needs are made on first start, readable by their owner alone.
3. Development mode accepts tokens that this machine signs, so it serves loopback alone.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "STRONGROOM_"
DEVELOPMENT_ISSUER: Final = "urn:strongroom:development"


class SettingsError(Exception):
    """The settings contradict themselves or cannot be read; the text names each of them."""


class Mode(StrEnum):
    """Who vouches for tokens."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class SubjectSource(StrEnum):
    """What says which groups a user is in."""

    TOKEN = "token"  # noqa: S105 - not a secret
    SCIM = "scim"


class Settings(BaseSettings):
    """All settings. Paths are relative to the working directory."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    mode: Mode = Field(
        Mode.PRODUCTION,
        description="`production`: tokens come from your identity provider. `development`: tokens "
        "are signed on this machine with `strongroom token`, and only loopback is served.",
    )
    host: str = Field("127.0.0.1", description="Address that the service listens on.")
    port: int = Field(8020, ge=0, le=65535, description="Port; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^?#\s]*[^?#/\s]$",
        description="Address under which clients reach the service, such as "
        "`https://rooms.example.org`; metadata documents name it. Default: where it listens.",
    )

    data_dir: Path = Field(
        Path("data"), description="Where records, vectors and generated secrets lie."
    )
    policy_dir: Path = Field(
        Path("policy"), description="Folder with `labels.toml`, `model.conf` and `policy.csv`."
    )
    policy_four_eyes: bool = Field(
        False,
        description="Whether a proposed policy must be activated by a second person: neither its "
        "author nor an agent that acted for them.",
    )
    policy_proof_pairs: int = Field(
        20_000,
        ge=1,
        description="How many pairs of a role and a label are compared before a policy takes "
        "effect; the rest follows.",
    )
    subjects_file: Path | None = Field(
        None,
        description="People for the command line and for development tokens (TOML). Default: "
        "`subjects.toml` in the policy folder.",
    )
    database_url_file: Path | None = Field(
        None,
        description="File that holds the URL of a PostgreSQL database. Default: SQLite in the "
        "data folder.",
    )

    qdrant_url: str | None = Field(
        None, description="Address of a Qdrant cluster. Default: the embedded engine."
    )
    qdrant_collection: str = Field("strongroom", description="Collection in that cluster.")
    qdrant_read_key_file: Path | None = Field(
        None, description="File that holds the API key for reading."
    )
    qdrant_write_key_file: Path | None = Field(
        None, description="File that holds the API key for writing; only ingest needs it."
    )

    issuer: str | None = Field(None, description="`iss` of accepted tokens. Required to serve.")
    audience: str = Field("strongroom", min_length=1, description="`aud` of accepted tokens.")
    jwks_url: str | None = Field(
        None, description="Where the issuer publishes its keys (https). This or `JWKS_FILE`."
    )
    jwks_file: Path | None = Field(None, description="File with the issuer's keys (JWKS).")
    jwks_ca_file: Path | None = Field(
        None,
        description="File of authorities (PEM) that the address of keys is trusted by, where its "
        "certificate is signed by your own. Default: the well-known ones.",
    )
    identities: Path | None = Field(
        None,
        description="File that says how the claims of your identity provider's tokens are read "
        "(TOML, see [identities](identities.md)). Instead of `ISSUER`, `JWKS_URL`, `JWKS_FILE`.",
    )
    token_max_seconds: int = Field(
        3600, gt=0, le=86_400, description="Longest lifetime of a token, from `iat` to `exp`."
    )
    token_leeway_seconds: int = Field(
        10, ge=0, le=60, description="How far clocks may differ when a token's times are read."
    )

    directory: SubjectSource = Field(
        SubjectSource.TOKEN,
        description="What says which groups a user is in: `token`, or `scim` for the directory "
        "that your identity provider keeps at `/scim/v2`; then only its active users are answered.",
    )
    scim_max_bytes: int = Field(
        1024 * 1024, ge=1024, description="Largest body of a SCIM request that is read."
    )

    provisioner_key_file: Path | None = Field(
        None,
        description="Secret under which credentials for provisioning are hashed. Default: made in "
        "the data folder.",
    )
    audit_key_file: Path | None = Field(
        None, description="Secret of the audit chain. Default: made in the data folder."
    )
    query_key_file: Path | None = Field(
        None,
        description="Secret under which queries are hashed for the audit. Default: made in the "
        "data folder.",
    )
    cursor_key_file: Path | None = Field(
        None, description="Secret that signs page cursors. Default: made in the data folder."
    )
    signing_key_file: Path | None = Field(
        None,
        description="Private key for development tokens (PEM). Default: made in the data folder.",
    )

    model_dir: Path | None = Field(
        None, description="Folder of the embedding model. Default: the installed package."
    )
    parse_max_bytes: int = Field(50 * 1024 * 1024, gt=0, description="Largest file to ingest.")
    parse_seconds: int = Field(30, gt=0, description="Longest time that one file may take.")
    parse_memory_bytes: int = Field(
        1024 * 1024 * 1024, ge=256 * 1024 * 1024, description="Most memory that one file may take."
    )

    exact_points: int = Field(
        15_000, ge=0, description="Visible passages up to which the search is exact."
    )
    acorn_share: float = Field(
        0.4, ge=0, le=1, description="Visible share up to which the graph is walked with ACORN."
    )
    acorn_ef: int = Field(128, gt=0, description="Beam of the ACORN walk.")
    hnsw_ef: int = Field(256, gt=0, description="Beam of the plain graph walk.")

    removal_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of a source's documents above which a run that would remove them stops, "
        "from 0 to 1.",
    )
    declassify_four_eyes: bool = Field(
        False,
        description="Whether a label that is lowered waits for the approval of a second person.",
    )

    body_max_bytes: int = Field(
        64 * 1024, ge=1024, description="Largest body of a request that is read."
    )
    log_level: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="How much is logged: `debug`, `info`, `warning` or `error`.",
    )
    security_contact: str = Field(
        "mailto:security@localhost",
        description="`Contact` in `/.well-known/security.txt`, as a URI.",
    )

    @property
    def development(self) -> bool:
        """Whether tokens signed on this machine are accepted."""
        return self.mode is Mode.DEVELOPMENT

    @property
    def accepted_issuer(self) -> str | None:
        """The issuer of accepted tokens; development has a name of its own."""
        return self.issuer or (DEVELOPMENT_ISSUER if self.development else None)

    @property
    def people_file(self) -> Path:
        """The file of subjects for the command line; it may not exist."""
        return self.subjects_file or self.policy_dir / "subjects.toml"

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine alone."""
        return is_loopback(self.host)


def load_settings(environ: Mapping[str, str] | None = None, **given: Any) -> Settings:  # noqa: ANN401 - one value for each field
    """Read the settings from the environment; `given` ones are stronger.

    Raises:
        SettingsError: a name is unknown or a value unusable. No value is repeated in the text.
    """
    names = {name.upper() for name in (os.environ if environ is None else environ)}
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    unknown = sorted(name for name in names if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError("; ".join(f"`{name}` is not a setting" for name in unknown))
    try:
        if environ is None:
            return Settings(**given)
        values = {name.removeprefix(PREFIX).lower(): value for name, value in _own(environ)}
        return Settings(**{**values, **given})
    except ValidationError as error:
        raise SettingsError("; ".join(_sentences(error))) from None


def check_serving(settings: Settings) -> None:
    """Refuse to serve under settings that would let in the wrong people.

    Raises:
        SettingsError: law 3 is broken, or no issuer of tokens is named.
    """
    if settings.development:
        if not settings.loopback:
            raise SettingsError(
                f"`{PREFIX}MODE=development` accepts tokens signed on this machine, so it serves "
                f"loopback alone; set `{PREFIX}HOST` to 127.0.0.1, or use production"
            )
        return
    keys = (settings.jwks_url is None) + (settings.jwks_file is None)
    if settings.identities is not None:
        if settings.issuer or keys < _BOTH:
            raise SettingsError(
                f"`{PREFIX}IDENTITIES` names issuers and their keys: leave out `{PREFIX}ISSUER`, "
                f"`{PREFIX}JWKS_URL` and `{PREFIX}JWKS_FILE`"
            )
        return
    if not settings.issuer:
        raise SettingsError(
            f"production needs `{PREFIX}ISSUER`, the issuer of accepted tokens, or "
            f"`{PREFIX}IDENTITIES`, a file that maps the tokens of your identity provider"
        )
    if keys != 1:
        raise SettingsError(
            f"production needs the issuer's keys: either `{PREFIX}JWKS_URL` or `{PREFIX}JWKS_FILE`"
        )
    if settings.jwks_url and (fault := key_address_fault(settings.jwks_url, development=False)):
        raise SettingsError(f"`{PREFIX}JWKS_URL` {fault}")


_BOTH: Final = 2


def key_address_fault(url: str, *, development: bool) -> str | None:
    """Say why keys are not fetched from `url`, if so.

    Args:
        url: where an issuer publishes its keys.
        development: whether http is allowed on loopback.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return None
    if parts.scheme == "http" and is_loopback(parts.hostname or ""):
        if development:
            return None
        return (
            "must be an https address; on this machine, write the keys to a file and name it in "
            f"`{PREFIX}JWKS_FILE`, or use `{PREFIX}MODE=development`"
        )
    return "must be an https address"


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _own(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in environ.items() if name.startswith(PREFIX)]


def _sentences(error: ValidationError) -> list[str]:
    return [
        f"`{PREFIX}{str(one['loc'][0]).upper()}`: {one['msg'][:1].lower()}{one['msg'][1:]}"
        for one in error.errors(include_url=False, include_input=False)
    ]
