"""Containment: does every label that satisfies one condition satisfy another?

The laws of this file:

1. The answer is a complete label that satisfies the one and not the other, or nothing if there is
   none: over all labels that the schema admits, not over those that exist. A label that is found
   is valid and has been tried on both conditions.
2. "Not" is real: a label that lacks an attribute fails every leaf on it.
3. A search that would take too long ends with an error. It never ends with "there is none".
4. The same question gets the same answer.
5. A decision that permits under a condition which no label can meet gives nothing, and neither does
   one of which that cannot be decided.

The search is the one of Davis, Putnam, Logemann and Loveland. It tells what must hold of each
attribute's value, drops what is decided by that, and takes up alternatives one after the other,
each under the assumption that those before it fail. `acl.containment.possible` keeps what each
value can be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final, TypeAlias, TypeGuard, assert_never

from acl.containment.possible import Possible, SetLeaf, possible
from acl.decision import Decision, Permitted
from acl.errors import Budget, UndecidedError
from acl.labels import Attribute, AttributeType, Label, LabelSchema
from acl.predicate import (
    ALWAYS,
    NEVER,
    Absent,
    And,
    AtMost,
    Condition,
    Constant,
    Labelled,
    Leaf,
    MoreThan,
    Or,
    Predicate,
    Present,
    dual,
    holds,
)

STEPS: Final = 2_000_000
"""Steps of one search; a step takes about a microsecond."""

MAX_DEPTH: Final = 300
"""Conditions nested deeper are not compared: each level is a call within a call."""


@dataclass(frozen=True, slots=True)
class _Literal:
    """A leaf holds, or it fails."""

    attribute: str
    leaf: Leaf
    sign: bool


@dataclass(frozen=True, slots=True)
class _All:
    parts: tuple[_Formula, ...]


@dataclass(frozen=True, slots=True)
class _One:
    parts: tuple[_Formula, ...]


_Formula: TypeAlias = _Literal | _All | _One | Constant
_Known: TypeAlias = dict[str, Possible]


def escapee(
    inner: Condition, outer: Condition, schema: LabelSchema, *, budget: int = STEPS
) -> Label | None:
    """Return a label that satisfies `inner` and not `outer`, or nothing if there is none.

    Raises:
        UndecidedError: the search would take more than `budget` steps.
    """
    return escapee_of([inner], [outer], schema, budget=budget)


def escapee_of(
    inners: Iterable[Condition],
    outers: Iterable[Condition],
    schema: LabelSchema,
    *,
    budget: int | Budget = STEPS,
) -> Label | None:
    """Return a label that satisfies all of `inners` and none of `outers`, or nothing.

    Args:
        inners: what the label satisfies.
        outers: what it does not.
        schema: which labels there can be.
        budget: the steps of this search alone, or those that it shares with others.

    Raises:
        UndecidedError: the search would take more than `budget` steps.
    """
    wanted, unwanted = tuple(inners), tuple(outers)
    left = budget if isinstance(budget, Budget) else Budget(budget)
    translation = _Translation(schema, left)
    formulas = [translation.of(one, sign=True) for one in wanted]
    formulas += [translation.of(one, sign=False) for one in unwanted]
    known = {
        name: possible(attribute, translation.leaves(attribute), left)
        for name, attribute in schema.attributes.items()
    }
    found = _Search(translation, left).run(known, formulas)
    if found is None:
        return None
    label = schema.parse({name: one.value() for name, one in found.items()})
    # INVARIANT: a counterexample refuses somebody's change and is shown to them, so it is one.
    assert all(holds(one, label) for one in wanted)
    assert not any(holds(one, label) for one in unwanted)
    return label


def is_held(decision: Decision, schema: LabelSchema) -> bool:
    """Say whether a decision permits something on some label that the schema admits (law 5).

    A right that is asked for without a label, such as `policy:edit`, is held in just this case.
    """
    if not isinstance(decision, Permitted):
        return False
    try:
        return escapee_of([decision.predicate], [], schema) is not None
    except UndecidedError:  # law 5
        return False


class _Translation:
    """Turns conditions into formulas whose parts stand in a fixed order."""

    def __init__(self, schema: LabelSchema, budget: Budget) -> None:
        self._schema, self._budget = schema, budget
        self._keys: dict[Predicate, bytes] = {}
        self._leaves: dict[str, set[Leaf]] = {}

    def of(self, condition: Condition, *, sign: bool, depth: int = MAX_DEPTH) -> _Formula:
        """Return the formula of `condition`, or of its negation."""
        self._budget.spend()
        if not depth:
            raise UndecidedError(f"a condition is nested deeper than {MAX_DEPTH} levels")
        match condition:
            case Constant():
                return ALWAYS if (condition is ALWAYS) is sign else NEVER
            case Labelled():
                return ALWAYS if sign else NEVER
            case And(parts) | Or(parts):
                ordered = sorted(parts, key=self._key)
                formulas = [self.of(part, sign=sign, depth=depth - 1) for part in ordered]
                together = isinstance(condition, And) is sign
                return _All(tuple(formulas)) if together else _One(tuple(formulas))
            case Absent(attribute):
                return self.of(Present(attribute), sign=not sign, depth=depth)
            case _:
                self._leaves.setdefault(condition.attribute, set()).add(condition)
                return self._literal(condition.attribute, condition, sign=sign)

    def _literal(self, name: str, leaf: Leaf, *, sign: bool) -> _Formula:
        attribute = self._schema.attributes.get(name)
        if attribute is None:
            return NEVER if sign else ALWAYS
        counts = isinstance(leaf, AtMost | MoreThan)
        if attribute.type is AttributeType.KEYWORD_SET and counts:
            raise UndecidedError("how many elements a set has cannot be reasoned about")
        if sign or attribute.type is not AttributeType.KEYWORD_SET or isinstance(leaf, Present):
            return _Literal(name, leaf, sign)
        if not isinstance(leaf, SetLeaf):
            return ALWAYS
        # A set is told what it has and what it lacks, or that it is missing.
        opposite = self.of(dual(leaf), sign=True)
        missing = _Literal(name, Present(name), sign=False)
        return opposite if attribute.required else _One((missing, opposite))

    def negated(self, formula: _Formula) -> _Formula:
        """Return the formula that holds where `formula` fails."""
        match formula:
            case _Literal(name, leaf, sign):
                return self._literal(name, leaf, sign=not sign)
            case _All(parts):
                return _One(tuple(map(self.negated, parts)))
            case _One(parts):
                return _All(tuple(map(self.negated, parts)))
            case Constant():
                return ALWAYS if formula is NEVER else NEVER
            case _:
                assert_never(formula)

    def leaves(self, attribute: Attribute) -> list[Leaf]:
        """Return what will be told or asked of an attribute."""
        found: set[Condition] = set(self._leaves.get(attribute.name, ()))
        if attribute.type is AttributeType.KEYWORD_SET:
            found |= {dual(leaf) for leaf in self._leaves.get(attribute.name, ())}
        return sorted(filter(_is_leaf, found), key=self._key)

    def _key(self, predicate: Predicate) -> bytes:
        """Return what sorts predicates alike in every process, unlike a set's own order."""
        if predicate not in self._keys:
            self._keys[predicate] = self._digest(predicate)
        return self._keys[predicate]

    def _digest(self, predicate: Predicate) -> bytes:
        hasher = hashlib.blake2b(type(predicate).__name__.encode(), digest_size=16)
        if isinstance(predicate, And | Or):
            hasher.update(b"".join(sorted(map(self._key, predicate.parts))))
            return hasher.digest()
        for one in fields(predicate):
            value = getattr(predicate, one.name)
            told = sorted(map(repr, value)) if isinstance(value, frozenset) else value
            hasher.update(repr(told).encode())
        return hasher.digest()


def _is_leaf(condition: Condition) -> TypeGuard[Leaf]:
    return not isinstance(condition, And | Or | Constant)


class _Search:
    """Looks for values that satisfy every one of some formulas."""

    def __init__(self, translation: _Translation, budget: Budget) -> None:
        self._translation, self._budget = translation, budget

    def run(self, known: _Known, formulas: list[_Formula]) -> _Known | None:
        """Return what is known of values that satisfy all of `formulas`, or nothing."""
        waiting = [(known, formulas)]
        while waiting:
            settled = self._settled(*waiting.pop())
            if settled is None:
                continue
            known, left = settled
            if not left:
                return known
            fewest = min(range(len(left)), key=lambda place: len(left[place].parts))
            part, *others = left[fewest].parts
            rest: list[_Formula] = [*left[:fewest], *left[fewest + 1 :]]
            denied = self._translation.negated(part)
            waiting.append((known, [*rest, denied, _joined(_One, others, NEVER)]))
            waiting.append((known, [*rest, part]))
        return None

    def _settled(self, known: _Known, formulas: list[_Formula]) -> tuple[_Known, list[_One]] | None:
        """Return what the formulas tell and the alternatives that they leave, or nothing."""
        known = dict(known)
        while True:
            told, left = False, list[_One]()
            while formulas:
                formula = self._reduced(formulas.pop(), known)
                match formula:
                    case Constant():
                        if formula is NEVER:
                            return None
                    case _Literal(name, leaf, sign):
                        known[name], told = known[name].told(leaf, sign), True
                    case _All(parts):
                        formulas.extend(parts)
                    case _One():
                        left.append(formula)
                    case _:
                        assert_never(formula)
            if not told:
                return known, left
            formulas = list(left)

    def _reduced(self, formula: _Formula, known: _Known) -> _Formula:
        """Return `formula` without what is decided already."""
        self._budget.spend()
        match formula:
            case _Literal(name, leaf, sign):
                said = known[name].says(leaf)
                if said is None:
                    return formula
                return ALWAYS if said is sign else NEVER
            case _All(parts):
                return self._parts(_All, parts, known, ends=NEVER, neutral=ALWAYS)
            case _One(parts):
                return self._parts(_One, parts, known, ends=ALWAYS, neutral=NEVER)
            case Constant():
                return formula
            case _:
                assert_never(formula)

    def _parts(
        self,
        kind: type[_All | _One],
        parts: tuple[_Formula, ...],
        known: _Known,
        *,
        ends: Constant,
        neutral: Constant,
    ) -> _Formula:
        left: list[_Formula] = []
        for part in parts:
            reduced = self._reduced(part, known)
            if reduced is ends:
                return ends
            if reduced is not neutral:
                left.append(reduced)
        return _joined(kind, left, neutral)


def _joined(kind: type[_All | _One], parts: list[_Formula], nothing: Constant) -> _Formula:
    if not parts:
        return nothing
    return kind(tuple(parts)) if len(parts) > 1 else parts[0]
