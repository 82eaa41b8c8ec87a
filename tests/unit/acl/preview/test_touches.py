"""Of each new line it is told what it touches today."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acl.preview.census import Corpus
from acl.preview.touches import Touch, touches
from acl.subject import Subject
from tests.unit.acl.default_policy import (
    ADA,
    EVE,
    MODEL,
    NOW,
    ROWS,
    SCHEMA,
    label,
    policy,
    unadmitted,
)

FIRST = len(ROWS.splitlines()) + 1
PEOPLE = (ADA, EVE, replace(EVE, id="user:bob", tenant="globex"))
ROLE = Subject(id="user:stranger", tenant="acme", clearance=3, groups=frozenset({"role:boss"}))
CORPUS = Corpus(
    [
        ("plan", label()),
        ("valve", label(path="/acme/engineering/valve", classification=1, compartments=[])),
        ("brief", label(path="/acme/engineering/brief", classification=2, compartments=[])),
        ("far", label(tenant="globex", path="/globex/a", classification=0, compartments=[])),
    ],
    SCHEMA,
)


def touched(*rows: str) -> list[tuple[int, int]]:
    loaded = policy(ROWS + "".join(f"{row}\n" for row in rows))
    new = [row for row in loaded.rows if row.number >= FIRST]
    found = touches(loaded, new, CORPUS, people=PEOPLE, roles=[ROLE], at=NOW)
    assert [one.line for one in found] == [FIRST + place for place in range(len(rows))]
    return [(one.people, one.documents) for one in found]


@pytest.mark.parametrize(
    ("row", "people", "documents"),
    [
        ("p, group:everyone, acme, /*, document:read, r.obj.classification < 3, deny", 2, 3),
        ("p, group:engineering, *, /acme/engineering/*, document:read, True, deny", 1, 2),
        ("p, group:everyone, *, /*, document:tag, r.obj.classification < 2, allow", 3, 2),
        ("p, role:boss, acme, /acme/engineering/*, document:read, True, allow", 0, 2),
        ("p, group:finance, acme, /acme/legal/*, document:read, True, deny", 0, 0),
        ("p, group:sales, acme, /*, document:read, True, deny", 0, 0),
        ("g, group:engineering, group:legal, acme, _, _", 0, 0),
        ("g, group:finance, group:engineering, acme, _, _", 1, 2),
        ("g, group:finance, group:engineering, acme, 2031-01-01 00:00:00, _", 0, 0),
        ("g, group:sales, group:engineering, acme, _, _", 0, 0),
        ("g, group:finance, group:engineering, globex, _, _", 0, 0),
    ],
)
def test_a_line_touches_people_and_documents(row: str, people: int, documents: int) -> None:
    assert touched(row) == [(people, documents)]


def test_lines_are_told_of_one_by_one() -> None:
    row = "p, group:finance, acme, /acme/{}/*, document:read, True, deny"

    assert touched(
        row.format("finance"), row.format("nothing"), "g, user:x, role:boss, acme, _, _"
    ) == [
        (1, 1),
        (0, 0),
        (0, 0),
    ]


def test_who_cannot_be_decided_upon_is_left_out() -> None:
    odd = MODEL.replace("eval(p.when)", "(r.sub.clearance < 3 || r.sub.clearance) && eval(p.when)")
    loaded = unadmitted("p, group:everyone, acme, /*, document:read, True, allow\n", odd)
    found = touches(loaded, loaded.rows, CORPUS, people=PEOPLE, roles=[], at=NOW)

    assert [(one.people, one.documents) for one in found] == [(1, 2)]
    assert isinstance(found[0], Touch)
