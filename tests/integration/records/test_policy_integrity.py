"""Revisions cannot be edited unseen, and take effect only under rights that still stand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from acl.records import (
    AlteredRevisionError,
    AuditKind,
    MovedOnError,
    Proof,
    ProofState,
    Records,
    RefutedRevisionError,
    UnknownRevisionError,
)
from acl.records.policies import digest_of
from acl.records.tables.heads import mark_refuted
from retrieval.policy.seeding import seeded
from tests.builders import KEY, NOW, event, in_effect, revision
from tests.integration.records import tampering

PROPOSED = event(AuditKind.POLICY_PROPOSED)
ACTIVATED = event(AuditKind.POLICY_ACTIVATED)
SAMPLED = Proof(state=ProofState.SAMPLED, labels=10, updated_at=NOW)


async def disarm(url: str) -> None:
    """Take the triggers away, as whoever owns the database can."""
    if url.startswith("sqlite"):
        await tampering.run(
            url,
            "DROP TRIGGER policy_revisions_never_change",
            "DROP TRIGGER policy_revisions_never_go",
        )
    else:
        await tampering.run(url, "ALTER TABLE policy_revisions DISABLE TRIGGER ALL")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE policy_revisions SET rules = rules || 'p, evil'",
        "UPDATE policy_revisions SET model = 'm'",
        "UPDATE policy_revisions SET matching = 'm'",
        "UPDATE policy_revisions SET tests = 't'",
        "UPDATE policy_revisions SET texts_digest = 'd'",
        "UPDATE policy_revisions SET author = 'user:eve'",
        "UPDATE policy_revisions SET parties = '[]'",
        "UPDATE policy_revisions SET activated_at = NULL",
        "UPDATE policy_revisions SET activated_by = 'user:eve'",
        "DELETE FROM policy_revisions",
    ],
)
async def test_the_database_refuses_to_edit_a_revision(
    records: Records, url: str, statement: str
) -> None:
    await in_effect(records, "a")
    before = await records.policies.revision(1)

    with pytest.raises(Exception, match="a policy revision never changes"):
        await tampering.run(url, statement)

    assert await records.policies.revision(1) == before
    assert await records.policies.texts(1) == revision("a").texts


@pytest.mark.parametrize(
    "change",
    [
        *("rules = rules || '# '", "model = 'other'", "model = ''", "rules = ''"),
        *("matching = 'm'", "tests = 't'", "texts_digest = 'd'"),
    ],
)
async def test_a_text_that_was_altered_is_not_read(records: Records, url: str, change: str) -> None:
    await in_effect(records, "a")
    waiting = await records.policies.propose(revision("b", base=1), PROPOSED)
    await disarm(url)
    await tampering.run(url, f"UPDATE policy_revisions SET {change}")

    said = "texts of policy revision 1 were altered"
    with pytest.raises(AlteredRevisionError, match=said):
        await records.policies.texts(1)
    with pytest.raises(AlteredRevisionError, match="revision 2 were altered"):
        await records.policies.activate(waiting.revision, expected=1, event=ACTIVATED)
    again = await Records.open(url, KEY)
    with pytest.raises(AlteredRevisionError, match=said):
        await again.policies.texts(1)
    await again.close()


async def test_the_chain_vouches_for_the_texts(records: Records) -> None:
    await in_effect(records, "a")

    digests = {one.event.detail["texts_digest"] for one in await records.audit.events()}

    texts = await records.policies.texts(1)
    assert digests == {digest_of(texts.model, texts.rules, texts.matching, texts.tests)}


def test_a_digest_tells_which_text_is_which() -> None:
    texts = ("ab", "c", "", ""), ("a", "bc", "", ""), ("ab", "", "c", ""), ("ab", "", "", "c")
    assert len({digest_of(*some) for some in texts}) == len(texts)


async def test_a_revision_whose_text_was_never_kept_is_unknown(records: Records, url: str) -> None:
    await in_effect(records, "a")
    await disarm(url)
    await tampering.run(
        url, "UPDATE policy_revisions SET model = '', rules = '', texts_digest = ''"
    )
    with pytest.raises(UnknownRevisionError):
        await records.policies.texts(1)


async def test_what_takes_effect_rests_on_rights_that_stand(records: Records) -> None:
    under = await records.standing.read()
    await records.database.write(mark_refuted)

    with pytest.raises(MovedOnError):
        await records.policies.propose(revision("a"), PROPOSED, under=under)
    now = await records.standing.read()
    await records.policies.propose(revision("a"), PROPOSED, under=now)
    with pytest.raises(MovedOnError):
        await records.policies.activate(1, expected=0, event=ACTIVATED, under=under)
    assert (await records.standing.read()).policy == 0

    await records.policies.activate(1, expected=0, event=ACTIVATED, under=now)
    assert (await records.standing.read()).policy == 1


async def test_what_was_refuted_takes_no_effect(records: Records) -> None:
    await records.policies.propose(revision("a"), PROPOSED)
    await records.policies.note_proof(1, replace(SAMPLED, state=ProofState.REFUTED))

    with pytest.raises(RefutedRevisionError, match="found a difference"):
        await records.policies.activate(1, expected=0, event=ACTIVATED)
    assert (await records.standing.read()).policy == 0


async def test_whoever_stands_behind_a_proposal_is_kept(records: Records) -> None:
    parties = ("acme/user:ada", "acme/agent:helper")
    found = await records.policies.propose(replace(revision("a"), parties=parties), PROPOSED)
    assert found.parties == parties
    assert (await records.policies.latest(1))[0].parties == parties
    assert (await records.policies.revision(1)).author == "user:ada"


async def test_an_installation_does_not_start_under_rules_that_were_altered(
    records: Records, url: str
) -> None:
    folder = Path(__file__).parents[3] / "policy"
    await seeded(records, folder, actor="service:test", now=NOW)
    await disarm(url)
    evil = "p, user:evil, *, /*, policy:administer, True, allow"
    await tampering.run(url, f"UPDATE policy_revisions SET rules = rules || '{evil}'")

    with pytest.raises(AlteredRevisionError):
        await seeded(records, folder, actor="service:test", now=NOW)
