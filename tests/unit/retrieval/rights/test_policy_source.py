"""What is read of a folder, and how large it may be."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from acl.errors import PolicyError
from retrieval.rights.policy_source import (
    MAX_MODEL,
    MAX_TESTS,
    bounded_source,
    read_schema,
    read_source,
    read_texts,
    source_of,
)

POLICY = Path(__file__).parents[4] / "policy"
TEST = """[label]
compartments = []
readers = []

[[test]]
subject = { id = "user:ada", tenant = "acme" }
action = "document:read"
label = { owner = "user:bob", path = "/acme/x", classification = 1 }
expect = "deny"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("model.conf", "policy.csv", "labels.toml"):
        shutil.copy(POLICY / name, tmp_path)
    return tmp_path


def test_the_files_beside_model_and_rules_are_read_where_they_are(folder: Path) -> None:
    assert (read_texts(folder).matching, read_texts(folder).tests) == ("", "")

    (folder / "tests.toml").write_text(TEST)

    source = read_source(folder)
    assert source.texts.tests == TEST
    assert source.texts.digest != replace(source.texts, tests="").digest


def test_without_a_folder_the_first_file_is_missed(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"model\.conf: .*cannot be read in the folder"):
        read_texts(tmp_path / "nothing")


def test_a_file_that_cannot_be_read_is_not_taken_for_none(folder: Path) -> None:
    (folder / "tests.toml").mkdir()
    with pytest.raises(PolicyError, match=r"tests\.toml: .*cannot be read"):
        read_texts(folder)
    (folder / "tests.toml").rmdir()
    (folder / "tests.toml").symlink_to(folder / "gone.toml")
    with pytest.raises(PolicyError, match=r"tests\.toml: .*cannot be read"):
        read_texts(folder)


def test_matching_functions_are_not_read_over(folder: Path) -> None:
    (folder / "matching.toml").write_text('[g]\nnames = "keyMatch"\n')
    with pytest.raises(PolicyError, match=r"matching\.toml: .*a time window and a matching"):
        read_source(folder)


@pytest.mark.parametrize(
    ("name", "most"), [("model", MAX_MODEL), ("matching", MAX_MODEL), ("tests", MAX_TESTS)]
)
def test_what_is_proposed_is_of_bounded_size(folder: Path, name: str, most: int) -> None:
    texts = replace(read_texts(folder), **{name: "#" * (most + 1)})
    with pytest.raises(PolicyError, match=f"has more than {most} characters"):
        bounded_source(texts, read_schema(folder))


def test_tests_are_read_strictly_where_they_are_proposed(folder: Path) -> None:
    (folder / "tests.toml").write_text(TEST.replace("user:ada", "ada"))
    texts, schema = read_texts(folder), read_schema(folder)
    refused = r"tests\.toml line 5: `subject`"
    with pytest.raises(PolicyError, match=refused):
        read_source(folder)
    with pytest.raises(PolicyError, match=refused):
        bounded_source(texts, schema)
    # What is in effect already goes without.
    assert source_of(texts, schema).texts == texts
