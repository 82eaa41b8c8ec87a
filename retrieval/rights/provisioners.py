"""Credentials for provisioning: made, listed, replaced, revoked, and known again when shown.

The laws of this file:

1. A secret is shown once, when it is made. What is kept is its HMAC-SHA256 under a key of this
   installation, so that the records alone let nobody in.
2. A secret can be found by its beginning wherever it leaked, and its last eight characters are a
   checksum: what is mistyped is refused without asking the records.
3. Whoever shows one is the service that it was made for, in its tenant, with no group and no
   clearance. What that service may do is the policy's to say, and where it may be shown is the
   caller's.
4. It is asked of the records at each request: what was revoked is refused by the next one.
5. Making and ending one needs `directory:edit` in the tenant, as everything does that it is good
   for.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from acl.actions import Action
from acl.errors import AclError, RequestError
from acl.records import AuditKind, Records
from acl.records.database.errors import UnknownEntryError
from acl.records.directory.credentials import Credential
from acl.records.directory.directory import Edit
from acl.subject import RESERVED, Subject, is_identity, is_tenant
from retrieval.rights.authority import Asker, Authority, ForbiddenError, authority_of
from retrieval.rights.decisions import Decisions
from retrieval.rights.standing import Standing

PREFIX: Final = "strongroom_scim_"
MAX_OVERLAP: Final = timedelta(days=90)

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH: Final = 12
_SECRET: Final = re.compile(rf"({PREFIX}([a-z2-7]{{12}})_[0-9a-f]{{64}})([0-9a-f]{{8}})\Z")


class CredentialError(AclError):
    """What was shown is no living credential."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential with its secret, which is shown this once (law 1)."""

    credential: Credential
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioners:
    """The credentials of this installation.

    Attributes:
        key: the secret under which digests are made, at least 32 bytes.
        clock: tells the time.
    """

    records: Records
    standing: Standing
    decisions: Decisions
    key: bytes
    clock: Callable[[], datetime]

    async def verify(self, shown: str) -> Subject:
        """Return the service that a secret stands for.

        Raises:
            CredentialError: it is none, was revoked, or has ended.
            RecordsUnavailableError: the records cannot be asked.
        """
        found = _SECRET.match(shown)
        if found is None or _checksum(found[1]) != found[3]:  # law 2
            raise CredentialError("what was shown is not a credential for provisioning")
        known = await self.records.credentials.find(found[2])  # law 4
        now = self.clock()
        right = known is not None and hmac.compare_digest(known.digest, self._digest(shown))
        if known is None or not right or not known.lives(now):
            raise CredentialError("the credential for provisioning is unknown or revoked")
        await self.records.credentials.used(known.id, now)
        return Subject(id=known.service, tenant=known.tenant)  # law 3

    async def listed(self, asker: Asker, tenant: str) -> tuple[Credential, ...]:
        """Return the credentials of a tenant.

        Raises:
            ForbiddenError: the asker may not keep its directory.
        """
        await self._authority(asker, tenant)
        return await self.records.credentials.listed(tenant)

    async def create(self, asker: Asker, tenant: str, service: str) -> Issued:
        """Make a credential that acts as `service` in `tenant`.

        Raises:
            ForbiddenError: the asker may not keep the directory of the tenant.
            RequestError: `service` is no service that somebody else can be, or `tenant` no tenant.
        """
        authority = await self._authority(asker, tenant)
        if not (is_identity(service) and service.startswith("service:")) or service in RESERVED:
            raise RequestError("a credential is made for a service of your naming: `service:idp`")
        issued = self._issue(authority, tenant, service)
        await self.records.credentials.create(issued.credential, _edit(authority, tenant))
        return issued

    async def may_edit(self, credential: Credential) -> bool:
        """Say whether the policy in effect lets a credential's service keep its directory."""
        service = Subject(id=credential.service, tenant=credential.tenant)  # law 3
        try:
            await self._authority(service, credential.tenant)
        except ForbiddenError:
            return False
        return True

    async def rotate(
        self, asker: Asker, tenant: str, credential_id: str, overlap: timedelta
    ) -> Issued:
        """Make a successor of a credential, which goes on living for the time of `overlap`.

        Raises:
            ForbiddenError: the asker may not keep the directory of the tenant.
            UnknownEntryError: there is no living credential of this id.
            RequestError: the overlap is less than nothing, or more than `MAX_OVERLAP`.
        """
        authority = await self._authority(asker, tenant)
        if not timedelta() <= overlap <= MAX_OVERLAP:
            raise RequestError(f"the overlap is from 0 hours to {MAX_OVERLAP.days} days")
        old = await self._living(tenant, credential_id)
        issued = self._issue(authority, tenant, old.service)
        await self.records.credentials.rotate(
            old, issued.credential, authority.now + overlap, _edit(authority, tenant)
        )
        return issued

    async def revoke(self, asker: Asker, tenant: str, credential_id: str) -> None:
        """End a credential: the next request that shows it is refused.

        Raises:
            ForbiddenError: the asker may not keep the directory of the tenant.
            UnknownEntryError: there is no living credential of this id.
        """
        authority = await self._authority(asker, tenant)
        old = await self._living(tenant, credential_id)
        await self.records.credentials.revoke(old, authority.now, _edit(authority, tenant))

    async def _living(self, tenant: str, credential_id: str) -> Credential:
        known = await self.records.credentials.find(credential_id)
        if known is None or known.tenant != tenant or not known.lives(self.clock()):
            raise UnknownEntryError(credential_id)
        return known

    async def _authority(self, asker: Asker, tenant: str) -> Authority:
        if not is_tenant(tenant):
            raise RequestError("the tenant is not a plain name")
        authority = await authority_of(self.standing, self.decisions, asker, self.clock())
        if authority.tenant not in {None, tenant}:
            raise ForbiddenError(Action.DIRECTORY_EDIT)
        authority.require_one(Action.DIRECTORY_EDIT)  # law 5
        return authority

    def _issue(self, authority: Authority, tenant: str, service: str) -> Issued:
        credential_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        body = f"{PREFIX}{credential_id}_{secrets.token_hex(32)}"
        secret = body + _checksum(body)
        made = Credential(
            id=credential_id,
            tenant=tenant,
            service=service,
            digest=self._digest(secret),
            created_at=authority.now,
            created_by=authority.by,
        )
        return Issued(made, secret)

    def _digest(self, secret: str) -> str:
        return hmac.new(self.key, secret.encode(), hashlib.sha256).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _edit(authority: Authority, tenant: str) -> Edit:
    event = authority.event(AuditKind.DIRECTORY, Action.DIRECTORY_EDIT, tenant=tenant)
    return Edit(event, authority.heads)
