"""Path patterns that have a filter form mean what Casbin says; the others are refused by name."""

from __future__ import annotations

import pytest
from casbin import util

from acl.algebra.leaves import matches
from acl.labels import Attribute, AttributeType, LabelSchema, Prefixes
from acl.language.expression import ExpressionError
from acl.predicate import ALWAYS, Constant, holds

CHARACTERS = Attribute(name="path", type=AttributeType.PATH, prefixes=Prefixes.CHARACTER)
SEGMENTS = Attribute(name="path", type=AttributeType.PATH)
KEYWORD = Attribute(name="path", type=AttributeType.KEYWORD)
SCHEMA = LabelSchema({"path": CHARACTERS})
FUNCTIONS = {
    "keyMatch": util.key_match,
    "keyMatch2": util.key_match2,
    "keyMatch3": util.key_match3,
    "keyMatch4": util.key_match4,
    "keyMatch5": util.key_match5,
    "globMatch": util.glob_match,
}
PATHS = (
    "/", "/a", "/b", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/d", "/ab", "a/b", "/a/.h", "/.a/b",
    "/a/b?", "/a/b?c", "/a?/b", "/a/b?c/d", "/a/bc", "/a/b./x",
    "a", "/a/{x}", "/a/:x", "{", "/a/b{c}",
)  # fmt: skip


@pytest.mark.parametrize(
    ("function", "pattern"),
    [
        ("keyMatch", "/a/b"),
        ("keyMatch", "/a*"),
        ("keyMatch", "/a/*/c"),
        ("keyMatch", "*"),
        ("keyMatch2", "/a/b"),
        ("keyMatch2", "/a/*"),
        ("keyMatch2", "/a/:x"),
        ("keyMatch2", "/:x/b"),
        ("keyMatch2", "/:x/b/*"),
        ("keyMatch2", "*"),
        ("keyMatch2", "/a/{x}"),
        ("keyMatch3", "/a/{x}"),
        ("keyMatch3", "/{x}/b/*"),
        ("keyMatch3", "/a/*"),
        ("keyMatch3", "/a/:x"),
        ("keyMatch4", "/{x}/{y}"),
        ("keyMatch4", "/a/b"),
        ("keyMatch5", "/a/*"),
        ("keyMatch5", "/a/b/*"),
        ("keyMatch5", "/a/b"),
        ("keyMatch5", "/a"),
        ("globMatch", "/a/b*"),
        ("globMatch", "/a*"),
        ("globMatch", "/a/.*"),
        ("globMatch", "/a/b/c*"),
        ("globMatch", "/a/*"),
        ("globMatch", "/*/*"),
        ("globMatch", "*/b"),
        ("globMatch", "*/*/b"),
        ("globMatch", "/a/b"),
    ],
)
def test_a_pattern_means_what_casbin_says(function: str, pattern: str) -> None:
    outcome = matches(function, CHARACTERS, pattern)
    assert outcome.total
    answers = set()
    for path in PATHS:
        expected = bool(FUNCTIONS[function](path, pattern))
        label = SCHEMA.parse({"path": path})
        for condition, wanted in ((outcome.true, expected), (outcome.false, not expected)):
            if isinstance(condition, Constant):
                assert (condition is ALWAYS) is wanted
            else:
                assert holds(condition, label) is wanted, path
        answers.add(expected)
    assert True in answers


@pytest.mark.parametrize(
    ("function", "pattern", "reason"),
    [
        ("keyMatch2", "/a.b/:x", "`.` in `/a.b/:x` is read as a regular expression"),
        ("keyMatch2", "/a/*/c", "`*` in `/a/*/c` is read as a regular expression"),
        ("keyMatch2", "/a/x:y", "`x:y` in `/a/x:y` is a wildcard inside a segment"),
        ("keyMatch2", "/(a)", "`(` in `/(a)` is read as a regular expression"),
        ("keyMatch3", "/a/x{y}", "`x{y}` in `/a/x{y}` is a wildcard inside a segment"),
        ("keyMatch4", "/{x}/{x}", "`/{x}/{x}` names one segment twice"),
        ("keyMatch4", "/{x}y", "is a wildcard inside a segment"),
        ("globMatch", "/a/?", "`?` in `/a/?` has no filter form"),
        ("globMatch", "/a/**", "`**` in `/a/**` has no filter form"),
        ("globMatch", "/a/x*y", "a star inside a segment of `/a/x*y`"),
        ("globMatch", "/*/x*", "a star inside a segment of `/*/x*`"),
        ("globMatch", "/a//b", "is empty or has an empty segment"),
        ("globMatch", "", "is empty or has an empty segment"),
        (
            "keyMatch5",
            "/a/{x}",
            "cuts paths at `?`, so `/a/{x}` has no filter form; write keyMatch3",
        ),
        ("keyMatch5", "/a.b/*", "`.` in `/a.b/*` is read as a regular expression"),
        ("regexMatch", "/a", "has no form in the filter"),
    ],
)
def test_what_would_be_a_regular_expression_is_refused(
    function: str, pattern: str, reason: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        matches(function, CHARACTERS, pattern)

    assert reason in caught.value.reason
    assert caught.value.operator == function


@pytest.mark.parametrize(
    ("function", "pattern"),
    [("keyMatch", "/a/*"), ("keyMatch2", "/:x"), ("globMatch", "/*"), ("keyMatch3", "/a/*")],
)
def test_beginnings_and_shapes_are_asked_of_paths_alone(function: str, pattern: str) -> None:
    with pytest.raises(ExpressionError, match="is not declared as a path"):
        matches(function, KEYWORD, pattern)
    assert matches("keyMatch", KEYWORD, "/a").total


def test_a_star_inside_a_segment_needs_beginnings_cut_at_characters() -> None:
    with pytest.raises(ExpressionError, match='declare `prefixes = "character"` for `path`'):
        matches("keyMatch", SEGMENTS, "/a*")
    with pytest.raises(ExpressionError, match='declare `prefixes = "character"` for `path`'):
        matches("globMatch", SEGMENTS, "/a/x*")
    with pytest.raises(ExpressionError, match='declare `prefixes = "character"` for `path`'):
        matches("keyMatch5", SEGMENTS, "/a")
    assert matches("keyMatch5", SEGMENTS, "/a/*").total
    assert matches("keyMatch", SEGMENTS, "/a/*").total
