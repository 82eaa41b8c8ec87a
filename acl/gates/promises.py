"""Promises about a policy that must hold for every asker and every label that there can be.

The laws of this file:

1. A promise holds only if it was shown for every possible asker, known or not: those of each tenant
   that the policy names, and of all others, whatever they are called, hold, are cleared for.
2. A promise is broken only by a witness: an asker and a label that the policy itself decides.
3. What is neither shown nor refuted is not kept, and says so. So a promise that holds has no
   counter-example, and one that does not hold may be true all the same.
4. Whoever acts through agents has no more than each of them; so single askers are enough.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias

from acl.actions import Action
from acl.algebra.conditions import any_of
from acl.algebra.partial import Partial, operands
from acl.containment.search import escapee_of
from acl.errors import AclError, UndecidedError
from acl.explain.explain import explain
from acl.gates.symbolic import Askers, Permitted, Unknowns, permitted
from acl.gates.trial import line_of
from acl.labels import CLASSIFICATION, Label, LabelSchema
from acl.language.casbin_adapter import Effect, Row
from acl.language.expression import ExpressionError, parse
from acl.language.fragment import read
from acl.language.literals import read_literals
from acl.language.terms import (
    AllOf,
    AnyPart,
    Negation,
    ResourceHolder,
    ResourceRole,
    RoleInDomain,
    Rule,
    Term,
    walk,
)
from acl.policy.decide import decide
from acl.policy.names import mentions_of
from acl.policy.policy import Policy
from acl.policy.profiles import fresh, profiles
from acl.predicate import Condition
from acl.subject import EVERYONE, Subject, is_identity, is_membership, is_tenant

STEPS: Final = 1_000_000
"""Steps of one search; there is one for each tenant, action and, in need, clearance."""

_EFFECTS: Final = frozenset({"allow", "deny"})
MAX_PROFILES: Final = 300
MAX_MOMENTS: Final = 8
_INSTANT: Final = timedelta(microseconds=1)
_NO_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
_STRANGER: Final = "user:stranger"
_SIMPLE: Final = (Effect.ALLOW_OVERRIDE, Effect.ALLOW_AND_DENY)
_Formulas: TypeAlias = tuple[Sequence[Condition], Sequence[Condition]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Somebody and a label that break a promise.

    Attributes:
        at: when it would.
        rules: the lines of the policy that permit it.
    """

    asker: Subject
    action: str
    label: Label
    at: datetime
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a promise is kept.

    Attributes:
        kept: whether it is.
        witness: what breaks it, if that was found.
        reason: why it could not be decided, or `""`.
    """

    kept: bool
    witness: Witness | None = None
    reason: str = ""


def condition_on_labels(text: str, policy: Policy) -> Condition:
    """Return the condition that a text says about a label, such as `classification >= 2`.

    Raises:
        ExpressionError: it says nothing about a label alone.
    """
    prefix, columns = policy.names.request
    record = next(column for column in columns if column in policy.names.resource)
    tree = _Reached(f"{prefix}_{record}", policy.schema).visit(parse(text))
    tree, _ = read_literals(tree, policy.names, text)
    term = read(tree, policy.names, rule=True)
    if any(map(_asks, walk(term))):
        raise ExpressionError(text, "is not about the label alone, such as `classification >= 2`")
    partial = Partial({}, policy.graphs, _NO_MOMENT, lambda _: term)
    return partial.outcome(term, {}).true


def _asks(part: Term) -> bool:
    match part:
        case AllOf() | AnyPart() | Negation() | Rule():
            return isinstance(part, Rule)
        case ResourceRole() | ResourceHolder() | RoleInDomain():
            return True
        case _:
            return any(one.asks or one.columns for one in operands(part))


class _Reached(ast.NodeTransformer):
    """Puts the label before the names of its attributes."""

    def __init__(self, record: str, schema: LabelSchema) -> None:
        self._record, self._schema = record, schema

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self._schema.attributes:
            return node
        value = ast.Name(id=self._record, ctx=ast.Load())
        return ast.Attribute(value=value, attr=node.id, ctx=ast.Load())


def never(policy: Policy, who: str, condition: Condition, at: datetime) -> Verdict:
    """Say whether no asker called `who` may ever read a label that satisfies a condition.

    Args:
        policy: the policy.
        who: a principal, or one of a tenant, such as `acme/group:guests`.
        condition: from `condition_on_labels`.
        at: now, in UTC.
    """
    tenant, _, name = who.rpartition("/")
    return _Never(policy, name, tenant or None, condition, at).verdict()


def no_new_access(before: Policy, after: Policy, at: datetime, *, steps: int = STEPS) -> Verdict:
    """Say whether `after` permits nothing that `before` does not, to anybody, on any label.

    Raises:
        UndecidedError: they are about labels of two kinds.
    """
    return _NoNewAccess(before, after, at, steps).verdict()


class _Promise(ABC):
    """What both promises share: classes of askers, and the way to a verdict."""

    def __init__(self, policies: tuple[Policy, ...], at: datetime, steps: int) -> None:
        self._policies, self._at, self._steps = policies, at, steps
        self._schema = policies[-1].schema
        texts = frozenset[str]().union(*(mentions_of(one).texts for one in policies))
        self._named = frozenset(filter(is_tenant, texts - _EFFECTS))
        levels = self._schema.attributes.get(CLASSIFICATION)
        self._levels = tuple(range(len(levels.levels))) if levels else ()

    @abstractmethod
    def actions(self) -> Iterable[str]:
        """Return the actions that it is about."""

    def classes(self) -> Iterator[Askers]:
        """Yield the classes of askers, in which everybody is (law 1)."""
        for tenant in (*sorted(self._named), None):
            yield Askers(tenant=tenant, named=self._named)

    @abstractmethod
    def formulas(self, askers: Askers, action: str, unknowns: Unknowns) -> Iterator[_Formulas]:
        """Yield what a counter-example would satisfy, and what it would not."""

    @abstractmethod
    def broken(self, asker: Subject, action: str, at: datetime) -> Label | None:
        """Return a label by which an asker breaks the promise, if there is one (law 2)."""

    def suspects(self) -> Iterator[Subject]:
        """Yield those who may break it, as the policies name them."""
        tenants = (*self._named, fresh("elsewhere", self._named))
        yield from profiles(
            self._policies,
            tenants=tenants,
            clearances=self._levels or (0,),
            compartments=frozenset(),
        )

    def verdict(self) -> Verdict:
        """Decide every class; name a witness if one is found."""
        left: dict[str, str] = {}
        for askers in self.classes():
            for action in self.actions():
                found = self._class(askers, action)
                if isinstance(found, Witness):
                    return Verdict(kept=False, witness=found)
                if found:
                    left.setdefault(action, found)
        if not left:
            return Verdict(kept=True)
        for suspect in islice(self.suspects(), MAX_PROFILES):
            for action in left:
                witness = self._witness(suspect, action)
                if witness is not None:
                    return Verdict(kept=False, witness=witness)
        return Verdict(kept=False, reason=next(iter(left.values())))  # law 3

    def _class(self, askers: Askers, action: str) -> Witness | str:
        """Return a witness, or why it is open, or nothing if the promise holds for a class."""
        try:
            first = self._search(askers, action)
            if not first or isinstance(first, Witness) or not self._levels:
                return first
            closer = [self._search(replace(askers, clearance=one), action) for one in self._levels]
        except (AclError, ExpressionError) as error:
            return f"`{action}`{_in(askers)}: {error}"
        left = [one for one in closer if one]
        return next((one for one in left if isinstance(one, Witness)), left[0] if left else "")

    def _search(self, askers: Askers, action: str) -> Witness | str:
        unknowns = Unknowns(self._schema)
        for inner, outer in self.formulas(askers, action, unknowns):
            wanted = [*inner, *unknowns.order()]
            label = escapee_of(wanted, outer, unknowns.schema, budget=self._steps)
            if label is not None:
                return self._concrete(askers, action, unknowns, label)
        return ""

    def _concrete(
        self, askers: Askers, action: str, unknowns: Unknowns, label: Label
    ) -> Witness | str:
        """Return the witness that a solution of a search stands for, if it is one."""
        real = unknowns.without(label)
        texts = unknowns.texts(label)
        texts |= {row.values[0] for row in self._links() if row.values[1] in texts}
        for asker in _askers_like(askers, texts, real, self._levels):
            witness = self._witness(asker, action)
            if witness is not None:
                return witness
        return f"`{action}`{_in(askers)}: it is open whether somebody gets {real.as_json()}"

    def _witness(self, asker: Subject, action: str) -> Witness | None:
        policy = self._policies[-1]
        for moment in self._moments():
            try:
                label = self.broken(asker, action, moment)
            except (AclError, ExpressionError):
                continue
            if label is not None:
                told = explain(policy, asker, action, label, moment)
                rules = tuple(map(line_of, told.deciding))
                return Witness(asker=asker, action=action, label=label, at=moment, rules=rules)
        return None

    def _links(self) -> Iterator[Row]:
        for policy in self._policies:
            yield from (row for row in policy.rows if row.kind in policy.model.roles)

    def _moments(self) -> list[datetime]:
        sides = sorted({one for policy in self._policies for one in policy.boundaries})
        later = [moment for side in sides for moment in (side, side + _INSTANT)]
        return [self._at, *later[:MAX_MOMENTS]]


def _in(askers: Askers) -> str:
    tenant = "elsewhere" if askers.tenant is None else f"in {askers.tenant}"
    level = "" if askers.clearance is None else f", at clearance {askers.clearance}"
    return f" {tenant}{level}"


def _askers_like(
    askers: Askers, texts: frozenset[str], label: Label, levels: tuple[int, ...]
) -> Iterator[Subject]:
    """Yield askers for whom the unknowns may be as in a solution."""
    tenant = askers.tenant or str(label.values["tenant"])
    named = frozenset(filter(is_identity, texts | label.texts))
    wide = frozenset(filter(is_membership, named | askers.held))
    narrow = frozenset(filter(is_membership, askers.held | texts))
    people = sorted(one for one in named if not is_membership(one))
    compartments = label.values.get("compartments")
    inside = compartments if isinstance(compartments, frozenset) else frozenset()
    cleared = levels[-1:] if askers.clearance is None else (askers.clearance,)
    for identity in [askers.identity] if askers.identity else [_STRANGER, *people]:
        for groups in (narrow, wide):
            for clearance in cleared or (0,):
                yield Subject(
                    id=identity,
                    tenant=tenant,
                    clearance=clearance,
                    compartments=inside,
                    groups=groups - {EVERYONE},
                )


class _Never(_Promise):
    def __init__(
        self, policy: Policy, name: str, tenant: str | None, condition: Condition, at: datetime
    ) -> None:
        super().__init__((policy,), at, STEPS)
        self._name, self._tenant, self._condition = name, tenant, condition
        if tenant is not None:
            self._named |= {tenant}

    def actions(self) -> Iterable[str]:
        return (Action.DOCUMENT_READ,)

    def classes(self) -> Iterator[Askers]:
        held = frozenset({EVERYONE, self._name})
        identity = "" if is_membership(self._name) else self._name
        for askers in super().classes():
            if self._tenant in {None, askers.tenant}:
                yield replace(askers, held=held | self._roles(askers), identity=identity)

    def _roles(self, askers: Askers) -> frozenset[str]:
        """Return the roles that the name always has."""
        (policy,) = self._policies
        graph = policy.graphs.get("g")
        if graph is None or policy.boundaries:
            return frozenset()
        timeless = policy.model.roles["g"].arity == 2  # noqa: PLR2004 - without a domain
        return graph.reached(self._name, "" if timeless else askers.tenant or "", self._at)

    def formulas(self, askers: Askers, action: str, unknowns: Unknowns) -> Iterator[_Formulas]:
        (policy,) = self._policies
        found = permitted(policy, askers, action, self._at, unknowns)
        yield (found.condition, self._condition), ()

    def broken(self, asker: Subject, action: str, at: datetime) -> Label | None:
        (policy,) = self._policies
        mine = decide(policy, asker, action, at).condition
        return escapee_of((mine, self._condition), (), self._schema, budget=self._steps)

    def suspects(self) -> Iterator[Subject]:
        for one in super().suspects():
            if self._tenant in {None, one.tenant}:
                if is_membership(self._name):
                    yield replace(one, groups=(one.groups | {self._name}) - {EVERYONE})
                else:
                    yield replace(one, id=self._name)


class _NoNewAccess(_Promise):
    def __init__(self, before: Policy, after: Policy, at: datetime, steps: int) -> None:
        super().__init__((before, after), at, steps)
        if before.schema != after.schema:
            raise UndecidedError("the two policies are about other labels")

    def actions(self) -> Iterable[str]:
        return sorted(Action, key=lambda one: one is not Action.DOCUMENT_READ)

    def formulas(self, askers: Askers, action: str, unknowns: Unknowns) -> Iterator[_Formulas]:
        old, new = (
            permitted(policy, askers, action, self._at, unknowns) for policy in self._policies
        )
        if not _are_simple(old, new):
            yield (new.condition,), (old.condition,)
            return
        # A row that both have gives nothing new; only what comes or no longer denies can.
        comes = _trues(new, "allow") - _trues(old, "allow")
        stays = [row.outcome.false for row in new.rows if row.effect == "deny"]
        if comes:
            yield (any_of(*comes), askers.fence, *_of(new, stays)), (old.condition,)
        gone = _trues(old, "deny") - _trues(new, "deny")
        if gone and new.policy.effect is Effect.ALLOW_AND_DENY:
            yield (any_of(*gone), new.condition), ()

    def broken(self, asker: Subject, action: str, at: datetime) -> Label | None:
        old, new = (decide(policy, asker, action, at).condition for policy in self._policies)
        return escapee_of((new,), (old,), self._schema, budget=self._steps)


def _of(found: Permitted, stays: list[Condition]) -> list[Condition]:
    return stays if found.policy.effect is Effect.ALLOW_AND_DENY else []


def _are_simple(old: Permitted, new: Permitted) -> bool:
    """Say whether rows count one by one: no order, and nothing that can raise."""
    effects = {old.policy.effect, new.policy.effect}
    rows = (*old.rows, *new.rows)
    return (
        len(effects) == 1
        and effects <= set(_SIMPLE)
        and bool(old.policy.rules and new.policy.rules)
        and all(row.outcome.total for row in rows)
    )


def _trues(found: Permitted, effect: str) -> set[Condition]:
    return {row.outcome.true for row in found.rows if row.effect == effect}
