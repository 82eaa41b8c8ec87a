"""The desk of administrators: policies are proposed, proved, and then take effect.

The laws of this file:

1. A proposal is read strictly and as a whole. What is refused changes nothing, and is on record.
2. Whoever proposes stays within their own rights (`acl.policy.delegation`), and leaves every line
   alone that is not a row of their own tenant; so does whoever activates.
3. Nothing takes effect before the gate of its proof is passed, on the labels of record of that
   moment: a roll-back no more than anything else.
4. With four eyes asked for, nobody activates what they stand behind themself.
5. The revision that is replaced is the one that was seen: everything names what it expects.
6. Rights are those of the moment of the change. A proof takes its time; rights that moved
   meanwhile are judged again, and must still stand in the transaction of the change.
7. Nothing takes effect whose own tests do not hold.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from acl.actions import Action
from acl.errors import AclError, PolicyError
from acl.labels import Label
from acl.policy.delegation import may_change
from acl.policy.policy import Policy
from acl.proof.plan import BUDGET, clearances_of, compartments_of
from acl.proof.worker import PolicyText, ProofJob
from acl.records import (
    AuditKind,
    NewRevision,
    PolicyRevision,
    Proof,
    Records,
    RevisionTexts,
    StalePolicyError,
)
from retrieval.policy.edits import (
    Activated,
    Edit,
    FailedTestsError,
    FourEyesError,
    OverreachError,
    RefutedError,
    UnchangedError,
    foreign_lines_changed,
    require_few,
)
from retrieval.policy.gate import Gate, OnProgress, Passage, live_labels
from retrieval.policy.trials import tried
from retrieval.rights.authority import Asker, Authority, authority_of, parties_of, share_nobody
from retrieval.rights.decisions import Decisions
from retrieval.rights.policy_source import PolicySource, bounded_source, source_of
from retrieval.rights.standing import Standing, settled
from retrieval.rights.threads import for_change

EDITING: Final = (Action.POLICY_EDIT, Action.POLICY_ADMINISTER)
ACTIVATING: Final = (Action.POLICY_ACTIVATE, Action.POLICY_ADMINISTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A revision that is to take effect.

    Attributes:
        expected: the revision that it replaces.
        before: the rights under which it was judged.
        began: what the clock said then.
    """

    number: int
    expected: int
    source: PolicySource
    before: Authority
    began: float


class PolicyDesk:
    """Changes the policy in effect."""

    def __init__(  # noqa: PLR0913 - each is another part of the installation
        self,
        *,
        records: Records,
        standing: Standing,
        decisions: Decisions,
        schema_text: str,
        four_eyes: bool = False,
        budget: int = BUDGET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put the desk together.

        Args:
            records: where revisions are kept.
            standing: what is in effect.
            decisions: of those who edit.
            schema_text: the content of labels.toml.
            four_eyes: whether somebody else than the author has to activate.
            budget: how many pairs are compared before an activation.
            clock: seconds, by which it is known how long a proof took.
        """
        self._records = records
        self._standing = standing
        self._decisions = decisions
        self._schema_text = schema_text
        self._four_eyes = four_eyes
        self._budget = budget
        self._clock = clock
        self._gate = Gate(records)

    @settled
    async def propose(
        self, asker: Asker, edit: Edit, *, expected: int, reason: str, now: datetime
    ) -> PolicyRevision:
        """Store a proposal, which does not take effect yet.

        Raises:
            ForbiddenError: the asker may not edit.
            StalePolicyError: not `expected` is in effect.
            PolicyError: with every place that is refused.
            UnchangedError: it says what is in effect already.
            OverreachError: it reaches beyond the asker's own rights.
            UnsettledError: rights changed again and again meanwhile.
        """
        authority = await self._authority(asker, now)
        authority.require_one(*EDITING)
        _require_in_effect(authority, expected)
        base = await self._records.policies.texts(expected)
        try:
            source = await self._read(edit, base, authority)
        except PolicyError as error:
            await self._refused(authority, error)
            raise
        await self._judged(authority, source, propose=True)
        new = NewRevision(
            texts=source.texts,
            digest=source.policy.digest,
            base=expected,
            author=authority.by,
            reason=reason,
            parties=parties_of(authority),
        )
        event = authority.event(
            AuditKind.POLICY_PROPOSED,
            Action.POLICY_EDIT,
            tenant=authority.tenant or "",
            detail={"reason": reason},
        )
        return await self._records.policies.propose(new, event, under=authority.heads)

    async def activate(
        self,
        asker: Asker,
        number: int,
        *,
        expected: int,
        now: datetime,
        on_progress: OnProgress | None = None,
    ) -> Activated:
        """Prove a proposal, and let it take effect.

        Raises:
            ForbiddenError: the asker may not activate.
            FourEyesError: the asker, or who acts for them, stands behind the proposal.
            UnknownRevisionError: there is none of this number.
            StalePolicyError: not `expected` is in effect, or the proposal is made on another.
            OverreachError: it reaches beyond the asker's own rights.
            FailedTestsError: tests of the proposal do not hold.
            RefutedError: the compiled filter and the policy differ.
            RefutedRevisionError: they did when it was proved before.
            UnsettledError: rights changed again and again meanwhile.
            LabelsKeepChangingError: documents with other labels kept coming meanwhile.
            ProofError: the proof could not be carried out.
        """
        began, authority = self._clock(), await self._authority(asker, now)
        authority.require_one(*ACTIVATING)
        found = await self._records.policies.revision(number)
        _require_in_effect(authority, expected, found.base)
        if self._four_eyes and not share_nobody(found.parties, authority):
            raise FourEyesError
        texts = await self._records.policies.texts(number)
        source = await asyncio.to_thread(source_of, texts, authority.snapshot.schema)
        await self._judged(authority, source, propose=False)
        await self._tested(authority, source)
        trial = _Trial(
            number=number, expected=expected, source=source, before=authority, began=began
        )

        async def activate(passage: Passage) -> Activated:
            revision = await self._take_effect(asker, trial, passage)
            return Activated(revision=revision, proof=passage.report)

        activated = await self._through_gate(trial, activate, on_progress)
        await self._standing.current()
        return activated

    async def roll_back(
        self, asker: Asker, to: int, *, expected: int, reason: str, now: datetime
    ) -> PolicyRevision:
        """Propose what an earlier revision said; it takes effect like any other proposal.

        Raises:
            UnknownRevisionError: there is no such revision, or its text was not kept.
            ForbiddenError, StalePolicyError, PolicyError, OverreachError: see `propose`.
        """
        (await self._authority(asker, now)).require_one(*EDITING)
        texts = await self._records.policies.texts(to)
        return await self.propose(
            asker,
            Edit.whole(texts),
            expected=expected,
            reason=reason or f"back to revision {to}",
            now=now,
        )

    async def prove(
        self, number: int, now: datetime, *, on_progress: OnProgress | None = None
    ) -> Proof:
        """Prove the whole plan of a revision; see `Gate.whole`.

        Raises:
            UnknownRevisionError: there is none of this number.
            ProofError: the proof could not be carried out.
        """
        return await self._gate.whole(await self.job(number, now), number, on_progress=on_progress)

    async def job(self, number: int, now: datetime) -> ProofJob:
        """Return what is to be proved of a revision; on which labels is for others to say.

        Raises:
            UnknownRevisionError: there is none of this number.
        """
        texts = await self._records.policies.texts(number)
        base = (await self._records.policies.revision(number)).base
        before = await self._records.policies.texts(base) if base else None
        return ProofJob(
            proposed=PolicyText(texts.model, texts.rules),
            schema=self._schema_text,
            labels=(),
            at=now,
            current=PolicyText(before.model, before.rules) if before else None,
            budget=self._budget,
        )

    async def _authority(self, asker: Asker, now: datetime) -> Authority:
        return await authority_of(self._standing, self._decisions, asker, now)

    async def _through_gate(
        self,
        trial: _Trial,
        activate: Callable[[Passage], Awaitable[Activated]],
        on_progress: OnProgress | None,
    ) -> Activated:
        authority = trial.before
        job = await self.job(trial.number, authority.now)
        try:
            return await self._gate.through(
                job, trial.number, activate, expected=trial.expected, on_progress=on_progress
            )
        except RefutedError as error:
            everywhere = authority.holds(Action.POLICY_ADMINISTER)
            shown = error.for_tenant(None if everywhere else authority.tenant)
            await self._refused(authority, shown)
            raise shown from error

    @settled
    async def _take_effect(self, asker: Asker, trial: _Trial, passage: Passage) -> PolicyRevision:
        """Let what was proved take effect under the rights of this moment (law 6)."""
        later = trial.before.now + timedelta(seconds=self._clock() - trial.began)
        authority = await self._authority(asker, later)
        authority.require_one(*ACTIVATING)
        _require_in_effect(authority, trial.expected)
        if not _unmoved(trial.before, authority):
            await self._judged(authority, trial.source, propose=False)
        event = authority.event(
            AuditKind.POLICY_ACTIVATED,
            Action.POLICY_ACTIVATE,
            tenant=authority.tenant or "",
            detail={"proof": str(passage.report.plan)},
        )
        return await self._records.policies.activate(
            trial.number,
            expected=trial.expected,
            event=event,
            under=authority.heads,
            covered=passage.covered,
        )

    async def _read(self, edit: Edit, base: RevisionTexts, authority: Authority) -> PolicySource:
        schema = authority.snapshot.schema
        source = await asyncio.to_thread(lambda: bounded_source(edit.applied(base), schema))
        if source.texts == base:
            raise UnchangedError
        return source

    async def _judged(self, authority: Authority, source: PolicySource, *, propose: bool) -> None:
        """Check law 2, and put on record what breaks it.

        Raises:
            OverreachError: the change reaches beyond the rights of whoever makes it.
        """
        try:
            await self._keeps_others(authority, source)
            await self._within(authority, source.policy, propose=propose)
        except OverreachError as error:
            await self._refused(authority, error)
            raise

    async def _tested(self, authority: Authority, source: PolicySource) -> None:
        """Check law 7, and put on record what breaks it.

        Raises:
            FailedTestsError: tests do not hold.
            PolicyError: they cannot be read.
        """
        report = await tried(self._records, source, authority.now)
        if report.failures:
            everywhere = authority.holds(Action.POLICY_ADMINISTER)
            error = FailedTestsError(report.failures, everywhere=everywhere)
            await self._refused(authority, error)
            raise error

    async def _keeps_others(self, authority: Authority, source: PolicySource) -> None:
        if authority.tenant is None or authority.holds(Action.POLICY_ADMINISTER):
            return
        snapshot = authority.snapshot
        texts = await self._records.policies.texts(snapshot.revision)
        await asyncio.to_thread(require_few, texts, source.texts)
        old = await asyncio.to_thread(source_of, texts, snapshot.schema)
        found = await asyncio.to_thread(foreign_lines_changed, old, source, authority.tenant)
        if found:
            raise OverreachError(found)

    async def _within(self, authority: Authority, proposed: Policy, *, propose: bool) -> None:
        if authority.pinned is None:
            return
        current, subject = authority.snapshot.policy, authority.pinned.subject
        labels = await self._live_labels()
        found = await for_change(
            may_change,
            current,
            proposed,
            subject,
            Action.POLICY_EDIT if propose else Action.POLICY_ACTIVATE,
            clearances=clearances_of(proposed.schema, labels),
            compartments=compartments_of(labels),
            at=authority.now,
        )
        if found:
            raise OverreachError(found)

    async def _live_labels(self) -> tuple[Label, ...]:
        return await live_labels(self._records, self._standing.snapshots.pin().schema)

    async def _refused(self, authority: Authority, error: AclError) -> None:
        # The sentence can quote rules, which the record of a policy may; it holds no document.
        event = authority.event(
            AuditKind.POLICY_REFUSED,
            Action.POLICY_EDIT,
            tenant=authority.tenant or "",
            permitted=False,
            detail={"error": type(error).__name__, "reason": str(error)[:2000]},
        )
        await self._records.audit.append(event)


def _require_in_effect(authority: Authority, *expected: int) -> None:
    in_effect = authority.snapshot.revision
    for one in expected:
        if one != in_effect:
            raise StalePolicyError(expected=expected[0], actual=in_effect)


def _unmoved(before: Authority, after: Authority) -> bool:
    """Say whether the same rights stand, and no role began or ended between the two moments."""
    if before.pinned is None or after.pinned is None:
        return before.pinned is after.pinned
    moments = before.snapshot.policy.boundaries
    return (
        before.pinned.heads.same_rights(after.pinned.heads)
        and before.pinned.subject == after.pinned.subject
        and bisect_left(moments, before.now) == bisect_left(moments, after.now)
        and bisect_right(moments, before.now) == bisect_right(moments, after.now)
    )
