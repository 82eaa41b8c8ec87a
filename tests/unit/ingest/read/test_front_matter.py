from __future__ import annotations

import pytest

from ingest.errors import SourceError
from ingest.read.front_matter import MAX_FRONT_MATTER, load, split


@pytest.mark.parametrize(
    ("text", "block", "rest"),
    [
        ("---\ntitle: T\n---\nbody\n", "title: T\n", "body\n"),
        ("\ufeff---\ntitle: T\n---\nbody", "title: T\n", "body"),
        ("---\n# comment\n\nlabel:\n  a: b\n...\nbody", "# comment\n\nlabel:\n  a: b\n", "body"),
        ("---\ntitle: T\n---", "title: T\n", ""),
        ("--- \nkey:\n--- \nx", "key:\n", "x"),
    ],
)
def test_front_matter_is_cut_from_the_text(text: str, block: str, rest: str) -> None:
    assert split(text) == (block, rest)


@pytest.mark.parametrize(
    "text",
    [
        "body\n---\ntitle: T\n---\n",
        "---\nA rule across the text.\n---\n",
        "----\ntitle: T\n----\n",
        "---",
        "",
        "---\nhttp://example.org\n---\n",
    ],
)
def test_what_only_looks_like_it_stays_text(text: str) -> None:
    assert split(text) == (None, text)


def test_a_block_that_is_not_closed_is_a_fault() -> None:
    with pytest.raises(SourceError, match="not closed"):
        split("---\nlabel: {classification: confidential}\nbody")


def test_a_block_that_is_too_long_is_a_fault() -> None:
    with pytest.raises(SourceError, match="not closed within"):
        split("---\na: " + "x" * MAX_FRONT_MATTER + "\n---\n")
    with pytest.raises(SourceError, match="longer than"):
        load("a: " + "x" * MAX_FRONT_MATTER)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("a: &x [1]\nb: *x\n", "aliases are not allowed"),
        ("label: {a: 1}\nlabel: {a: 2}\n", "a name is given twice"),
        ("a: {b: 1, b: 2}\n", "a name is given twice"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("a: [\n", r"\(line 2\)"),
        ("[" * 5000, "nested too deeply"),
        ("- " * 5000, "nested too deeply"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
        ("- a\n- b\n", "not a mapping"),
        ("1: a\n", "not a mapping"),
        ("", "not a mapping"),
    ],
)
def test_shapes_that_are_refused(block: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        load(block)


def test_a_plain_mapping_is_read() -> None:
    assert load("title: T\nlabel:\n  readers: [a, b]\n") == {
        "title": "T",
        "label": {"readers": ["a", "b"]},
    }
