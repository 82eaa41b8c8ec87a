"""Rules that ask whether an attribute is there, and how many elements a set has."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from acl.algebra.conditions import all_of, any_of, settled
from acl.containment.search import escapee_of
from acl.decision import Permitted
from acl.engine.filter import to_filter
from acl.engine.payload import label_payload, payload_indexes, size_key
from acl.errors import UndecidedError
from acl.labels import AttributeType, Label, LabelSchema
from acl.language.casbin_adapter import Row
from acl.policy.compiler import compile_request
from acl.policy.policy import Policy, load
from acl.predicate import (
    ALWAYS,
    NEVER,
    Absent,
    AnyOf,
    AtMost,
    MoreThan,
    NoneOf,
    Present,
    dual,
    holds,
)
from acl.preview.census import Census
from tests.unit.acl.small_policies import AT

SCHEMA = LabelSchema.from_toml(
    """
[label]
open = { type = "boolean" }
review = { type = "datetime", required = false }
owner = { type = "keyword", required = false }
readers = { type = "keyword_set" }
marks = { type = "keyword_set", required = false }
"""
)
MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, when, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.act == "read" && eval(p.when)
"""
READERS = [f"user:{number}" for number in range(4)]
LABELS = [
    SCHEMA.parse(
        {"open": is_open, "review": review, "owner": owner, "readers": readers, "marks": marks}
    )
    for is_open, review, owner, readers, marks in product(
        (True, False),
        (None, 7),
        (None, "ada"),
        (READERS[:0], READERS[:1], READERS[:2], READERS),
        (None, [], ["x"], ["x", "y"]),
    )
]


def made(when: str, effect: str = "allow") -> Policy:
    rows = [Row(1, "p", ("x", "True", "allow")), Row(2, "p", ("x", when, effect))]
    return load(MODEL, rows[effect == "allow" :], SCHEMA)


def seen(when: str, effect: str = "allow", asker: dict[str, Any] | None = None) -> list[Label]:
    """Return what the compiled policy permits, after Casbin permitted the same."""
    policy, sub = made(when, effect), asker or {"id": "ada", "most": 2}
    oracle = policy.oracle(AT)
    decision = compile_request(policy, {"sub": sub, "act": "read"}, AT)
    condition = decision.predicate if isinstance(decision, Permitted) else NEVER
    if isinstance(decision, Permitted):
        to_filter(decision.predicate, SCHEMA)

    def enforced(label: Label) -> bool:
        try:
            return oracle.enforce(sub, label.as_json(), "read")
        except Exception:  # noqa: BLE001 - whatever Casbin raises, it denies
            return False

    found = [label for label in LABELS if holds(condition, label)]
    assert found == [label for label in LABELS if enforced(label)], when
    return found


@pytest.mark.parametrize("effect", ["allow", "deny"])
@pytest.mark.parametrize(
    "when",
    [
        "present(r.obj.review)",
        "absent(r.obj.review)",
        "!present(r.obj.review)",
        "!absent(r.obj.marks)",
        "absent(r.obj.review) || r.obj.review > 3",
        "r.obj.owner == r.sub.id || absent(r.obj.owner)",
        "absent(r.obj.owner) || r.obj.owner == r.sub.id",
        "present(r.obj.owner) && r.obj.owner != r.sub.id",
        "absent(r.obj.owner) && present(r.obj.review)",
        "absent(r.obj.owner) && present(r.obj.owner)",
        "absent(r.obj.owner) || present(r.obj.owner)",
        "absent(r.obj.owner) == False",
        "size(r.obj.readers) <= 1",
        "2 > size(r.obj.readers)",
        "size(r.obj.readers) == 2",
        "size(r.obj.readers) != 2",
        "size(r.obj.readers) == 1.5",
        "!(size(r.obj.marks) == 0)",
        "size(r.obj.marks) < size(r.sub.list)",
        "1 <= size(r.obj.marks) < 3",
        "size(r.obj.readers) >= r.sub.most && !r.obj.open",
        "absent(r.obj.marks) || size(r.obj.marks) == 0",
        "size(r.obj.marks) > 0 && r.obj.review == 7",
        "absent(r.sub.list) || present(r.sub.id) && r.obj.open",
    ],
)
def test_it_means_what_casbin_says(when: str, effect: str) -> None:
    seen(when, effect)
    seen(when, effect, {"id": "ada", "most": 1, "list": ["p", "q"]})


def test_a_missing_attribute_is_found_by_absent_alone() -> None:
    def reviews(when: str) -> set[bool]:
        return {"review" in label.values for label in seen(when)}

    assert reviews("absent(r.obj.review)") == {False}
    assert reviews("present(r.obj.review)") == {True}
    assert reviews("r.obj.review > 3 || !(r.obj.review > 3)") == {True}
    two = [label.as_json()["readers"] for label in seen("size(r.obj.readers) == 2")]
    assert {len(readers) for readers in two} == {2}


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("present(r.obj)", "takes an attribute, such as r.obj.review"),
        ("present(r.obj.nothing)", "is not a declared attribute of the label"),
        ("size(r.obj.owner) > 1", "`owner` is not a set"),
        ("size(r.obj.readers)", "counts one set, and is compared with a number"),
        ("size(r.obj.readers) < r.obj.review", "compares two attributes of the resource"),
        ("size(r.obj.readers) in (1, 2)", "computes with an attribute of the resource"),
        ("size(r.obj.readers) < 'x'", "raises for every document, by its types"),
    ],
)
def test_what_has_no_form_is_refused(when: str, reason: str) -> None:
    with pytest.raises(Exception, match=reason.replace("(", r"\(")):
        made(when)


def test_presence_and_absence_exclude_each_other_and_leave_nothing_over() -> None:
    there, missing, other = Present("owner"), Absent("owner"), AnyOf("owner", frozenset({"ada"}))

    assert dual(there) == missing
    assert dual(missing) == there
    assert all_of(there, missing) is all_of(other, missing) is NEVER
    assert any_of(there, missing) is ALWAYS
    assert any_of(other, NoneOf("owner", other.values), missing) is ALWAYS
    assert any_of(other, missing) != ALWAYS
    assert settled(missing, frozenset({"owner"})) is NEVER
    assert settled(missing, frozenset()) == missing


def test_a_set_s_size_is_stored_beside_it_and_counted() -> None:
    payload = label_payload(LABELS[-1], SCHEMA)
    census = Census(LABELS)

    assert payload["size"] == {"readers": 4, "marks": 2}
    assert payload_indexes(SCHEMA)[size_key("marks")] is AttributeType.INTEGER
    counts = AtMost("readers", 1), AtMost("marks", 0), MoreThan("marks", 1)
    for leaf in (Absent("owner"), *counts):
        counted = [bool(one) for one in census.mask(leaf)]
        assert counted == [holds(leaf, label) for label in LABELS], leaf


def test_absence_is_reasoned_about_and_size_is_refused_to_be() -> None:
    assert escapee_of([Absent("owner")], [Present("owner")], SCHEMA) is not None
    assert escapee_of([Absent("owner")], [Absent("owner")], SCHEMA) is None
    with pytest.raises(UndecidedError, match="how many elements a set has"):
        escapee_of([AtMost("readers", 1)], [Present("owner")], SCHEMA)
