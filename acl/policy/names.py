"""Mentions: whom and what a policy names, and in which tenants a row can apply.

The laws of this file:

1. A name counts wherever a policy can compare it with an asker: as a whole column, in a link, or as
   a text within a rule or the matcher. What is not an identity is nobody's name.
2. A row is taken to apply in a tenant unless a part of the matcher's opening that reads nothing of
   the asker but the tenant is false for it. In doubt it applies.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from acl.actions import Action
from acl.decision import TENANT
from acl.labels import MAX_INTEGER
from acl.language.casbin_adapter import FUNCTIONS, MATCHING_FUNCTIONS, Evaluator, Row
from acl.language.expression import attributes_read, bare_names, parse
from acl.language.terms import AllOf, Rule, Term, walk
from acl.policy.decide import ACTION_COLUMNS, SUBJECT_COLUMNS, TENANT_COLUMNS
from acl.policy.policy import Policy
from acl.subject import EVERYONE, is_identity

_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_UPWARD: Final = (ast.Lt, ast.LtE)
_CLEARANCE: Final = "clearance"
# As many policies as are compared at once, and a few that were compared just before.
_KEPT: Final = 8


def is_named(text: str) -> bool:
    """Say whether `text` names somebody in particular; everybody is in `group:everyone`."""
    return text != EVERYONE and is_identity(text)


class Mentions:
    """What one policy names.

    Attributes:
        texts: every text that an asker or a label can be compared with.
        numbers: every whole number in an expression, both with and without its sign.
        everyone: the identities among the texts.
        spoken: the identities that a condition on labels can tell from others: those in the texts
            of rules, in the matcher, and in columns that address nobody.
        actions: the texts in the rows' columns for the action.
        asks_clearance: whether a clearance between the lowest and the highest can matter.
    """

    def __init__(self, policy: Policy) -> None:
        """Read every row once."""
        self._policy = policy
        self._deciding = f"p{policy.suffix}"
        self._rules = {one.column for one in walk(policy.term) if isinstance(one, Rule)}
        self._spoken = {text: _literals(parse(text)) for text in policy.rule_terms}
        matcher = parse(policy.model.matchers[f"m{policy.suffix}"])
        self._always = _literals(matcher)
        self._rows = [(row, self._texts(row)) for row in policy.rows]
        self._asked = _tenant_names(policy)
        self._fences = tuple(_decided_by(policy, _opening(policy), self._asked))
        self._read = _columns_of(policy, self._fences)
        self._known: dict[tuple[str, ...], bool] = {}
        trees = (matcher, *map(parse, self._spoken))
        self.numbers = frozenset(number for tree in trees for number in _numbers(tree))
        self.texts = self._always.union(*(texts for _, texts in self._rows))
        self.actions = frozenset(text for row in policy.rules for text in _actions(policy, row))
        self.everyone = frozenset(filter(is_named, self.texts))
        self.spoken = frozenset(filter(is_named, self._beside_addressees()))
        self.asks_clearance = _asks_clearance(policy, trees)
        self._in_tenant: dict[str, frozenset[frozenset[str]]] = {}

    def in_tenant(self, tenant: str) -> frozenset[frozenset[str]]:
        """Return who is named in `tenant`: each alone, and together with whom a row names too."""
        if tenant not in self._in_tenant:
            self._in_tenant[tenant] = self._named_in(tenant)
        return self._in_tenant[tenant]

    def _named_in(self, tenant: str) -> frozenset[frozenset[str]]:
        found = {frozenset({name}) for name in filter(is_named, self._always)}
        for row, texts in self._rows:
            if self.applies(row, tenant):
                names = frozenset(filter(is_named, texts))
                found |= {frozenset({name}) for name in names}
                if row.kind == self._deciding and names:
                    found.add(names)
        return frozenset(found)

    def _beside_addressees(self) -> Iterator[str]:
        yield from self._always
        for texts in self._spoken.values():
            yield from texts
        for row in self._policy.rules:
            for column, text in self._policy.named(row).items():
                if column.partition("_")[2] not in SUBJECT_COLUMNS:
                    yield text

    @property
    def rules(self) -> Iterator[tuple[Row, frozenset[str]]]:
        """Each row that decides, with its texts."""
        return ((row, texts) for row, texts in self._rows if row.kind == self._deciding)

    def _texts(self, row: Row) -> frozenset[str]:
        if row.kind != self._deciding:
            return frozenset(row.values)
        columns = self._policy.named(row)
        plain = (text for name, text in columns.items() if name not in self._rules)
        return frozenset(plain).union(*(self._spoken[columns[one]] for one in self._rules))

    def applies(self, row: Row, tenant: str) -> bool:
        """Say whether a row can apply in `tenant`; in doubt it does."""
        definition = self._policy.model.roles.get(row.kind)
        if definition is not None:
            if definition.arity == 2:  # noqa: PLR2004 - a link without a domain
                return True
            by = self._policy.matching.get(row.kind)
            if by is not None and by.domains:
                return MATCHING_FUNCTIONS[by.domains](tenant, row.values[2])
            return row.values[2] == tenant
        if row.kind != self._deciding:
            return False
        named = self._policy.named(row)
        read = tenant, *(named[one] for one in self._read)
        if read not in self._known:
            names = {**_asked_as(self._asked, tenant), **named}
            self._known[read] = all(_passes(fence, names) for fence in self._fences)
        return self._known[read]


def mentions_of(policy: Policy) -> Mentions:
    """Return what `policy` names; reading a policy again gives the same, so it is kept."""
    return _kept(_ByDigest(policy.digest, policy))


@dataclass(frozen=True, slots=True)
class _ByDigest:
    """A policy that equals another one with the same digest, which covers all that it is."""

    digest: str
    policy: Policy = field(compare=False)


@lru_cache(maxsize=_KEPT)
def _kept(one: _ByDigest) -> Mentions:
    return Mentions(one.policy)


def _literals(tree: ast.expr) -> frozenset[str]:
    return frozenset(
        one.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )


def _actions(policy: Policy, row: Row) -> Iterator[str]:
    for column, text in zip(policy.names.policy[1], row.values, strict=True):
        if column in ACTION_COLUMNS:
            yield text


def _numbers(tree: ast.expr) -> Iterator[int]:
    for one in ast.walk(tree):
        if isinstance(one, ast.Constant) and isinstance(one.value, int | float):
            whole = int(max(-MAX_INTEGER, min(MAX_INTEGER, one.value)))
            yield from (whole, -whole)


class Meanings:
    """For which actions the rows of a policy can be meant."""

    def __init__(self, policy: Policy) -> None:
        """Find the parts of the matcher that read nothing of the request but the action."""
        self._policy = policy
        request, columns = policy.names.request
        self._asked = frozenset(f"{request}_{one}" for one in ACTION_COLUMNS & set(columns))
        self._fences = tuple(_decided_by(policy, policy.conjuncts, self._asked))
        named = {text for row in policy.rules for text in _actions(policy, row)}
        self._every = frozenset({*map(str, Action), *named})
        self._read = _columns_of(policy, self._fences)
        self._known: dict[tuple[str, ...], frozenset[str]] = {}

    def of(self, row: Row) -> frozenset[str]:
        """Return every action that a row can be meant for; in doubt all."""
        if not self._fences:
            return self._every
        columns = self._policy.named(row)
        read = tuple(columns[one] for one in self._read)
        if read not in self._known:
            passing = (action for action in self._every if self._passes(columns, action))
            self._known[read] = frozenset(passing)
        return self._known[read]

    def _passes(self, columns: Mapping[str, object], action: str) -> bool:
        names = {**dict.fromkeys(self._asked, action), **columns}
        return all(_passes(fence, names) for fence in self._fences)

    def known(self, row: Row) -> bool:
        """Say whether a row can be meant for an action that there is.

        Where no part of the matcher decides, the row must name one in full.
        """
        if not self._fences:
            return set(_actions(self._policy, row)) <= set(Action)
        return not self.of(row).isdisjoint(Action)


def _opening(policy: Policy) -> Sequence[tuple[str, Term]]:
    """Return the parts of the matcher before it first reads a label."""
    length = len(policy.opening.parts) if isinstance(policy.opening, AllOf) else 0
    return policy.conjuncts[:length]


def _decided_by(
    policy: Policy, parts: Sequence[tuple[str, Term]], asked: frozenset[str]
) -> Iterator[ast.expr]:
    """Yield the parts that depend on the row and on what is `asked`, such as `r_sub.tenant`."""
    known = asked | set(policy.columns) | set(FUNCTIONS)
    for text, _ in parts:
        tree = parse(text)
        names = bare_names(tree) | {".".join(one) for one in attributes_read(tree)}
        if names <= known and names & asked:
            yield tree


def _columns_of(policy: Policy, parts: Iterable[ast.expr]) -> tuple[str, ...]:
    """Return the policy's columns that some parts of the matcher read."""
    read = frozenset[str]().union(*map(bare_names, parts))
    return tuple(one for one in policy.columns if one in read)


def _tenant_names(policy: Policy) -> frozenset[str]:
    """Return the names under which the matcher reads the asker's tenant."""
    request, columns = policy.names.request
    subjects = {f"{request}_{one}.{TENANT}" for one in SUBJECT_COLUMNS & set(columns)}
    return frozenset(subjects | {f"{request}_{one}" for one in TENANT_COLUMNS & set(columns)})


def _asked_as(names: Iterable[str], value: str) -> dict[str, object]:
    """Return what Casbin's evaluator is given so that each of `names` is `value`."""
    split = (name.partition(".") for name in names)
    return {record: {attribute: value} if attribute else value for record, _, attribute in split}


def _passes(fence: ast.expr, names: Mapping[str, object]) -> bool:
    try:
        return bool(Evaluator(FUNCTIONS).value(fence, names))
    except Exception:  # noqa: BLE001 - what raises here may raise for everybody
        return True


def _asks_clearance(policy: Policy, trees: tuple[ast.expr, ...]) -> bool:
    """Say whether another clearance than the lowest and the highest can make a difference."""
    read = [one for tree in trees for one in ast.walk(tree) if _is_clearance(one)]
    ordered = [way for tree in trees for way in _ordered(policy, tree)]
    return len(read) != len(ordered) or len(set(ordered)) > 1


def _is_clearance(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == _CLEARANCE


def _ordered(policy: Policy, tree: ast.expr) -> Iterator[bool]:
    """Yield, for each clearance that is only compared with a label's level, in which direction."""
    for node in (one for one in ast.walk(tree) if isinstance(one, ast.Compare)):
        for left, operator, right in zip(
            (node.left, *node.comparators), node.ops, node.comparators, strict=False
        ):
            if isinstance(operator, _ORDER):
                upward = isinstance(operator, _UPWARD)
                if _is_clearance(right) and policy.names.touches(left):
                    yield upward
                if _is_clearance(left) and policy.names.touches(right):
                    yield not upward
