"""Whole policy sets against Casbin on every engine: our own, and the shared ones where they are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.casbin.__main__ import main, run_cases
from tests.conformance.casbin.cases import Case, Expected, read_folder
from tests.conformance.casbin.compare import EVALUATOR, Report
from tests.conformance.casbin.engines import Mode

OWN = Path(__file__).parent / "own_sets"
SHARED = Path(__file__).parents[3] / "shared" / "conformance" / "casbin"


def proven(reports: list[Report]) -> None:
    """Check every report, and that there was something to be wrong about."""
    for report in reports:
        assert report.examples == [], report.case.id
        assert report.passes, (report.case.id, report.refused, report.refused_rows)
        assert report.agrees is not False, (
            f"{report.case.id}: Casbin decides otherwise than recorded"
        )
        if report.case.expected is not Expected.REFUSED:
            assert report.tallies.keys() == {EVALUATOR, *Mode}
            assert report.refused_requests == 0
    assert sum(report.allowed for report in reports) > 500
    assert sum(report.decisions - report.allowed for report in reports) > 5_000


@pytest.mark.slow
async def test_own_sets_mean_what_casbin_says_on_every_engine() -> None:
    reports = await run_cases(read_folder(OWN))

    proven(reports)
    assert Counter(one.case.expected for one in reports)[Expected.REFUSED] >= 12
    assert all(
        0 < one.allowed < one.decisions
        for one in reports
        if one.case.expected is not Expected.REFUSED
    )


@pytest.mark.slow
async def test_shared_sets_mean_what_casbin_says_on_every_engine() -> None:
    if not SHARED.exists():
        pytest.skip("the shared policy sets are not beside this repository")

    reports = await run_cases(read_folder(SHARED), door=True)
    proven(reports)
    due = [one for one in reports if one.case.expected is not Expected.REFUSED]
    kept_out = {one.case.id.partition("_")[0] for one in due if one.at_door}
    assert kept_out <= {"A10", "A15", "A17", "A20", "A36"}


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/conformance/casbin is absent")
def test_the_door_says_who_gets_in_and_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    sets = (
        "A08_abac_rule",
        "A07_abac_owner",
        "A26_rbac_domain_pattern",
        "A36_rbac_multiple_policy",
    )
    assert main([str(SHARED), *sets, "A36_rbac_multiple_policy", "--door"]) == 0
    said = capsys.readouterr().out
    assert "A36_rbac_multiple_policy: at the door: model.conf line 6: `p2`: decides nothing" in said
    assert "3 of 4 sets get in; 0 over, 0 under" in said


def own(name: str) -> Case:
    return next(case for case in read_folder(OWN) if case.id == name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("X01_unknown_function", "`similar`: is not a function of Casbin"),
        ("X02_substring", "would be a substring test"),
        ("X03_regular_expression", "`regexMatch`: has no form in the filter"),
        ("X04_two_attributes", "compares two attributes of the resource"),
        ("X05_rewritten_literal", "holds `&&`, and Casbin rewrites it even inside a literal"),
        ("X06_comment", "Casbin cuts the expression here"),
        ("X07_spliced_rule", "closes a bracket that it did not open"),
        ("X08_column_against_number", "raises for every document, by its types"),
        ("X09_eval_with_a_space", "is spelt `eval(p.column)`"),
        ("X10_default_allow", "permits what no rule denies"),
        ("X11_misspelt_effect", "`dney`: is neither `allow` nor `deny`"),
        ("X12_undefined_kind", "`p9`: is not defined by the model"),
        ("X13_mixed_windows", "ignores plain role definitions"),
        ("X14_computed_attribute", "computes with an attribute of the resource"),
        ("X15_rewritten_rule", "holds `!`, and Casbin rewrites it even inside a literal"),
        ("X16_eval_in_a_literal", "holds `eval(`, and Casbin rewrites it"),
        ("X17_missing_columns", "has 2 columns, the model defines 3"),
    ],
)
async def test_what_cannot_be_expressed_is_refused_by_name(name: str, reason: str) -> None:
    (report,) = await run_cases([own(name)])

    assert any(reason in one for one in report.refused), report.refused


async def test_rows_without_a_filter_form_are_named_and_the_rest_is_compared() -> None:
    (report,) = await run_cases([own("S20_expressible_in_part")])

    assert report.passes
    assert [one.partition(":")[0] for one in report.refused_rows] == [
        "policy.csv line 2",
        "policy.csv line 3",
    ]
    assert report.allowed > 0


def set_in(folder: Path, name: str, rows: str, **entry: object) -> None:
    place = folder / name
    place.mkdir()
    model = (OWN / "S19_constant" / "model.conf").read_text()
    (place / "model.conf").write_text(model)
    (place / "policy.csv").write_text(rows)
    manifest = folder / "MANIFEST.json"
    cases = json.loads(manifest.read_text())["cases"] if manifest.exists() else []
    manifest.write_text(json.dumps({"cases": [*cases, {"id": name, "path": name, **entry}]}))


def test_the_runner_ends_with_0_only_if_every_set_became_what_it_had_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_in(tmp_path, "good", "p, staff, read\ng, ada, staff\n", compile={"class": "K"})
    assert main([str(tmp_path)]) == 0
    assert "passed" in capsys.readouterr().out

    set_in(tmp_path, "accepted", "p, staff, read\n", compile={"class": "X"})
    assert main([str(tmp_path)]) == 1
    assert "NOT REFUSED" in capsys.readouterr().out
    assert main([str(tmp_path), "good"]) == 0

    set_in(tmp_path, "too short", "p, staff\n", compile={"class": "K"})
    assert main([str(tmp_path), "too short"]) == 1
    set_in(tmp_path, "unreadable", "p, staff)\n", compile={"class": "K"})
    assert main([str(tmp_path), "unreadable"]) == 1


def test_the_runner_knows_the_documented_hole_and_refuses_unknown_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_in(tmp_path, "no rows", "", compile={"class": "K"})
    assert main([str(tmp_path)]) == 0
    with pytest.raises(SystemExit):
        main([str(tmp_path), "nonsense"])
    assert "no set is named nonsense" in capsys.readouterr().err
