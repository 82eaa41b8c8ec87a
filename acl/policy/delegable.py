"""Which rows of a policy somebody else than its administrator may touch at all.

The laws of this file:

1. The model, the schema and whatever else gives rows their meaning stay as they are.
2. A row belongs to the tenant that it names. Rows of other tenants, and rows that name none, stay
   as they are: none comes, none goes, none changes places with another.
3. No row that can be meant for `policy:administer` comes or goes.
4. A row that comes or goes names principals: `user:`, `group:`, `role:`, `service:` or `agent:`.
5. A row that comes or goes compares the document with the asker, or says nothing of the asker. A
   test of the asker alone could be made to pass for one person and for no profile. For the same
   reason what somebody has more of never gives them less, a row asks for one of the asker's names
   at a time, and compartments are compared with compartments.
6. A link that comes or goes is about askers: no model that asks for it asks about documents.
7. Where the rows that stay ask for more than `acl.policy.trials` can try, nothing can be delegated.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from acl.actions import Action
from acl.algebra.partial import operands
from acl.errors import Refusal
from acl.language.casbin_adapter import Effect, Row
from acl.language.expression import source
from acl.language.terms import AllOf, AnyPart, Compare, Known, Negation, Rule, Term, Touching, walk
from acl.policy.admission import POLICY_FILE
from acl.policy.asking import SETS, asked_by, kinds_beyond_askers
from acl.policy.decide import SUBJECT_COLUMNS, TENANT_COLUMNS
from acl.policy.names import Meanings, Mentions
from acl.policy.policy import MODEL_FILE, Policy
from acl.subject import is_identity

COMPARTMENTS: Final = "compartments"
MAX_NAMES: Final = 2
"""How many names a row that stays may ask for at once; one that comes or goes asks for one."""

_SETS: Final = SETS | {COMPARTMENTS}
_HELD: Final = ("group:", "role:")

_OF_ALL: Final = "gives meaning to the rows of every tenant; only an administrator changes it"


def changed_rows(old: Policy, new: Policy) -> tuple[tuple[Policy, Row], ...]:
    """Return the rows that come or go, with the policy of each; what stands twice counts twice."""
    return (
        *((old, row) for row in _surplus(old, new)),
        *((new, row) for row in _surplus(new, old)),
    )


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
    changes = changed_rows(old, new)
    changed, mentions = [row for _, row in changes], Mentions(new)
    return (
        *(refusal for row in changed for refusal in _foreign(new, mentions, row, tenant)),
        *_administering(new, changed),
        *(refusal for row in changed for refusal in _unnamed(new, row)),
        *_moved(old, new, tenant),
        *(refusal for policy, row in changes for refusal in _asking(policy, row)),
        *_beyond_askers(old, new, changed),
        *_untried(old, new, changed, [row for row in new.rules if mentions.applies(row, tenant)]),
    )


def _framework(old: Policy, new: Policy) -> Iterator[Refusal]:
    if old.model.text != new.model.text:
        yield Refusal(MODEL_FILE, "model", _OF_ALL)
    if old.schema != new.schema:
        yield Refusal("labels.toml", "schema", _OF_ALL)
    others = (old.matching, old.suffix, old.names.resource)
    if others != (new.matching, new.suffix, new.names.resource):
        yield Refusal(MODEL_FILE, "matching", _OF_ALL)


def _foreign(policy: Policy, mentions: Mentions, row: Row, tenant: str) -> Iterator[Refusal]:
    place = _tenant_place(policy, row)
    if place is None:
        reason = "the model gives rows of this kind no tenant, so they cannot be delegated"
        yield Refusal(_line(row), row.kind, reason)
    elif row.values[place] != tenant:
        reason = "is not a row of the editor's own tenant"
        yield Refusal(_line(row), row.kind, reason, _column(policy, row, place))
    elif any(mentions.applies(row, f"{one}elsewhere") for one in ("", f"{tenant}-")):
        reason = "the model does not keep such a row to its tenant, so it cannot be delegated"
        yield Refusal(_line(row), row.kind, reason)


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


def _administering(policy: Policy, changed: Iterable[Row]) -> Iterator[Refusal]:
    meanings, reason = Meanings(policy), "only an administrator says who administers the policy"
    for row in changed:
        if row.kind == f"p{policy.suffix}" and Action.POLICY_ADMINISTER in meanings.of(row):
            yield Refusal(_line(row), Action.POLICY_ADMINISTER, reason)


def _unnamed(policy: Policy, row: Row) -> Iterator[Refusal]:
    """Refuse names that nobody's token holds (law 4)."""
    reason = "is no `user:`, `group:`, `role:`, `service:` or `agent:`"
    if row.kind in policy.model.roles:
        name, role = row.values[:2]
        if not is_identity(name):
            yield Refusal(_line(row), name, reason, "name")
        if not is_identity(role) or not role.startswith(_HELD):
            yield Refusal(_line(row), role, "is no `group:` or `role:`", "role")
        return
    for column, name in zip(policy.model.policies[row.kind], row.values, strict=True):
        if column in SUBJECT_COLUMNS and not is_identity(name):
            yield Refusal(_line(row), name, reason, column)


def _beyond_askers(old: Policy, new: Policy, changed: Iterable[Row]) -> Iterator[Refusal]:
    """Refuse links that mean more than who has which role (law 6)."""
    general = kinds_beyond_askers(old) | kinds_beyond_askers(new)
    ranked = new.effect is Effect.SUBJECT_PRIORITY
    for row in changed:
        if row.kind in general:
            yield Refusal(_line(row), row.kind, "rules ask for such links of documents too")
        elif row.kind in new.model.roles and ranked:
            yield Refusal(_line(row), row.kind, "links decide which rule comes first")


def _untried(
    old: Policy, new: Policy, changed: Sequence[Row], applying: Iterable[Row]
) -> Iterator[Refusal]:
    """Refuse what the rows that stay make too much to try (law 7)."""
    if new.matching:
        yield Refusal(MODEL_FILE, "matching", "where names are patterns, nothing can be delegated")
    if new.effect is not Effect.ALLOW_AND_DENY and not in_order(old.rules, new.rules):
        yield Refusal(POLICY_FILE, "order", "rules may not change places where their order counts")
    meanings, deciding = Meanings(new), f"p{new.suffix}"
    touched = {(row.kind, row.values) for row in changed}
    linked = any(row.kind in new.model.roles for row in changed)
    about = frozenset[str]().union(*(meanings.of(row) for row in changed if row.kind == deciding))
    for row in (one for one in applying if (one.kind, one.values) not in touched):
        asked = asked_by(new, row)
        beyond = asked.against or asked.names > MAX_NAMES
        if beyond and (linked or about & meanings.of(row)):
            reason = "asks so much of the asker's names that no change beside it can be delegated"
            yield Refusal(_line(row), row.kind, reason)


def in_order(old: Sequence[Row], new: Sequence[Row]) -> bool:
    """Say whether the rows that both have come in the same order, and as often."""
    before, after = [row.values for row in old], [row.values for row in new]
    both = set(before) & set(after)
    return [one for one in before if one in both] == [one for one in after if one in both]


def _asking(policy: Policy, row: Row) -> Iterator[Refusal]:
    """Refuse what a row asks of the asker that no profile need answer (law 5)."""
    if row.kind != f"p{policy.suffix}":
        return
    named, refusals = policy.named(row), list[Refusal]()
    for column in dict.fromkeys(one.column for one in walk(policy.term) if isinstance(one, Rule)):
        for operator, reason in _unprovable(policy.rule_terms[named[column]], negated=False):
            refusals.append(Refusal(_line(row), operator, reason, column.partition("_")[2]))
    yield from refusals
    asked = asked_by(policy, row)
    if not refusals and (asked.against or asked.names > 1):
        reason = "asks for more of the asker's names at once than one, or of what can be missing"
        yield Refusal(_line(row), row.kind, reason)


def _unprovable(term: Term, *, negated: bool) -> Iterator[tuple[str, str]]:
    match term:
        case AllOf(parts) | AnyPart(parts):
            for part in parts:
                yield from _unprovable(part, negated=negated)
        case Negation(part):
            yield from _unprovable(part, negated=not negated)
        case Known(node, _, asks):
            if asks:
                reason = "tests the asker alone; a delegated row compares them with the document"
                yield source(node), reason
        case Rule():
            raise AssertionError("a rule column holds no `eval`")
        case _:
            against = negated or (isinstance(term, Compare) and term.operator == "!=")
            for one in operands(term):
                if one.asks and (reason := _reason(one.node, term, negated=against)):
                    yield source(one.node), reason


def _reason(node: ast.expr, term: Touching, *, negated: bool) -> str:
    """Return what is wrong with the asker's side of a comparison, or nothing."""
    if not isinstance(node, ast.Name):
        return "is computed from the asker; a delegated row compares attributes as they are"
    attribute = node.id.partition(".")[2]
    if (attribute == COMPARTMENTS) is not (term.attribute.name == COMPARTMENTS):
        return "compartments are compared with compartments in a delegated row, and nothing else is"
    if negated and attribute in _SETS:
        return "is denied; what somebody has more of cannot give them less in a delegated row"
    return ""


def tenant_of(policy: Policy, row: Row) -> str | None:
    """Return the tenant that a row names, or nothing if the model gives its kind none."""
    place = _tenant_place(policy, row)
    return None if place is None else row.values[place]


def _line(row: Row) -> str:
    return f"{POLICY_FILE} line {row.number}"
