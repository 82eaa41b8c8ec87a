"""What a refutation tells, and to whom."""

from __future__ import annotations

from dataclasses import replace

from acl.proof.plan import ProofPlan
from acl.proof.proof import Proof, ProofReport
from acl.records import Mismatch, RevisionTexts
from retrieval.policy.edits import ELSEWHERE, Edit, RefutedError, difference, visible
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


BASE = RevisionTexts(model="m", rules="p, a, b\n", matching="x = 1\n", tests="y = 1\n")


def test_an_edit_of_rows_keeps_every_other_text() -> None:
    assert Edit(add=("p, c, d",)).applied(BASE) == replace(BASE, rules="p, a, b\np, c, d\n")
    assert Edit(tests="").applied(BASE) == replace(BASE, tests="")
    assert Edit(matching="z = 1\n").applied(BASE) == replace(BASE, matching="z = 1\n")
    other = RevisionTexts(model="n", rules="")
    assert Edit.whole(other).applied(BASE) == other


def test_a_difference_names_the_file() -> None:
    files = {"model": "model.conf", "matching": "matching.toml", "tests": "tests.toml"}
    for name, file in files.items():
        found = difference(BASE, replace(BASE, **{name: "other"}))
        flags = {one: getattr(found, f"{one}_changed") for one in files}
        assert flags == {one: one == name for one in files}
        assert f"+++ b/{file}\n" in found.text
    assert difference(BASE, BASE).text == ""
