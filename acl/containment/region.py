"""Regions: on which labels somebody holds a right, and whether there is any such label.

The laws of this file:

1. A right that is asked for without a label, such as `policy:edit`, is held only if some label that
   the schema admits satisfies the decision's predicate. A decision that permits under a condition
   which no label can meet gives nothing.
2. What cannot be decided is not held.
"""

from __future__ import annotations

from acl.containment.budget import UndecidedError
from acl.containment.search import escapee_of
from acl.decision import Decision, Permitted
from acl.labels import LabelSchema


def is_held(decision: Decision, schema: LabelSchema) -> bool:
    """Say whether a decision permits anything at all."""
    if not isinstance(decision, Permitted):
        return False
    try:
        return escapee_of([decision.predicate], [], schema) is not None
    except UndecidedError:
        return False
