"""What a policy permits to all askers of a class, as a condition on labels and on unknowns.

The laws of this file:

1. What all askers of the class have in common decides at once. Each other part of a rule is an
   unknown: a truth value of its own, which stands as a further attribute beside those of the label.
   So whatever holds for all labels and all unknowns holds for every asker of the class, at every
   moment; the other way round it need not.
2. A part has the same unknown wherever it has the same meaning: the same text, with the row's
   values in it, under the same links of roles. A part that may raise has a second one for that.
3. Where one policy has links that another lacks, a role can be held under the first and not under
   the second, and never the other way round.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Final, TypeAlias

from acl.algebra.conditions import all_of, any_of
from acl.algebra.outcome import FALSE, TRUE, Outcome
from acl.algebra.partial import Partial, operands
from acl.decision import TENANT
from acl.labels import Attribute, AttributeType, Label, LabelSchema
from acl.language.casbin_adapter import FUNCTIONS
from acl.language.expression import bare_names
from acl.language.terms import (
    Among,
    Known,
    Overlaps,
    ResourceHolder,
    ResourceRole,
    RoleInDomain,
    Touching,
)
from acl.policy.compiler import Residual, condition_of
from acl.policy.decide import ACTION_COLUMNS, SUBJECT_COLUMNS, TENANT_COLUMNS, request_of
from acl.policy.policy import Policy
from acl.predicate import ALWAYS, AnyOf, Condition, NoneOf, Present
from acl.subject import EVERYONE, Subject

_ANYWHERE: Final = "elsewhere"
_ANYBODY: Final = "user:anybody"
_YES: Final = frozenset({"yes"})
_OF_ROLES: Final = (ResourceRole, ResourceHolder, RoleInDomain)
_TYPED: Final = frozenset({"any_of", "subset_of", "keyMatch"})
"""Functions that raise, if they do, because of the types of what they are given."""

_SAFE: Final = ("id", TENANT, "clearance", "compartments", "groups", "principals")
_Links: TypeAlias = frozenset[tuple[str, tuple[str, ...]]]
_Base: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Askers:
    """A class of askers: those who share all of this.

    Attributes:
        tenant: one that is named, or `None` for every other.
        named: the tenants that are named.
        clearance: a level, or `None` for whichever.
        identity: whose id it is, or `""` for whosever.
        held: names that all of them have.
    """

    tenant: str | None
    named: frozenset[str]
    clearance: int | None = None
    identity: str = ""
    held: frozenset[str] = frozenset({EVERYONE})

    @property
    def fence(self) -> Condition:
        """The labels of their tenants."""
        if self.tenant is not None:
            return AnyOf(TENANT, frozenset({self.tenant}))
        return NoneOf(TENANT, self.named) if self.named else ALWAYS


class Unknowns:
    """The unknowns of some policies, and the labels that have them as attributes."""

    def __init__(self, schema: LabelSchema) -> None:
        """Begin with the attributes of the label alone."""
        self._schema = schema
        self._names: dict[tuple[_Base, _Links], str] = {}
        self._rising: dict[_Base, dict[_Links, str]] = {}
        self._texts: dict[str, frozenset[str]] = {}

    def of(
        self,
        base: _Base,
        links: _Links,
        *,
        rises: bool = False,
        texts: frozenset[str] = frozenset(),
    ) -> tuple[Condition, Condition]:
        """Return where the unknown of a part is true, and where it is false (law 2).

        Args:
            base: what the part says.
            links: the roles on which it rests.
            rises: whether one more link can only make it true.
            texts: what stands in it.
        """
        key = base, links
        if key not in self._names:
            name = f"unknown_{len(self._names)}"
            while name in self._schema.attributes:
                name += "_"
            self._names[key], self._texts[name] = name, texts
        name = self._names[key]
        if rises:
            self._rising.setdefault(base, {})[links] = name
        return AnyOf(name, _YES), NoneOf(name, _YES)

    @property
    def schema(self) -> LabelSchema:
        """The label with an attribute for each unknown."""
        more = {
            name: Attribute(name=name, type=AttributeType.KEYWORD) for name in self._names.values()
        }
        return replace(self._schema, attributes={**self._schema.attributes, **more})

    def order(self) -> Iterator[Condition]:
        """Yield what holds between unknowns that differ in their links alone (law 3)."""
        for known in self._rising.values():
            for fewer, weak in known.items():
                for more, strong in known.items():
                    if fewer < more:
                        yield any_of(NoneOf(weak, _YES), AnyOf(strong, _YES))

    def texts(self, label: Label) -> frozenset[str]:
        """Return the texts of the parts whose unknowns are true."""
        true = (self._texts[name] for name in self._texts if label.values.get(name) == "yes")
        return frozenset[str]().union(*true)

    def without(self, label: Label) -> Label:
        """Return the label alone."""
        kept = self._schema.attributes
        return Label({name: value for name, value in label.values.items() if name in kept})


@dataclass(slots=True, kw_only=True)
class _Symbolic(Partial):
    """Partial evaluation for a class of askers."""

    policy: Policy
    askers: Askers
    unknowns: Unknowns

    def _computed(self, term: Known | Touching) -> Outcome:
        if self._is_decided(term):
            return Partial._computed(self, term)  # noqa: SLF001 - with slots there is no `super`
        return self._held(term) or self._unknown(term)

    def _reads(self, term: Known | Touching) -> frozenset[str]:
        read = frozenset[str]().union(*(bare_names(one.node) for one in operands(term)))
        return read - self.policy.names.columns - FUNCTIONS.keys()

    def _is_decided(self, term: Known | Touching) -> bool:
        """Say whether what the class has in common decides a part (law 1)."""
        roles, read = self.policy.model.roles.keys(), self._reads(term)
        if read & roles or isinstance(term, _OF_ROLES):
            if self.policy.boundaries:
                return False
            read -= roles
        places = self._tenants()
        if read & places and self.askers.tenant is None and not self._is_plain(term):
            return False
        return read <= self._common() | places

    def _columns(self, wanted: frozenset[str]) -> set[str]:
        prefix, columns = self.policy.names.request
        return {f"{prefix}_{one}" for one in wanted.intersection(columns)}

    def _attributes(self, *names: str) -> set[str]:
        return {f"{one}.{name}" for one in self._columns(SUBJECT_COLUMNS) for name in names}

    def _tenants(self) -> set[str]:
        return self._columns(TENANT_COLUMNS) | self._attributes(TENANT)

    def _common(self) -> set[str]:
        names = self._columns(ACTION_COLUMNS)
        if self.askers.clearance is not None:
            names |= self._attributes("clearance")
        if self.askers.identity:
            names |= self._attributes("id") | (self._columns(SUBJECT_COLUMNS) & self.policy.bare)
        return names

    def _is_plain(self, term: Known | Touching) -> bool:
        """Say whether every text of a part is one tenant or all: so no unnamed one is special."""
        return all(text == "*" or text in self.askers.named for text in self._texts(term))

    def _texts(self, term: Known | Touching) -> frozenset[str]:
        columns = {self._row[name] for one in operands(term) for name in one.columns}
        parts = (part for one in operands(term) for part in ast.walk(one.node))
        constants = (part.value for part in parts if isinstance(part, ast.Constant))
        return frozenset(columns).union(one for one in constants if isinstance(one, str))

    def _held(self, term: Known | Touching) -> Outcome | None:
        """Return what names that all askers have decide, if it is asked for such names."""
        match term:
            case Known(ast.Compare(left=left, ops=[ast.In()], comparators=[ast.Name(id=name)])):
                text = self._text(left)
                return TRUE if text is not None and text in self._names_in(name) else None
            case Overlaps(attribute, Known(ast.Name(id=name))) | Among(
                attribute, Known(ast.Name(id=name))
            ) if self._names_in(name):
                held, rest = self._names_in(name), self._unknown(term)
                return Outcome(
                    any_of(AnyOf(attribute.name, held), rest.true),
                    all_of(NoneOf(attribute.name, held), rest.false),
                    rest.defined,
                )
            case _:
                return None

    def _text(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        return self._row.get(node.id) if isinstance(node, ast.Name) else None

    def _names_in(self, name: str) -> frozenset[str]:
        if name in self._attributes("groups"):
            return self.askers.held - {self.askers.identity}
        return self.askers.held if name in self._attributes("principals") else frozenset()

    def _unknown(self, term: Known | Touching) -> Outcome:
        base, links = (type(term).__name__, *self._said(term)), self._links(term)
        true, false = self.unknowns.of(
            base, links, rises=self._rises(term), texts=self._texts(term)
        )
        defined = ALWAYS if isinstance(term, Known) else self._present(term.attribute)
        if not all(self._is_typed(one.node) for one in operands(term)):
            defined = all_of(defined, self.unknowns.of(("raises", *base), links)[1])
        return Outcome(all_of(true, defined), all_of(false, defined), defined)

    @staticmethod
    def _present(attribute: Attribute) -> Condition:
        return ALWAYS if attribute.required else Present(attribute.name)

    def _said(self, term: Known | Touching) -> Iterator[object]:
        for part in fields(term):
            match getattr(term, part.name):
                case Known(node=node):
                    yield ast.dump(_Filled(self._row).visit(_copied(node)))
                case Attribute(name=name):
                    yield name
                case bool() | tuple():
                    pass
                case ast.expr() as node:
                    yield ast.dump(_Filled(self._row).visit(_copied(node)))
                case other:
                    yield other

    def _links(self, term: Known | Touching) -> _Links:
        """Return the links of roles on which a part rests."""
        read = self._reads(term)
        kinds = set(read & self.policy.model.roles.keys())
        kinds |= {term.graph} if isinstance(term, _OF_ROLES) else set()
        if read & self._attributes("groups", "principals"):
            kinds.add("g")
        rows = [(row.kind, row.values) for row in self.policy.rows if row.kind in kinds]
        by = {(f"{one} by", (str(self.policy.matching[one]),)) for one in self._matched(kinds)}
        role = None if by else self._role(term)
        return frozenset(rows if role is None else _leading(role, rows)) | by

    def _matched(self, kinds: set[str]) -> set[str]:
        return kinds & self.policy.matching.keys()

    def _role(self, term: Known | Touching) -> str | None:
        """Return the one role that a part asks for, if it is one."""
        match term:
            case Known(ast.Compare(left=left, ops=[ast.In()], comparators=[ast.Name()])):
                return self._text(left)
            case Known(ast.Call(func=ast.Name(id=name), args=[_, role, *_])) if (
                name in self.policy.model.roles
            ):
                return self._text(role)
            case _:
                return None

    def _rises(self, term: Known | Touching) -> bool:
        """Say whether one more link can only make a part true."""
        match term:
            case Known(ast.Compare(left=ast.Constant() | ast.Name(), ops=[ast.In()])):
                return True
            case Known(ast.Call(func=ast.Name(id=name))) if name in self.policy.model.roles:
                return True
            case Overlaps(_, Known(ast.Name())) | Among(_, Known(ast.Name())):
                return True
            case _:
                return isinstance(term, _OF_ROLES)

    def _is_typed(self, node: ast.expr) -> bool:
        """Say whether computing a value can raise for no asker."""
        match node:
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return "." not in name or name in self._attributes(*_SAFE)
            case ast.List(elts=parts):
                return all(map(self._is_typed, parts))
            case ast.Compare(left=left, ops=[by], comparators=[right]):
                levels = {"clearance"} & {
                    one.id.partition(".")[2] for one in (left, right) if isinstance(one, ast.Name)
                }
                safe = isinstance(by, ast.Eq | ast.NotEq | ast.In) or bool(levels)
                return safe and self._is_typed(left) and self._is_typed(right)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                known = name in _TYPED or name in self.policy.model.roles
                return known and all(map(self._is_typed, arguments))
            case _:
                return False


def _leading(
    role: str, rows: list[tuple[str, tuple[str, ...]]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the links that lead to a role, directly or by others."""
    wanted, left = {role}, rows
    while found := [one for one in left if one[1][1] in wanted]:
        yield from found
        wanted |= {values[0] for _, values in found}
        left = [one for one in left if one not in found]


class _Filled(ast.NodeTransformer):
    """Puts the row's values in the place of its columns."""

    def __init__(self, row: Mapping[str, str]) -> None:
        self._row = row

    def visit_Name(self, node: ast.Name) -> ast.expr:
        text = self._row.get(node.id)
        return node if text is None else ast.Constant(value=text)


def _copied(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body


@dataclass(frozen=True, slots=True)
class Permitted:
    """What a policy permits to a class of askers, and of which rows it is made."""

    policy: Policy
    rows: tuple[Residual, ...]
    condition: Condition


def permitted(
    policy: Policy, askers: Askers, action: str, at: datetime, unknowns: Unknowns
) -> Permitted:
    """Return what a policy permits to a class of askers (law 1).

    Raises:
        RequestError, ExpressionError, FilterTooLargeError: that has no form.
    """
    asker = Subject(
        id=askers.identity or _ANYBODY,
        tenant=askers.tenant or _elsewhere(askers.named),
        clearance=askers.clearance or 0,
    )
    prefix, _ = policy.names.request
    request = request_of(policy, asker, action, at)
    partial = _Symbolic(
        {f"{prefix}_{column}": value for column, value in request.items()},
        policy.graphs,
        at,
        policy.rule_terms.__getitem__,
        policy=policy,
        askers=askers,
        unknowns=unknowns,
    )
    if not policy.rules:
        outcome = partial.outcome(policy.term, dict.fromkeys(policy.columns, ""))
        return Permitted(policy, (), all_of(askers.fence, outcome.true))
    found = ((row, partial.outcome(policy.term, policy.named(row))) for row in policy.rules)
    rows = [Residual(row, policy.effect_of(row), one) for row, one in found if one != FALSE]
    return Permitted(policy, tuple(rows), condition_of(policy, rows, askers.fence))


def _elsewhere(named: frozenset[str]) -> str:
    name = _ANYWHERE
    while name in named:
        name += "-more"
    return name
