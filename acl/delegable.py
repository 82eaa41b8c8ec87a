"""Which rows of a policy somebody else than its administrator may touch at all.

The laws of this file:

1. The model, the schema and whatever else gives rows their meaning stay as they are.
2. A row belongs to the tenant that it names. Rows of other tenants, and rows that name none, stay
   as they are: none comes, none goes, none changes places with another.
3. No row that can be meant for `policy:administer` comes or goes.
4. A row that comes or goes compares the document with the asker, or says nothing of the asker. A
   test of the asker alone could be made to pass for one person and for no profile. For the same
   reason what somebody has more of never gives them less.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from typing import Final

from acl.actions import Action
from acl.admission import POLICY_FILE
from acl.casbin_door import Row
from acl.decide import TENANT_COLUMNS
from acl.errors import Refusal
from acl.expression import source
from acl.mentions import can_mean
from acl.partial import operands
from acl.policy import MODEL_FILE, Policy
from acl.terms import AllOf, AnyPart, Compare, Known, Negation, Rule, Term, walk

_SETS: Final = frozenset({"compartments", "groups", "principals"})

_OF_ALL: Final = "gives meaning to the rows of every tenant; only an administrator changes it"


def changed_rows(old: Policy, new: Policy) -> tuple[Row, ...]:
    """Return the rows that come or go; a row that stands twice counts twice."""
    return (*_surplus(old, new), *_surplus(new, old))


def _surplus(one: Policy, other: Policy) -> Iterator[Row]:
    left = Counter((row.kind, row.values) for row in other.rows)
    for row in one.rows:
        if left[row.kind, row.values]:
            left[row.kind, row.values] -= 1
        else:
            yield row


def undelegable(old: Policy, new: Policy, tenant: str) -> tuple[Refusal, ...]:
    """Return why the change from `old` to `new` is not one that a `tenant` can make for itself."""
    refusals = tuple(_framework(old, new))
    if refusals:
        return refusals
    changed = changed_rows(old, new)
    return (
        *(refusal for row in changed for refusal in _foreign(new, row, tenant)),
        *(refusal for row in changed for refusal in _administering(new, row)),
        *_moved(old, new, tenant),
        *(refusal for row in changed for refusal in _asking(old, new, row)),
    )


def _framework(old: Policy, new: Policy) -> Iterator[Refusal]:
    if old.model.text != new.model.text:
        yield Refusal(MODEL_FILE, "model", _OF_ALL)
    if old.schema != new.schema:
        yield Refusal("labels.toml", "schema", _OF_ALL)
    others = (old.matching, old.suffix, old.names.resource)
    if others != (new.matching, new.suffix, new.names.resource):
        yield Refusal(MODEL_FILE, "matching", _OF_ALL)


def _foreign(policy: Policy, row: Row, tenant: str) -> Iterator[Refusal]:
    place = _tenant_place(policy, row)
    if place is None:
        reason = "the model gives rows of this kind no tenant, so they cannot be delegated"
        yield Refusal(_line(row), row.kind, reason)
    elif row.values[place] != tenant:
        reason = "is not a row of the editor's own tenant"
        yield Refusal(_line(row), row.kind, reason, _column(policy, row, place))


def _tenant_place(policy: Policy, row: Row) -> int | None:
    """Return the column of a row that names its tenant, or nothing if the model has none."""
    if row.kind in policy.model.roles:
        return 2 if policy.model.roles[row.kind].arity > 2 else None  # noqa: PLR2004 - a domain
    columns = policy.model.policies[row.kind]
    return next((place for place, one in enumerate(columns) if one in TENANT_COLUMNS), None)


def _column(policy: Policy, row: Row, place: int) -> str:
    columns = policy.model.policies.get(row.kind)
    return columns[place] if columns else "domain"


def _moved(old: Policy, new: Policy, tenant: str) -> Iterator[Refusal]:
    before, after = (
        [(row.kind, row.values) for row in policy.rows if tenant_of(policy, row) != tenant]
        for policy in (old, new)
    )
    if before != after and sorted(before) == sorted(after):
        yield Refusal(POLICY_FILE, "order", "rows of others may not change places")


def _administering(policy: Policy, row: Row) -> Iterator[Refusal]:
    if row.kind == f"p{policy.suffix}" and can_mean(policy, row, Action.POLICY_ADMINISTER):
        reason = "only an administrator says who administers the policy"
        yield Refusal(_line(row), Action.POLICY_ADMINISTER, reason)


def _asking(old: Policy, new: Policy, row: Row) -> Iterator[Refusal]:
    """Refuse what a row asks of the asker that no profile need answer (law 4)."""
    if row.kind != f"p{new.suffix}":
        return
    named = new.named(row)
    for column in dict.fromkeys(one.column for one in walk(new.term) if isinstance(one, Rule)):
        text = named[column]
        term = new.rule_terms.get(text) or old.rule_terms[text]
        for operator, reason in _unprovable(new, term, negated=False):
            yield Refusal(_line(row), operator, reason, column.partition("_")[2])


def _unprovable(policy: Policy, term: Term, *, negated: bool) -> Iterator[tuple[str, str]]:
    match term:
        case AllOf(parts) | AnyPart(parts):
            for part in parts:
                yield from _unprovable(policy, part, negated=negated)
        case Negation(part):
            yield from _unprovable(policy, part, negated=not negated)
        case Known(node, _, asks):
            if asks:
                reason = "tests the asker alone; a delegated row compares them with the document"
                yield source(node), reason
        case Rule():
            raise AssertionError("a rule column holds no `eval`")
        case _:
            against = negated or (isinstance(term, Compare) and term.operator == "!=")
            for one in operands(term):
                if one.asks and (reason := _reason(one.node, negated=against)):
                    yield source(one.node), reason


def _reason(node: ast.expr, *, negated: bool) -> str:
    """Return what is wrong with the asker's side of a comparison, or nothing."""
    match node:
        case ast.Name(id=name) if name.partition(".")[2] in _SETS:
            reason = "is denied; what somebody has more of cannot give them less in a delegated row"
            return reason if negated else ""
        case ast.Name():
            return ""
        case _:
            return "is computed from the asker; a delegated row compares attributes as they are"


def asks_who(policy: Policy, row: Row) -> bool:
    """Say whether what a row gives depends on who asks, beyond to whom it is addressed."""
    named = policy.named(row)
    texts = [named[one.column] for one in walk(policy.term) if isinstance(one, Rule)]
    return any(
        operand.asks
        for text in texts
        for term in walk(policy.rule_terms[text])
        if not isinstance(term, AllOf | AnyPart | Negation | Rule)
        for operand in operands(term)
    )


def tenant_of(policy: Policy, row: Row) -> str | None:
    """Return the tenant that a row names, or nothing if the model gives its kind none."""
    place = _tenant_place(policy, row)
    return None if place is None else row.values[place]


def _line(row: Row) -> str:
    return f"{POLICY_FILE} line {row.number}"
