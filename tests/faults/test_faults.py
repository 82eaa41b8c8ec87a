"""Every seeded fault is noticed, and the sound code passes the same checks."""

from __future__ import annotations

import pytest

from tests.faults.checks import Known, complaint, known
from tests.faults.mutants import MUTANTS, Mutant
from tests.faults.private_copy import private_copy


@pytest.fixture(scope="module")
def casbin() -> Known:
    return known()


def test_the_sound_code_passes(casbin: Known) -> None:
    assert complaint(casbin) is None


def test_an_unchanged_copy_passes_so_that_copying_is_no_fault(casbin: Known) -> None:
    same = Mutant("nothing", "acl.algebra.outcome", "class Outcome:", "class Outcome:")
    with private_copy(same) as checks:
        assert checks.complaint(casbin) is None


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_the_fault_is_noticed(mutant: Mutant, casbin: Known) -> None:
    with private_copy(mutant) as checks:
        found = checks.complaint(casbin)

    assert found is not None
    assert "ImportError" not in found


def test_the_faults_are_many_and_distinct() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30
    assert len({(one.module, one.original, one.mutated) for one in MUTANTS}) == len(MUTANTS)
