"""What a rule compares is typed: what is never true, or always, is refused where it stands."""

from __future__ import annotations

import operator
import random
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from acl.admission.admission import admit, read_csv
from acl.errors import PolicyError, Refusal
from acl.labels import Attribute, AttributeType, LabelSchema
from acl.policy.policy import load
from acl.subject import is_identity
from tests.unit.acl.default_policy import FOLDER, MODEL, ROWS

SCHEMA: Final = LabelSchema.from_toml(
    (FOLDER / "labels.toml").read_text()
    + """
[label.count]
type = "integer"
[label.open]
type = "boolean"
[label.marked]
type = "boolean"
[label.expires]
type = "datetime"
required = false
"""
)
ALLOWED = "p, group:everyone, *, /*, document:read, True, allow\n"
SHARED = Path(__file__).parents[5] / "shared/cases/policies"

OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "in": lambda one, many: one in many,
    "not in": lambda one, many: one not in many,
}  # fmt: skip
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def refusals(when: str, effect: str = "allow", *, matcher: str = "") -> tuple[Refusal, ...]:
    quoted = when.replace('"', '""')
    rows = f'{ALLOWED}p, group:finance, acme, /acme/*, document:read, "{quoted}", {effect}\n'
    try:
        admit(load(MODEL.replace("eval(p.when)", f"eval(p.when){matcher}"), read_csv(rows), SCHEMA))
    except PolicyError as error:
        return error.refusals
    return ()


def told(when: str) -> str:
    (refusal,) = refusals(when)
    assert (refusal.where, refusal.column) == ("policy.csv line 2", "when")
    return f"{refusal.operator}: {refusal.reason}"


# A generator: a comparison is refused if and only if it is the same for every label.

TEXTS = ("user:ada", "group:finance", "3", "", " x", "/acme/x", "acme/x", "/acme/*", "x\u200by")
NUMBERS = (-1, 0, 1, 2, 3, 4, 99, 1.5, 2.0, 2**60)


def literals(rng: random.Random) -> object:
    return rng.choice([rng.choice(TEXTS), rng.choice(NUMBERS), rng.random() < 0.5])


def values(attribute: Attribute, literal: object) -> Iterator[object]:
    """Yield values that a label can have, among them those that the literal could equal."""
    match attribute.type:
        case AttributeType.KEYWORD:
            yield from ("user:nobody", "group:else")
        case AttributeType.PATH:
            yield from ("/else", "/acme/other")
        case AttributeType.BOOLEAN:
            yield from (True, False)
        case _ if attribute.levels:
            yield from range(len(attribute.levels))
        case _:
            yield from (-(2**53) + 1, -7, 7, 2**53 - 1)
    try:
        parsed = attribute.parse(int(literal) if isinstance(literal, float) else literal)
    except ValueError:
        return
    possible = {
        AttributeType.PATH: str(parsed).startswith("/") and not str(parsed).endswith("*"),
        AttributeType.KEYWORD: is_identity(str(parsed)),  # An owner is somebody.
    }
    if parsed == literal and possible.get(attribute.type, True):
        yield parsed


def answers(attribute: Attribute, sign: str, literal: object) -> set[bool]:
    """Return the answers of Python, and so of Casbin; what raises is never true."""
    numbers = (AttributeType.INTEGER, AttributeType.DATETIME)
    if sign[0] in "<>" and attribute.type not in numbers:
        return {False}  # The engine orders nothing but numbers.
    if isinstance(literal, bool) and attribute.type is not AttributeType.BOOLEAN:
        return {False}  # It equals 0 or 1 to Python, and reads as something else.
    many = literal if isinstance(literal, tuple) else (literal,)
    known = {value for one in many for value in values(attribute, one)}
    try:
        return {bool(OPERATORS[sign](value, literal)) for value in known}
    except TypeError:
        return {False}


def comparison(rng: random.Random) -> tuple[str, bool]:
    """Return a comparison, and whether it says something."""
    attribute = SCHEMA.attributes[
        rng.choice(["owner", "path", "classification", "count", "open", "expires"])
    ]
    sign, name = rng.choice(list(OPERATORS)), f"r.obj.{attribute.name}"
    if sign in {"in", "not in"}:
        entries = tuple(literals(rng) for _ in range(rng.randint(0, 3)))
        text = f"{name} {sign} ({''.join(f'{spelt(one)}, ' for one in entries)})"
        # An entry that no label can have is in vain, whatever the others are.
        return text, bool(entries) and all(
            len(answers(attribute, "==", one)) > 1 for one in entries
        )
    literal = literals(rng)
    says = len(answers(attribute, sign, literal)) > 1
    if sign in MIRRORED and rng.random() < 0.4:
        return f"{spelt(literal)} {MIRRORED[sign]} {name}", says
    return f"{name} {sign} {spelt(literal)}", says


def spelt(literal: object) -> str:
    return f'"{literal}"' if isinstance(literal, str) else str(literal)


def in_every_place(text: str) -> Iterator[tuple[str, tuple[Refusal, ...]]]:
    for form in ("{}", "!({})", "r.obj.marked && ({})", "r.obj.marked || !(True && {})"):
        for effect in ("allow", "deny"):
            yield f"{effect} {form.format(text)}", refusals(form.format(text), effect)


def test_a_comparison_is_refused_exactly_if_it_is_the_same_for_every_label() -> None:
    rng = random.Random(39)
    seen = {True: 0, False: 0}
    while min(seen.values()) < 100:
        text, says = comparison(rng)
        seen[says] += 1
        place, found = next(iter(in_every_place(text)))
        if seen[says] % 10 == 0:
            for place, found in in_every_place(text):
                assert bool(found) is not says, (place, found)
        assert bool(found) is not says, (place, [str(one) for one in found])
        assert all(refusal.where == "policy.csv line 2" for refusal in found)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("r.obj.classification == 99", "can never be true: `classification` goes from 0 to 3"),
        ("r.obj.classification != 99", "is always true: `classification` goes from 0 to 3"),
        ("r.obj.classification >= 0", "is always true: `classification` goes from 0 to 3"),
        ("3 < r.obj.classification", "can never be true: `classification` goes from 0 to 3"),
        ("0 <= r.obj.classification < 2", "is always true"),
        ("r.obj.classification == True", "`classification` is a number, `True` is true or false"),
        ('r.obj.count == "3"', '`count` is a number, `"3"` is a text; write 3 without quotes'),
        ("r.obj.count == 1.5", "`count` is a whole number"),
        ("r.obj.path == 3", "`path` holds text, `3` is a number"),
        ('r.obj.path == "acme/x"', 'a path begins with a slash; write "/acme/x"'),
        ('r.obj.path != "/acme/*"', "is always true: a star is no wildcard here; write keyMatch"),
        ("r.obj.owner == True", "`owner` holds text, `True` is true or false"),
        ('r.obj.owner == ""', "`` is empty"),
        ("r.obj.open == 'yes'", "`open` is true or false, `'yes'` is a text; write True or False"),
        ("r.obj.open == 2", "`open` is true or false, `2` is a number; write True or False"),
        ("1 in r.obj.readers", "`readers` holds text, `1` is a number"),
        ("r.sub.clearance in r.obj.readers", "`readers` is a text, `clearance` is a number"),
        ("r.obj.owner in ()", "the list is empty"),
        ("r.obj.owner in r.sub.id", "asks for a part of the text `r.sub.id`; write `==`"),
        ('r.sub.id in "user:ada,user:ben"', "asks for a part of the text"),
        ("r.sub.id in p.path", "asks for a part of the text `p.path`"),
        ("r.obj.owner in r.sub.clearance", "`r.sub.clearance` is a number, no list"),
        ("r.obj.owner == r.sub.clearance", "`owner` is a text, `clearance` is a number"),
        ("r.obj.owner == r.sub.groups", "`groups` is a set of texts; write `in`"),
        ("r.obj.expires == r.sub.clearance", "`expires` is a moment, `clearance` is a number"),
        ("r.obj.expires <= r.sub.clearance", "`expires` is a moment, `clearance` is a number"),
        ("r.sub.id < r.obj.count", "can never be true: `id` is a text, which has no order here"),
        ("r.obj.count < r.sub.groups", "`groups` is a set of texts, which has no order here"),
        ("r.obj.path == r.sub.id", "`path` is a path, `id` is a name"),
        ("r.obj.path == p.act", 'a path begins with a slash; write "/document:read"'),
        ("r.obj.count == p.path", "`count` is a number, `/acme/*` is a text"),
        ("r.sub.groups == 'group:x'", "`groups` is a set of texts; write `in`"),
        ("r.sub.clearance == 9", "`clearance` goes from 0 to 3"),
        ("r.act == 'document:raed'", "`document:raed` is not an action"),
        ("any_of(r.obj.readers, r.sub.id)", "`id` is a text, not a list; write `in`"),
        ("any_of(r.sub.groups, [])", "can never be true: the list is empty"),
        ("subset_of(r.obj.compartments, ['x', 3])", "`compartments` holds text, `3` is a number"),
        ("keyMatch(r.sub.groups, '/x')", "`groups` is a set of texts, not a text"),
        ("r.sub.id == r.sub.id", "compares a value with itself"),
        ("size(r.obj.readers) >= 0", "is always true: `size` goes from 0 to 1000"),
        ("size(r.obj.readers) == 'x'", "`size` is a number, `'x'` is a text"),
        ("present(r.obj.owner)", "is always true: `owner` is never missing"),
        ("absent(r.obj.owner)", "can never be true: `owner` is never missing"),
        ("absent(r.sub.id)", "can never be true: `id` is never missing"),
        ("r.sub.clearance", "is a number, not true or false"),
        ("!r.sub.groups", "is a set of texts, not true or false"),
        ("r.sub.clearance + 1", "is a number, not true or false"),
        ("'x'", "is a text, not true or false"),
        ("[r.sub.id]", "is a list, not true or false"),
        ("p.path", "is a text of the row, not true or false"),
        ("r.act", "is a text, not true or false"),
    ],
)
def test_a_refusal_says_what_is_compared_and_what_to_write(when: str, expected: str) -> None:
    assert expected in told(when)


@pytest.mark.parametrize(
    "when",
    [
        "subset_of(r.obj.compartments, [])",
        "any_of(['group:x'], r.obj.readers)",
        "any_of(r.sub.groups, ['group:x', 'role:y'])",
        "any_of(r.obj.readers, [p.sub])",
        "r.sub.clearance - 1 >= r.obj.classification",
        "r.obj.count <= r.sub.clearance",
        "-1 < r.obj.count",
        "r.obj.open == 1",
        "r.obj.open",
        "r.obj.owner in [r.sub.id, 'user:root']",
        "p.sub == 'group:x'",
        "r.sub.id in r.obj.readers",
        "regexMatch(r.sub.id, '^user:a')",
        "keyMatch(r.obj.path, '*')",
        "r.obj.classification in (0, 2)",
        "r.obj.owner == r.sub.id",
        "r.sub.tenant == 'acme' && r.act == 'document:read'",
        "absent(r.obj.expires)",
        "size(r.obj.readers) <= 3",
        "True",
        "1 == 1 || 'a' == 'b'",
    ],
)
def test_what_says_something_is_accepted(when: str) -> None:
    assert refusals(when) == ()


def test_a_fault_of_the_matcher_is_told_once_and_of_a_column_by_its_row() -> None:
    (shared,) = refusals("True", matcher=" && r.obj.classification >= 0")
    assert (shared.where, shared.column) == ("model.conf", "")

    typed = refusals("True", matcher=" && keyMatch(r.obj.path, 3)")
    assert [one.where for one in typed] == ["model.conf"]

    (composed,) = refusals("True", matcher=' && r.obj.owner == "e\u0301va"')
    assert "is not in normal form" in composed.reason

    rows = refusals("True", matcher=" && r.obj.owner != p.act && r.obj.path != p.path")
    assert [(one.where, one.column) for one in rows] == [
        ("policy.csv line 1", "path"),
        ("policy.csv line 2", "path"),
    ]


def test_the_shipped_policy_is_well_typed() -> None:
    admit(load(MODEL, read_csv(ROWS), SCHEMA))


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/cases")
def test_each_given_comparison_is_refused_or_takes_effect_as_it_reads() -> None:
    (case,) = (
        one
        for one in tomllib.loads((SHARED / "cases.toml").read_text())["case"]
        if one["id"] == "comparisons-never-true"
    )
    lines = (SHARED / case["input"][0]).read_text().splitlines()
    read = [row.values[4] for row in read_csv("\n".join(lines))]
    accepted = [when for when in read if not refusals(when, "deny")]

    assert accepted == [
        'r.obj.classification == "restricted"',
        'r.obj.classification in ["confidential", "restricted"]',
    ]
