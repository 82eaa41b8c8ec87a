"""Sets at the product's own door: read strictly and admitted, their own names aside.

A set calls people, tenants, paths and actions in its own way (`alice`, `read`). That those are none
of ours is no reason; everything else that the door refuses is. What a set is told in code stands in
`matching.toml`, and what its requests say of a subject is declared in `labels.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from acl.admission.admission import NO_ACTION
from acl.admission.reading import read_policy
from acl.admission.values import NO_NAME, NO_PATH, NO_TENANT
from acl.errors import PolicyError, Refusal
from acl.labels import SUBJECT_ATTRIBUTES, LabelSchema
from acl.language.casbin_adapter import Model
from acl.policy.decide import SUBJECT_COLUMNS
from tests.conformance.casbin.cases import Case
from tests.conformance.casbin.labelling import schemas
from tests.conformance.casbin.oracle import Table

_ASIDE: Final = (NO_NAME, NO_TENANT, NO_PATH, NO_ACTION)


def refused(
    case: Case, model: Model, table: Table | None, labels: Iterable[LabelSchema]
) -> tuple[str, ...]:
    """Return why the door refuses a set, under the schema with which it refuses the least."""
    subject = _subject(case, model, table)
    found = [_refusals(case, replace(one, subject=subject)) for one in labels]
    least = sorted(found, key=len)[:1]
    return tuple(str(refusal) for refusals in least for refusal in refusals)


def _refusals(case: Case, schema: LabelSchema) -> list[Refusal]:
    try:
        read_policy(case.model, case.policy, schema, _matching_toml(case.matching))
    except PolicyError as error:
        aside = (one for one in error.refusals if not _is_aside(one))
        return list(aside)
    return []


def _is_aside(refusal: Refusal) -> bool:
    return any(reason in refusal.reason for reason in _ASIDE)


def _matching_toml(matching: Mapping[str, Mapping[str, str]]) -> str:
    """Return what the set is told in code, as the product is told it."""
    keys = {"match": "names", "domain": "domains"}
    lines: list[str] = []
    for kind, functions in matching.items():
        lines.append(f"[{kind}]")
        for key, name in functions.items():
            first, *rest = name.split("_")
            lines.append(f'{keys[key]} = "{first}{"".join(part.title() for part in rest)}"')
    return "\n".join(lines)


def _subject(case: Case, model: Model, table: Table | None) -> Mapping[str, Any]:
    """Return the declaration of what the set's requests say of subjects."""
    columns = model.requests.get(f"r{case.suffix}", ())
    pairs = zip(columns, table.values if table else (), strict=False)
    records = [
        {name: value for name, value in one.items() if name not in SUBJECT_ATTRIBUTES}
        for column, values in pairs
        if column in SUBJECT_COLUMNS
        for one in values
        if isinstance(one, dict)
    ]
    for schema in schemas(records, paths=False):
        return schema.attributes
    return {}
