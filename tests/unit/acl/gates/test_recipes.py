"""The page of recipes: each loads, and its tests hold because of its rows."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from acl.admission.reading import read_policy
from acl.gates.policy_tests import read_tests
from acl.gates.trial import Case, Failure, Trial
from acl.labels import Label, LabelSchema
from acl.subject import Subject
from tests.unit.acl.default_policy import FOLDER, MODEL, NOW, ROWS, SCHEMA, label

PAGE = Path(__file__).parents[4] / "docs" / "recipes.md"
BLOCK = re.compile(r"^```(csv|toml)\n(?:# (\S+)\n)?(.*?)^```$", re.DOTALL | re.MULTILINE)
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
RECIPES = {text.partition("\n")[0]: text for text in SECTIONS}
LABELS = (FOLDER / "labels.toml").read_text()


def block(text: str, name: str) -> str:
    """Return the text of the blocks for one file."""
    return "".join(body for kind, file, body in BLOCK.findall(text) if name in {kind, file})


def failures(recipe: str, rows: str) -> list[Failure]:
    schema = LabelSchema.from_toml(LABELS + block(recipe, "labels.toml"))
    trial = Trial(read_policy(MODEL, ROWS + rows, schema))
    tests = read_tests(block(INTRODUCTION, "tests.toml") + block(recipe, "tests.toml"), schema)
    assert tests
    found = []
    for test in tests:
        assert isinstance(test.asker, Subject)
        assert isinstance(test.about, Label)
        case = Case(
            place=test.place,
            subject=test.asker,
            action=test.action,
            label=test.about,
            at=test.at or NOW,
            permitted=test.permitted,
        )
        found.append(trial.failure(case))
    return [failure for failure in found if failure]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_does_what_its_tests_say(name: str) -> None:
    rows = block(RECIPES[name], "csv")
    assert rows
    assert failures(RECIPES[name], rows) == []
    assert failures(RECIPES[name], "") != []


@pytest.mark.parametrize("name", RECIPES)
def test_each_row_of_a_recipe_is_needed(name: str) -> None:
    lines = block(RECIPES[name], "csv").splitlines(keepends=True)
    needed = [
        bool(failures(RECIPES[name], "".join(lines[:at] + lines[at + 1 :])))
        for at in range(len(lines))
    ]
    assert sum(needed) >= len(lines) - 1, lines


def test_guests_read_exactly_what_they_are_named_for() -> None:
    luck, names = random.Random("guests"), [f"group:g{number}" for number in range(4)]
    recipe = next(text for name, text in RECIPES.items() if "guests" in name)
    trial = Trial(read_policy(MODEL, ROWS + block(recipe, "csv"), SCHEMA))
    for number in range(100):
        groups = frozenset({"group:guests", *luck.sample(names, luck.randint(0, 3))})
        guest = Subject(id=f"user:u{number % 3}", tenant="acme", clearance=3, groups=groups)
        everybody = [*names, "user:u0", "user:u1", "user:ann", "group:guests", "group:everyone"]
        readers = luck.sample(everybody, luck.randint(0, 3))
        paper = label(path=f"/acme/notes/{number}", compartments=[], readers=readers)
        named = not guest.principals.isdisjoint(readers)
        case = Case(
            place="", subject=guest, action="document:read", label=paper, at=NOW, permitted=named
        )
        assert trial.failure(case) is None, case
