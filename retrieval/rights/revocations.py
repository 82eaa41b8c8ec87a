"""Taking tokens back: one by its id, or all that a subject has until now.

The laws of this file:

1. Revoking needs `directory:edit` in the tenant, and is about its tokens alone.
2. It is asked of the records at each request: the next one is refused, in every process.
3. Of a subject that the directory knows, tokens of its present name and of the principal that it
   keeps are both refused.
4. A token whose agent is revoked is refused, as that of the subject is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.actions import Action
from acl.errors import RequestError
from acl.records import AuditKind, Records
from acl.records.database.storable import is_storable
from acl.records.directory.directory import Edit
from acl.records.directory.revocations import Revocation, RevokedKind
from acl.subject import Subject, is_identity, is_tenant
from retrieval.rights.authority import Asker, Authority, ForbiddenError, authority_of
from retrieval.rights.decisions import Decisions
from retrieval.rights.standing import Standing

MAX_ID: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevocations:
    """The revocations of this installation."""

    records: Records
    standing: Standing
    decisions: Decisions
    clock: Callable[[], datetime]

    async def meets(self, subject: Subject, token_id: str, issued_at: datetime) -> bool:
        """Say whether a token of `subject` is refused (law 2).

        Raises:
            RecordsUnavailableError: the records cannot be asked.
        """
        return await self.records.revocations.meets(
            subject.tenant,
            token_id=token_id,
            subjects=[subject.id, *(one.id for one in subject.actors)],  # law 4
            issued_at=issued_at,
        )

    async def listed(self, asker: Asker, tenant: str) -> tuple[Revocation, ...]:
        """Return the revocations of a tenant.

        Raises:
            ForbiddenError: the asker may not keep its directory.
        """
        await self._authority(asker, tenant)
        return await self.records.revocations.listed(tenant)

    async def revoke_token(self, asker: Asker, tenant: str, token_id: str) -> Revocation:
        """Refuse one token, by its id, from the next request on.

        Raises:
            ForbiddenError: the asker may not keep the directory of the tenant.
            RequestError: it is no id of a token.
        """
        authority = await self._authority(asker, tenant)
        if not 0 < len(token_id) <= MAX_ID or not is_storable(token_id):
            raise RequestError("the id of a token is a text, as its `jti` says")
        return await self._revoke(authority, tenant, RevokedKind.TOKEN, [token_id], authority.now)

    async def revoke_subject(
        self, asker: Asker, tenant: str, identity: str, until: datetime | None = None
    ) -> Revocation:
        """Refuse what was issued for a subject until a moment; by default, until now.

        Raises:
            ForbiddenError: the asker may not keep the directory of the tenant.
            RequestError: it is no subject, or the moment is still to come.
        """
        authority = await self._authority(asker, tenant)
        if not is_identity(identity) or identity.startswith(("group:", "role:")):
            raise RequestError("the subject is not one such as `user:ada`")
        if until is not None and until > authority.now:
            raise RequestError("the moment is still to come")
        names = [identity]
        entry = await self.records.directory.resolve(tenant, identity)
        if entry is not None:  # law 3
            names += {entry.user.identity, entry.user.state.identity} - {identity}
        until = until or authority.now
        return await self._revoke(authority, tenant, RevokedKind.SUBJECT, names, until)

    async def _revoke(
        self,
        authority: Authority,
        tenant: str,
        kind: RevokedKind,
        names: list[str],
        until: datetime,
    ) -> Revocation:
        made = [
            Revocation(
                tenant=tenant, kind=kind, name=name, until=until, at=authority.now, by=authority.by
            )
            for name in names
        ]
        event = authority.event(AuditKind.DIRECTORY, Action.DIRECTORY_EDIT, tenant=tenant)
        await self.records.revocations.revoke(made, Edit(event, authority.heads))
        return made[0]

    async def _authority(self, asker: Asker, tenant: str) -> Authority:
        if not is_tenant(tenant):
            raise RequestError("the tenant is not a plain name")
        authority = await authority_of(self.standing, self.decisions, asker, self.clock())
        if authority.tenant not in {None, tenant}:
            raise ForbiddenError(Action.DIRECTORY_EDIT)
        authority.require_one(Action.DIRECTORY_EDIT)  # law 1
        return authority
