"""The label files that the page on labels shows, read as written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from acl.labels import LabelSchema
from ingest.errors import SourceError
from ingest.label.label_files import read_folder_file, read_front_matter, read_sidecar

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "labels.md").read_text(encoding="utf-8")
SCHEMA = LabelSchema.from_toml((ROOT / "policy" / "labels.toml").read_text(encoding="utf-8"))


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_folder_file_and_the_side_file_of_the_page_are_read(tmp_path: Path) -> None:
    folder, beside = blocks("toml")[:2]
    (tmp_path / "_label.toml").write_text(folder)
    (tmp_path / "one.toml").write_text(beside)

    read = read_folder_file(tmp_path / "_label.toml", where="f", schema=SCHEMA)
    side = read_sidecar(tmp_path / "one.toml", where="s", schema=SCHEMA)

    assert read is not None
    assert side is not None
    assert read.statement.label == tomllib.loads(folder)["label"]
    assert read.rules[0].match == "drafts/**"
    assert side.title == "Delivery terms"


def test_the_front_matter_of_the_page_is_read() -> None:
    (block,) = blocks("yaml")

    front = read_front_matter(block.strip().strip("-"), SCHEMA)

    assert front.label == {"classification": "restricted"}
    assert front.title == yaml.safe_load(block.strip().strip("-"))["title"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('owner = "user:olaf"', "`owner` stands outside a table; write it below a line `[label]`"),
        ("lable = 1", "unknown key `lable`; known are label, metadata, rule"),
    ],
)
def test_a_key_in_a_wrong_place_is_told_where_it_belongs(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "_label.toml").write_text(text)

    with pytest.raises(SourceError, match=re.escape(said)):
        read_folder_file(tmp_path / "_label.toml", where="f", schema=SCHEMA)
