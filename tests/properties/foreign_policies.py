"""Policy sets that others wrote, with names and actions of our form, where that admits them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from acl.actions import Action
from acl.admission.columns import ASKERS, Columns, Named, Tenanted, Use
from acl.admission.reading import read_policy
from acl.errors import PolicyError
from acl.labels import Attribute, LabelSchema
from acl.language.casbin_adapter import Row, parse_model
from acl.policy.decide import ACTION_COLUMNS
from acl.policy.policy import Policy
from retrieval.policy.edits import as_line
from tests.conformance.casbin.cases import Case, read_folder
from tests.conformance.casbin.compare import _compiled
from tests.conformance.casbin.oracle import tabulate

SHARED: Final = Path(__file__).parents[3] / "shared" / "conformance" / "casbin"
OWN: Final = Path(__file__).parents[1] / "conformance" / "own_sets"
TENANT: Final = '[label.tenant]\ntype = "keyword"\n'
Three = tuple[str, str, str]


def foreign_policies(*, whole: bool) -> Iterator[tuple[str, Three]]:
    """Yield the name, the model, the rules and the labels of each set that is admitted.

    Without `whole`, those sets are left out whose labels only their requests tell.
    """
    for folder in (OWN, SHARED):
        for case in read_folder(folder) if folder.exists() else ():
            texts = _ours(case, whole=whole)
            if texts is not None:
                yield case.id, texts


def _ours(case: Case, *, whole: bool) -> Three | None:
    try:
        table = tabulate(case) if whole else None
        policy = _compiled(case, parse_model(case.model), table).policy
    except Exception:  # noqa: BLE001 - Casbin raises what it likes
        return None
    labels = _labels(policy.schema)
    rules = "".join(f"{as_line(row)}\n" for row in _renamed(policy))
    try:
        read_policy(case.model, rules, LabelSchema.from_toml(labels))
    except (PolicyError, AssertionError):
        return None
    return case.model, rules, labels


def _labels(schema: LabelSchema) -> str:
    tables = "".join(_table(one) for one in schema.attributes.values())
    return tables if "tenant" in schema.attributes else tables + TENANT


def _table(attribute: Attribute) -> str:
    required = str(attribute.required).lower()
    return (
        f'[label.{attribute.name}]\ntype = "{attribute.type}"\nrequired = {required}\n'
        f'prefixes = "{attribute.prefixes}"\n'
    )


def _renamed(policy: Policy) -> Iterator[Row]:
    columns = Columns(policy)
    roles = {row.values[1] for row in policy.rows if row.kind in columns.askers_roles}
    actions: dict[str, str] = {}
    for row in policy.rows:
        if row.kind not in columns.askers_roles and row not in policy.rules:
            yield row
            continue
        if row.kind in columns.askers_roles:
            uses: list[Use | None] = [*columns.link_uses(row), None, None]
            values = [_name(v, use, roles) for v, use in zip(row.values, uses, strict=False)]
        else:
            values = [
                _action(value, actions)
                if name.partition("_")[2] in ACTION_COLUMNS
                else _column(value, columns.uses, name, roles)
                for name, value in policy.named(row).items()
            ]
        yield Row(row.number, row.kind, tuple(values))


def _column(value: str, uses: Mapping[str, frozenset[Use]], name: str, roles: set[str]) -> str:
    found = sorted(uses.get(name, ()), key=repr)
    return _name(value, found[0] if found else None, roles)


def _name(value: str, use: Use | None, roles: set[str]) -> str:
    plain = re.sub(r"[^a-z0-9.@-]", "-", value.lower())
    match use:
        case Named(kinds):
            return f"role:{plain}" if value in roles and kinds != ASKERS else f"user:{plain}"
        case Tenanted():
            return plain
        case _:
            return value


def _action(value: str, known: dict[str, str]) -> str:
    """Return an action of ours for one of theirs; the same one for the same."""
    every = [Action.DOCUMENT_READ, Action.DOCUMENT_TAG, Action.DOCUMENT_SHARE]
    return known.setdefault(value, every[len(known) % len(every)])
