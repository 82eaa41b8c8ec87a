"""What a request would come to on one document, which rights that takes, and who gains by it.

The laws of this file:

1. Raising needs the right to tag alone because it lets nobody new read. Where the policy in effect
   lets somebody read a document because its label is high, raising needs the right to share, too.
2. Who gains and who loses is told to those who may review access to the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from acl.actions import Action
from acl.records import DocumentRecord, FolderLabel, LabelEdit, LabelState, Proposal
from retrieval.access.audience import Effect, effect
from retrieval.labels.raising import closes
from retrieval.labels.requests import Ground, LabelRequest, Wanted, wanted
from retrieval.labels.views import LabelParts
from retrieval.rights.authority import Authority
from retrieval.rights.decisions import Decisions

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
        """Say whether what only raises lets somebody new read (law 1)."""
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
    document: DocumentRecord, request: LabelRequest, outcome: Wanted, proposal: Proposal | None
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
