"""Joining conditions: `all_of`, `any_of`, and the simplifications that keep filters small.

The laws of this file, each a property test:

1. Nothing here changes which labels a condition holds for.
2. Ten thousand rules that differ in one attribute become one leaf, whether they permit or deny:
   leaves on one attribute are merged, and branches that differ in one mergeable leaf first.
3. What is implied is dropped: `A or (A and B)` is `A`, `A and (A or B)` is `A`, and beside `A` a
   branch that needs the dual of `A` is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from typing import Final, TypeAlias

from acl.predicate import (
    ALWAYS,
    NEVER,
    Absent,
    And,
    AnyOf,
    AtMost,
    Condition,
    Constant,
    Leaf,
    MoreThan,
    NoneOf,
    NotUnder,
    Or,
    Predicate,
    Present,
    Under,
    dual,
)

_MERGEABLE: Final = (AnyOf, Under, AtMost, MoreThan)
_DUALS: Final = (AnyOf, NoneOf, Under, NotUnder, AtMost, MoreThan)


def all_of(*conditions: Condition) -> Condition:
    """Return the condition that holds where every one of `conditions` holds."""
    parts: set[Predicate] = set()
    for condition in conditions:
        if condition is NEVER:
            return NEVER
        if isinstance(condition, And):
            parts |= condition.parts
        elif not isinstance(condition, Constant):
            parts.add(condition)
    if len(parts) < 2:  # noqa: PLR2004 - nothing to join
        return _joined(And, parts, ALWAYS)
    if _is_contradiction(parts):
        return NEVER
    parts = _without_presence(_tightened(parts))  # law 2
    told = {_told(part, parts) for part in parts}
    if told - {ALWAYS} != parts:
        return all_of(*told)
    return _joined(And, parts, ALWAYS)


def _told(part: Predicate, others: set[Predicate]) -> Condition:
    """Return an alternative without the branches that its neighbours decide already."""
    if not isinstance(part, Or):
        return part
    if not others.isdisjoint(part.parts):  # law 3
        return ALWAYS
    left = {branch for branch in part.parts if not _contradicted(branch, others)}
    return part if len(left) == len(part.parts) else any_of(*left)


def _contradicted(branch: Predicate, others: set[Predicate]) -> bool:
    return any(not isinstance(one, And | Or) and dual(one) in others for one in _conjuncts(branch))


def any_of(*conditions: Condition) -> Condition:
    """Return the condition that holds where one or more of `conditions` hold."""
    parts: set[Predicate] = set()
    for condition in conditions:
        if condition is ALWAYS:
            return ALWAYS
        if isinstance(condition, Or):
            parts |= condition.parts
        elif not isinstance(condition, Constant):
            parts.add(condition)
    if len(parts) < 2:  # noqa: PLR2004 - nothing to join
        return _joined(Or, parts, NEVER)
    parts = _absorbed(_merged(parts))  # laws 2 and 3
    if any(isinstance(part, Absent) and Present(part.attribute) in parts for part in parts):
        return ALWAYS
    return _factored(parts)


def _is_contradiction(parts: set[Predicate]) -> bool:
    """Say whether an attribute has to be missing and there."""
    missing = {part.attribute for part in parts if isinstance(part, Absent)}
    return bool(missing) and any(
        not isinstance(part, Absent) and getattr(part, "attribute", None) in missing
        for part in parts
    )


def _joined(kind: type[And | Or], parts: set[Predicate], nothing: Constant) -> Condition:
    if not parts:
        return nothing
    return kind(frozenset(parts)) if len(parts) > 1 else next(iter(parts))


def _conjuncts(part: Predicate) -> frozenset[Predicate]:
    return part.parts if isinstance(part, And) else frozenset({part})


def _merged(parts: set[Predicate]) -> set[Predicate]:
    """Merge branches that differ in one mergeable leaf, until none do."""
    while True:
        merged = _merged_once(parts)
        if merged == parts:
            return parts
        parts = merged


def _merged_once(parts: set[Predicate]) -> set[Predicate]:
    groups: dict[object, list[tuple[Predicate, Predicate]]] = defaultdict(list)
    for part in parts:
        conjuncts = _conjuncts(part)
        for leaf in conjuncts:
            if isinstance(leaf, _MERGEABLE):
                rest = conjuncts - {leaf}
                groups[type(leaf), leaf.attribute, rest].append((part, leaf))
    done: set[Predicate] = set()
    result: set[Predicate] = set()
    for (_, _, rest), members in groups.items():  # type: ignore[misc]
        fresh = [(part, leaf) for part, leaf in members if part not in done]
        if len(fresh) < 2:  # noqa: PLR2004 - nothing to merge with
            continue
        done.update(part for part, _ in fresh)
        union = _union([leaf for _, leaf in fresh])
        joined = all_of(union, *rest)
        # Merging can show that the branches contradicted themselves all along; then none is left.
        if not isinstance(joined, Constant):
            result.add(joined)
    return (parts - done) | result


def _union(leaves: Sequence[Condition]) -> Leaf:
    """Return the one leaf that holds where any of `leaves`, all of one kind and attribute, does."""
    first = leaves[0]
    match first:
        case AnyOf(attribute, _):
            sets = (leaf.values for leaf in leaves if isinstance(leaf, AnyOf))
            return AnyOf(attribute, frozenset().union(*sets))
        case Under(attribute, _):
            prefixes = (leaf.prefixes for leaf in leaves if isinstance(leaf, Under))
            return Under(attribute, _shortest(frozenset().union(*prefixes)))
        case AtMost(attribute, _):
            return AtMost(attribute, max(leaf.bound for leaf in leaves if isinstance(leaf, AtMost)))
        case MoreThan(attribute, _):
            lowest = min(leaf.bound for leaf in leaves if isinstance(leaf, MoreThan))
            return MoreThan(attribute, lowest)
        case _:
            raise AssertionError(f"{type(first).__name__} is not mergeable")


def _shortest(prefixes: frozenset[str]) -> frozenset[str]:
    """Drop every prefix that a shorter one already covers."""
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return frozenset(kept)


def _absorbed(parts: set[Predicate]) -> set[Predicate]:
    """Drop branches that another branch implies, and name what a leaf and its dual leave over."""
    present = {leaf.attribute for leaf in parts if isinstance(leaf, Present)}
    present |= {
        leaf.attribute for leaf in parts if isinstance(leaf, _DUALS) and _dual_in(leaf, parts)
    }
    parts = {
        part
        for part in parts
        if isinstance(part, Absent) or getattr(part, "attribute", None) not in present
    }
    parts |= {Present(attribute) for attribute in present}
    branches = sorted(map(_conjuncts, parts), key=len)
    kept: list[frozenset[Predicate]] = []
    singles = {next(iter(branch)) for branch in branches if len(branch) == 1}
    for branch in branches:
        if len(branch) > 1 and not branch.isdisjoint(singles):
            continue
        if len(branches) > _PAIRWISE or not any(one < branch for one in kept):
            kept.append(branch)
    return {_as_predicate(branch) for branch in kept}


_PAIRWISE: Final = 300
"""Beyond this many branches only single leaves absorb; comparing all pairs would cost seconds."""


def _dual_in(leaf: Predicate, parts: set[Predicate]) -> bool:
    match leaf:
        case AnyOf(attribute, values):
            return NoneOf(attribute, values) in parts
        case Under(attribute, prefixes):
            return NotUnder(attribute, prefixes) in parts
        case AtMost(attribute, bound):
            return any(
                isinstance(other, MoreThan)
                and other.attribute == attribute
                and other.bound <= bound
                for other in parts
            )
        case _:
            return False


def _as_predicate(branch: frozenset[Predicate]) -> Predicate:
    return And(branch) if len(branch) > 1 else next(iter(branch))


def _factored(parts: set[Predicate]) -> Condition:
    """Pull out what every branch has in common: `(A and B) or (A and C)` is `A and (B or C)`."""
    if len(parts) < 2:  # noqa: PLR2004 - one branch has nothing to share
        return _joined(Or, parts, NEVER)
    branches = [_conjuncts(part) for part in parts]
    common = reduce(frozenset.intersection, branches)
    if not common:
        return Or(frozenset(parts))
    # After absorption no branch equals the common part, so every remainder is non-empty.
    return all_of(*common, any_of(*(_as_predicate(branch - common) for branch in branches)))


def _tightened(parts: set[Predicate]) -> set[Predicate]:
    """Keep one leaf of each kind that says of an attribute what must not be, or how far it goes."""
    groups: dict[tuple[type[_Limit], str], list[_Limit]] = defaultdict(list)
    rest: set[Predicate] = set()
    for part in parts:
        if isinstance(part, AtMost | MoreThan | NoneOf | NotUnder):
            groups[type(part), part.attribute].append(part)
        else:
            rest.add(part)
    return rest | {_intersection(leaves) for leaves in groups.values()}


_Limit: TypeAlias = AtMost | MoreThan | NoneOf | NotUnder


def _intersection(leaves: list[_Limit]) -> Predicate:
    """Return the one leaf that holds where all of `leaves`, of one kind and attribute, do."""
    joined = dual(_union([dual(leaf) for leaf in leaves]))
    assert not isinstance(joined, Constant)
    return joined


def _without_presence(parts: set[Predicate]) -> set[Predicate]:
    """Drop presence where another leaf on the same attribute demands it already."""
    demanded = {
        part.attribute
        for part in parts
        if not isinstance(part, Present) and hasattr(part, "attribute")
    }
    return {
        part for part in parts if not (isinstance(part, Present) and part.attribute in demanded)
    }


def settled(condition: Condition, required: frozenset[str]) -> Condition:
    """Return `condition` without asking whether attributes are present that every label has."""
    match condition:
        case And(parts):
            return all_of(*(settled(part, required) for part in parts))
        case Or(parts):
            return any_of(*(settled(part, required) for part in parts))
        case Present(attribute) if attribute in required:
            return ALWAYS
        case Absent(attribute) if attribute in required:
            return NEVER
        case _:
            return condition
