"""What a row of a policy reads of the asker and of the label, and which principals it names.

The laws of this file:

1. A name counts wherever a policy can compare it with an asker: as a whole column, in a link, or as
   a text within a rule or the matcher. What is not an identity names no one.
2. A row can hold for a request of which only some is known, unless a part of its matcher that reads
   something of it, and nothing else of the request, is false for the row. In doubt it can hold.
3. A row applies in a tenant if it can hold for all that is known: the tenant. Of the matcher only
   the parts before it first reads a label count, because what is behind may not be reached.
4. A subject who is permitted, and would not be as a stranger, has or reaches a name that a fitting
   rule, the matcher or the label holds. Where a policy can name people in another way, that is not
   said. So a search for those who may read a document decides about these names alone.
5. A path to a rule begins with a name that the subject has without any role, from the token or as
   their id, and each step is a link that holds at the moment. The shortest is told, and the
   subject's own name before their groups.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from acl.actions import Action
from acl.algebra.partial import operands
from acl.decision import TENANT
from acl.labels import MAX_INTEGER, Label
from acl.language.casbin_adapter import FUNCTIONS, MATCHING_FUNCTIONS, Effect, Evaluator, Row
from acl.language.expression import bare_names, names_read, parse
from acl.language.terms import AllOf, Known, Rule, Term, Touching, walk
from acl.policy.decide import ACTION_COLUMNS, SUBJECT_COLUMNS, TENANT_COLUMNS
from acl.policy.policy import Policy
from acl.subject import EVERYONE, Subject, is_identity

ROLES: Final = "g"
"""The role definition in which subjects have roles."""

_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_UPWARD: Final = (ast.Lt, ast.LtE)
_CLEARANCE: Final = "clearance"
# As many policies as are compared at once, and a few that were compared just before.
_KEPT: Final = 8
_KEPT_TEXTS: Final = 10_000


def is_named(text: str) -> bool:
    """Say whether `text` names one principal; all of a tenant are in `group:everyone`."""
    return text != EVERYONE and is_identity(text)


def in_columns(policy: Policy, row: Row, names: frozenset[str]) -> tuple[str, ...]:
    """Return what stands in the columns of a rule that have one of these names."""
    columns = zip(policy.model.policies[row.kind], row.values, strict=True)
    return tuple(value for name, value in columns if name in names)


def addressed(policy: Policy, row: Row) -> tuple[str, ...]:
    """Return what stands in the columns of a rule that name a subject."""
    return in_columns(policy, row, SUBJECT_COLUMNS)


def texts_of(policy: Policy, row: Row) -> frozenset[str]:
    """Return the texts of a row that an asker or a label can be compared with (law 1)."""
    if row.kind != f"p{policy.suffix}":
        return frozenset(row.values)
    columns, rules = policy.named(row), _rule_columns(policy.term)
    plain = (text for name, text in columns.items() if name not in rules)
    return frozenset(plain).union(*(_literals(columns[name]) for name in rules))


def expressed(policy: Policy) -> frozenset[str]:
    """Return the texts within the matcher and the rules."""
    return _literals(_matcher(policy)).union(*map(_literals, policy.rule_terms))


def domain_of(policy: Policy, subject: Subject) -> str:
    """Return the domain in which a subject's roles count, or the empty one if there are none."""
    definition = policy.model.roles.get(ROLES)
    return subject.tenant if definition is not None and definition.arity > 2 else ""  # noqa: PLR2004


def path_to(policy: Policy, subject: Subject, row: Row, at: datetime) -> tuple[str, ...]:
    """Return the path from the subject to a name in a rule, or nothing if there is none (law 5)."""
    paths = [
        path for name in addressed(policy, row) if (path := path_to_name(policy, subject, name, at))
    ]
    return min(paths, key=len, default=())  # law 5


def path_to_name(policy: Policy, subject: Subject, name: str, at: datetime) -> tuple[str, ...]:
    """Return the shortest path from the subject to a name, or nothing if there is none (law 5)."""
    graph, domain = policy.graphs.get(ROLES), domain_of(policy, subject)
    paths: list[tuple[str, ...]] = []
    for mine in (subject.id, *sorted(subject.principals - {subject.id})):
        path = (mine,) if mine == name else graph and graph.path(mine, name, domain, at)
        if path:
            paths.append(path)
    return min(paths, key=len, default=())  # law 5


class Mentions:
    """What one policy names.

    Attributes:
        texts: every text that an asker or a label can be compared with.
        numbers: every whole number in an expression, both with and without its sign.
        everyone: the identities among the texts.
        spoken: the identities that a condition on labels can tell from others: those in the texts
            of rules, in the matcher, and in columns to which nothing is addressed.
        actions: the texts in the rows' columns for the action.
        asks_clearance: whether a clearance between the lowest and the highest can matter.
    """

    def __init__(self, policy: Policy) -> None:
        """Read every row once."""
        self._policy = policy
        self._deciding = f"p{policy.suffix}"
        self._always = _literals(_matcher(policy))
        self._rows = [(row, texts_of(policy, row)) for row in policy.rows]
        self._sieve = _Sieve(policy, _opening(policy), _request(policy, tenant=""))
        self._applies: dict[tuple[str, ...], bool] = {}
        self._in_tenant: dict[str, frozenset[frozenset[str]]] = {}
        trees = tuple(map(parse, (_matcher(policy), *policy.rule_terms)))
        terms = (part for one in (policy.term, *policy.rule_terms.values()) for part in walk(one))
        self.numbers = frozenset(number for term in terms for number in _numbers(term))
        self.texts = self._always.union(*(texts for _, texts in self._rows))
        self.actions = frozenset(
            text for row in policy.rules for text in in_columns(policy, row, ACTION_COLUMNS)
        )
        self.everyone = frozenset(filter(is_named, self.texts))
        self.spoken = frozenset(filter(is_named, self._beside_addressees()))
        self.asks_clearance = _asks_clearance(policy, trees)

    def in_tenant(self, tenant: str) -> frozenset[frozenset[str]]:
        """Return who is named in `tenant`: each alone, and those whom one row names together."""
        if tenant not in self._in_tenant:
            self._in_tenant[tenant] = self._named_in(tenant)
        return self._in_tenant[tenant]

    def _named_in(self, tenant: str) -> frozenset[frozenset[str]]:
        together = {frozenset({name}) for name in filter(is_named, self._always)}
        for row, texts in self._rows:
            if self.applies(row, tenant):
                names = frozenset(filter(is_named, texts))
                together |= {frozenset({name}) for name in names}
                if row.kind == self._deciding and names:
                    together.add(names)
        return frozenset(together)

    def _beside_addressees(self) -> Iterator[str]:
        yield from self._always
        for text in self._policy.rule_terms:
            yield from _literals(text)
        for row in self._policy.rules:
            for column, text in self._policy.named(row).items():
                if column.partition("_")[2] not in SUBJECT_COLUMNS:
                    yield text

    @property
    def rules(self) -> Iterator[tuple[Row, frozenset[str]]]:
        """Each row that decides, with its texts."""
        return ((row, texts) for row, texts in self._rows if row.kind == self._deciding)

    def applies(self, row: Row, tenant: str) -> bool:
        """Say whether a row can apply in `tenant`; in doubt it does (law 3)."""
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
        columns = self._policy.named(row)
        read = tenant, *(columns[name] for name in self._sieve.columns)
        if read not in self._applies:
            request = _request(self._policy, tenant=tenant)
            self._applies[read] = self._sieve.passes(columns, request)  # law 3
        return self._applies[read]


def mentions_of(policy: Policy) -> Mentions:
    """Return what `policy` names; reading a policy again gives the same, so it is kept."""
    return _kept(_ByDigest(policy.digest, policy))


@dataclass(frozen=True, slots=True)
class _ByDigest:
    """A policy that equals another one with the same digest, which covers all that it is."""

    digest: str
    policy: Policy = field(compare=False)


@lru_cache(maxsize=_KEPT)
def _kept(known: _ByDigest) -> Mentions:
    return Mentions(known.policy)


class Meanings:
    """For which actions the rows of a policy can be meant."""

    def __init__(self, policy: Policy) -> None:
        """Find the parts of the matcher that read nothing of the request but the action."""
        self._policy = policy
        parts = [(text, term) for text, term in policy.conjuncts if not isinstance(term, Rule)]
        self._sieve = _Sieve(policy, parts, _request(policy, action=""))
        named = (in_columns(policy, row, ACTION_COLUMNS) for row in policy.rules)
        self._every = frozenset(map(str, Action)).union(*named)
        self._meant: dict[tuple[str, ...], frozenset[str]] = {}

    def of(self, row: Row) -> frozenset[str]:
        """Return every action that a row can be meant for; in doubt all."""
        if not self._sieve.decides:
            return self._every
        columns = self._policy.named(row)
        read = tuple(columns[name] for name in self._sieve.columns)
        if read not in self._meant:
            self._meant[read] = frozenset(
                action
                for action in self._every
                if self._sieve.passes(columns, _request(self._policy, action=action))
            )
        return self._meant[read]

    def known(self, row: Row) -> bool:
        """Say whether a row can be meant for an action that there is.

        Where no part of the matcher decides, the row must name one in full.
        """
        if not self._sieve.decides:
            return set(in_columns(self._policy, row, ACTION_COLUMNS)) <= set(Action)
        return not self.of(row).isdisjoint(Action)


class Fitting:
    """The rules that fit one label: those that can allow one action in one tenant."""

    def __init__(self, policy: Policy, tenant: str, action: str, label: Label) -> None:
        """Take what is asked about."""
        self._policy, self._label = policy, label
        self._request = _request(policy, tenant=tenant, action=action, label=label)
        self._sieve = _Sieve(policy, policy.conjuncts, self._request)

    def rules(self) -> Iterator[Row]:
        """Yield the rules that allow and can hold (law 2)."""
        for row in self._policy.rules:
            if self._policy.effect_of(row) == "allow" and self._sieve.passes(
                self._policy.named(row), self._request
            ):
                yield row

    def names(self) -> frozenset[str] | None:
        """Return the names of law 4 without `group:everyone`, or None where it does not say."""
        policy = self._policy
        if policy.matching or set(policy.model.roles) - {ROLES}:
            return None
        if policy.effect is Effect.SUBJECT_PRIORITY:  # Roles decide the order of rules.
            return None
        texts = set(_literals(_matcher(policy)))
        for row in self.rules():
            if not all(map(is_identity, addressed(policy, row))):
                return None
            texts |= texts_of(policy, row)
        return frozenset(filter(is_named, texts | self._label.texts))


class _Sieve:
    """Tells which rows can hold for requests of which only some is known (law 2).

    Attributes:
        columns: the policy's columns that the matcher's deciding parts read.
    """

    def __init__(
        self, policy: Policy, parts: Iterable[tuple[str, Term]], known: Mapping[str, object]
    ) -> None:
        self._asked = frozenset(_spelt(known))
        self._known = self._asked | set(policy.columns) | set(FUNCTIONS)
        self._trees: dict[str, ast.expr | None] = {}
        listed = tuple(parts)
        self._rules = [term.column for _, term in listed if isinstance(term, Rule)]
        decided = [self._decided(text) for text, term in listed if not isinstance(term, Rule)]
        self._fixed = [tree for tree in decided if tree is not None]
        read = frozenset[str]().union(*map(bare_names, self._fixed))
        self.columns = tuple(name for name in policy.columns if name in read)

    @property
    def decides(self) -> bool:
        """Whether a part of the matcher itself decides."""
        return bool(self._fixed)

    def passes(self, columns: Mapping[str, str], known: Mapping[str, object]) -> bool:
        """Say whether a row with these columns can hold for a request of which this is known."""
        names = {**known, **columns}
        rules = (self._decided(columns[name]) for name in self._rules)
        return all(_can_hold(tree, names) for tree in (*self._fixed, *rules) if tree is not None)

    def _decided(self, text: str) -> ast.expr | None:
        if text not in self._trees:
            tree = parse(text)
            read = names_read(tree)
            self._trees[text] = tree if read <= self._known and read & self._asked else None
        return self._trees[text]


def _can_hold(tree: ast.expr, names: Mapping[str, object]) -> bool:
    try:
        return bool(Evaluator(FUNCTIONS).value(tree, names))
    except Exception:  # noqa: BLE001 - what raises is for the decision to judge
        return True  # law 2


def _request(
    policy: Policy,
    *,
    tenant: str | None = None,
    action: str | None = None,
    label: Label | None = None,
) -> dict[str, object]:
    """Return what is known of a request before it is known who asks."""
    known: dict[str, object] = {}
    for column in policy.names.request[1]:
        name = f"{policy.names.request[0]}_{column}"
        if column in policy.names.resource:
            known |= {} if label is None else {name: label.as_json()}
        elif column in ACTION_COLUMNS:
            known |= {} if action is None else {name: action}
        elif tenant is not None and column in SUBJECT_COLUMNS:
            known[name] = {TENANT: tenant}
        elif tenant is not None and column in TENANT_COLUMNS:
            known[name] = tenant
    return known


def _spelt(request: Mapping[str, object]) -> Iterator[str]:
    """Yield what is known of a request as expressions name it, such as `r_sub.tenant`."""
    for name, value in request.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{attribute}" for attribute in value)
        else:
            yield name


def _matcher(policy: Policy) -> str:
    return policy.model.matchers[f"m{policy.suffix}"]


def _opening(policy: Policy) -> Iterable[tuple[str, Term]]:
    """Return the parts of the matcher before it first reads a label."""
    length = len(policy.opening.parts) if isinstance(policy.opening, AllOf) else 0
    return policy.conjuncts[:length]


@lru_cache(maxsize=_KEPT)
def _rule_columns(matcher: Term) -> frozenset[str]:
    return frozenset(term.column for term in walk(matcher) if isinstance(term, Rule))


@lru_cache(maxsize=_KEPT_TEXTS)
def _literals(text: str) -> frozenset[str]:
    """Return the texts within an expression."""
    return frozenset(
        node.value
        for node in ast.walk(parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _numbers(term: Term) -> Iterator[int]:
    known = operands(term) if isinstance(term, Known | Touching) else ()
    for node in (node for operand in known for node in ast.walk(operand.node)):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            whole = int(max(-MAX_INTEGER, min(MAX_INTEGER, node.value)))
            yield from (whole, -whole)


def _asks_clearance(policy: Policy, trees: Iterable[ast.expr]) -> bool:
    """Say whether another clearance than the lowest and the highest can make a difference."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    read = sum(map(_is_clearance, nodes))
    ordered = [
        upward
        for node in nodes
        if isinstance(node, ast.Compare)
        for upward in _ordered(policy, node)
    ]
    return read != len(ordered) or len(set(ordered)) > 1


def _is_clearance(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == _CLEARANCE


def _ordered(policy: Policy, node: ast.Compare) -> Iterator[bool]:
    """Yield, for each clearance that is only compared with a label's level, in which direction."""
    for left, operator, right in zip(
        (node.left, *node.comparators), node.ops, node.comparators, strict=False
    ):
        if isinstance(operator, _ORDER):
            upward = isinstance(operator, _UPWARD)
            if _is_clearance(right) and policy.names.touches(left):
                yield upward
            if _is_clearance(left) and policy.names.touches(right):
                yield not upward
