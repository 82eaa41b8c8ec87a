"""Whose tokens are taken: this machine's own in development, and those that the settings name."""

from __future__ import annotations

from functools import partial

from acl.labels import LabelSchema
from retrieval.service.http.identities import Identities, read_identities
from retrieval.service.http.token_keys import (
    FetchedKeys,
    FixedKeys,
    KeyAddress,
    TokenKeys,
    new_signing_key,
    read_signing_key,
)
from retrieval.service.http.tokens import (
    DevelopmentIssuer,
    Issuer,
    TokenRules,
    TokenVerifier,
    subject_of,
)
from retrieval.service.secret_files import own_file, private_folder
from retrieval.service.settings import Settings, SettingsError, SubjectSource


def verifier(settings: Settings, schema: LabelSchema) -> TokenVerifier:
    """Return what turns tokens into subjects.

    Raises:
        SettingsError: no issuer is named, its keys cannot be read, or the file of identities is
            wrong.
    """
    mapped = [_mapped(one, settings) for one in identities(settings, schema)]
    if mapped and not settings.development:
        return TokenVerifier(mapped)
    own = Issuer(
        keys=_keys(settings),
        rules=_rules(settings),
        read=partial(subject_of, schema=schema),
    )
    return TokenVerifier([own, *mapped])


def identities(settings: Settings, schema: LabelSchema) -> list[Identities]:
    """Return the issuers of the file of identities, if there is one.

    Raises:
        SettingsError: the file is wrong.
    """
    if settings.identities is None:
        return []
    return read_identities(
        settings.identities,
        schema,
        development=settings.development,
        directory=settings.directory is SubjectSource.SCIM,
    )


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


def _mapped(one: Identities, settings: Settings) -> Issuer:
    table = one.table
    rules = TokenRules(
        issuer=table.issuer,
        audience=table.audience,
        max_seconds=table.max_seconds,
        leeway_seconds=settings.token_leeway_seconds,
        token_id=table.token_id,
        types=frozenset(kind.lower() for kind in table.types),
    )
    return Issuer(keys=_mapped_keys(one, settings), rules=rules, read=one.mapping.subject)


def _mapped_keys(one: Identities, settings: Settings) -> TokenKeys:
    table = one.table
    assert settings.identities is not None
    beside = settings.identities.parent
    if table.jwks_file is not None:
        return FixedKeys.from_file(beside / table.jwks_file)
    authorities = settings.jwks_ca_file if table.ca_file is None else beside / table.ca_file
    address = KeyAddress(
        url=one.keys_address,
        issuer=None if table.jwks_url else table.issuer,
        authorities=authorities,
        development=settings.development,
    )
    return FetchedKeys(address)


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
    return FetchedKeys(KeyAddress(url=settings.jwks_url, authorities=settings.jwks_ca_file))


def _signing_key(settings: Settings) -> bytes:
    default = private_folder(settings.data_dir) / "development.key"
    return own_file(settings.signing_key_file, default, new_signing_key)
