"""Where a label's values come from: the document, the deepest folder, the source, in this order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl.errors import LabelError
from acl.labels import MAX_SET, LabelSchema
from acl.records import FolderLabel, Share
from ingest.label.inherit import Origins, can_share, settled, shared, typed_values
from tests.unit.acl.default_policy import NOW, SCHEMA, label

SOURCE = label().as_json()


def folder(path: str, **attributes: Any) -> FolderLabel:
    return FolderLabel(tenant="acme", path=path, attributes=attributes, by="user:ada", at=NOW)


def test_the_deepest_folder_has_the_word_and_the_document_the_last() -> None:
    folders = [
        folder("/acme/finance/", classification=3, owner="user:deep"),
        folder("/acme/", classification=1, owner="user:high", readers=["group:high"]),
        folder("/acme/fin/", owner="user:elsewhere"),
        folder("/acme/finance/"),
    ]
    own = Origins(source=SOURCE, own=frozenset({"owner"}))
    made, origins = settled(SCHEMA, {"owner": "user:own"}, own, folders)
    assert made.values["classification"] == 3
    assert made.values["owner"] == "user:own"
    assert made.values["readers"] == frozenset({"group:high"})
    said = {name: origins.of_attribute(name) for name in ("classification", "owner", "readers")}
    assert said == {
        "classification": "folder /acme/finance/",
        "owner": "document",
        "readers": "folder /acme/",
    }
    assert origins.of_attribute("path") == "source"
    assert Origins.of(origins.as_json()) == origins


def test_a_folder_adds_compartments_and_takes_none_away() -> None:
    folders = [folder("/acme/", compartments=[]), folder("/acme/finance/", compartments=["board"])]
    made, _ = settled(SCHEMA, {}, Origins(source=SOURCE), folders)
    assert made.values["compartments"] == frozenset({"finance", "board"})


@pytest.mark.parametrize(("raised", "level"), [(True, 2), (False, 0)])
def test_a_folder_does_not_lower_what_secrets_raised(*, raised: bool, level: int) -> None:
    origins = Origins(source=SOURCE, raised=raised)
    made, _ = settled(SCHEMA, {}, origins, [folder("/acme/", classification=0)])
    assert made.values["classification"] == level


def test_without_folders_the_source_stands_to_the_letter() -> None:
    assert settled(SCHEMA, {}, Origins(source=SOURCE), ())[0] == label()
    assert Origins.of({"source": SOURCE}) == Origins(source=SOURCE)


def test_shares_are_readers_and_nothing_else() -> None:
    one = Share(principal="user:bob", until=None, by="user:ada", since=NOW)
    made = shared(SCHEMA, label(), [one])
    assert made.values["readers"] == frozenset({"group:finance", "user:bob"})
    assert {k: v for k, v in made.values.items() if k != "readers"} == {
        k: v for k, v in label().values.items() if k != "readers"
    }
    assert shared(SCHEMA, label(), []) == label()


def test_shares_do_not_make_a_label_larger_than_a_label_can_be() -> None:
    full = SCHEMA.parse({**SOURCE, "readers": [f"user:u{number}" for number in range(MAX_SET)]})
    one = Share(principal="user:bob", until=None, by="user:ada", since=NOW)
    with pytest.raises(LabelError, match="`readers`: holds 1001 entries"):
        shared(SCHEMA, full, [one])


def test_what_has_no_set_of_readers_cannot_be_shared() -> None:
    def schema(readers: str) -> LabelSchema:
        return LabelSchema.from_toml('[label.tenant]\ntype = "keyword"\n' + readers)

    assert can_share(SCHEMA)
    assert not can_share(schema(""))
    assert not can_share(schema('[label.readers]\ntype = "keyword"\n'))


def test_every_value_that_cannot_be_set_is_named() -> None:
    with pytest.raises(LabelError) as caught:
        typed_values(SCHEMA, {"path": "/x", "tenant": "t", "zone": 1, "classification": "top"})
    assert [str(one) for one in caught.value.faults] == [
        "`classification`: expected one of public, internal, confidential, restricted",
        "`path`: is where the document lies",
        "`tenant`: is where the document lies",
        "`zone`: is not declared",
    ]
    assert typed_values(
        SCHEMA, {"classification": "internal", "readers": ["user:b", "user:a"]}
    ) == {
        "classification": 1,
        "readers": ["user:a", "user:b"],
    }


levels = st.integers(0, 3)
paths = st.sampled_from(["/", "/acme/", "/acme/finance/", "/acme/hr/", "/acme/finance/x/"])


@given(st.lists(st.tuples(paths, levels, st.sets(st.sampled_from("abc"))), max_size=5))
def test_more_folders_never_take_a_compartment_or_lower_what_was_raised(
    said: list[tuple[str, int, set[str]]],
) -> None:
    folders = [
        folder(path, classification=level, compartments=sorted(names))
        for path, level, names in said
    ]
    made, _ = settled(SCHEMA, {}, Origins(source=SOURCE, raised=True), folders)
    compartments, level = made.values["compartments"], made.values["classification"]
    assert isinstance(compartments, frozenset)
    assert compartments >= {"finance"}
    assert isinstance(level, int)
    assert level >= 2
