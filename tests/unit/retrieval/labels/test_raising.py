"""Which policies are seen to let nobody new in where a label is raised."""

from __future__ import annotations

import pytest

from acl.admission.admission import read_csv
from acl.labels import Attribute, AttributeType, LabelSchema
from acl.policy.policy import load
from retrieval.labels.outcomes import closes
from tests.unit.acl.default_policy import MODEL, ROWS, SCHEMA, policy


def row(when: str, effect: str = "allow") -> str:
    return f'p, role:odd, acme, /acme/*, document:read, "{when}", {effect}\n'


def test_the_policy_of_the_project_closes() -> None:
    assert closes(policy())


@pytest.mark.parametrize(
    ("when", "effect", "expected"),
    [
        ("r.obj.classification <= 1", "allow", True),
        ("r.obj.classification < r.sub.clearance", "allow", True),
        ("r.obj.classification >= 1", "allow", False),
        ("r.obj.classification == 1", "allow", False),
        ("r.obj.classification != 1", "allow", False),
        ("r.obj.classification > 1", "deny", True),
        ("r.obj.classification <= 1", "deny", False),
        ("!(r.obj.classification > 1)", "allow", True),
        ("!(r.obj.classification <= 1)", "allow", False),
        ("r.obj.owner == 'user:x' || r.obj.classification > 2", "allow", False),
        ("'falcon' in r.obj.compartments", "deny", True),
        ("'falcon' in r.obj.compartments", "allow", False),
        ("any_of(r.obj.compartments, r.sub.compartments)", "allow", False),
        ("subset_of(r.obj.compartments, r.sub.compartments)", "allow", True),
        ("subset_of(r.obj.readers, r.sub.principals)", "allow", False),
        ("subset_of(r.obj.readers, r.sub.principals)", "deny", True),
        ("'user:x' in r.obj.readers", "allow", True),
        ("'user:x' in r.obj.readers", "deny", False),
        ("r.obj.owner == r.sub.id", "deny", True),
    ],
)
def test_a_rule_closes_by_what_it_asks_for(when: str, effect: str, *, expected: bool) -> None:
    assert closes(policy(ROWS + row(when, effect))) is expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("eval(p.when)", "!eval(p.when)"),
        ("r.obj.classification <= r.sub.clearance", "r.obj.classification >= r.sub.clearance"),
    ],
)
def test_a_model_can_turn_round_what_rows_say(old: str, new: str) -> None:
    assert old in MODEL
    assert not closes(load(MODEL.replace(old, new), read_csv(ROWS), SCHEMA))


def test_where_an_attribute_can_be_missing_nothing_is_seen() -> None:
    extra = Attribute(name="extra", type=AttributeType.KEYWORD, required=False)
    schema = LabelSchema({**SCHEMA.attributes, "extra": extra})
    assert not closes(load(MODEL, read_csv(ROWS), schema))
