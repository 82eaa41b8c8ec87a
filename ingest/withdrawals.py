"""Documents that leave the search: into quarantine, or because their file is gone.

The laws of this file:

1. A document that leaves keeps its label, history and shares.
2. What the source no longer has is withdrawn only when that was asked for.
3. A run that would take a large share of its source's documents out of the search by quarantine, as
   one mistake in a label file does, stops, unless somebody said that this is meant.
"""

from __future__ import annotations

from typing import Final

from acl.records import AuditEvent, AuditKind, DocumentRecord, Outcome
from ingest.comparison import StoppedError
from ingest.context import Context

FEW: Final = 10
"""So many documents may go into quarantine in one run, however few there are."""


class Withdrawals:
    """Takes documents out of the index."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._withdrawn = 0

    async def keep_out(
        self, uri: str, reason: str, *, content_digest: str = "", tenant: str = ""
    ) -> None:
        """Put a source into quarantine; withdraw its document where the tenant is known.

        Raises:
            StoppedError: too many documents would leave the search (law 3).
        """
        context = self._context
        known = await context.known(tenant, uri)
        if known is not None:
            self._require_moderate(reason)
        event = AuditEvent(
            kind=AuditKind.QUARANTINE,
            time=context.clock(),
            subject=context.task.actor,
            outcome=Outcome.FAILED,
            tenant=tenant,
            resources=(known.id,) if known else (),
        )
        await context.stores.records.quarantine.put(
            uri=uri, reason=reason, content_digest=content_digest, tenant=tenant, event=event
        )
        if known is not None:
            await self._withdraw(known, why="quarantined")
        context.progress.kept_out(uri, reason, withdrawn=known is not None)

    def _require_moderate(self, reason: str) -> None:
        self._withdrawn += 1
        task, known = self._context.task, self._context.task.comparison.known
        allowed = max(FEW, int(self._context.settings.removal_share * known))
        if self._withdrawn > allowed and not task.sure:  # law 3
            raise StoppedError(
                f"stopped: more than {allowed} of {known} documents of this source would leave the "
                f"search, the last because {reason}; the others stay; if that is meant, "
                "say `--yes`"
            )

    async def look_for_vanished(self) -> None:
        """Report, and withdraw where that was asked for, what the source no longer has."""
        progress = self._context.progress
        task = self._context.task
        for document in await self._context.stores.records.sources.documents(task.source):
            if not document.is_live or not progress.is_gone(document.tenant, document.uri):
                continue
            if task.prune:  # law 2
                await self._withdraw(document, why="vanished")
            progress.vanished(document.uri, removed=task.prune)

    async def _withdraw(self, document: DocumentRecord, *, why: str) -> None:
        event = self._context.event(
            AuditKind.DELETE, document.id, document.tenant, document.uri, why=why
        )
        await self._context.projector.withdraw(document.id, event)  # law 1
