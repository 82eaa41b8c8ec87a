"""Asking: how many names a person must have at once before a row can apply to them.

The laws of this file:

1. A name is the person's id or one of their groups and roles. The name to which a row is addressed
   is not counted.
2. What needs a number of names applies to somebody with those names alone as to somebody who has
   others beside them, unless having more can make it fail: then it asks *against* names.
3. In doubt a row asks for more names than anybody tries, and against them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from acl.algebra.partial import operands
from acl.labels import AttributeType
from acl.language.casbin_adapter import Effect, Row
from acl.language.terms import (
    AllOf,
    Among,
    AnyPart,
    Compare,
    Contains,
    Known,
    Negation,
    Overlaps,
    ResourceHolder,
    ResourceRole,
    RoleInDomain,
    Rule,
    Term,
    Touching,
    Within,
    walk,
)
from acl.policy.decide import SUBJECT_COLUMNS
from acl.policy.policy import Policy

SETS: Final = frozenset({"groups", "principals"})
"""What the asker's record calls their names beside the id."""

UNBOUNDED: Final = 1_000
"""Stands for more names than are ever tried together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a condition asks of names.

    Attributes:
        names: how many a person needs at once for it to hold.
        against: whether having more can make it fail.
        others: whether it holds for anybody but whoever has a certain id.
    """

    names: int = 0
    against: bool = False
    others: bool = False


NOTHING: Final = Asked()
ONE: Final = Asked(1)
AGAINST: Final = Asked(against=True)
OTHERS: Final = Asked(others=True)
IN_DOUBT: Final = Asked(UNBOUNDED, against=True)


def asked_by(policy: Policy, row: Row) -> Asked:
    """Return what the matcher asks of names under a row."""
    found = _Asking(policy, row).of(policy.term, negated=False)
    if found.names and may_raise(policy, row):
        # An `or` behind such a condition is not reached, and so does not raise, for whoever has it.
        return IN_DOUBT
    return found


def may_raise(policy: Policy, row: Row) -> bool:
    """Say whether a label can lack what a row reads of it, or the asker has it in another type."""
    return any(
        not one.attribute.required or not _fits(one)
        for one in terms_of(policy, row)
        if not isinstance(one, Known | AllOf | AnyPart | Negation | Rule)
    )


def may_deny(policy: Policy, row: Row) -> bool:
    """Say whether a row can take away what another gives; in doubt it can."""
    ranked = policy.effect in {Effect.PRIORITY, Effect.SUBJECT_PRIORITY}
    computes = any(
        isinstance(one, Known) and not _is_boolean(one.node) for one in _own_terms(policy, row)
    )
    return ranked or policy.effect_of(row) != "allow" or computes or may_raise(policy, row)


def _is_boolean(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)


def _fits(term: Touching) -> bool:
    """Say whether what a comparison takes from the asker is of the type that it needs."""
    taken = {_attribute(one.node) for one in operands(term) if one.asks}
    match term:
        case Compare(_, operator, _) if operator not in {"==", "!="}:
            return taken <= {"clearance"}
        case Among() | Overlaps() | Within():
            return taken <= {*SETS, "compartments"}
        case Compare() | Contains():
            return True
        case _:
            return taken <= {"id", ""}


def _attribute(node: ast.expr) -> str | None:
    return node.id.partition(".")[2] if isinstance(node, ast.Name) else None


def _own_terms(policy: Policy, row: Row) -> Iterator[Term]:
    """Yield every part of the conditions that stand in a row itself."""
    named = policy.named(row)
    for one in walk(policy.term):
        if isinstance(one, Rule):
            yield from walk(policy.rule_terms[named[one.column]])


def terms_of(policy: Policy, row: Row) -> Iterator[Term]:
    """Yield every part of the matcher, the row's own conditions included."""
    yield from walk(policy.term)
    yield from _own_terms(policy, row)


class _Asking:
    def __init__(self, policy: Policy, row: Row) -> None:
        self._policy, self._row = policy, policy.named(row)
        request, columns = policy.names.request
        self._subjects = {f"{request}_{one}" for one in SUBJECT_COLUMNS & set(columns)}
        self._addressed = {
            one for one in policy.columns if one.partition("_")[2] in SUBJECT_COLUMNS
        }

    def of(self, term: Term, *, negated: bool) -> Asked:
        match term:
            case AllOf(parts) | AnyPart(parts):
                asked = [self.of(part, negated=negated) for part in parts]
                together = isinstance(term, AllOf) is not negated
                names = [one.names for one in asked]
                most = sum(names) if together else max(names, default=0)
                return Asked(
                    most, any(one.against for one in asked), any(one.others for one in asked)
                )
            case Negation(part):
                return self.of(part, negated=not negated)
            case Rule(column):
                return self.of(self._policy.rule_terms[self._row[column]], negated=negated)
            case Known(node, columns, _):
                if self._addressed & set(columns):
                    return IN_DOUBT if negated or not self._addresses(node) else NOTHING
                return self._known(node, negated=negated)
            case _:
                return self._touching(term, negated=negated)

    def _addresses(self, node: ast.expr) -> bool:
        """Say whether a part asks for the name in the row and for nothing else."""
        match node:
            case ast.Compare(left=ast.Name(id=one), ops=[ast.In()], comparators=[other]):
                return one in self._addressed and self._is_set(other)
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                return self._is_id(left) or self._is_id(right)
            case ast.Call(func=ast.Name(id=kind), args=[name, ast.Name(id=role), *_]):
                roles = self._policy.model.roles
                return kind in roles and self._is_id(name) and role in self._addressed
            case _:
                return False

    def _known(self, node: ast.expr, *, negated: bool) -> Asked:
        if not self._mentions(node):
            return NOTHING
        match node:
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn() as one], comparators=[right]):
                if self._is_set(right) and not self._mentions(left):
                    return AGAINST if negated is isinstance(one, ast.In) else ONE
            case ast.Compare(
                left=left, ops=[ast.Eq() | ast.NotEq() as one], comparators=[right]
            ) if self._is_id(left) or self._is_id(right):
                return OTHERS if negated is isinstance(one, ast.Eq) else ONE
            case ast.Call(func=ast.Name(id="any_of"), args=[left, right]):
                if sum(map(self._is_set, (left, right))) == 1 and not (
                    self._mentions(left) and self._mentions(right)
                ):
                    return AGAINST if negated else ONE
            case ast.Call(func=ast.Name(id=kind), args=[name, *_]):
                if kind in self._policy.model.roles and self._is_id(name):
                    return AGAINST if negated else ONE
            case _:
                pass
        return IN_DOUBT

    def _touching(self, term: Touching, *, negated: bool) -> Asked:
        asking = [one.node for one in operands(term) if self._mentions(one.node)]
        if not asking:
            return NOTHING
        if len(asking) > 1 or term.attribute.type is AttributeType.PATH:
            return IN_DOUBT
        if isinstance(term, Compare) and term.operator == "!=":
            negated = not negated
        if self._is_id(asking[0]):
            if not negated:
                return ONE
            linked = isinstance(term, ResourceHolder | ResourceRole | RoleInDomain)
            return AGAINST if linked else OTHERS
        if not self._is_set(asking[0]) or isinstance(term, ResourceHolder | ResourceRole):
            return IN_DOUBT
        if isinstance(term, Within):
            return AGAINST if negated else IN_DOUBT
        return AGAINST if negated else ONE

    def _mentions(self, node: ast.expr) -> bool:
        """Say whether a part reads names, or what they reach."""
        return any(
            self._is_set(one)
            or self._is_id(one)
            or (isinstance(one, ast.Name) and one.id in self._policy.model.roles)
            for one in ast.walk(node)
        )

    def _is_set(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and self._reads(node.id, SETS)

    def _is_id(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and self._reads(node.id, {"", "id"})

    def _reads(self, name: str, attributes: Iterable[str]) -> bool:
        record, _, attribute = name.partition(".")
        return record in self._subjects and attribute in attributes


def kinds_beyond_askers(policy: Policy) -> frozenset[str]:
    """Return the role definitions that are asked about other names than the asker's own."""
    own = f"{policy.names.request[0]}_"
    terms = [policy.term, *policy.rule_terms.values()]
    return frozenset(
        kind
        for term in terms
        for one in walk(term)
        for kind, start in _starts(policy, one)
        if not (isinstance(start, ast.Name) and start.id.startswith(own))
    )


def _starts(policy: Policy, term: Term) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield each role definition that a term asks, with the name from which it is asked."""
    match term:
        case AllOf() | AnyPart() | Negation() | Rule():
            return
        case ResourceRole(_, kind, _, _):
            yield kind, None
        case ResourceHolder(_, kind, name, _) | RoleInDomain(_, kind, name, _):
            yield kind, name.node
        case _:
            pass
    for operand in operands(term):
        for one in ast.walk(operand.node):
            match one:
                case ast.Call(func=ast.Name(id=kind), args=[start, *_]):
                    if kind in policy.model.roles:
                        yield kind, start
                case _:
                    pass


def asks_of_holders(policy: Policy) -> bool:
    """Say whether a rule asks which role a document is or has."""
    return any(
        isinstance(one, ResourceHolder | ResourceRole | RoleInDomain)
        for term in (policy.term, *policy.rule_terms.values())
        for one in walk(term)
    )
