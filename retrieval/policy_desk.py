"""The desk of administrators: policies are proposed, looked at, proved, and then take effect.

The laws of this file:

1. A proposal is read strictly and as a whole. What is refused changes nothing, and is on record.
2. Whoever proposes stays within their own rights (`acl.delegation`); so does whoever activates.
3. Nothing takes effect before the gate of its proof is passed, on the labels of record of that
   moment: a roll-back no more than anything else.
4. With four eyes asked for, nobody activates what they proposed themself.
5. The revision that is replaced is the one that was seen: everything names what it expects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from acl.actions import Action
from acl.delegable import tenant_of
from acl.delegation import may_activate, may_propose
from acl.errors import AclError, PolicyError
from acl.labels import Label
from acl.policy import Policy
from acl.profiles import profiles
from acl.proof_plan import BUDGET, clearances_of, compartments_of, tenants_of
from acl.proof_worker import PolicyText, ProofJob
from acl.records import (
    AuditKind,
    NewRevision,
    PolicyRevision,
    Proof,
    ProofState,
    Records,
    RevisionTexts,
    StalePolicyError,
)
from acl.subject import Subject, is_tenant
from retrieval.authority import Asker, Authority, authority_of
from retrieval.decisions import Decisions
from retrieval.gate import Gate, Passage
from retrieval.live_labels import live_labels
from retrieval.long_work import in_turn
from retrieval.policy_edits import (
    Activated,
    Edit,
    FourEyesError,
    OverreachError,
    RefutedError,
)
from retrieval.policy_source import PolicySource, source_of
from retrieval.prover import OnProgress, job_for
from retrieval.rule_changes import Difference, UnchangedError, as_line, difference
from retrieval.standing import Standing

EDITING = (Action.POLICY_EDIT, Action.POLICY_ADMINISTER)
ACTIVATING = (Action.POLICY_ACTIVATE, Action.POLICY_ADMINISTER)
SEEING = (Action.POLICY_READ, *EDITING, Action.POLICY_ACTIVATE)


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
    ) -> None:
        """Put the desk together.

        Args:
            records: where revisions are kept.
            standing: what is in effect.
            decisions: of those who edit.
            schema_text: the content of labels.toml.
            four_eyes: whether somebody else than the author has to activate.
            budget: how many pairs are compared before an activation.
        """
        self._records = records
        self._standing = standing
        self._decisions = decisions
        self._schema_text = schema_text
        self._four_eyes = four_eyes
        self._budget = budget
        self._gate = Gate(records)

    async def authority(self, asker: Asker, now: datetime) -> Authority:
        """Return the rights of `asker` as they stand."""
        return await authority_of(self._standing, self._decisions, asker, now)

    async def seeing(self, asker: Asker, now: datetime) -> Authority:
        """Return the rights of `asker`, who may see policies.

        Raises:
            ForbiddenError: it may not.
        """
        authority = await self.authority(asker, now)
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
        policy = (await asyncio.to_thread(source_of, texts, authority.snapshot.schema)).policy
        return RevisionTexts(model=texts.model, rules=_of_tenant(policy, authority.tenant or ""))

    async def compared(self, asker: Asker, old: int, new: int, now: datetime) -> Difference:
        """Return what differs between two revisions.

        Raises:
            ForbiddenError: the asker may not see policies.
            UnknownRevisionError: there is none of this number.
        """
        before, after = await self.texts(asker, old, now), await self.texts(asker, new, now)
        return difference(before, after)

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
        """
        authority = await self.authority(asker, now)
        authority.require_one(*EDITING)
        in_effect = authority.snapshot.revision
        if expected != in_effect:
            raise StalePolicyError(expected=expected, actual=in_effect)
        base = await self._records.policies.texts(in_effect)
        try:
            source = await self._read(edit, base, authority)
            await self._within(authority, source.policy, propose=True)
        except (PolicyError, OverreachError) as error:
            await self._refused(authority, error)
            raise
        new = NewRevision(
            texts=source.texts,
            digest=source.policy.digest,
            base=in_effect,
            author=authority.by,
            reason=reason,
        )
        event = authority.event(
            AuditKind.POLICY_PROPOSED,
            Action.POLICY_EDIT,
            tenant=authority.tenant or "",
            detail={"reason": reason},
        )
        return await self._records.policies.propose(new, event)

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
            FourEyesError: the asker proposed it.
            UnknownRevisionError: there is none of this number.
            StalePolicyError: not `expected` is in effect, or the proposal is made on another.
            OverreachError: it reaches beyond the asker's own rights.
            RefutedError: the compiled filter and the policy differ.
            LabelsKeepChangingError: documents with other labels kept coming meanwhile.
            ProofError: the proof could not be carried out.
        """
        authority = await self.authority(asker, now)
        authority.require_one(*ACTIVATING)
        found = await self._records.policies.revision(number)
        in_effect = authority.snapshot.revision
        if expected != in_effect or found.base != in_effect:
            raise StalePolicyError(expected=expected, actual=in_effect)
        if self._four_eyes and found.author == authority.by:
            raise FourEyesError
        texts = await self._records.policies.texts(number)
        source = await asyncio.to_thread(source_of, texts, authority.snapshot.schema)
        try:
            await self._within(authority, source.policy, propose=False)
        except OverreachError as error:
            await self._refused(authority, error)
            raise

        async def take_effect(passage: Passage) -> Activated:
            # The proof takes its time; whoever began it may have lost the right meanwhile.
            (await self.authority(asker, now)).require_one(*ACTIVATING)
            event = authority.event(
                AuditKind.POLICY_ACTIVATED,
                Action.POLICY_ACTIVATE,
                tenant=authority.tenant or "",
                detail={"proof": str(passage.report.plan)},
            )
            revision = await self._records.policies.activate(
                number, expected=expected, event=event, covered=passage.covered
            )
            return Activated(revision=revision, proof=passage.report)

        job = await self.job(number, now)
        try:
            activated = await self._gate.through(
                job, number, take_effect, expected=expected, on_progress=on_progress
            )
        except RefutedError as error:
            everywhere = authority.holds(Action.POLICY_ADMINISTER)
            shown = error.for_tenant(None if everywhere else authority.tenant)
            await self._refused(authority, shown)
            raise shown from error
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
        (await self.authority(asker, now)).require_one(*EDITING)
        texts = await self._records.policies.texts(to)
        return await self.propose(
            asker,
            Edit(model=texts.model, rules=texts.rules),
            expected=expected,
            reason=reason or f"back to revision {to}",
            now=now,
        )

    async def reinstate(self, asker: Asker, tenant: str, principal: str, now: datetime) -> bool:
        """Give a suspended role its rights again; return whether it was suspended.

        Raises:
            ForbiddenError: the asker does not hold `policy:administer`.
        """
        authority = await self.authority(asker, now)
        authority.require_one(Action.POLICY_ADMINISTER)
        event = authority.event(
            AuditKind.ROLE_REINSTATED,
            Action.POLICY_ADMINISTER,
            tenant=tenant,
            detail={"role": principal},
        )
        return await self._records.policies.reinstate(tenant, principal, event)

    async def proof(self, number: int, now: datetime) -> Proof:
        """Return how far the proof of a revision has come; one that was not begun is at 0.

        Raises:
            UnknownRevisionError: there is none of this number.
        """
        await self._records.policies.revision(number)
        begun = Proof(state=ProofState.SAMPLED, labels=0, done=0, updated_at=now)
        return await self._records.policies.proof(number) or begun

    async def job(self, number: int, now: datetime) -> ProofJob:
        """Return what is to be proved of a revision; on which labels is for others to say.

        Raises:
            UnknownRevisionError: there is none of this number.
        """
        texts = await self._records.policies.texts(number)
        base = (await self._records.policies.revision(number)).base
        before = await self._records.policies.texts(base) if base else None
        return await job_for(
            PolicyText(texts.model, texts.rules),
            self._schema_text,
            (),
            at=now,
            current=PolicyText(before.model, before.rules) if before else None,
            budget=self._budget,
        )

    async def _read(self, edit: Edit, base: RevisionTexts, authority: Authority) -> PolicySource:
        schema = authority.snapshot.schema
        source = await asyncio.to_thread(lambda: source_of(edit.applied(base), schema))
        if source.texts == base:
            raise UnchangedError
        return source

    async def _within(self, authority: Authority, proposed: Policy, *, propose: bool) -> None:
        """Check law 2.

        Raises:
            OverreachError: the change reaches beyond the rights of whoever makes it.
        """
        if authority.pinned is None:
            return
        current, subject = authority.snapshot.policy, authority.pinned.subject
        roles = self._roles((current, proposed), await self._live_labels(), subject)
        judge = may_propose if propose else may_activate
        found = await in_turn(judge, current, proposed, subject, profiles=roles, at=authority.now)
        if found:
            raise OverreachError(found)

    def _roles(
        self, policies: Sequence[Policy], labels: Sequence[Label], editor: Subject
    ) -> tuple[Subject, ...]:
        schema = policies[-1].schema
        return profiles(
            policies,
            tenants=tenants_of(labels) | {editor.tenant},
            clearances=clearances_of(schema, labels),
            compartments=compartments_of(labels) | editor.compartments,
        )

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


def _of_tenant(policy: Policy, tenant: str) -> str:
    """Return the rows of a tenant and those that name none; comments can be about others."""
    known = [tenant_of(policy, row) for row in policy.rows]
    foreign = {one for one in known if one is not None and one != tenant and is_tenant(one)}
    mine = (row for row, one in zip(policy.rows, known, strict=True) if one not in foreign)
    return "".join(f"{as_line(row)}\n" for row in mine)
