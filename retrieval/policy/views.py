"""What administrators see of policies: texts, revisions, what a proof came to, previews.

The laws of this file:

1. Those who hold `policy:administer` see everything. Others see rows of their own tenant and those
   that name none, but no tests, and counter-examples of their own tenant; of others', only that
   there is one.
2. That a revision is there, when it was made and whether it is in effect is no secret between
   tenants. Who made it and why is told to those whose rows it changes.
3. A preview is on record, whoever asks and through whichever door.
4. A policy is read in a thread, so that no question waits for it. Previews, which need the right to
   see alone, wait for one another and hold up no change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from acl.actions import Action
from acl.admission.cautions import cautions_of
from acl.errors import Caution
from acl.language.casbin_adapter import Row
from acl.records import (
    AlteredRevisionError,
    AuditKind,
    PolicyRevision,
    Records,
    RevisionTexts,
    UnknownRevisionError,
)
from retrieval.policy.edits import (
    Difference,
    Edit,
    concerns,
    difference,
    of_tenant,
    require_few,
    rows_added,
    seen_by,
    told_of,
    visible,
)
from retrieval.policy.known import known_names
from retrieval.policy.preview import SEEING, LookBack, PolicyPreview, outlook
from retrieval.policy.trials import tried
from retrieval.rights.authority import Asker, Authority, authority_of
from retrieval.rights.decisions import Decisions
from retrieval.rights.policy_source import PolicySource, bounded_source, source_of
from retrieval.rights.standing import Standing

PREVIEWS_AT_ONCE: Final = 2
_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """A preview, and the revision in effect with which it compares."""

    preview: PolicyPreview
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProof:
    """What a proof came to, as far as it is told.

    Attributes:
        state: of `ProofState`, or `none`.
        labels: distinct labels of documents that it was about.
        mismatches: counter-examples in words.
    """

    state: str = "none"
    labels: int = 0
    mismatches: tuple[str, ...] = ()


class PolicyViews:
    """Shows policies."""

    def __init__(self, *, records: Records, standing: Standing, decisions: Decisions) -> None:
        """Show what `records` keep to those who may see it under `standing`."""
        self._records = records
        self._standing = standing
        self._decisions = decisions
        self._previewing = asyncio.Semaphore(PREVIEWS_AT_ONCE)
        self._concerned: dict[tuple[int, str], bool] = {}

    async def seeing(self, asker: Asker, now: datetime) -> Authority:
        """Return the rights of `asker`, who may see policies.

        Raises:
            ForbiddenError: it may not.
        """
        authority = await authority_of(self._standing, self._decisions, asker, now)
        authority.require_one(*SEEING)
        return authority

    async def texts(self, asker: Asker, number: int, now: datetime) -> RevisionTexts:
        """Return what a revision says: the whole to its administrators, to others their rows.

        Raises:
            ForbiddenError: the asker may not see policies.
            UnknownRevisionError: there is none of this number.
        """
        authority = await self.seeing(asker, now)
        texts = await self._records.policies.texts(number)
        if authority.holds(Action.POLICY_ADMINISTER):
            return texts
        source = await asyncio.to_thread(source_of, texts, authority.snapshot.schema)
        rules = of_tenant(source.policy, authority.tenant or "")
        return replace(texts, rules=rules, tests="")

    async def revision(self, asker: Asker, number: int, now: datetime) -> PolicyRevision:
        """Return a revision, as far as it concerns the asker (law 2).

        Raises:
            ForbiddenError: the asker may not see policies.
            UnknownRevisionError: there is none of this number.
        """
        authority = await self.seeing(asker, now)
        found = await self._records.policies.revision(number)
        return (await self._shown(authority, [found]))[0]

    async def revisions(
        self, asker: Asker, now: datetime, *, after: int = 0, limit: int = 100
    ) -> list[PolicyRevision]:
        """Return revisions in their order, as far as they concern the asker (law 2).

        Raises:
            ForbiddenError: the asker may not see policies.
        """
        authority = await self.seeing(asker, now)
        found = await self._records.policies.revisions(after=after, limit=limit)
        return await self._shown(authority, found)

    async def latest(self, asker: Asker, now: datetime, *, limit: int) -> list[PolicyRevision]:
        """Return the last revisions, the latest first, as far as they concern the asker (law 2).

        Raises:
            ForbiddenError: the asker may not see policies.
        """
        authority = await self.seeing(asker, now)
        return await self._shown(authority, await self._records.policies.latest(limit))

    async def compared(self, asker: Asker, old: int, new: int, now: datetime) -> Difference:
        """Return what differs between two revisions.

        Raises:
            ForbiddenError: the asker may not see policies.
            UnknownRevisionError: there is none of this number.
        """
        before, after = await self.texts(asker, old, now), await self.texts(asker, new, now)
        return await asyncio.to_thread(difference, before, after)

    async def proof(self, asker: Asker, number: int, now: datetime) -> ShownProof:
        """Return what the last proof of a revision came to (law 1).

        Raises:
            ForbiddenError: the asker may not see policies.
            UnknownRevisionError: there is none of this number.
        """
        authority = await self.seeing(asker, now)
        await self._records.policies.revision(number)
        found = await self._records.policies.proof(number)
        if found is None:
            return ShownProof()
        tenant = None if authority.holds(Action.POLICY_ADMINISTER) else authority.tenant
        return ShownProof(
            state=found.state.value,
            labels=found.labels,
            mismatches=visible(found.mismatches, tenant),
        )

    async def failing_tests(self, asker: Asker, number: int, now: datetime) -> tuple[str, ...]:
        """Return which tests of a revision do not hold now, and why (law 1).

        Raises:
            ForbiddenError: the asker may not see policies.
            UnknownRevisionError: there is none of this number.
            PolicyError: it cannot be read.
        """
        authority = await self.seeing(asker, now)
        texts = await self._records.policies.texts(number)
        if not texts.tests:
            return ()
        source = await asyncio.to_thread(source_of, texts, authority.snapshot.schema)
        report = await tried(self._records, source, now)
        return told_of(report.failures, everywhere=authority.holds(Action.POLICY_ADMINISTER))

    async def cautions(self, asker: Asker, number: int, now: datetime) -> tuple[Caution, ...]:
        """Return what is odd about the lines that a revision adds to its base.

        Raises:
            ForbiddenError: the asker may not see policies.
            UnknownRevisionError: there is none of this number.
            PolicyError: it cannot be read.
        """
        authority = await self.seeing(asker, now)
        source = await self._wanted(number, authority)
        base = (await self._records.policies.revision(number)).base
        before = (await self._wanted(base, authority)).policy if base else None
        rows = rows_added(before, source.policy, _only(authority)) if before else ()
        return await self._odd(authority, source, rows)

    async def preview(
        self, asker: Asker, wanted: int | Edit, back: LookBack, now: datetime
    ) -> Previewed:
        """Return what a revision, or what is wanted, would change. Nothing of it is stored.

        Raises:
            ForbiddenError: the asker may not see policies.
            UnknownRevisionError: there is none of this number.
            PolicyError: with every place that is refused.
            OverreachError: it changes more lines than an editor may at once.
        """
        authority = await self.seeing(asker, now)
        in_effect = authority.snapshot.revision
        async with self._previewing:
            source = await self._wanted(wanted, authority)
            await self._require_few(authority, source)
            rows = rows_added(authority.snapshot.policy, source.policy, _only(authority))
            found = await outlook(self._records, authority, source.policy, back, rows)
            found = replace(found, cautions=await self._odd(authority, source, rows))
        event = authority.event(
            AuditKind.POLICY_PREVIEWED, Action.POLICY_READ, tenant=authority.tenant or ""
        )
        await self._records.audit.append(event)
        return Previewed(preview=found, revision=in_effect)

    async def _wanted(self, wanted: int | Edit, authority: Authority) -> PolicySource:
        schema = authority.snapshot.schema
        if isinstance(wanted, Edit):
            base = await self._records.policies.texts(authority.snapshot.revision)
            return await asyncio.to_thread(lambda: bounded_source(wanted.applied(base), schema))
        texts = await self._records.policies.texts(wanted)
        return await asyncio.to_thread(source_of, texts, schema)

    async def _odd(
        self, authority: Authority, source: PolicySource, rows: tuple[Row, ...]
    ) -> tuple[Caution, ...]:
        """Return what is odd about rows; nobody is told of rows that they may not see (law 1)."""
        known, policy, tenant = (
            await known_names(self._records, authority),
            source.policy,
            _only(authority),
        )

        def work() -> tuple[Caution, ...]:
            return cautions_of(seen_by(policy, tenant), known, rows)

        return await asyncio.to_thread(work)

    async def _require_few(self, authority: Authority, source: PolicySource) -> None:
        if not authority.holds(Action.POLICY_ADMINISTER):
            in_effect = await self._records.policies.texts(authority.snapshot.revision)
            await asyncio.to_thread(require_few, in_effect, source.texts)

    async def _shown(
        self, authority: Authority, found: Iterable[PolicyRevision]
    ) -> list[PolicyRevision]:
        if authority.holds(Action.POLICY_ADMINISTER):
            return list(found)
        return [
            one
            if await self._concerns(authority, one)
            else replace(one, author="", reason="", activated_by="", parties=())
            for one in found
        ]

    async def _concerns(self, authority: Authority, revision: PolicyRevision) -> bool:
        """Say whether a revision changes what is the asker's; what cannot be read does not."""
        tenant = authority.tenant or ""
        key = revision.revision, tenant
        if key not in self._concerned:
            try:
                after = await self._records.policies.texts(revision.revision)
                before = (
                    await self._records.policies.texts(revision.base) if revision.base else None
                )
            except (UnknownRevisionError, AlteredRevisionError):
                return False
            if len(self._concerned) >= _KEPT:
                self._concerned.clear()
            self._concerned[key] = await asyncio.to_thread(
                concerns, before, after, tenant, authority.snapshot.schema
            )
        return self._concerned[key]


def _only(authority: Authority) -> str | None:
    """Return the tenant whose rows alone the asker sees, or nothing for all."""
    return None if authority.holds(Action.POLICY_ADMINISTER) else authority.tenant
