"""Rows are read alike, whatever saved them; another dialect is refused once."""

from __future__ import annotations

import random
from typing import Final

import pytest

from acl.errors import PolicyError
from acl.language.casbin_adapter import RoleDefinition, Row
from acl.language.rules_file import read_rows, role_columns, wrong_length

ROWS: Final[tuple[tuple[str, ...], ...]] = (
    ("p", "group:sales", "acme", "/crm/*", "document:read", "True", "allow"),
    ("p", "user:ada", "acme", "/crm/*", "document:read", "any_of(r.obj.readers, r.sub.groups)", ""),
    ("g", "user:ada", "role:x", "acme", "_", "_"),
    ("p", "user:ada", 'r.sub.id == "user:p.smith"'),
)
COLUMNS = ("sub", "path", "when", "eft")


def written(dice: random.Random, separator: str = ",") -> tuple[str, list[tuple[str, ...]]]:
    """Write rows in one of the many ways of editors and spreadsheets."""
    rows = [dice.choice(ROWS) for _ in range(dice.randint(1, 5))]
    end, mark = dice.choice(("\n", "\r\n")), dice.choice(("", "\ufeff"))
    lines = [dice.choice(("", "# why", "  ")) for _ in range(2)]
    for row in rows:
        quoted = [_quoted(value, dice, separator) for value in row]
        blank = dice.choice(("", " ", "\t", " \t"))
        lines.append(f"{separator}{blank}".join(quoted) + dice.choice(("", " ", "\t")))
    return mark + end.join(lines) + dice.choice(("", end)), rows


def _quoted(value: str, dice: random.Random, separator: str) -> str:
    if separator in value or '"' in value or dice.random() < 0.3:
        return '"' + value.replace('"', '""') + '"'
    return value


@pytest.mark.parametrize("seed", range(100))
def test_rows_are_read_alike_whatever_saved_them(seed: int) -> None:
    text, rows = written(random.Random(seed))

    assert [(row.kind, *row.values) for row in read_rows(text)] == rows


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("|", "upright strokes")])
def test_a_file_in_another_dialect_is_refused_once(seed: int, separator: str, name: str) -> None:
    text, rows = written(random.Random(seed), separator)
    more = f" here and in {len(rows) - 1} other lines" if len(rows) > 1 else ""

    with pytest.raises(PolicyError) as caught:
        read_rows(text)

    (refusal,) = caught.value.refusals
    assert str(refusal) == (
        f"policy.csv line 3: `{separator}`: the columns are parted by {name}{more}; use commas"
    )


def test_tabs_between_columns_are_another_dialect() -> None:
    with pytest.raises(PolicyError, match="`tab`: the columns are parted by tabs; use commas"):
        read_rows("p\tuser:ada\tacme\n")


def test_each_line_with_an_unbalanced_quote_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        read_rows('p, "a\np, b\np, "c" d\n')

    assert [one.where for one in caught.value.refusals] == [
        "policy.csv line 1",
        "policy.csv line 3",
    ]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (("a", "/b", "True", "allow"), ""),
        (
            ("a", "True", "allow"),
            "3 columns, the model defines 4: sub `a`, path `True`, when `allow`, eft is missing",
        ),
        (
            ("a", "/b", "True", "allow", ""),
            "when `True`, eft `allow`, and too many: ``; the line ends with a comma too many",
        ),
        (
            ("a", "/b", "any_of(x", "y)", "allow"),
            "a bracket is open at a comma: a condition with a comma stands in double quotes",
        ),
    ],
)
def test_a_row_of_the_wrong_length_is_shown_beside_its_columns(
    values: tuple[str, ...], reason: str
) -> None:
    said = wrong_length(Row(1, "p", values), COLUMNS)

    assert said.endswith(reason)
    assert bool(said) is bool(reason)


def test_columns_of_links_have_names() -> None:
    assert role_columns(RoleDefinition(2, timed=False)) == ("name", "role")
    assert role_columns(RoleDefinition(2, timed=True)) == ("name", "role", "from", "until")
    assert role_columns(RoleDefinition(3, timed=False)) == ("name", "role", "domain")
