"""Patterns on a linear engine: Casbin's answers, or a refusal, and never for long."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from casbin import util
from casbin.util import builtin_operators

from acl.language import patterns
from acl.language.casbin_adapter import FUNCTIONS
from acl.language.patterns import MAX_PATTERN, PatternError, require_bounded

ROUNDS = int(os.environ.get("STRONGROOM_PATTERNS", "3000"))
PAIRS: tuple[tuple[str, Callable[..., Any], Callable[..., Any]], ...] = (
    ("regexMatch", util.regex_match, patterns.regex_match),
    ("keyMatch2", util.key_match2, patterns.key_match2),
    ("keyMatch3", util.key_match3, patterns.key_match3),
    ("keyMatch4", util.key_match4, patterns.key_match4),
    ("keyMatch5", util.key_match5, patterns.key_match5),
    ("keyGet2", builtin_operators.key_get2, patterns.key_get2),
    ("keyGet3", builtin_operators.key_get3, patterns.key_get3),
)
ATOMS = (
    "a", "b", "/", "-", ".", "[a-c]", "[^/]", "[^a-z0-9]", r"\d", r"\w", r"\s", r"\W", r"[^\W]",
    r"[\w.-]", "é", "(a|b)", "(?:ab|/c)", "x", "@", "$", "^", ":id", "{id}", "/*", "*", "(a*)", "1",
    r"\.", r"\Z", "{x}",
)  # fmt: skip
QUANTIFIERS = ("", "", "", "", "*", "+", "?", "{2}", "{1,3}", "*?", "+?")
SEGMENTS = ("/", ":id", "{id}", "a", "*", "/*", "b", ":x", "{x}", "1")


def answer(function: Callable[..., Any], *arguments: str) -> object:
    try:
        return function(*arguments)
    except PatternError as error:
        return error
    except Exception:  # noqa: BLE001 - Casbin raises what it likes
        return "raises"


def pattern_and_text(rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.4:
        pattern = "".join(rng.choice(SEGMENTS) for _ in range(rng.randint(1, 7)))
    else:
        steps = (rng.choice(ATOMS) + rng.choice(QUANTIFIERS) for _ in range(rng.randint(1, 6)))
        pattern = "".join(steps)
    if rng.random() < 0.3:
        parts = (rng.choice(["a", "b", "1", "a1", "x", "?q"]) for _ in range(rng.randint(1, 4)))
        return pattern, "/" + "/".join(parts)
    return pattern, "".join(rng.choice("aab/b-.1@xé c") for _ in range(rng.randint(0, 8)))


def test_every_function_answers_like_casbin() -> None:
    rng, answered, matched = random.Random(11), 0, 0
    for _ in range(ROUNDS):
        pattern, text = pattern_and_text(rng)
        for name, theirs, ours in PAIRS:
            rest = ("id",) if name.startswith("keyGet") else ()
            got = answer(ours, text, pattern, *rest)
            if not isinstance(got, PatternError):
                assert got == answer(theirs, text, pattern, *rest), (name, text, pattern)
                answered += 1
                matched += got is True
    assert answered > 3 * ROUNDS
    assert matched > ROUNDS / 10


HOSTILE = ("a" * 45 + "@", "a" * 300, "/a" * 150, "." * 300, "a/" * 149 + "b:")


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:4])
@pytest.mark.parametrize(
    ("function", "pattern"),
    [
        ("regexMatch", "([a-z]+[.]?)+@acme.example"),
        ("regexMatch", "(a*)*(a*)*(a*)*b"),
        ("regexMatch", "(a|aa|a.)+$"),
        ("regexMatch", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x"),
        ("keyMatch2", "(/:a)*(/:b)*(/:c)*(/:d)*x"),
        ("keyMatch3", "({a}/?)*({b}/?)*x"),
        ("keyMatch4", "({a}/?)*x"),
        ("keyMatch5", "({a}/?)*({b}/?)*x"),
        ("keyGet2", "(/:a)*(/:b)*x"),
        ("keyGet3", "({a}/?)*({b}/?)*x"),
        ("globMatch", "*a*a*b"),
        ("globMatch", "/**/a*a*b"),
        ("globMatch", "/**/*a/**"),
    ],
)
def test_no_pattern_takes_long_on_a_hostile_text(function: str, pattern: str, text: str) -> None:
    rest = ("id",) if function.startswith("keyGet") else ()
    answer(FUNCTIONS[function], "x", pattern, *rest)
    began = time.thread_time()
    answer(FUNCTIONS[function], text, pattern, *rest)
    assert time.thread_time() - began < 0.05


@pytest.mark.parametrize(
    ("function", "pattern", "reason"),
    [
        ("regexMatch", r"(a)\1", "looks back, ahead"),
        ("regexMatch", "a(?=b)", "looks back, ahead"),
        ("regexMatch", "(?i)a", "sets a flag|looks back"),
        ("regexMatch", "a(?i:b)", "looks back, ahead"),
        ("regexMatch", r"\ba", "borders of words"),
        ("regexMatch", r"[\Wa]", "among other characters"),
        ("regexMatch", "a++", "looks back, ahead"),
        ("regexMatch", "((a{900}){900}){9}", "repeats too much"),
        ("regexMatch", "[a", "is no pattern"),
        ("regexMatch", "a" * (MAX_PATTERN + 1), "is longer than 1024"),
        ("keyMatch2", "/:a/(?!b)", "looks back, ahead"),
        ("globMatch", "*a*a*a*b", "at most 3 stars"),
        ("globMatch", "/{a,b}", "write a row for each"),
        ("globMatch", "a" * (MAX_PATTERN + 1), "is longer than 1024"),
    ],
)
def test_what_no_bounded_engine_can_say_is_refused(
    function: str, pattern: str, reason: str
) -> None:
    with pytest.raises(PatternError, match=reason):
        require_bounded(function, pattern)
    with pytest.raises(PatternError):
        FUNCTIONS[function]("aab", pattern)


def test_other_functions_have_no_pattern_to_bound() -> None:
    require_bounded("keyMatch", "((((")
    with pytest.raises(PatternError, match="line break"):
        patterns.regex_match("a\n", "a")
    with pytest.raises(PatternError, match="groups of its own"):
        patterns.key_match4("/a/b", "/(a)/{b}")
