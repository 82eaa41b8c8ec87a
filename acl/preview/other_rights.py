"""What a change of policy changes beside reading: who gains or loses which other action somewhere.

The laws of this file:

1. An action is gained if some label that there could be is permitted after the change and not
   before, and lost the other way round. Whether a document carries it now does not matter: rights
   to a policy or to labels are wielded on what comes.
2. What cannot be decided is told as if it happened.
3. Those to whom the same happens are told of together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Final

from acl.actions import Action
from acl.containment.budget import UndecidedError
from acl.containment.search import escapee
from acl.labels import Label, LabelSchema
from acl.predicate import Condition
from acl.preview.difference import Comparison, Conditions, Decided
from acl.subject import Subject

OTHERS: Final = tuple(sorted(one for one in Action if one is not Action.DOCUMENT_READ))
"""The actions whose change a count of documents does not show."""

STEPS: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """An action that some subjects gain, lose, or both.

    Attributes:
        action: which.
        subjects: who; one or more.
        gained: whether they may do it on some label on which they may not now.
        lost: whether they may not do it on some label on which they may now.
        example: a label on which one of them gains it or, if none does, loses it; `None` where that
            was too much to be decided.
    """

    action: str
    subjects: tuple[Subject, ...]
    gained: bool
    lost: bool
    example: Label | None = None


def other_rights(  # noqa: PLR0913 - two policies, who, what, when, and for how long
    before: Conditions,
    after: Conditions,
    subjects: Iterable[Subject],
    *,
    at: datetime,
    actions: Iterable[str] = OTHERS,
    steps: int = STEPS,
) -> tuple[Shift, ...]:
    """Return who gains or loses which action, in the order of the actions.

    Args:
        before: the policy in effect.
        after: the proposed policy.
        subjects: those to look at, such as `acl.policy.profiles.profiles` of both policies.
        at: the moment for which time-limited roles are decided.
        actions: which actions to look at.
        steps: how long one comparison may take.
    """
    comparison, schema = Comparison(before, after), after.policy.schema
    alike: dict[tuple[str, Decided, Decided], list[Subject]] = defaultdict(list)
    for action, subject in product(actions, tuple(subjects)):
        pair = comparison.of(subject, action, at)
        if pair is not None and pair[0] != pair[1]:
            alike[action, *pair].append(subject)
    shifts: dict[tuple[str, bool, bool], list[Subject]] = defaultdict(list)
    examples: dict[tuple[str, bool, bool], Label | None] = {}
    for (action, old, new), members in alike.items():
        gained, on = _beyond(new.condition, old.condition, schema, steps)
        lost, off = _beyond(old.condition, new.condition, schema, steps)
        if gained or lost:
            kind = action, gained, lost
            shifts[kind] += members
            examples[kind] = examples.get(kind) or (on if gained else off)
    return tuple(
        Shift(
            action=kind[0],
            subjects=tuple(members),
            gained=kind[1],
            lost=kind[2],
            example=examples[kind],
        )
        for kind, members in shifts.items()
    )


def _beyond(
    inner: Condition, outer: Condition, schema: LabelSchema, steps: int
) -> tuple[bool, Label | None]:
    """Say whether a label satisfies `inner` and not `outer`, and which (law 2)."""
    try:
        found = escapee(inner, outer, schema, budget=steps)
    except UndecidedError:
        return True, None
    return found is not None, found
