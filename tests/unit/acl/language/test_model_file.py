from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from casbin.config import Config

from acl.errors import Refusal
from acl.language.model_file import SECTIONS, read_model_file

CASES = Path(__file__).parents[4].parent / "shared" / "cases" / "policies"

DEFINITIONS = {
    "request_definition": ["r = sub, obj, act"],
    "policy_definition": ["p = sub, path, act, eft"],
    "role_definition": ["g = _, _", "g2 = _, _"],
    "policy_effect": ["e = some(where (p.eft == allow)) && !some(where (p.eft == deny))"],
    "matchers": ["m = g(r.sub.id, p.sub) && g2(r.obj.path, p.path) && r.act == p.act"],
}

Lines = list[str]


def written(dice: random.Random) -> Lines:
    """Write the same model in one of the many ways in which a person may write it."""
    lines: Lines = []
    for section in dice.sample(sorted(DEFINITIONS), len(DEFINITIONS)):
        lines += dice.choice(([], [""], ["# why"], ["; why", ""]))
        lines.append(dice.choice((f"[{section}]", f"  [{section}]  ")))
        for definition in DEFINITIONS[section]:
            lines += dice.choice(([], [""], ["# why"]))
            lines += continued(definition, dice)
    return lines


def continued(definition: str, dice: random.Random) -> Lines:
    words = definition.split(" ")
    lines = [words[0]]
    for word in words[1:]:
        if dice.random() < 0.3 and "=" in " ".join(lines):
            lines[-1] += dice.choice((" \\", "\\", " \\  "))
            lines.append(dice.choice(("", "    ")) + word)
        else:
            lines[-1] += f" {word}"
    return lines


def places(lines: Lines) -> Lines:
    return [str(n) for n, line in enumerate(lines, start=1) if line.rstrip().endswith("\\")]


def in_a_value(extra: str) -> Callable[[Lines, random.Random], Lines | None]:
    def broken(lines: Lines, dice: random.Random) -> Lines | None:
        inside = places(lines)
        if not inside:
            return None
        at = int(dice.choice(inside))
        return [*lines[:at], extra, *lines[at:]]

    return broken


def without_a_backslash(lines: Lines, dice: random.Random) -> Lines | None:
    inside = places(lines)
    if not inside:
        return None
    at = int(dice.choice(inside)) - 1
    return [*lines[:at], lines[at].rstrip()[:-1], *lines[at + 1 :]]


def second_section(lines: Lines, dice: random.Random) -> Lines:
    section = dice.choice(sorted(DEFINITIONS))
    return [*lines, f"[{section}]", *DEFINITIONS[section][:1]]


def second_key(lines: Lines, dice: random.Random) -> Lines:
    at = dice.choice([n for n, line in enumerate(lines) if line.strip().startswith("[")])
    section = lines[at].strip()[1:-1]
    return [*lines[: at + 1], DEFINITIONS[section][0], *lines[at + 1 :]]


def unknown_section(lines: Lines, dice: random.Random) -> Lines:
    name = dice.choice(("matcher", "Matchers", "include", "policy_effects", "m"))
    return [*lines, f"[{name}]", "m = True"]


def unknown_key(lines: Lines, dice: random.Random) -> Lines:
    at = dice.choice([n for n, line in enumerate(lines) if line.strip().startswith("[")])
    return [
        *lines[: at + 1],
        f"{dice.choice(('M', 'matcher', 'x', 'm1'))} = True",
        *lines[at + 1 :],
    ]


def second_set(lines: Lines, dice: random.Random) -> Lines:
    letter = dice.choice("rpm")
    section = next(name for name, one in SECTIONS.items() if one == letter)
    at = next(n for n, line in enumerate(lines) if line.strip() == f"[{section}]")
    return [*lines[: at + 1], f"{letter}2 = sub", *lines[at + 1 :]]


def no_bracket(lines: Lines, dice: random.Random) -> Lines:
    at = dice.choice([n for n, line in enumerate(lines) if line.strip().startswith("[")])
    return [*lines[:at], lines[at].strip()[:-1], *lines[at + 1 :]]


FAULTS = (
    in_a_value("# a remark"),
    in_a_value("; a remark"),
    in_a_value(""),
    in_a_value("   "),
    without_a_backslash,
    second_section,
    second_key,
    unknown_section,
    unknown_key,
    second_set,
    no_bracket,
)


@pytest.mark.parametrize("seed", range(100))
def test_a_model_is_read_as_casbin_reads_it_however_it_is_laid_out(seed: int) -> None:
    text = "\n".join(written(random.Random(seed)))

    model = read_model_file(text)

    assert model.refusals == ()
    casbin = Config.new_config_from_text(text)
    for section, letter in SECTIONS.items():
        ours = {key: one.value for key, one in model.definitions.items() if key[0] == letter}
        theirs = {key: casbin.get(f"{section}::{key}") for key in ours}
        assert ours == theirs


@pytest.mark.parametrize("seed", range(100))
def test_each_place_of_a_value_is_found_again_in_the_file(seed: int) -> None:
    text = "\n".join(written(random.Random(seed)))

    for definition in read_model_file(text).definitions.values():
        for offset, character in enumerate(definition.value):
            if character != " ":
                line, position = definition.place(offset)
                assert text.split("\n")[line - 1][position - 1] == character


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__qualname__)
def test_what_casbin_would_drop_or_replace_is_refused_with_its_line(
    fault: Callable[[Lines, random.Random], Lines | None],
) -> None:
    tried = 0
    for seed in range(100):
        dice = random.Random(seed)
        lines = fault(written(dice), dice)
        if lines is None:
            continue
        tried += 1

        refusals = read_model_file("\n".join(lines)).refusals

        assert refusals, "\n".join(lines)
        assert all("model.conf line " in one.where for one in refusals)
    assert tried > 50


def test_a_role_definition_after_a_gap_is_refused() -> None:
    text = "[role_definition]\ng = _, _\ng3 = _, _\n"

    (refusal,) = read_model_file(text).refusals

    assert str(refusal) == (
        "model.conf line 3: `g3`: is never read, because `g2` is missing before it"
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("comment-in-matcher", 11),
        ("blank-line-in-matcher", 11),
        ("two-matcher-lines", 11),
        ("second-section", 12),
        ("second-effect", 12),
        ("rows-of-unused-definition", 5),
    ],
)
def test_the_cases_are_refused(name: str, line: int) -> None:
    file = CASES / f"{name}.model.conf"
    if not file.exists():
        pytest.skip("the cases are not beside this checkout")

    refusals = read_model_file(file.read_text(encoding="utf-8")).refusals

    assert refusals[0].where == f"model.conf line {line}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("r = sub", "stands before the first section, so nothing reads it"),
        ("[matchers]\nm =", "has no value, so Casbin would ignore it"),
        ("[matchers]\nm = True \\", "continues in a line that does not exist"),
        ("[matchers]\nm = True \\\n[policy_effect]", "continues in the line of a section"),
        (
            "[request_definition]\nr = sub, obj # who, what",
            "is no name of a column: plain letters, digits and `_`",
        ),
        ("[matcher]\nm = True", "is a section that nothing reads; did you mean [matchers]?"),
    ],
)
def test_the_reason_says_what_would_have_happened(text: str, reason: str) -> None:
    assert [one.reason for one in read_model_file(text).refusals] == [reason]


def test_a_refusal_gets_its_line_where_the_file_has_what_it_is_about() -> None:
    file = read_model_file("[role_definition]\ng = _, _\n[matchers]\nm = r.sub.id == p.sub")

    def line(operator: str, position: int = 0) -> str:
        refusal = Refusal("model.conf", operator, "reason", position=position)
        return file.located(refusal).where

    assert line("p.sub") == "model.conf line 4"
    assert line("what stands here", position=3) == "model.conf line 4"
    assert line("g") == "model.conf line 2"
    assert line("r.obj.colour") == "model.conf"
    assert file.located(Refusal("policy.csv line 1", "g", "reason")).where == "policy.csv line 1"
