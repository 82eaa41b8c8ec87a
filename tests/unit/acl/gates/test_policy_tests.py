"""Tests of a policy are read strictly, and fail for the reason that they say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from acl.errors import PolicyError
from acl.gates.policy_tests import MAX_CASES, Person, PolicyTest, read_tests
from acl.labels import Label, LabelSchema
from acl.subject import Subject
from tests.unit.acl.default_policy import SCHEMA

SUBJECT = 'subject = { id = "user:ada", tenant = "acme" }'
ABOUT = 'label = { owner = "user:bob", classification = "public", path = "/acme/x" }'
DEFAULTS = "[label]\ncompartments = []\nreaders = []\n"
GOOD = f'[[test]]\n{SUBJECT}\naction = "document:read"\n{ABOUT}\nexpect = "deny"\n'


def one(text: str, schema: LabelSchema = SCHEMA) -> PolicyTest:
    (found,) = read_tests(text, schema)
    return found


def test_no_text_holds_no_test() -> None:
    assert read_tests("", SCHEMA) == ()


def test_a_test_is_read() -> None:
    found = one(f"\ufeff{DEFAULTS}\n{GOOD}name = 'nobody else'\nat = 2026-01-31T17:00:00+01:00\n")
    label = found.about
    assert isinstance(label, Label)
    assert (label.values["tenant"], label.values["classification"]) == ("acme", 0)
    assert found.asker == Subject(id="user:ada", tenant="acme")
    assert found.at == datetime(2026, 1, 31, 16, tzinfo=UTC)
    assert (found.place, found.permitted) == ("tests.toml line 5 (nobody else)", False)


def test_a_subject_can_be_named() -> None:
    people = (
        '[subjects."user:eve"]\ntenant = "acme"\nclearance = "internal"\n'
        'groups = ["group:everyone", "group:law"]\ncompartments = ["board"]\n'
    )
    found = one(DEFAULTS + people + GOOD.replace(SUBJECT, 'subject = "user:eve"'))
    eve = Subject(
        id="user:eve",
        tenant="acme",
        clearance=1,
        groups=frozenset({"group:law"}),
        compartments=frozenset({"board"}),
    )
    assert found.asker == eve
    known = one(DEFAULTS + GOOD.replace(SUBJECT, 'subject = "acme/user:eve"'))
    assert known.asker == Person("acme", "user:eve")
    assert str(known.asker) == "acme/user:eve"


def test_a_test_can_be_about_a_document() -> None:
    found = one(GOOD.replace(ABOUT, 'document = "/acme/x"'))
    assert found.about == "/acme/x"


REFUSED = {
    "no TOML": ("[[test]", r"tests\.toml: `file`: is not TOML: .*line 1"),
    "nested too deep": ("a = " + "[" * 5000, "is not TOML"),
    "another table": (f"[other]\n{GOOD}", "`other`: is none of"),
    "one bracket": (GOOD.replace("[[test]]", "[test]"), "`test`: is not a list"),
    "no table": ("test = [1]", "`test`: is not a table"),
    "another key": (GOOD + "expected = true\n", "line 1: `expected`: is none of"),
    "no subject": (GOOD.replace(SUBJECT, ""), "line 1: `subject`: is missing"),
    "no action": (GOOD.replace('action = "document:read"', ""), "`action`: is missing"),
    "no expectation": (GOOD.replace('expect = "deny"', ""), "`expect`: is missing"),
    "no label": (GOOD.replace(ABOUT, ""), "has a `label` or a `document`"),
    "label and document": (GOOD + 'document = "/x"\n', "has a `label` or a `document`"),
    "a label of text": (GOOD.replace(ABOUT, 'label = "/x"'), "`label`: is not a table"),
    "unknown action": (GOOD.replace(":read", ":raed"), "`action`: is none of"),
    "expect": (GOOD.replace('"deny"', "false"), "`expect`: is neither"),
    "a name": (GOOD + "name = 3\n", "`name`: is not a text"),
    "an empty document": (GOOD.replace(ABOUT, 'document = " "'), "`document`: is not a text"),
    "no zone": (GOOD + "at = 2026-01-31T17:00:00\n", "`at`: is not a moment"),
    "no moment": (GOOD + "at = 2026-01-31\n", "`at`: is not a moment"),
    "a text": (GOOD + 'at = "tomorrow"\n', "`at`: is not a moment"),
    "unknown person": (GOOD.replace(SUBJECT, 'subject = "ada"'), "`ada` is not under"),
    "no tenant": (GOOD.replace(', tenant = "acme"', ""), "`tenant`: is missing"),
    "no id": (GOOD.replace('id = "user:ada", ', ""), "`id`: is missing"),
    "no identity": (GOOD.replace("user:ada", "ada"), "`subject`: .*not an identity"),
    "unknown attribute": (GOOD.replace("id =", "team = 1, id ="), "`team`: is none of"),
    "groups": (GOOD.replace("id =", 'groups = "group:x", id ='), "`groups`: is not a list of"),
    "compartments": (GOOD.replace("id =", "compartments = [1], id ="), "`compartments`: is not"),
    "clearance": (GOOD.replace("id =", 'clearance = "secret", id ='), "`clearance`: expected one"),
    "incomplete": (GOOD.replace(', path = "/acme/x"', ""), "`label`: .*`path`: is missing"),
    "a level": (GOOD.replace('"public"', '"secret"'), "`label`: .*classification.*expected one of"),
    "a default": (f"[label]\nteam = 1\n{GOOD}", "`team`: is not an attribute"),
    "defaults of text": (f'label = "x"\n{GOOD}', "`label`: is not a table"),
    "a person of text": (f'[subjects]\nada = "x"\n{GOOD}', "`ada`: is not a table"),
    "too many": (GOOD * (MAX_CASES + 1), f"more than {MAX_CASES} tests"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_exact_is_refused_by_place(name: str) -> None:
    text, reason = REFUSED[name]
    whole = text if "[label]" in text or text.startswith("label") else f"{text}\n{DEFAULTS}"
    with pytest.raises(PolicyError, match=reason):
        read_tests(whole, SCHEMA)


def test_every_fault_is_named_at_once() -> None:
    bad = GOOD.replace('"deny"', '"no"')
    with pytest.raises(PolicyError) as caught:
        read_tests(bad + GOOD + bad + DEFAULTS, SCHEMA)
    assert [found.where for found in caught.value.refusals] == [
        "tests.toml line 1",
        "tests.toml line 11",
    ]


def test_where_headers_cannot_be_told_the_number_is() -> None:
    with pytest.raises(PolicyError, match="test 1: `subject`: is missing"):
        read_tests("test = [{}]\n", SCHEMA)


def test_a_clearance_without_levels_is_a_number() -> None:
    schema = LabelSchema.from_toml('[label.tenant]\ntype = "keyword"\n')
    text = '[[test]]\nsubject = {{ id = "user:a", tenant = "t", clearance = {} }}\n'
    text += 'action = "document:read"\nlabel = {{}}\nexpect = "allow"\n'
    found = one(text.format(3), schema).asker
    assert isinstance(found, Subject)
    assert found.clearance == 3
    for bad in ("true", '"x"'):
        with pytest.raises(PolicyError, match="`clearance`: is not a whole number"):
            read_tests(text.format(bad), schema)


def test_levels_need_not_be_named() -> None:
    schema = LabelSchema.from_toml(
        '[label.tenant]\ntype = "keyword"\n[label.classification]\ntype = "keyword"\n'
    )
    text = '[[test]]\nsubject = { id = "user:a", tenant = "t", clearance = "x" }\n'
    text += 'action = "document:read"\nlabel = { classification = "x" }\nexpect = "allow"\n'
    with pytest.raises(PolicyError, match="`clearance`: is not a whole number"):
        read_tests(text, schema)


def test_declared_attributes_of_people_are_typed() -> None:
    schema = LabelSchema.from_toml(
        '[label.tenant]\ntype = "keyword"\n[subject.level]\ntype = "integer"\n'
    )
    text = '[[test]]\nsubject = {{ id = "user:a", tenant = "t", level = {} }}\n'
    text += 'action = "document:read"\nlabel = {{}}\nexpect = "allow"\n'
    found = one(text.format(3), schema).asker
    assert isinstance(found, Subject)
    assert found.attributes == {"level": 3}
    with pytest.raises(PolicyError, match=r"`subject`: .*`level`: expected an integer"):
        read_tests(text.format('"x"'), schema)
