"""Whether a raised label lets somebody read who could not: under most policies it never does.

The laws of this file:

1. A policy *closes* if whatever it permits on a label it permits on that label with a lower
   classification, fewer compartments and more readers. It does so where every condition that
   allows asks for at most some level, for compartments within some set and for some reader, and
   every condition that denies asks for the opposite.
2. A policy that is not seen to close is asked about both labels, for everybody whom policy or
   labels name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Final

from acl.labels import Attribute, AttributeType
from acl.language.casbin_adapter import Row
from acl.language.terms import (
    AllOf,
    AnyPart,
    Compare,
    Contains,
    Known,
    Negation,
    Overlaps,
    Rule,
    Term,
    Within,
    walk,
)
from acl.policy.policy import Policy
from acl.records import READERS
from ingest.label.inherit import CLASSIFICATION, COMPARTMENTS

_RAISED: Final = frozenset({CLASSIFICATION, COMPARTMENTS, READERS})
_AT_MOST: Final = frozenset({"<", "<="})
_AT_LEAST: Final = frozenset({">", ">="})


def closes(policy: Policy) -> bool:
    """Say whether a raised label is seen to let nobody new do anything (law 1)."""
    # Where an attribute can be missing, a rule can raise on one level and not on the next.
    if not all(one.required for one in policy.schema.attributes.values()):
        return False
    shared, own = _conjuncts(policy)
    signed = [(sign, row) for row in policy.rules for sign in _signs(policy.effect_of(row))]
    texts = {(sign, text) for sign, row in signed for text in _texts(policy, row, own)}
    signs = {sign for sign, _ in signed}
    return (
        all(_closes(term, sign=True) for term in shared)
        and all(_closes(term, sign=sign) for term in own for sign in signs)
        and all(_closes(policy.rule_terms[text], sign=sign) for sign, text in texts)
    )


def _signs(effect: str) -> tuple[bool, ...]:
    return {"allow": (True,), "deny": (False,)}.get(effect, (True, False))


def _conjuncts(policy: Policy) -> tuple[list[Term], list[Term]]:
    """Return the parts of the matcher that are the same for every row, and the others.

    A part that every row shares is asked for whatever the row allows or denies, so that it is
    never turned round.
    """
    shared, own = list[Term](), list[Term]()
    for _, term in policy.conjuncts:
        (own if any(map(_of_row, walk(term))) else shared).append(term)
    return shared, own


def _of_row(term: Term) -> bool:
    if isinstance(term, Rule):
        return True
    known = [term, *(getattr(term, one.name) for one in fields(term))]
    return any(isinstance(one, Known) and one.columns for one in known)


def _texts(policy: Policy, row: Row, terms: Iterable[Term]) -> Iterator[str]:
    """Yield the conditions that a row carries itself."""
    named = policy.named(row)
    for term in terms:
        yield from (named[one.column] for one in walk(term) if isinstance(one, Rule))


def _closes(term: Term, *, sign: bool) -> bool:
    match term:
        case AllOf(parts) | AnyPart(parts):
            return all(_closes(part, sign=sign) for part in parts)
        case Negation(part):
            # What a row carries itself is looked at without what stands around it.
            turned = any(isinstance(one, Rule) for one in walk(part))
            return not turned and _closes(part, sign=not sign)
        case Known() | Rule():
            return True
        case _:
            return term.attribute.name not in _RAISED or _leaf_closes(term, sign=sign)


def _leaf_closes(term: Term, *, sign: bool) -> bool:
    match term:
        case Compare(attribute, operator, _) if _is(attribute, CLASSIFICATION):
            return operator in (_AT_MOST if sign else _AT_LEAST)
        case Within(attribute, _):
            return attribute.name == (COMPARTMENTS if sign else READERS)
        case Overlaps(attribute, _) | Contains(attribute, _):
            return attribute.name == (READERS if sign else COMPARTMENTS)
        case _:
            return False


def _is(attribute: Attribute, name: str) -> bool:
    return attribute.name == name and attribute.type is AttributeType.INTEGER
