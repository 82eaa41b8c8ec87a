"""How a document leaves the index in a run: into quarantine, or because its source is gone.

The laws of this file:

1. Whoever writes a file decides whether its text is found, and not what somebody set on its label:
   a document that leaves keeps its label, its history and its shares, and comes back under them.
2. A document whose text or label can no longer be vouched for is withdrawn and waits in quarantine
   with the reason. What could not be read at all stays as it was, because nothing is known of it.
3. A document that the source no longer has is reported, and withdrawn only when that was asked for.
"""

from __future__ import annotations

from typing import Final

from acl.records import AuditEvent, AuditKind, DocumentRecord, Outcome
from ingest.context import Context

_PAGE: Final = 500


class Exits:
    """Takes documents out."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def keep_out(
        self, uri: str, reason: str, *, content_digest: str = "", tenant: str = ""
    ) -> None:
        """Put a source into quarantine; withdraw its document where the tenant is known."""
        context = self._context
        known = await context.known(tenant, uri)
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
        context.tally.kept_out(uri, reason, withdrawn=known is not None)

    async def look_for_vanished(self) -> None:
        """Report, and withdraw where that was asked for, what the source no longer has."""
        tally = self._context.tally
        for tenant in sorted(tally.tenants):
            for document in await self._gone(tenant):
                if self._context.task.prune:
                    await self._withdraw(document, why="vanished")
                    tally.removed(document.uri)
                else:
                    tally.vanished(document.uri)

    async def _gone(self, tenant: str) -> list[DocumentRecord]:
        found: list[DocumentRecord] = []
        after = ""
        while page := await self._context.stores.records.catalog.list_documents(
            tenant, after=after, limit=_PAGE
        ):
            found += [one for one in page if self._context.tally.is_gone(tenant, one.uri)]
            after = page[-1].uri
        return found

    async def _withdraw(self, document: DocumentRecord, *, why: str) -> None:
        event = self._context.event(AuditKind.DELETE, document.tenant, document.uri, why=why)
        await self._context.projector.withdraw(document.id, event)
