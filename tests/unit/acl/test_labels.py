"""What a label is, and what is refused at the door."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl.errors import LabelError, SchemaError
from acl.labels import (
    MAX_INTEGER,
    MAX_SET,
    MAX_TEXT,
    Attribute,
    AttributeType,
    Label,
    LabelSchema,
    LabelValue,
    Prefixes,
    normalise,
    require_bounded,
)

DECLARED = """
[label.tenant]
type = "keyword"
[label.level]
type = "integer"
levels = ["low", "high"]
[label.count]
type = "integer"
required = false
[label.tags]
type = "keyword_set"
[label.open]
type = "boolean"
[label.until]
type = "datetime"
required = false
[label.path]
type = "path"
prefixes = "character"
[metadata.format]
type = "keyword"
[subject.grade]
type = "integer"
"""
SCHEMA = LabelSchema.from_toml(DECLARED)
COMPLETE: dict[str, Any] = {
    "tenant": "acme",
    "level": "high",
    "tags": ["b", "a"],
    "open": True,
    "path": "/a/b",
}


def faults(**changed: object) -> list[str]:
    with pytest.raises(LabelError) as refused:
        SCHEMA.parse({**COMPLETE, **changed})
    return [str(fault) for fault in refused.value.faults]


def test_a_complete_label_is_typed_and_round_trips() -> None:
    label = SCHEMA.parse(COMPLETE)

    assert label.values["level"] == 1
    assert label.values["tags"] == frozenset({"a", "b"})
    assert label.as_json()["tags"] == ["a", "b"]
    assert SCHEMA.parse(label.as_json()) == label
    assert SCHEMA.parse({**COMPLETE, "tags": ["a", "b"]}).digest == label.digest


def test_what_is_missing_unknown_or_null_is_named() -> None:
    with pytest.raises(LabelError) as refused:
        SCHEMA.parse({"tenant": None, "colour": "red", "level": "low", "tags": [], "open": False})

    assert [str(fault) for fault in refused.value.faults] == [
        "`colour`: is not declared",
        "`path`: is missing",
        "`tenant`: is missing",
    ]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tenant": ["acme"]}, "`tenant`: expected text, not list"),
        ({"tenant": 7}, "`tenant`: expected text, not int"),
        ({"tenant": ""}, "`tenant`: is empty"),
        ({"tenant": " acme"}, "`tenant`: begins or ends with white space"),
        ({"tenant": "ac\u200bme"}, "`tenant`: holds a control or invisible character"),
        ({"tenant": "a" * (MAX_TEXT + 1)}, f"`tenant`: is longer than {MAX_TEXT} characters"),
        ({"level": "highest"}, "`level`: expected one of low, high"),
        ({"level": 2}, "`level`: expected one of low, high"),
        ({"level": True}, "`level`: expected an integer, not bool"),
        ({"level": 0.5}, "`level`: expected an integer, not float"),
        ({"count": "7"}, "`count`: expected an integer, not str"),
        ({"count": MAX_INTEGER + 1}, "`count`: is beyond ±2^53"),
        ({"tags": "a"}, "`tags`: expected a list of texts, not str"),
        ({"tags": [["a"]]}, "`tags`: expected text, not list"),
        (
            {"tags": [str(number) for number in range(MAX_SET + 1)]},
            f"`tags`: holds {MAX_SET + 1} entries; at most {MAX_SET} are allowed",
        ),
        ({"open": 1}, "`open`: expected true or false"),
        ({"path": "/a//b"}, "`path`: holds an empty segment"),
        ({"until": "2026-01-31"}, "`until`: expected a date and time with a zone"),
        ({"until": "tomorrow"}, "`until`: expected a date and time with a zone"),
        ({"until": 1.5}, "`until`: expected a date and time, not float"),
        ({"until": MAX_INTEGER + 1}, "`until`: is beyond ±2^53"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(
    changed: dict[str, object], reason: str
) -> None:
    (fault,) = faults(**changed)

    assert fault.startswith(reason)


def test_a_refusal_does_not_repeat_what_was_given() -> None:
    assert "tomorrow" not in faults(until="tomorrow")[0]


def test_dates_are_seconds_and_shown_as_dates() -> None:
    moment = datetime(2026, 1, 31, 17, tzinfo=UTC)
    attribute = SCHEMA.attributes["until"]

    assert attribute.parse("2026-01-31T18:00:00+01:00") == int(moment.timestamp())
    assert attribute.parse(moment) == attribute.parse(int(moment.timestamp()))
    assert attribute.display(int(moment.timestamp())) == "2026-01-31T17:00:00+00:00"


def test_values_are_shown_as_a_person_writes_them() -> None:
    assert SCHEMA.attributes["level"].display(1) == "high"
    assert SCHEMA.attributes["tags"].display(frozenset({"b", "a"})) == ["a", "b"]
    assert SCHEMA.attributes["tenant"].display("acme") == "acme"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("label = 1", "is not a table"),
        ("[label.a", "is not TOML"),
        ("[extra]", "unknown table `extra`"),
        ("", "declares no attribute"),
        ("[label]\na = 1", "`a` is not a table"),
        ('[label.a]\ntype = "text"', "`type` must be one of"),
        ("[label.a]\nrequired = true", "`type` must be one of"),
        ('[label.a]\ntype = "path"\nprefixes = "none"', "`type` must be one of"),
        ('[label.a]\ntype = "keyword"\nindexed = true', "unknown key `indexed`"),
        ('[label.a]\ntype = "keyword"\nrequired = 1', "`required` is a boolean"),
        ('[label.a]\ntype = "integer"\nlevels = [1]', "every level is a non-empty text"),
        ('[label.a]\ntype = "integer"\nlevels = ["x", "x"]', "names a level twice"),
        ('[label.a]\ntype = "keyword"\nlevels = ["x"]', "only an integer has levels"),
        ('[label."a b"]\ntype = "keyword"', "is not a plain identifier"),
        ('[label._a]\ntype = "keyword"', "is not a plain identifier"),
        ('[label.items]\ntype = "keyword"', "is the name of a built-in method"),
        ('[subject.items]\ntype = "keyword"', "is the name of a built-in method"),
        ('[subject.format]\ntype = "keyword"', "cannot be read by Casbin"),
        ('[subject.clearance]\ntype = "integer"', "of a subject is said by other means"),
        ('[subject.sub]\ntype = "keyword"', "of a subject is said by other means"),
        ('[subject.age]\ntype = "integer"\nrequired = true', "unknown key `required`"),
    ],
)
def test_a_declaration_that_cannot_be_typed_is_refused(text: str, reason: str) -> None:
    with pytest.raises(SchemaError, match=reason):
        LabelSchema.from_toml(f"{text}\n[label.x]\ntype = 'path'" if "[subject" in text else text)


def test_metadata_may_be_named_like_a_method_because_no_rule_reads_it() -> None:
    text = DECLARED + '[metadata.items]\ntype = "keyword"\n'

    assert LabelSchema.from_toml(text).metadata["items"].type is AttributeType.KEYWORD


def test_the_digest_changes_with_what_is_stored_and_with_nothing_else() -> None:
    same = LabelSchema.from_toml(DECLARED.replace("[metadata.format]", "[metadata.kind]"))
    other = LabelSchema.from_toml(DECLARED.replace("character", "segment"))

    assert same.digest == SCHEMA.digest
    assert other.digest != SCHEMA.digest
    assert SCHEMA.required == {"tenant", "level", "tags", "open", "path"}


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    try:
        once = normalise(text, allow_empty=True)
    except ValueError:
        return

    assert normalise(once, allow_empty=True) == once


def test_an_empty_text_is_a_value_only_where_it_is_allowed() -> None:
    replayed = Attribute(name="obj", type=AttributeType.KEYWORD, allow_empty=True)

    assert replayed.parse("") == ""
    assert replayed.prefixes is Prefixes.SEGMENT


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (frozenset(map(str, range(MAX_SET + 1))), "holds 1001 entries; at most 1000 are allowed"),
        (frozenset({"a\0"}), "holds a control or invisible character"),
        (frozenset({"e\u0301"}), "is not in normal form"),
        ("x" * (MAX_TEXT + 1), "is longer than 1024 characters"),
        (MAX_INTEGER + 1, "is beyond ±2^53"),
    ],
)
def test_what_no_schema_would_read_is_named(value: LabelValue, reason: str) -> None:
    with pytest.raises(LabelError) as caught:
        require_bounded(Label({"tenant": "acme", "tags": value}))
    assert [str(one) for one in caught.value.faults] == [f"`tags`: {reason}"]


def test_what_was_parsed_is_within_bounds() -> None:
    require_bounded(SCHEMA.parse({**COMPLETE, "until": "2026-01-31T17:00:00+00:00", "count": -3}))
    require_bounded(Label({"tenant": ""}))


def test_of_a_spoiled_label_the_rest_is_legible() -> None:
    assert SCHEMA.legible({**COMPLETE, "tags": 7, "level": "none", "zone": 1}).values == {
        "tenant": "acme",
        "open": True,
        "path": "/a/b",
    }
    assert SCHEMA.legible(COMPLETE) == SCHEMA.parse(COMPLETE)


@pytest.mark.parametrize("moment", ["2026-01-01T10:30:00.9Z", "2026-01-01T10:30:00.000001+01:00"])
def test_a_fraction_of_a_second_is_refused_never_rounded(moment: str) -> None:
    attribute = Attribute(name="expires", type=AttributeType.DATETIME)

    with pytest.raises(ValueError, match="fraction of a second"):
        attribute.parse(moment)
    with pytest.raises(ValueError, match="fraction of a second"):
        attribute.parse(datetime.fromisoformat(moment))
    assert attribute.parse("2026-01-01T10:30:00.000Z") == attribute.parse("2026-01-01T10:30:00Z")
