"""Who may set what a folder says, and when that takes a second person.

The laws of this file:

1. What a folder says holds for documents that arrive later, whatever they are. So setting it needs
   the right to lower, and to share where it says who reads, on every label that a document below
   can have: of any owner, readers and level, in any folder below, and with any of the compartments
   that are in use in the tenant. One that the asker lacks is enough to refuse; so is a question
   that cannot be decided.
2. A folder lowers if some document could come out lower than under what was set before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from acl.actions import Action
from acl.algebra.conditions import all_of
from acl.containment.budget import UndecidedError
from acl.containment.search import escapee
from acl.decision import guard
from acl.labels import AttributeType, LabelSchema
from acl.predicate import Condition, SubsetOf, Under
from acl.records import READERS, FolderLabel, Records
from ingest.label.inherit import CLASSIFICATION, COMPARTMENTS, PATH, above
from retrieval.rights.authority import Authority, ForbiddenError

# About half a second of one comparison.
_STEPS: Final = 500_000
_EVERYWHERE: Final = (
    "on every label that a document in this folder can have, of any level and with any compartment "
    "that is in use"
)


async def compartments_in_use(records: Records, schema: LabelSchema, tenant: str) -> frozenset[str]:
    """Return the compartments that documents and folders of a tenant have."""
    if not _is(schema, COMPARTMENTS, AttributeType.KEYWORD_SET):
        return frozenset()
    of_folders = (
        one.attributes.get(COMPARTMENTS, ()) for one in await records.folders.of_tenant(tenant)
    )
    return (await records.pages.named(tenant, COMPARTMENTS)).union(*of_folders)


def rights_for(attributes: Iterable[str]) -> frozenset[Action]:
    """Return the rights that it takes to let a folder say, or no longer say, these attributes."""
    share = {Action.DOCUMENT_SHARE} if READERS in attributes else set[Action]()
    return frozenset({Action.DOCUMENT_DECLASSIFY, *share})


async def lacking(
    authority: Authority,
    actions: frozenset[Action],
    tenant: str,
    folder: str,
    compartments: frozenset[str],
) -> Action | None:
    """Return the first of the rights that the asker lacks on some label below (law 1)."""
    if authority.pinned is None:
        return None
    schema = authority.snapshot.schema
    below = _below(schema, tenant, folder, compartments)
    for action in sorted(actions):
        held = _held(authority, action)
        if not await asyncio.to_thread(_contains, below, held, schema):
            return action
    return None


async def require_below(
    authority: Authority,
    actions: frozenset[Action],
    tenant: str,
    folder: str,
    compartments: frozenset[str],
) -> None:
    """Check the rights of law 1.

    Raises:
        ForbiddenError: naming the first that is lacking.
    """
    action = await lacking(authority, actions, tenant, folder, compartments)
    if action is not None:
        raise ForbiddenError(action, _EVERYWHERE)


def lowers(new: FolderLabel, folders: Sequence[FolderLabel], schema: LabelSchema) -> bool:
    """Say whether a folder as it is to be can lower a document (law 2)."""
    old = next((one.attributes for one in folders if one.path == new.path), {})
    names = {
        name
        for name in old.keys() | new.attributes.keys()
        if old.get(name) != new.attributes.get(name)
    }
    return any(_lowers(name, old, new, folders, schema) for name in names)


def _lowers(
    name: str,
    old: Mapping[str, Any],
    new: FolderLabel,
    folders: Sequence[FolderLabel],
    schema: LabelSchema,
) -> bool:
    # Who reads is shared, which needs its own right and no second person.
    if name == READERS and _is(schema, name, AttributeType.KEYWORD_SET):
        return False
    if name == COMPARTMENTS and _is(schema, name, AttributeType.KEYWORD_SET):
        return not set(old.get(name, ())) <= set(new.attributes.get(name, ()))
    if name == CLASSIFICATION and _is(schema, name, AttributeType.INTEGER):
        return _lowers_level(old, new, folders, len(schema.attributes[name].levels) - 1)
    return True


def _lowers_level(
    old: Mapping[str, Any], new: FolderLabel, folders: Sequence[FolderLabel], top: int
) -> bool:
    """Compare what holds below before and after; where no folder says it, any level can."""
    over = sorted(above(folders, new.path), key=lambda one: len(one.path))
    said = [
        one.attributes[CLASSIFICATION]
        for one in over
        if one.path != new.path and CLASSIFICATION in one.attributes
    ]
    inherited = said[-1] if said else None
    before, after = (one.get(CLASSIFICATION, inherited) for one in (old, new.attributes))
    if after is not None and after == top:
        return False
    return before is None or after is None or after < before


def _below(
    schema: LabelSchema, tenant: str, folder: str, compartments: frozenset[str]
) -> Condition:
    parts = [guard(schema, tenant)]
    if _is(schema, PATH, AttributeType.PATH):
        parts.append(Under(PATH, frozenset({folder})))
    if _is(schema, COMPARTMENTS, AttributeType.KEYWORD_SET):
        parts.append(SubsetOf(COMPARTMENTS, compartments))
    return all_of(*parts)


def _held(authority: Authority, action: Action) -> Condition:
    assert authority.pinned is not None
    decided = authority.decisions.decide(
        authority.snapshot, authority.pinned.subject, action, authority.now
    )
    return decided.decision.condition


def _contains(inner: Condition, outer: Condition, schema: LabelSchema) -> bool:
    try:
        return escapee(inner, outer, schema, budget=_STEPS) is None
    except UndecidedError:
        return False


def _is(schema: LabelSchema, name: str, kind: AttributeType) -> bool:
    attribute = schema.attributes.get(name)
    return attribute is not None and attribute.type is kind
