"""From two texts to an admitted policy: the one road, whoever wrote them.

The laws of this file:

1. `model.conf` is read strictly before Casbin sees it.
2. A row that no definition in use reads is refused, and so are role links that the matcher never
   asks about: Casbin would load them, and they would do nothing.
3. A refusal has its position in the line of the model, or in the column of the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from acl.admission.admission import admit, read_csv
from acl.admission.bounds import unbounded
from acl.errors import PolicyError, Refusal
from acl.labels import LabelSchema
from acl.language.casbin_adapter import Effect, Row
from acl.language.matching_file import read_matching_file
from acl.language.model_file import ModelFile, read_model_file
from acl.language.rules_file import BYTE_ORDER_MARK, POLICY_FILE
from acl.policy.policy import Policy, load


def read_policy(model: str, rules: str, schema: LabelSchema, matching: str = "") -> Policy:
    """Return the admitted policy that the texts of `model.conf` and `policy.csv` say.

    Args:
        model: `model.conf`.
        rules: `policy.csv`.
        schema: of labels and subjects.
        matching: `matching.toml`, or nothing.

    Raises:
        PolicyError: with every place that is refused.
    """
    model = model.removeprefix(BYTE_ORDER_MARK)
    file, rows = read_model_file(model), read_csv(rules)
    _stop_at((*file.refusals, *unread_rows(rows)))  # law 1
    functions = read_matching_file(matching)
    try:
        policy = load(model, rows, schema, matching=functions)
        _stop_at(tuple(unread_links(policy, file)))
        _stop_at(tuple(unbounded(policy)))
        admit(policy)
    except PolicyError as error:
        rows_by_place = {f"{POLICY_FILE} line {row.number}": row for row in rows}
        raise PolicyError(
            tuple(file.located(_in_column(one, file, rows_by_place)) for one in error.refusals)
        ) from None  # law 3
    return policy


def _in_column(refusal: Refusal, file: ModelFile, rows: Mapping[str, Row]) -> Refusal:
    """Return a refusal of a row with the position of what it is about in its column."""
    row = rows.get(refusal.where)
    columns = file.columns(row.kind) if row is not None else ()
    if row is None or refusal.position or refusal.column not in columns:
        return refusal
    value = row.values[columns.index(refusal.column)]
    found = value.find(refusal.operator)
    return replace(refusal, position=found + 1 if found > 0 else 0)


def unread_rows(rows: Sequence[Row]) -> Iterator[Refusal]:
    """Refuse the rows of `p2`, `p3` and so on, which no matcher in use reads."""
    for row in rows:
        if row.kind[:1] == "p" and row.kind[1:].isdigit():
            reason = "no definition in use reads this row; use `p`"  # law 2
            yield Refusal(f"{POLICY_FILE} line {row.number}", row.kind, reason)


def unread_links(policy: Policy, file: ModelFile) -> Iterator[Refusal]:
    """Refuse the links of a role definition that no matcher or rule calls, or else its line."""
    for kind in sorted(policy.model.roles.keys() - _called(policy)):  # law 2
        reason = f"neither the matcher nor a rule calls `{kind}`, so it would do nothing"
        places = [f"{POLICY_FILE} line {row.number}" for row in policy.rows if row.kind == kind]
        for place in places or [file.place(kind)]:
            yield Refusal(place, kind, reason)


def _called(policy: Policy) -> frozenset[str]:
    """Return the role definitions that decide; `g` also fills groups and orders subjects."""
    filled = policy.subject_attributes & {"groups", "principals"}
    ordered = policy.effect is Effect.SUBJECT_PRIORITY
    return policy.bare | ({"g"} if filled or ordered else frozenset())


def _stop_at(refusals: tuple[Refusal, ...]) -> None:
    if refusals:
        raise PolicyError(refusals)
