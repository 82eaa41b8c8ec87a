"""The file that says which issuers there are, and how each one's claims are read.

```toml
[issuer.entra]
preset = "entra"
issuer = "https://login.microsoftonline.com/7d1c52a4-30be-4f1e-a6c9-58e0b7d4f213/v2.0"
audience = "api://strongroom"
tenant = { table = { "7d1c52a4-30be-4f1e-a6c9-58e0b7d4f213" = "acme" } }
```

The laws of this file:

1. The file is read at start, as a whole. A key that is not known, a value of another type, a level,
   tenant, group or attribute that does not exist: the start stops with a sentence for each.
2. What an issuer's table says is stronger than its preset. Where it names a claim or a constant, it
   replaces what the preset says of that; where it has a table alone, it adds that.
3. Each issuer of a file has a prefix of its own, and where there are several, at most one has none.
4. Keys of an issuer come from a file, from an address, or from the one that its own description
   names (`/.well-known/openid-configuration`): over https, or in development on loopback.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from acl.identity import folded_name
from acl.labels import LabelSchema
from acl.records.directory.revocations import MAX_LIFETIME
from acl.subject import is_membership, is_tenant
from retrieval.service.http.claim_mapping import ClaimMapping, Named, Others, Source
from retrieval.service.http.tokens import clearance_of, levels
from retrieval.service.settings import SettingsError, key_address_fault

PRESETS: Final = Path(__file__).with_name("presets.toml")

_DISCOVERY: Final = "/.well-known/openid-configuration"

_PREFIX_FORM: Final = "is small letters and digits, and ends in `.`, `_`, `@` or `-`"
_POINTER_FORM: Final = "is no JSON pointer, such as `/groups` or `/realm_access/roles`"

Pointer = Annotated[str, Field(pattern=r"^(/([^~/]|~[01])+)+$")]
SubjectKind = Literal["user", "service", "agent"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Claim(_Table):
    """A claim, and what its values mean."""

    claim: Pointer
    table: dict[str, str] = {}
    others: Literal["keep", "ignore"] = "keep"


class _Said(_Table):
    """A claim, or the same for every token."""

    claim: Pointer | None = None
    constant: str | int | bool | list[str] | None = None
    table: dict[str, str] = {}


class _Named(_Table):
    """Who it is."""

    claim: Pointer
    kind: SubjectKind | None = None
    when: dict[Pointer, str | int | bool] = {}


class IssuerTable(_Table):
    """One issuer, as the file says it; the preset is already in it."""

    preset: str | None = None
    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    jwks_url: str | None = None
    jwks_file: str | None = None
    ca_file: str | None = None
    types: list[str] = Field(min_length=1)
    max_seconds: int = Field(3600, gt=0, le=MAX_LIFETIME // timedelta(seconds=1))
    token_id: str = Field("jti", min_length=1)
    prefix: str = Field("", pattern=r"^([a-z0-9][a-z0-9._@-]*[._@-])?$", max_length=60)
    case: Literal["fold", "exact"] = "fold"
    tenant: _Said
    subject: _Named
    service: _Named | None = None
    actor: _Named | None = None
    groups: _Claim | None = None
    roles: _Claim | None = None
    clearance: _Said | None = None
    compartments: _Said | None = None
    attributes: dict[str, _Said] = {}
    require: dict[Pointer, list[str | int | bool]] = {}
    refuse: dict[Pointer, list[str | int | bool]] = {}
    overage: list[Pointer] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """One issuer of the file, checked.

    Attributes:
        name: the name of its table.
    """

    name: str
    table: IssuerTable
    mapping: ClaimMapping

    @property
    def keys_address(self) -> str:
        """Where the issuer's keys are, or the description that names the place."""
        return self.table.jwks_url or self.table.issuer.rstrip("/") + _DISCOVERY


def read_identities(
    path: Path, schema: LabelSchema, *, development: bool = False, directory: bool = False
) -> list[Identities]:
    """Return the issuers of a file.

    Args:
        path: the file.
        schema: declares the levels and the attributes of subjects.
        development: whether http is allowed on loopback.
        directory: whether the groups of users come from the directory.

    Raises:
        SettingsError: with a sentence for each fault.
    """
    tables = _tables(path)
    prefixes = tuple(table.prefix for table in tables.values())
    found = [
        Identities(
            name=name,
            table=table,
            mapping=_mapping(table, schema, prefixes=prefixes, directory=directory),
        )
        for name, table in tables.items()
    ]
    faults = [
        *_repeated(tables),
        *(fault for one in found for fault in _faults(one, development=development)),
    ]
    if faults:
        raise SettingsError("; ".join(f"`{path.name}`, {fault}" for fault in faults))
    return found


def _tables(path: Path) -> dict[str, IssuerTable]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"`{path}` cannot be read") from error
    except ValueError as error:
        raise SettingsError(f"`{path.name}` is not readable TOML: {error}") from None
    entries = document.get("issuer")
    if set(document) != {"issuer"} or not isinstance(entries, dict) or not entries:
        raise SettingsError(f"`{path.name}` holds something else than `[issuer.NAME]` tables")
    return {name: _table(path, name, entry) for name, entry in entries.items()}


def _table(path: Path, name: str, entry: Any) -> IssuerTable:  # noqa: ANN401 - read from TOML
    where = f"`{path.name}`, `issuer.{name}`"
    if not isinstance(entry, dict):
        raise SettingsError(f"{where} is not a table")
    preset = entry.get("preset")
    if preset is not None and preset not in presets():
        raise SettingsError(f"{where}: `preset` is none of {', '.join(presets())}")
    try:
        return IssuerTable.model_validate(_merged(presets().get(preset or "", {}), entry))
    except ValidationError as error:
        raise SettingsError("; ".join(f"{where}: {one}" for one in _sentences(error))) from None


@cache
def presets() -> Mapping[str, Mapping[str, Any]]:
    """Return the tables of the known providers by their names."""
    return tomllib.loads(PRESETS.read_text(encoding="utf-8"))


def _merged(preset: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an issuer's table says on top of its preset (law 2)."""
    merged = {**preset, **entry}
    for name in preset.keys() & entry.keys():
        both = isinstance(preset[name], dict) and isinstance(entry[name], dict)
        if both and not {"claim", "constant"} & entry[name].keys():
            merged[name] = {**preset[name], **entry[name]}
    return merged


def _sentences(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False, include_input=False):
        place = ".".join(map(str, one["loc"]))
        if one["type"] == "missing":
            yield f"`{place}` is missing"
        elif one["type"] == "extra_forbidden":
            yield f"`{place}` is not a key that is known here"
        elif one["type"] == "string_pattern_mismatch":
            yield f"`{place}` {_PREFIX_FORM if place == 'prefix' else _POINTER_FORM}"
        else:
            yield f"`{place}`: {one['msg'][:1].lower()}{one['msg'][1:]}"


def _mapping(
    table: IssuerTable, schema: LabelSchema, *, prefixes: tuple[str, ...], directory: bool
) -> ClaimMapping:
    exact = table.case == "exact"
    named = [
        Named(kind=one.kind or kind, name=Source(claim=one.claim), when=one.when)
        for kind, one in (("service", table.service), ("user", table.subject))
        if one is not None
    ]
    actor = table.actor
    return ClaimMapping(
        schema=schema,
        tenant=_source(table.tenant, exact=exact),
        named=tuple(named),
        actor=None
        if actor is None
        else Named(kind=actor.kind or "agent", name=Source(claim=actor.claim)),
        memberships={
            kind: _source(one, exact=exact)
            for kind, one in (("group", table.groups), ("role", table.roles))
            if one is not None
        },
        clearance=None if table.clearance is None else _source(table.clearance, exact=exact),
        compartments=None
        if table.compartments is None
        else _source(table.compartments, exact=exact),
        attributes={name: _source(one, exact=exact) for name, one in table.attributes.items()},
        require={claim: tuple(values) for claim, values in table.require.items()},
        refuse={claim: tuple(values) for claim, values in table.refuse.items()},
        overage=tuple(table.overage),
        prefix=table.prefix,
        prefixes=prefixes,
        exact=exact,
        directory=directory,
    )


def _source(said: _Claim | _Said, *, exact: bool) -> Source:
    table = {key if exact else folded_name(key): value for key, value in said.table.items()}
    if isinstance(said, _Claim):
        return Source(claim=said.claim, table=table, others=Others(said.others))
    if said.claim is not None:
        return Source(claim=said.claim, table=table)
    return Source(constant=said.constant, table=table)


def _repeated(tables: Mapping[str, IssuerTable]) -> Iterator[str]:
    """Yield what is said of two issuers and may be said of one (law 3)."""
    for what in ("issuer", "prefix"):
        counted = Counter(getattr(table, what) for table in tables.values())
        for value, times in counted.items():
            if times > 1:
                yield (
                    f"`{what}`: {times} issuers have `{value}`; names of two issuers must never be "
                    "one, so that each needs its own"
                )


def _faults(one: Identities, *, development: bool) -> Iterator[str]:
    """Yield what is wrong with one issuer, beyond the form of its table."""
    for key, fault in (*_key_faults(one, development=development), *_value_faults(one)):
        yield f"`issuer.{one.name}`: `{key}` {fault}"


def _key_faults(one: Identities, *, development: bool) -> Iterator[tuple[str, str]]:
    table = one.table
    if table.jwks_file is not None:
        if table.jwks_url is not None:
            yield "jwks_file", "and `jwks_url` are two places of keys: name one"
        return
    fault = key_address_fault(one.keys_address, development=development)
    if fault is not None:
        yield ("jwks_url" if table.jwks_url else "issuer"), fault


def _value_faults(one: Identities) -> Iterator[tuple[str, str]]:
    table, schema = one.table, one.mapping.schema
    attributes = {f"attributes.{name}": said for name, said in table.attributes.items()}
    rights = {"clearance": table.clearance, "compartments": table.compartments}
    for name, said in {"tenant": table.tenant, **rights, **attributes}.items():
        if said is not None and (said.claim is None) == (said.constant is None):
            yield name, "names either a `claim` or a `constant`"
    for name, given in {
        "tenant": table.tenant,
        "groups": table.groups,
        "roles": table.roles,
    }.items():
        if given is not None and len(given.table) > len(_source(given, exact=False).table):
            yield f"{name}.table", "has one key in two spellings"
    for name in sorted(table.attributes.keys() - schema.subject.keys()):
        yield f"attributes.{name}", "is not declared under `[subject]` in labels.toml"
    for key, value in _named_values(table):
        if key == "tenant" and not is_tenant(value):
            yield key, f"`{value}` is no tenant: those are letters, digits, `.` and `-`"
        if key in {"groups", "roles"} and not is_membership(value):
            yield f"{key}.table", f"`{value}` is not `group:…` or `role:…`"
        if key == "clearance" and not _is_level(value, schema):
            yield key, f"`{value}` is no level of `classification`"
        if key == "compartments" and value != value.strip():
            yield key, f"`{value}` is padded with blanks"


def _named_values(table: IssuerTable) -> Iterator[tuple[str, str]]:
    """Yield every value that the file itself gives, with its key."""
    said = (table.tenant, table.groups, table.roles, table.clearance, table.compartments)
    for key, given in zip(
        ("tenant", "groups", "roles", "clearance", "compartments"), said, strict=True
    ):
        yield from ((key, value) for value in (given.table if given else {}).values())
        constant = getattr(given, "constant", None)
        listed = constant if isinstance(constant, list) else [constant]
        yield from ((key, str(value)) for value in listed if value is not None)


def _is_level(name: str, schema: LabelSchema) -> bool:
    try:
        clearance_of(name, levels(schema))
    except ValueError:
        return False
    return True
