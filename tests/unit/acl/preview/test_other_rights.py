"""Who gains or loses another action than reading, on some label that there could be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acl.decision import Permitted
from acl.labels import Label
from acl.policy.decide import decide
from acl.predicate import holds
from acl.preview.preview import OTHERS, Conditions, Shift, other_rights
from acl.subject import Subject
from tests.unit.acl.company_policy import ROWS, policy
from tests.unit.acl.default_policy import ADA, EVE, NOW

ROOT = "p, user:eve, acme, /*, policy:administer, True, allow\n"
TAG = "p, group:everyone, *, /*, document:tag, r.obj.owner == r.sub.id, allow\n"


def shifts(rows: str, *subjects: Subject, before: str = ROWS, steps: int = 200_000) -> list[Shift]:
    old, new = Conditions(policy(before)), Conditions(policy(rows))
    return list(other_rights(old, new, subjects, at=NOW, steps=steps))


def may(rows: str, subject: Subject, action: str, label: Label | None) -> bool:
    decision = decide(policy(rows), subject, action, NOW)
    return (
        label is not None and isinstance(decision, Permitted) and holds(decision.predicate, label)
    )


@pytest.mark.parametrize(
    ("before", "after", "gained"), [(ROWS, ROWS + ROOT, True), (ROWS + ROOT, ROWS, False)]
)
def test_an_administrator_that_is_made_or_unmade_is_told_of_with_an_example(
    before: str, after: str, *, gained: bool
) -> None:
    (found,) = shifts(after, ADA, EVE, before=before)

    told = Shift(action="policy:administer", subjects=(EVE,), gained=gained, lost=not gained)
    assert replace(found, example=None) == told
    assert may(after, EVE, found.action, found.example) is gained
    assert may(before, EVE, found.action, found.example) is not gained


def test_those_to_whom_the_same_happens_are_told_of_together() -> None:
    everybody = ROOT.replace("user:eve", "group:everyone").replace(
        "True", "r.obj.classification <= r.sub.clearance"
    )
    (found,) = shifts(ROWS + everybody, ADA, EVE)
    assert found.subjects == (ADA, EVE)


def test_what_moves_is_gained_and_lost() -> None:
    moved = TAG.replace("/*", "/acme/*").replace("r.obj.owner == r.sub.id", "True")
    (found,) = shifts(ROWS.replace(TAG, moved), EVE)
    assert (found.action, found.gained, found.lost) == ("document:tag", True, True)
    assert may(ROWS.replace(TAG, moved), EVE, found.action, found.example)
    assert not may(ROWS, EVE, found.action, found.example)


def test_reading_and_what_no_label_can_satisfy_are_left_out() -> None:
    reading = "p, user:eve, acme, /*, document:read, True, allow\n"
    nobody = ROOT.replace("True", "r.obj.classification > 2 && r.obj.classification < 3")
    assert shifts(ROWS + reading, EVE) == []
    assert shifts(ROWS + nobody, EVE) == []
    assert shifts(ROWS, ADA, EVE) == []
    assert "document:read" not in OTHERS


@pytest.mark.parametrize("steps", [0, 1])
def test_what_cannot_be_decided_is_told(steps: int) -> None:
    (found,) = shifts(ROWS + ROOT, EVE, steps=steps)
    assert (found.gained, found.lost, found.example) == (True, True, None)


def test_an_example_of_what_is_gained_is_none_of_what_is_lost() -> None:
    """Also where a budget is enough to decide the loss, and not the gain."""
    many = "".join(
        f"p, user:eve, acme, /acme/x{number}/*, document:tag, "
        '"any_of(r.obj.readers, r.sub.principals) && '
        f'r.obj.classification < {1 + number % 3}", allow\n'
        for number in range(6)
    )
    after, seen = ROWS.replace(TAG, many), set[bool]()
    for steps in range(450, 650, 5):
        (found,) = shifts(after, EVE, steps=steps)
        seen.add(found.example is None)
        if found.example is not None:
            assert may(after, EVE, found.action, found.example)
            assert not may(ROWS, EVE, found.action, found.example)
    assert seen == {True, False}
