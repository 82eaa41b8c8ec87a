"""What a refutation tells, and to whom."""

from __future__ import annotations

from acl.proof.plan import ProofPlan
from acl.proof.proof import Proof, ProofReport
from acl.records import Mismatch
from retrieval.policy.edits import ELSEWHERE, RefutedError, visible
from tests.unit.acl.company_policy import policy
from tests.unit.acl.default_policy import ADA, NOW, READ, label
from tests.unit.acl.proof.test_proof import everything

MINE, OTHER = Mismatch("acme", "mine"), Mismatch("globex", "theirs")


def test_of_other_tenants_it_is_told_only_that_there_is_one() -> None:
    assert visible([MINE, OTHER, Mismatch("", "of two")], None) == ("mine", "theirs", "of two")
    assert visible([OTHER, MINE, Mismatch("", "of two")], "acme") == ("mine", ELSEWHERE)
    assert visible([MINE] * 5 + [OTHER], "acme", limit=3) == ("mine",) * 3 + (ELSEWHERE,)
    assert visible([MINE], "acme") == ("mine",)
    assert visible([], "acme") == ()


def report() -> ProofReport:
    labels = [
        label(readers=[], path="/acme/x"),
        label(tenant="beta", path="/beta/merger"),
    ]
    proof = Proof(policy(), ProofPlan([ADA], [READ], labels), NOW, decider=everything)
    return proof.begun().with_batch(proof.batch(0, 2))


def test_a_refusal_names_no_label_of_another_tenant() -> None:
    whole = RefutedError(report())
    mine = whole.for_tenant("acme")

    assert any("/beta/merger" in one for one in whole.shown)
    assert "/beta/merger" not in " ".join((*mine.shown, str(mine)))
    assert mine.shown[-1] == ELSEWHERE
    assert RefutedError(proof_without_end()).shown == ()


def proof_without_end() -> ProofReport:
    return Proof(policy(), ProofPlan([ADA], [READ], [label()]), NOW).begun()
