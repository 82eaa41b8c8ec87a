"""Policy revisions: immutable, in order, and in effect one at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from acl.records import (
    AuditKind,
    Mismatch,
    MovedOnError,
    PolicyRevision,
    Proof,
    ProofState,
    Records,
    RecordsConflictError,
    RefutedRevisionError,
    RevisionTexts,
    StalePolicyError,
    UnknownRevisionError,
    UnstorableError,
)
from tests.builders import KEY, NOW, event, in_effect, revision

PROPOSED = event(AuditKind.POLICY_PROPOSED)
ACTIVATED = event(AuditKind.POLICY_ACTIVATED)


async def test_a_proposal_is_kept_to_the_letter_and_does_not_take_effect(records: Records) -> None:
    new = revision("a")

    proposed = await records.policies.propose(new, PROPOSED)

    assert proposed == PolicyRevision(
        1, 0, "a", "user:ada", "because", NOW, None, "", ("user:ada",)
    )
    assert await records.policies.current() is None
    assert await records.policies.texts(1) == new.texts
    assert await records.policies.revision(1) == proposed
    assert (await records.standing.read()).policy == 0


async def test_activations_count_up_and_are_on_record(records: Records) -> None:
    first = await in_effect(records, "a")
    second = await in_effect(records, "b")
    rollback = await in_effect(records, "a")

    assert [one.revision for one in (first, second, rollback)] == [1, 2, 3]
    assert await records.policies.current() == rollback
    assert await records.policies.revisions() == (first, second, rollback)
    assert await records.policies.revisions(after=1, limit=1) == (second,)
    assert rollback.activated_by == ACTIVATED.subject
    assert (await records.standing.read()).policy == 3
    assert [one.event for one in await records.audit.events()] == [
        replace(
            kind,
            policy_revision=number,
            policy_digest=digest,
            detail={"texts_digest": revision(digest).texts.digest},
        )
        for number, digest in [(1, "a"), (2, "b"), (3, "a")]
        for kind in (PROPOSED, ACTIVATED)
    ]


async def test_of_two_proposals_side_by_side_one_takes_effect(records: Records) -> None:
    await in_effect(records, "a")
    left = await records.policies.propose(revision("b", base=1), PROPOSED)
    right = await records.policies.propose(revision("c", base=1), PROPOSED)
    activate = records.policies.activate

    outcomes = await asyncio.gather(
        activate(left.revision, expected=1, event=ACTIVATED),
        activate(right.revision, expected=1, event=ACTIVATED),
        return_exceptions=True,
    )

    won = [one for one in outcomes if isinstance(one, PolicyRevision)]
    lost = [one for one in outcomes if isinstance(one, StalePolicyError)]
    assert len(won) == len(lost) == 1
    assert lost[0].actual == won[0].revision
    assert await records.policies.current() == won[0]


async def test_what_rests_on_another_revision_is_refused(records: Records) -> None:
    await in_effect(records, "a")
    waiting = await records.policies.propose(revision("b", base=1), PROPOSED)
    await in_effect(records, "c")
    activate = records.policies.activate

    with pytest.raises(StalePolicyError, match=r"revision 3 is in effect; .* made on 1"):
        await records.policies.propose(revision("d", base=1), PROPOSED)
    with pytest.raises(StalePolicyError):
        await activate(waiting.revision, expected=3, event=ACTIVATED)
    with pytest.raises(StalePolicyError):
        await activate(3, expected=3, event=ACTIVATED)
    fresh = await records.policies.propose(revision("d", base=3), PROPOSED)
    with pytest.raises(StalePolicyError):
        await activate(fresh.revision, expected=1, event=ACTIVATED)
    assert (await records.standing.read()).policy == 3


async def test_an_unknown_revision_is_named(records: Records) -> None:
    for asked in (
        records.policies.texts(7),
        records.policies.revision(7),
        records.policies.activate(7, expected=0, event=ACTIVATED),
    ):
        with pytest.raises(UnknownRevisionError, match="no policy revision 7"):
            await asked


def test_an_empty_model_or_digest_is_no_proposal() -> None:
    with pytest.raises(UnstorableError, match="`model` is empty"):
        RevisionTexts(model="", rules="p, a")
    with pytest.raises(UnstorableError, match="`digest` is empty"):
        revision("")
    texts = RevisionTexts(model="m", rules="")
    assert replace(revision(), texts=texts, reason="").texts.rules == ""


async def test_what_the_last_proof_came_to_is_kept(records: Records) -> None:
    await records.policies.propose(revision(), PROPOSED)
    assert await records.policies.proof(1) is None
    sampled = Proof(state=ProofState.SAMPLED, labels=10, updated_at=NOW)

    await records.policies.note_proof(1, sampled)
    assert await records.policies.proof(1) == sampled
    proved = replace(sampled, state=ProofState.PROVED, labels=11)
    await records.policies.note_proof(1, proved)
    assert await records.policies.proof(1) == proved
    with pytest.raises(UnknownRevisionError):
        await records.policies.note_proof(2, sampled)
    with pytest.raises(RecordsConflictError):
        await records.policies.note_proof(1, replace(sampled, labels=-1))


async def test_what_is_refuted_stays_refuted(records: Records) -> None:
    await records.policies.propose(revision(), PROPOSED)
    first = (Mismatch("acme", "role:x on {…}"), Mismatch("", "role:y on {…}"))
    refuted = Proof(state=ProofState.REFUTED, labels=10, updated_at=NOW, mismatches=first)
    await records.policies.note_proof(1, replace(refuted, state=ProofState.PROVED))
    await records.policies.note_proof(1, refuted)

    for state in ProofState:
        later = replace(refuted, state=state, labels=9, mismatches=(Mismatch("acme", "another"),))
        await records.policies.note_proof(1, later)
        assert await records.policies.proof(1) == refuted


async def test_that_the_revision_in_effect_is_refuted_is_known_until_another_is(
    records: Records,
) -> None:
    refuted = Proof(
        state=ProofState.REFUTED, labels=1, updated_at=NOW, mismatches=(Mismatch("acme", "why"),)
    )
    await in_effect(records, "a")
    before = await records.standing.read()

    await records.policies.note_proof(1, refuted)
    after = await records.standing.read()
    assert (before.refuted, after.refuted) == (False, True)
    assert not before.same_rights(after)
    with pytest.raises(MovedOnError):
        await records.audit.append(event(AuditKind.SEARCH), under=before)
    # What is known already moves nothing, so that no request has to begin again.
    await records.policies.note_proof(1, refuted)
    assert after.same_rights(await records.standing.read())
    (told,) = await records.audit.events(after=2)
    assert (told.event.kind, told.event.policy_revision) == (AuditKind.POLICY_REFUTED, 1)
    assert (told.event.tenant, told.event.detail["reason"]) == ("acme", "why")

    await in_effect(records, "b")
    assert not (await records.standing.read()).refuted


async def test_what_is_not_in_effect_is_refuted_beside_it(records: Records) -> None:
    await in_effect(records, "a")
    await records.policies.propose(revision("b", base=1), PROPOSED)
    before = await records.standing.read()

    await records.policies.note_proof(2, Proof(state=ProofState.REFUTED, labels=1, updated_at=NOW))

    assert before.same_rights(await records.standing.read())
    with pytest.raises(RefutedRevisionError):
        await records.policies.activate(2, expected=1, event=ACTIVATED)


async def test_two_processes_see_one_standing(records: Records, url: str) -> None:
    other = await Records.open(url, KEY)
    await in_effect(records, "a")

    assert (await other.standing.read()).policy == 1
    later = replace(ACTIVATED, time=NOW + timedelta(seconds=1))
    proposed = await other.policies.propose(revision("b", base=1), PROPOSED)
    await other.policies.activate(proposed.revision, expected=1, event=later)

    assert (await records.standing.read()).policy == 2
    await other.close()
