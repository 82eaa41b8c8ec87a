"""What of a folder can lower a document, and what cannot."""

from __future__ import annotations

from typing import Any

import pytest

from acl.labels import LabelSchema
from acl.records import FolderLabel
from retrieval.labels.folders import lowers
from tests.unit.acl.default_policy import NOW, SCHEMA

KEYWORDS = LabelSchema.from_toml(
    '[label.tenant]\ntype="keyword"\n[label.readers]\ntype="keyword"\n'
    '[label.compartments]\ntype="keyword"\n[label.classification]\ntype="keyword"\n'
)


def folder(path: str, attributes: dict[str, Any]) -> FolderLabel:
    return FolderLabel(tenant="acme", path=path, attributes=attributes, by="user:ada", at=NOW)


@pytest.mark.parametrize(
    ("over", "before", "after", "expected"),
    [
        ({}, {}, {"classification": 3}, False),
        ({}, {}, {"classification": 2}, True),
        ({}, {"classification": 1}, {"classification": 2}, False),
        ({}, {"classification": 2}, {"classification": 1}, True),
        ({}, {"classification": 2}, {}, True),
        ({"classification": 2}, {}, {"classification": 2}, False),
        ({"classification": 2}, {}, {"classification": 1}, True),
        ({"classification": 2}, {"classification": 1}, {}, False),
        ({"classification": 1}, {"classification": 2}, {}, True),
        ({}, {"compartments": ["a"]}, {"compartments": ["a", "b"]}, False),
        ({}, {"compartments": ["a"]}, {"compartments": ["b"]}, True),
        ({}, {"compartments": ["a"]}, {}, True),
        ({}, {}, {"readers": []}, False),
        ({}, {}, {"owner": "user:ada"}, True),
        ({}, {"owner": "user:ada"}, {"owner": "user:ada"}, False),
    ],
)
def test_only_what_can_lower_a_document_lowers(
    over: dict[str, Any], before: dict[str, Any], after: dict[str, Any], *, expected: bool
) -> None:
    folders = [folder("/acme/hr/", before), folder("/acme/", over), folder("/acme/hr/x/", {})]
    assert lowers(folder("/acme/hr/", after), folders, SCHEMA) is expected


@pytest.mark.parametrize("name", ["readers", "compartments", "classification"])
def test_what_has_another_type_lowers_whenever_it_changes(name: str) -> None:
    assert lowers(folder("/acme/", {name: "x"}), [], KEYWORDS)
