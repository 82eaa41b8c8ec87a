"""Tokens: signing one to try the service, seeing how one would be read, taking one back.

The laws of this file:

1. Neither a token nor its signature is ever printed, but for one that was signed here.
2. What is shown is what the service would read, by the same code. Each field that is missing or
   refused is shown, not the first alone.
3. It is always said whether the signature was checked.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from acl.identity import display_name
from acl.labels import level_name
from acl.subject import Subject
from retrieval.service.cli.identity.people import declared_labels, known_person, read_text
from retrieval.service.cli.render import CommandError, Shown, count, in_words, safe, table
from retrieval.service.cli.start import Json, command_settings, finish
from retrieval.service.http.bodies import StrictJsonError, parse_json
from retrieval.service.http.claim_mapping import ClaimMapping
from retrieval.service.http.issuers import development_issuer, identities, verifier
from retrieval.service.http.token_keys import KeysUnavailableError
from retrieval.service.http.tokens import (
    ClaimsError,
    Issuer,
    TokenError,
    TokenVerifier,
    levels,
    segment,
)

Tenant = Annotated[str, typer.Option("--tenant", help="Whose tokens, such as `acme`.")]

_CHECKED: Final = "checked: signature, issuer, audience and times are good"


class TokenCommands(TyperGroup):
    """`token user:ada` is `token sign user:ada`, as nobody is called like a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as the library has it
        """Read the arguments; a person's name stands for signing."""
        named = not args or args[0] in self.commands or args[0] == "--help"
        return super().parse_args(ctx, args if named else ["sign", *args])


app = typer.Typer()
token = typer.Typer(cls=TokenCommands, no_args_is_help=True)
app.add_typer(
    token, name="token", help="Sign a token to try the service, and see how a token would be read."
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was signed here."""

    token: str
    subject: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Read:
    """One field of a subject, as the claims say it.

    Attributes:
        claim: where it comes from.
        value: what it is read as; `None` if it is refused.
        refused: why.
    """

    field: str
    claim: str
    value: object = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """How a token would be read.

    Attributes:
        accepted: whether a request with it would have a subject.
        signature: whether it was checked, and what came of it.
    """

    accepted: bool
    issuer: str
    signature: str
    fields: list[Read]


@token.command()
def sign(
    subject: Annotated[str, typer.Argument(help="For whom, such as `user:ada`.")],
    lifetime: Annotated[
        int, typer.Option(min=1, max=86_400, help="How many seconds it is good for.")
    ] = 900,
    *,
    as_json: Json = False,
) -> None:
    """Sign a token for a person, to try the service. Development mode only."""
    settings = command_settings()
    about = known_person(settings, subject)
    seconds = min(lifetime, settings.token_max_seconds)
    signed = Token(development_issuer(settings).issue(about, seconds=seconds), about.id, seconds)
    finish(Shown(signed, raw=f"{signed.token}\n"), as_json=as_json)


@token.command()
def explain(
    file: Annotated[str, typer.Argument(help="A file with a token, or its claims; `-` reads it.")],
    *,
    as_json: Json = False,
) -> None:
    """Show how a token, or claims in JSON, would be read. The token itself is never printed."""
    text = sys.stdin.read() if file == "-" else read_text(Path(file))
    settings = command_settings()
    schema = declared_labels(settings)
    mappings = {one.table.issuer: one.mapping for one in identities(settings, schema)}
    explained = asyncio.run(_explained(text.strip(), verifier(settings, schema), mappings))
    rows = [(one.field, one.claim, one.refused or _in_words(one.value)) for one in explained.fields]
    said = safe("this token would be accepted", "green")
    if not explained.accepted:
        said = safe("this token would be refused", "bold red")
    lines = [
        safe(f"issuer: {explained.issuer}"),
        safe(f"signature: {explained.signature}"),
        table("", ("field", "from", "read as"), rows),
        said,
    ]
    finish(Shown(explained, lines, code=0 if explained.accepted else 1), as_json=as_json)


@token.command()
def revoke(
    tenant: Tenant,
    token_id: Annotated[
        str, typer.Option("--id", help="The id of one token, as its `jti` says.")
    ] = "",
    subject: Annotated[
        str, typer.Option("--subject", help="Whose tokens until now, such as `user:ada`.")
    ] = "",
    *,
    as_json: Json = False,
) -> None:
    """Refuse a token, or all that a subject has, from the next request on."""
    if bool(token_id) == bool(subject):
        raise CommandError("say either `--id` or `--subject`")

    async def work(parts: Any) -> Shown:  # noqa: ANN401 - its type takes a second to import
        api, desk, operator = _revoking(parts)
        if token_id:
            made = await desk.revoke_token(operator, tenant, token_id)
        else:
            made = await desk.revoke_subject(operator, tenant, subject)
        said = f"refused from now on: {made.kind} {made.name} of {tenant}"
        return Shown(api.ShownRevocation.model_validate(made), [safe(said, "green")])

    import_module("retrieval.service.cli.run").run_on_parts(work, as_json=as_json)


@token.command()
def revoked(tenant: Tenant, *, as_json: Json = False) -> None:
    """List the tokens of a tenant that are refused before their time."""

    async def work(parts: Any) -> Shown:  # noqa: ANN401 - its type takes a second to import
        api, desk, operator = _revoking(parts)
        known = await desk.listed(operator, tenant)
        rows = [(one.kind, one.name, one.until, one.at, one.by) for one in known]
        listed = table("", ("what", "name", "issued until", "revoked", "by"), rows)
        said = safe(f"{count(len(known), 'revocation')} of {tenant}")
        return Shown(api.RevocationList.shown(known), [listed, said])

    import_module("retrieval.service.cli.run").run_on_parts(work, as_json=as_json)


def _revoking(parts: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - their types take a second to import
    """Return the answers of the API, what revokes tokens, and who does so."""
    api = import_module("retrieval.service.api.revocations")
    return api, parts.revocations, import_module("retrieval.rights.authority").OPERATOR


async def _explained(
    text: str, tokens: TokenVerifier, mappings: Mapping[str, ClaimMapping]
) -> Explained:
    """Return how a token or bare claims would be read (law 2)."""
    good, signature = True, "not checked: these are bare claims"
    try:
        if text.startswith("{"):
            claims = _claims(text)
            alone = "iss" not in claims and len(tokens.issuers) == 1
            issuer = tokens.issuers[0] if alone else tokens.issuer_of(claims)
        else:
            text = text.removeprefix("Bearer ")
            claims = segment(text, 1)
            issuer = tokens.issuer_of(claims)
            good, signature = await _checked(tokens, text)
    except TokenError as error:
        raise CommandError(str(error)) from None
    finally:
        await tokens.close()
    fields = list(_read(issuer, mappings.get(issuer.rules.issuer), claims))
    accepted = good and not any(one.refused for one in fields)
    return Explained(accepted, issuer.rules.issuer, signature, fields)


async def _checked(tokens: TokenVerifier, text: str) -> tuple[bool, str]:
    """Say whether the token is one of its issuer (law 3)."""
    try:
        await tokens.claims(text)
    except TokenError as error:
        return False, f"refused: {error}"
    except KeysUnavailableError as error:
        return False, f"not checked: {error}"
    return True, _CHECKED


def _claims(text: str) -> Mapping[str, Any]:
    try:
        claims = parse_json(text.encode())
    except StrictJsonError as error:
        raise CommandError(f"the claims are no JSON of one meaning: the text {error}") from None
    if not isinstance(claims, dict):
        raise CommandError("the claims are no JSON object")
    return claims


def _read(
    issuer: Issuer, mapping: ClaimMapping | None, claims: Mapping[str, Any]
) -> Iterator[Read]:
    """Yield what the claims say, field by field; as a whole where no field is refused."""
    identity, good = "", True
    for field, source, value in () if mapping is None else _parts(mapping, claims):
        try:
            found = value(identity)
            identity = str(found) if field == "subject" else identity
            yield Read(field, source, found)
        except ClaimsError as error:
            good = False
            yield Read(field, source, refused=str(error))
    if good:
        try:
            subject = issuer.read(claims)
        except ClaimsError as error:
            yield Read("subject", "", refused=str(error))
        else:
            actors = Read("actors", "`/act`", [one.id for one in subject.actors])
            yield from [actors] if mapping else [*_fields_of(subject), actors]


def _parts(
    mapping: ClaimMapping, claims: Mapping[str, Any]
) -> Iterator[tuple[str, str, Callable[[str], object]]]:
    """Yield each field, where it comes from, and what reads it for the subject so named."""
    memberships = ", ".join(map(str, mapping.memberships.values()))
    yield "kind of token", "require, refuse", lambda _: _kind(mapping, claims)
    yield "tenant", str(mapping.tenant), lambda _: mapping.tenant_of(claims)
    named = ", ".join(str(one.name) for one in mapping.named)
    yield "subject", named, lambda _: mapping.name_of(claims)
    yield "groups", memberships, lambda who: sorted(mapping.groups_of(claims, who))
    yield (
        "clearance",
        str(mapping.clearance or ""),
        lambda _: level_name(levels(mapping.schema), mapping.clearance_level(claims)),
    )
    yield (
        "compartments",
        str(mapping.compartments or ""),
        lambda _: sorted(mapping.compartments_of(claims)),
    )
    sources = ", ".join(map(str, mapping.attributes.values()))
    yield "attributes", sources, lambda _: mapping.attributes_of(claims).as_json()


def _kind(mapping: ClaimMapping, claims: Mapping[str, Any]) -> str:
    mapping.check_kind_of_token(claims)
    return "a token for services"


def _fields_of(subject: Subject) -> Iterator[Read]:
    yield Read("tenant", "`tenant`", subject.tenant)
    yield Read("subject", "`sub`", subject.id)
    yield Read("groups", "`groups`", sorted(subject.groups))
    yield Read("clearance", "`clearance`", subject.clearance)
    yield Read("compartments", "`compartments`", sorted(subject.compartments))
    yield Read("attributes", ", ".join(subject.attributes), subject.attributes.as_json())


def _in_words(value: object) -> str:
    """Return a value for people: a principal with the name that it stands for."""
    if isinstance(value, list):
        return ", ".join(map(_in_words, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {in_words(one)}" for name, one in value.items()) or "none"
    text = in_words(value)
    shown = display_name(text) if isinstance(value, str) else text
    return text if shown == text else f"{text} ({shown})"
