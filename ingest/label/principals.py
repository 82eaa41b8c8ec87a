"""Owners and readers are principals that somebody can bear.

The laws of this file:

1. An owner or a reader that nobody can be called is refused at every door, with why and what may be
   meant. It would give nobody a right, and look as if it did.
2. A name that somebody can have, and nobody known has, is no fault: its bearer may come later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from acl.admission.columns import EVERY_KIND, Named
from acl.admission.values import fault
from acl.labels import OWNER, READERS, AttributeType, LabelSchema

_TYPES: Final = {OWNER: AttributeType.KEYWORD, READERS: AttributeType.KEYWORD_SET}


def principals_in(schema: LabelSchema, values: Mapping[str, object]) -> frozenset[str]:
    """Return owner and readers of a label, as far as its schema has them by their types."""
    found = set[str]()
    for name, kind in _TYPES.items():
        attribute, value = schema.attributes.get(name), values.get(name)
        if attribute is not None and attribute.type is kind and value:
            found |= {value} if isinstance(value, str) else set(_texts(value))
    return frozenset(found)


def principal_faults(
    schema: LabelSchema, values: Mapping[str, object], known: Collection[str] = ()
) -> dict[str, str]:
    """Return the attributes that name somebody whom nobody can be, and why (law 1)."""
    faults: dict[str, str] = {}
    for name in _TYPES:
        for text in sorted(principals_in(schema, {name: values.get(name)})):
            reason = fault(text, [Named(EVERY_KIND)], known)
            if reason:
                faults.setdefault(name, f"`{text[:100]}` {reason}")
    return faults


def _texts(value: object) -> list[str]:
    held = value if isinstance(value, (list, tuple, set, frozenset)) else ()
    return [text for text in held if isinstance(text, str)]
