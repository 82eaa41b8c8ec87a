"""Who asks: what verifies tokens, and in development signs them, made from the settings."""

from __future__ import annotations

from typing import Final

from acl.labels import Attribute, LabelSchema
from retrieval.service.http.token_keys import (
    FetchedKeys,
    FixedKeys,
    TokenKeys,
    new_signing_key,
    read_signing_key,
)
from retrieval.service.http.tokens import DevelopmentIssuer, TokenRules, TokenVerifier
from retrieval.service.secret_files import own_file, private_folder
from retrieval.service.settings import Settings, SettingsError

CLASSIFICATION: Final = "classification"


def verifier(settings: Settings, schema: LabelSchema) -> TokenVerifier:
    """Return what turns tokens into subjects.

    Raises:
        SettingsError: no issuer is named, or its keys cannot be read.
    """
    return TokenVerifier(_keys(settings), _rules(settings), levels=levels(schema))


def development_issuer(settings: Settings) -> DevelopmentIssuer:
    """Return what signs tokens on this machine.

    Raises:
        SettingsError: the mode is not development.
    """
    if not settings.development:
        raise SettingsError(
            "tokens are signed here in development mode alone: set `STRONGROOM_MODE=development`"
        )
    return DevelopmentIssuer(read_signing_key(_signing_key(settings)), _rules(settings))


def levels(schema: LabelSchema) -> Attribute | None:
    """Return the attribute whose levels name clearances, if the label has one."""
    return schema.attributes.get(CLASSIFICATION)


def _rules(settings: Settings) -> TokenRules:
    issuer = settings.accepted_issuer
    if issuer is None:
        raise SettingsError("there is no issuer of tokens: set `STRONGROOM_ISSUER`")
    return TokenRules(
        issuer=issuer,
        audience=settings.audience,
        max_seconds=settings.token_max_seconds,
        leeway_seconds=settings.token_leeway_seconds,
    )


def _keys(settings: Settings) -> TokenKeys:
    if settings.development:
        return FixedKeys.of_development(read_signing_key(_signing_key(settings)))
    if settings.jwks_file is not None:
        return FixedKeys.from_file(settings.jwks_file)
    if settings.jwks_url is None:
        raise SettingsError("there are no keys of the issuer: set `STRONGROOM_JWKS_URL`")
    return FetchedKeys(settings.jwks_url)


def _signing_key(settings: Settings) -> bytes:
    default = private_folder(settings.data_dir) / "development.key"
    return own_file(settings.signing_key_file, default, new_signing_key)
