"""Examples of other engines, expressed here, come out as their authors assert.

What an example asserts is read where it lies; these tests are skipped where it does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.originals import CEDAR, STORES, of_example, of_store
from tests.conformance.translation import Assertion, Translation

HERE = Path(__file__).parent
NAMES = {
    "PhotoApp": "photo_app",
    "GitApp": "git_app",
    "static": "{}_static",
    "templated": "{}_templated",
}
TABLE = HERE.parents[1] / "docs" / "other-engines.md"
ROW = re.compile(
    r"^\| `([\w./-]+)` \| (fits|in part|not) \| (\d+)/(\d+) \| (.*?) \|$", re.MULTILINE
)


@dataclass(frozen=True)
class Suite:
    """The examples of one engine."""

    name: str
    originals: Path
    read: Callable[[Path], Iterator[Assertion]]

    @property
    def translations(self) -> list[Translation]:
        return [Translation(one) for one in sorted((HERE / self.name).iterdir()) if one.is_dir()]

    def assertions(self, translation: Translation) -> list[Assertion]:
        return [one for name in translation.originals for one in self.read(self.originals / name)]


OPENFGA = Suite("openfga", STORES, of_store)
CEDAR_EXAMPLES = Suite("cedar", CEDAR, of_example)
SETS = [
    pytest.param(suite, one, id=f"{suite.name}/{one.folder.name}")
    for suite in (OPENFGA, CEDAR_EXAMPLES)
    for one in suite.translations
]


def present(suite: Suite) -> None:
    if not suite.originals.is_dir():
        pytest.skip(f"the originals of {suite.name} are not there")


@pytest.mark.parametrize(("suite", "translation"), SETS)
def test_every_assertion_that_is_not_left_out_comes_true(
    suite: Suite, translation: Translation
) -> None:
    present(suite)
    kept = [one for one in suite.assertions(translation) if translation.left_out(one) is None]
    assert kept
    for assertion in kept:
        assert translation.answer(assertion) == assertion.expected, assertion


@pytest.mark.parametrize(("suite", "translation"), SETS)
def test_no_reason_leaves_nothing_out(suite: Suite, translation: Translation) -> None:
    present(suite)
    assert translation.unused(suite.assertions(translation)) == []


@pytest.mark.parametrize(("suite", "translation"), SETS)
def test_a_set_takes_effect_and_says_both_yes_and_no(
    suite: Suite, translation: Translation
) -> None:
    assert translation.policy.rules
    present(suite)
    answers = {
        one.expected if isinstance(one.expected, bool) else bool(one.expected)
        for one in suite.assertions(translation)
        if translation.left_out(one) is None
    }
    # One example asserts nothing but permissions.
    assert answers == ({True} if translation.folder.name == "modular" else {True, False})


@pytest.mark.parametrize("suite", [OPENFGA, CEDAR_EXAMPLES], ids=["openfga", "cedar"])
def test_the_table_has_a_row_for_every_set(suite: Suite) -> None:
    listed = rows(suite)
    assert {name for name, row in listed.items() if row[0] != "not"} == {
        one.folder.name for one in suite.translations
    }
    for translation in suite.translations:
        said = translation.said
        whole = not said.get("left_out") and "differs" not in said
        assert (listed[translation.folder.name][0] == "fits") == whole, translation.folder.name


@pytest.mark.parametrize("suite", [OPENFGA, CEDAR_EXAMPLES], ids=["openfga", "cedar"])
def test_the_table_counts_right_and_forgets_no_example(suite: Suite) -> None:
    present(suite)
    listed, sets = rows(suite), {one.folder.name: one for one in suite.translations}
    originals = examples(suite)
    assert set(listed) == set(originals)
    for name, (_, kept, every, _) in listed.items():
        asserted = [one for path in originals[name] for one in suite.read(path)]
        assert int(every) == len(asserted), name
        mine = sets.get(name)
        true = [one for one in asserted if mine is not None and mine.left_out(one) is None]
        assert int(kept) == len(true), name
        if mine is not None:
            assert {suite.originals / one for one in mine.originals} == set(originals[name])


def rows(suite: Suite) -> dict[str, tuple[str, str, str, str]]:
    _, _, section = TABLE.read_text(encoding="utf-8").partition(f"## {suite.name}\n")
    section = section.partition("\n## ")[0]
    return {name: (fit, kept, every, why) for name, fit, kept, every, why in ROW.findall(section)}


def examples(suite: Suite) -> dict[str, list[Path]]:
    """Return every example that lies there, by the name that the table gives it."""
    if suite is OPENFGA:
        stores = [one for one in STORES.iterdir() if one.is_dir()]
        return {one.name: [p for p in one.rglob("*.fga.yaml") if _tests(p)] for one in stores}
    folders = {one.parent for one in CEDAR.rglob("ALLOW")}
    return {NAMES.get(one.name, one.name).format(one.parent.name): [one] for one in folders}


def _tests(path: Path) -> bool:
    return "\ntests:" in path.read_text(encoding="utf-8")
