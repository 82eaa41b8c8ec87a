"""Extents: on which labels one row of a policy can decide anything, for any asker at any moment.

The laws of this file:

1. Outside its extent a row is false, for every asker of its tenant and at every moment.
2. Of the asker an extent uses the widest clearance and the widest compartments that there are, and
   nothing else. Which role a document has, or is, can change with time and is left open.
3. A row that can fail for a label says so. A part that can fail for an asker, or come to neither
   true nor false, can end the whole decision: then the extent is every label.
4. One more link changes the answer of a row only if the row asks for a role that the link leads to,
   or asks for names of the asker in another way. In doubt it can make the row true, and false.

An extent is the partial evaluation of a row for all askers at once; a residual of the compiler is
that for one of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, reduce
from itertools import chain
from typing import Final

from acl.algebra.conditions import all_of, any_of
from acl.algebra.outcome import Outcome
from acl.algebra.partial import Partial, operands
from acl.errors import RequestError
from acl.language.casbin_adapter import Row
from acl.language.expression import ExpressionError
from acl.language.terms import (
    AllOf,
    Among,
    AnyPart,
    Compare,
    Known,
    Matches,
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
from acl.policy.decide import SUBJECT_COLUMNS, TENANT_COLUMNS, request_of
from acl.policy.policy import Policy
from acl.predicate import ALWAYS, NEVER, Condition
from acl.subject import Subject

_ROLES: Final = "g"
"""The role definition whose roles stand among the names in the asker's record."""

_NO_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
_DOCUMENT_ROLES: Final = (ResourceHolder, ResourceRole, RoleInDomain)
_TYPED: Final = frozenset({"any_of", "subset_of", "keyMatch"})
"""Functions that fail, if they do, because of the types of what they are given."""

_NONE, _BOTH = frozenset[bool](), frozenset({True, False})


@dataclass(frozen=True, slots=True)
class Extent:
    """What one row can do at most.

    Attributes:
        labels: where it can be true, or fail.
        fails: whether it can fail, and so end a decision that others would permit.
    """

    labels: Condition
    fails: bool


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a link leads: its role definition, its role, and every role that this one has."""

    kind: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Bound:
    """Where a part of a row can be true, where it can be false, and where it can fail."""

    true: Condition
    false: Condition
    fails: Condition = NEVER

    def __invert__(self) -> _Bound:
        return _Bound(self.false, self.true, self.fails)

    def then(self, other: _Bound) -> _Bound:
        """Bound `self and other`; the second part is only come to where the first can be true."""
        return _Bound(
            all_of(self.true, other.true),
            any_of(self.false, other.false),
            any_of(self.fails, all_of(self.true, other.fails)),
        )


_CERTAIN: Final = _Bound(ALWAYS, NEVER)


class _BoundlessError(Exception):
    """A part of the row can end the whole decision (law 3)."""


class Extents:
    """The extents of a policy's rows, and what links do to them."""

    def __init__(self, policy: Policy, clearance: int, compartments: Iterable[str]) -> None:
        """Take the widest clearance and the widest compartments that an asker can have."""
        self._policy = policy
        prefix, columns = policy.names.request
        asker = Subject(id="user:widest", tenant="widest", clearance=clearance)
        request = request_of(policy, asker, "", _NO_MOMENT)
        names = {f"{prefix}_{column}": value for column, value in request.items()}
        for record in names.values():
            if isinstance(record, dict):
                record["compartments"] = sorted(compartments)
        self._partial = Partial(names, policy.graphs, _NO_MOMENT, policy.rule_terms.__getitem__)
        self._subjects = {f"{prefix}_{one}" for one in SUBJECT_COLUMNS & set(columns)}
        self._tenants = {f"{prefix}_{one}" for one in TENANT_COLUMNS & set(columns)}
        self._tenants |= self._read("tenant")
        self._names = self._read("groups", "principals")
        self._widest = self._read("clearance", "compartments")

    def _read(self, *attributes: str) -> set[str]:
        """Return how the matcher reads attributes of the asker."""
        return {f"{record}.{one}" for record in self._subjects for one in attributes}

    def of(self, row: Row) -> Extent:
        """Return the extent of a row that decides."""
        try:
            bound = self._bound(self._policy.term, self._policy.named(row))
        except _BoundlessError:  # law 3
            return Extent(ALWAYS, fails=True)
        return Extent(any_of(bound.true, bound.fails), fails=bound.fails is not NEVER)  # law 1

    def _bound(self, term: Term, row: Mapping[str, str]) -> _Bound:
        match term:
            case AllOf(parts):
                return reduce(_Bound.then, (self._bound(part, row) for part in parts), _CERTAIN)
            case AnyPart(parts):
                opposites = (~self._bound(part, row) for part in parts)
                return ~reduce(_Bound.then, opposites, _CERTAIN)
            case Negation(part):
                return ~self._bound(part, row)
            case Rule(column):
                return self._bound(self._policy.rule_terms[row[column]], row)
            case _:
                return self._part(term, row)

    def _part(self, term: Known | Touching, row: Mapping[str, str]) -> _Bound:
        outcome = self._at_widest(term, row)
        fails = NEVER if outcome.total else ALWAYS
        if not any(one.asks for one in operands(term)) and not isinstance(term, _DOCUMENT_ROLES):
            return _Bound(outcome.true, outcome.false, fails)
        if isinstance(term, Matches) or not all(self._is_typed(one.node) for one in operands(term)):
            raise _BoundlessError
        match term:
            case Compare(_, "<" | "<=", Known(ast.Name(id=name))) if name in self._widest:
                return _Bound(outcome.true, ALWAYS, fails)  # law 2
            case Within(_, Known(ast.Name(id=name))) if name in self._widest:
                return _Bound(outcome.true, ALWAYS, fails)  # law 2
            case _:
                return _Bound(ALWAYS, ALWAYS, fails)

    def _at_widest(self, term: Known | Touching, row: Mapping[str, str]) -> Outcome:
        """Return the outcome of a part for the widest asker."""
        try:
            outcome = self._partial.outcome(term, row)
        except (RequestError, ExpressionError) as error:
            raise _BoundlessError from error
        if outcome.defined is NEVER:
            raise _BoundlessError
        return outcome

    def _is_typed(self, node: ast.expr) -> bool:
        """Say whether types alone decide if a value can be computed, so that one asker tells."""
        match node:
            case ast.Constant() | ast.Name():
                return True
            case ast.List(elts=parts):
                return all(isinstance(getattr(one, "value", None), str) for one in parts)
            case ast.Compare(left=left, ops=[_], comparators=[right]):
                return self._is_typed(left) and self._is_typed(right)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                known = name in _TYPED or name in self._policy.model.roles
                return known and all(map(self._is_typed, arguments))
            case _:
                return False

    @cached_property
    def beyond_askers(self) -> frozenset[str]:
        """The role definitions that rules ask about others than the asker in their own tenant."""
        terms = (self._policy.term, *self._policy.rule_terms.values())
        parts = (part for term in terms for part in walk(term))
        return frozenset(chain.from_iterable(map(self._asked_beyond, parts)))

    def _asked_beyond(self, part: Term) -> Iterator[str]:
        match part:
            case AllOf() | AnyPart() | Negation() | Rule():
                return
            case ResourceRole() | ResourceHolder() | RoleInDomain():
                yield part.graph
            case _:
                pass
        for call in (one for operand in operands(part) for one in ast.walk(operand.node)):
            match call:
                case ast.Call(func=ast.Name(id=kind)) if kind in self._policy.model.roles:
                    if not self._is_of_asker(call):
                        yield kind
                case _:
                    pass

    def _is_of_asker(self, call: ast.Call) -> bool:
        """Say whether a role is asked of the asker, in the asker's tenant."""
        name, domain = _name(call.args[0]), _name(call.args[-1])
        return name.removesuffix(".id") in self._subjects and domain in self._tenants

    def answers(self, row: Row, lead: Lead) -> frozenset[bool]:
        """Return which answers of a row one more link can bring about (law 4).

        The link is of a role definition that is not asked about others than the asker.
        """
        return self._answers(self._policy.term, self._policy.named(row), lead)  # law 4

    def _answers(self, term: Term, row: Mapping[str, str], lead: Lead) -> frozenset[bool]:
        match term:
            case AllOf(parts) | AnyPart(parts):
                return _NONE.union(*(self._answers(part, row, lead) for part in parts))
            case Negation(part):
                return frozenset(not one for one in self._answers(part, row, lead))
            case Rule(column):
                return self._answers(self._policy.rule_terms[row[column]], row, lead)
            case _ if not any(self._reads(one.node, lead) for one in operands(term)):
                return _NONE
            case Known(node):
                return self._known_answers(node, row, lead)
            case Among(_, Known(ast.Name())) | Overlaps(_, Known(ast.Name())):
                return frozenset({True})
            case Within(_, Known(ast.Name())):
                return frozenset({True})
            case _:
                return _BOTH

    def _known_answers(self, node: ast.expr, row: Mapping[str, str], lead: Lead) -> frozenset[bool]:
        match node:
            case ast.Compare(left=role, ops=[ast.In() | ast.NotIn() as how], comparators=[names]):
                if self._reads(role, lead) or not isinstance(names, ast.Name):
                    return _BOTH
                answer = isinstance(how, ast.In)
            case ast.Call(func=ast.Name(id=lead.kind), args=[_, role, *_]):
                answer = True
            case _:
                return _BOTH
        known = row.get(role.id) if isinstance(role, ast.Name) else getattr(role, "value", None)
        return _NONE if known is not None and known not in lead.roles else frozenset({answer})

    def _reads(self, node: ast.expr, lead: Lead) -> bool:
        """Say whether a link can change the value of `node`."""
        names = set(map(_name, ast.walk(node)))
        return lead.kind in names or (lead.kind == _ROLES and not names.isdisjoint(self._names))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""
