"""What a request would come to on one document, which rights that takes, and who gains by it.

The laws of this file:

1. Raising needs the right to tag alone because it lets no one new read. Where the policy in effect
   lets a subject read a document because its label is high, raising needs the right to share, too.
2. Who gains and who loses is told to those who may review access to the document.
3. A policy *closes* if all that it permits on a label it permits on that label with a lower
   classification, fewer compartments and more readers. It does so where every condition that
   allows asks for at most some level, for compartments within some set and for some reader, and
   every condition that denies asks for the opposite. Under most policies that is so.
4. A policy that is not seen to close is asked about both labels, for every name in policy or
   labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from acl.actions import Action
from acl.labels import READERS, Attribute, AttributeType
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
from acl.records import Approval, DocumentRecord, FolderLabel, LabelEdit, LabelState
from ingest.label.inherit import CLASSIFICATION, COMPARTMENTS
from retrieval.access.audience import Effect, effect
from retrieval.labels.requests import Ground, LabelRequest, Wanted, wanted
from retrieval.labels.views import LabelParts
from retrieval.rights.authority import Authority
from retrieval.rights.decisions import Decisions

_RAISED: Final = frozenset({CLASSIFICATION, COMPARTMENTS, READERS})
_AT_MOST: Final = frozenset({"<", "<="})
_AT_LEAST: Final = frozenset({">", ">="})


def closes(policy: Policy) -> bool:
    """Say whether a raised label is seen to let no one new do anything (law 3)."""
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

    A part that every row shares is asked for by rows that allow and rows that deny, so that it is
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


_LETTING_IN = frozenset({Action.DOCUMENT_SHARE, Action.DOCUMENT_DECLASSIFY})


class Outcomes:
    """Finds out what would come of requests."""

    def __init__(self, parts: LabelParts) -> None:
        self._parts = parts
        self._records = parts.records
        # Of others than the asker; they must not push out what searches keep.
        self._others = Decisions()
        self._closing: tuple[str, bool] = ("", False)

    async def of(
        self,
        authority: Authority,
        state: LabelState,
        request: LabelRequest,
        *,
        folders: Sequence[FolderLabel] | None = None,
    ) -> Wanted:
        """Return what would come of `request` on the label of record.

        Args:
            authority: who asks, and when.
            state: the label of record.
            request: what is asked.
            folders: what is set for folders, if that is not what is on record.

        Raises:
            LabelRequestError: it cannot be done.
        """
        if folders is None:
            folders = await self._records.folders.of_tenant(state.document.tenant)
        schema = authority.snapshot.schema
        ground = Ground(schema=schema, folders=folders, by=authority.by, at=authority.now)
        found = wanted(state, request, ground)
        if self._lets_in(authority, state.document.tenant, found):
            return replace(found, actions=found.actions | {Action.DOCUMENT_SHARE})
        return found

    def effect(self, authority: Authority, tenant: str, outcome: Wanted) -> Effect | None:
        """Return who gains and who loses, if the asker may be told (law 2)."""
        if not authority.may(Action.ACCESS_REVIEW, outcome.before):
            return None
        return self._effect(authority, tenant, outcome)

    def _lets_in(self, authority: Authority, tenant: str, outcome: Wanted) -> bool:
        """Say whether what only raises lets someone new read (law 1)."""
        if outcome.actions & _LETTING_IN or outcome.before == outcome.after:
            return False
        return not self._closes(authority) and bool(self._effect(authority, tenant, outcome).gains)

    def _closes(self, authority: Authority) -> bool:
        policy = authority.snapshot.policy
        if self._closing[0] != policy.digest:
            self._closing = policy.digest, closes(policy)
        return self._closing[1]

    def _effect(self, authority: Authority, tenant: str, outcome: Wanted) -> Effect:
        labels = outcome.before, outcome.after
        members = self._parts.audience(authority.snapshot, tenant, labels)
        return effect(authority.snapshot, self._others, members, labels, authority.now)


def edit_of(
    document: DocumentRecord, request: LabelRequest, outcome: Wanted, change_id: str
) -> LabelEdit:
    """Return the change as it is stored."""
    return LabelEdit(
        document_id=document.id,
        expected_version=document.label_version,
        label=outcome.after,
        shares=outcome.shares,
        origins=outcome.origins.as_json(),
        kind=request.kind,
        reason=request.reason,
        change_id=change_id,
    )


def change_detail(
    document: DocumentRecord, request: LabelRequest, outcome: Wanted, proposal: Approval | None
) -> dict[str, Any]:
    """Return what the audit keeps of a change, beside who, when and what."""
    return {
        "change": request.kind.value,
        "label": outcome.after.as_json(),
        "shares": [one.as_json() for one in outcome.shares],
        "replaces_label_version": document.label_version,
        "reason": request.reason,
        "proposed_by": "" if proposal is None else proposal.by,
    }
