"""A value that matches nothing is refused by line and column, whatever the columns are called."""

from __future__ import annotations

import random
import string
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from acl.admission.admission import admit, read_csv
from acl.admission.columns import HELD, Columns, Named, Placed, Tenanted
from acl.admission.row_values import RowValues
from acl.admission.values import fault, nearest, path_fault
from acl.errors import PolicyError, Refusal
from acl.policy.policy import load
from acl.subject import is_identity
from tests.unit.acl.default_policy import MODEL, ROWS, SCHEMA

CASES = Path(__file__).parents[5] / "shared" / "cases" / "policies"
SIBLINGS = 100

OTHER_COLUMNS = """
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = who, where, what, how, eft
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.who, r.dom) && r.dom == p.where && keyMatch(r.obj.path, p.what) && r.act == p.how
"""


def refused(rows: str, model: str = MODEL) -> list[Refusal]:
    try:
        admit(load(model, read_csv(rows), SCHEMA))
    except PolicyError as error:
        return list(error.refusals)
    return []


def added(row: str) -> Refusal:
    """Return why a row is refused beside the policy that comes with the project."""
    found = refused(f"{ROWS}{row}\n")
    assert {one.where for one in found} == {f"policy.csv line {len(ROWS.splitlines()) + 1}"}, row
    return found[0]


@pytest.mark.parametrize(
    ("row", "column", "hint"),
    [
        ("p, user:Nora, acme, /*, document:read, True, deny", "sub", "`user:nora`"),
        ("p, User:nora, acme, /*, document:read, True, deny", "sub", "`user:nora`"),
        ("p, group:sales, ACME, /sales/*, document:read, True, deny", "tenant", "`acme`"),
        ("g, user:Eve, role:contractor, acme, _, _", "name", "`user:eve`"),
        ("p, groups:sales, acme, /*, document:read, True, deny", "sub", "`group:sales`"),
        ("p, sales, acme, /*, document:read, True, deny", "sub", "or `group:sales` or"),
        ("p, finance, acme, /*, document:read, True, deny", "sub", "mean `group:finance`?"),
        ("p, user:joe+x@acme, acme, /*, document:read, True, deny", "sub", "`+` is plus sign"),
        ("p, user:jørgen, acme, /*, document:read, True, deny", "sub", "`user:j--f8-rgen`"),
        (
            "p, role:c\u043entractor, acme, /*, document:read, True, deny",
            "sub",
            "`role:contractor`",
        ),
        ("p, *, acme, /*, document:read, True, deny", "sub", "everybody is `group:everyone`"),
        ("p, /sales/*, acme, group:x, document:read, True, deny", "sub", "another order"),
        ("p, group:sales, /sales/*, acme, document:read, True, deny", "tenant", "another order"),
        ("p, group:sales, user:ada, /*, document:read, True, deny", "tenant", "names somebody"),
        ("p, group:sales, acme, crm/*, document:read, True, deny", "path", "`/crm/*`"),
        ("p, group:sales, acme, /crm/, document:read, True, deny", "path", "`/crm/*`"),
        ("p, group:sales, acme, /a/../hr/*, document:read, True, deny", "path", "`..`"),
        ("p, group:sales, acme, /a//hr/*, document:read, True, deny", "path", "(`//`)"),
        (
            "p, group:sales, acme, https://wiki.x/a, document:read, True, deny",
            "path",
            "`/wiki.x/a`",
        ),
        ("g, role:contractor, user:x, acme, _, _", "role", "is a user, not a role"),
        ("g, user:x, role:y # until May, acme, _, _", "role", "a line of its own"),
        ("g, user:x, role:contractor, *, _, _", "domain", "one line for each tenant"),
        (
            "g, user:x, role:y, acme, 2026-05-01 00:00:00, 2026-05-01 00:00:00",
            "until",
            "at or before the beginning",
        ),
        (
            "p, group:x, acme, /*, document:read, r.sub.id == 'user:Nora', deny",
            "when",
            "`user:nora`",
        ),
        ("p, group:x, acme, /*, document:read, 'sales' in r.sub.groups, deny", "when", "begins"),
        ("p, group:x, acme, /*, document:read, r.sub.tenant != 'ACME', allow", "when", "`acme`"),
        (
            "p, group:x, acme, /*, document:read, \"!keyMatch(r.obj.path, 'hr/*')\", allow",
            "when",
            "`/hr/*`",
        ),
        ("p, group:x, acme, /*, document:read, \"r.obj.owner in ['ada']\", deny", "when", "begins"),
        (
            "p, group:x, acme, /*, document:read, \"any_of(r.obj.readers, ['Group:x'])\", deny",
            "when",
            "`group:x`",
        ),
    ],
)
def test_what_matches_nothing_is_refused_with_what_could(row: str, column: str, hint: str) -> None:
    found = added(row)

    assert found.column == column
    assert hint in found.reason


def test_a_path_that_no_document_has_is_refused_only_where_it_could_harm() -> None:
    row = "p, group:sales, acme, crm/*, document:read, True, allow\n"
    (found,) = RowValues(load(MODEL, read_csv(ROWS + row), SCHEMA)).faults()

    assert refused(ROWS + row) == []
    assert not found.severe
    assert "a path begins with `/`: `/crm/*`" in str(found.caution)
    negated = MODEL.replace("keyMatch(r.obj.path, p.path)", "!keyMatch(r.obj.path, p.path)")
    assert refused(row, negated)


@pytest.mark.parametrize(
    "row",
    [
        "p, user:ada, acme, /*, document:read, True, deny",
        "p, service:crawler, *, *, document:read, True, deny",
        "p, group:sales, ac*, /acme/q1, document:read, True, deny",
        "p, role:x, acme, /acme/.hidden/*, document:read, r.sub.id != 'agent:a', deny",
        "p, role:x, acme, /*, document:read, \"g(r.sub.id, 'role:y', 'acme')\", deny",
        "g, group:sales, role:contractor, acme, 2026-01-01 00:00:00, _",
    ],
)
def test_what_can_match_is_admitted(row: str) -> None:
    assert refused(f"{ROWS}{row}\n") == []


def test_the_model_says_what_a_column_is_and_not_its_name() -> None:
    columns = Columns(
        load(OTHER_COLUMNS, read_csv("p, role:r, acme, /*, document:read, allow"), SCHEMA)
    )

    assert columns.uses["p_where"] == {Tenanted()}
    assert columns.uses["p_what"] == {Placed("keyMatch")}
    assert "p_how" not in columns.uses
    rows = "p, boss, acme, /*, document:read, deny\np, role:r, /*, acme, document:read, deny\n"
    found = [(one.where[-1], one.column) for one in refused(rows, OTHER_COLUMNS)]
    assert found == [("1", "who"), ("2", "where"), ("2", "what")]
    assert refused("p, role:r, ac*, /*, document:read, deny", OTHER_COLUMNS), "`==` knows no star"


@pytest.mark.parametrize(
    ("matcher", "rows", "column"),
    [
        ("p.sub in r.sub.groups", "p, user:ada, /*\n", "sub"),
        ("r.sub.id == p.sub", "p, group:x, /*\n", "sub"),
        ("keyMatch(r.sub.id, p.sub)", "p, users:*, /*\n", "sub"),
        ("keyMatch(r.obj.tenant, p.sub)", "p, ACME, /*\n", "sub"),
        ("r.sub.id == 'user:Ada' && p.sub in r.sub.groups", "p, group:x, /*\n", ""),
        ("g(r.sub.id, 'boss') && p.sub in r.sub.groups", "p, group:x, /*\n", ""),
        ("p.sub == 'all' || p.sub in r.sub.principals", "p, everyone, /*\n", "sub"),
    ],
)
def test_other_matchers(matcher: str, rows: str, column: str) -> None:
    (found,) = refused(rows, model_of(matcher))

    assert (found.where, found.column) == ("policy.csv line 1" if column else "model.conf", column)


@pytest.mark.parametrize(
    ("matcher", "rows"),
    [
        ("keyMatch(r.sub.id, p.sub)", "p, user:*, /*\np, us*, /x/*\n"),
        ("keyMatch2(r.sub.id, p.sub)", "p, :any, /*\n"),
        ("p.sub == 'all' || p.sub in r.sub.principals", "p, all, /*\n"),
        ("g(p.sub, r.sub.id)", "p, boss, /*\n"),
        ("r.sub.id != p.sub && regexMatch(r.sub.id, p.sub)", "p, anything, /*\n"),
        ("g2(r.obj.path, p.sub)", "p, shelf, /*\ng2, /acme/a, shelf\n"),
        ("r.obj.classification > 1", "p, unread, /*\n"),
        ("p.sub in r.sub.compartments", "p, finance, /*\n"),
        ("p.sub in ['a', 'b']", "p, a, /*\n"),
        ("keyMatch(p.sub, r.sub.id) || keyMatch(r.obj.owner, p.sub)", "p, x, /*\n"),
        ("any_of(r.sub.compartments, ['x']) && 0 < r.sub.clearance", "p, x, /*\n"),
    ],
)
def test_what_is_used_otherwise_is_left_open(matcher: str, rows: str) -> None:
    assert refused(rows, model_of(matcher)) == []


def model_of(matcher: str) -> str:
    return (
        "[request_definition]\nr = sub, obj\n[policy_definition]\np = sub, path\n"
        "[role_definition]\ng = _, _\ng2 = _, _\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n"
        f"[matchers]\nm = keyMatch(r.obj.path, p.path) && ({matcher})\n"
    )


def test_a_hint_can_match_and_is_no_more_than_a_hint() -> None:
    known = ["group:finance", "user:ada", "acme"]

    assert nearest("group:finnance", known) == "group:finance"
    assert nearest("group:finance", known) == ""
    assert "did you mean `group:finance`?" in fault("group:fin\u0430nce", [Named(HELD)], known)
    assert "did you mean `group:r--2f-d`?" in fault("group:R/D", [Named(HELD)], known)
    for nobody in ("user: # nobody", "user:\a\a", "people:x+y"):
        assert "did you mean" not in fault(nobody, [Named(HELD)], known)
    assert path_fault("*", "keyMatch") == ""
    assert "is empty" in path_fault("")
    assert "names somebody" not in path_fault("/user:ada")


# A hundred siblings of each kind, the same in every run.
NAMES = ("nora", "eve", "p.smith", "li-wei", "o_brien", "x1")


def name(chance: random.Random) -> str:
    kind = chance.choice(("user", "group", "role", "service", "agent"))
    return f"{kind}:{chance.choice(NAMES)}{chance.randrange(100)}"


def capitals(chance: random.Random) -> str:
    right = name(chance)
    place = chance.choice([at for at, one in enumerate(right) if one.isalpha()])
    wrong = f"{right[:place]}{right[place].upper()}{right[place + 1 :]}"
    return f"p, {wrong}, acme, /*, document:read, True, deny"


def kinds(chance: random.Random) -> str:
    kind, _, rest = name(chance).partition(":")
    wrong = chance.choice((f"{kind}s:", "", f"{kind};", f"{kind}::", f"the{kind}:", f"{kind} :"))
    return f"p, {wrong}{rest}, acme, /*, document:read, True, deny"


def signs(chance: random.Random) -> str:
    sign = chance.choice("+#äø\u0430 /\\*%é=")
    right = name(chance)
    place = chance.randrange(right.index(":") + 1, len(right))
    return f"p, {right[:place]}{sign}{right[place:]}, acme, /*, document:read, True, deny"


def exchanged(chance: random.Random) -> str:
    folder = chance.choice(("/sales/*", "/a/b", "/*", "/acme/x/*"))
    columns = ["group:sales", "acme", folder]
    while columns == ["group:sales", "acme", folder]:
        chance.shuffle(columns)
    return f"p, {', '.join(columns)}, document:read, True, deny"


def places(chance: random.Random) -> str:
    segments = ["".join(chance.choices(string.ascii_lowercase, k=3)) for _ in range(3)]
    right, wrong = "/" + "/".join(segments), chance.randrange(6)
    spelt = [right[1:], f"{right}/", f"https:/{right}", f".{right}", right.replace("/", "\\"),
             f"/{segments[0]}/{chance.choice(('', '.', '..'))}/{segments[1]}"][wrong]  # fmt: skip
    star = "/*" if wrong != 1 and chance.random() < 0.5 else ""
    return f"p, group:sales, acme, {spelt}{star}, document:read, True, deny"


def reversed_links(chance: random.Random) -> str:
    kind = chance.choice(("user", "service", "agent"))
    return f"g, role:{chance.choice(NAMES)}, {kind}:{chance.choice(NAMES)}, acme, _, _"


def windows(chance: random.Random) -> str:
    moments = sorted(
        f"20{chance.randrange(10, 40)}-0{chance.randrange(1, 9)}-11 00:00:00" for _ in "12"
    )
    return f"g, {name(chance)}-{chance.random()}, role:contractor, acme, {moments[1]}, {moments[0]}"


def stars(chance: random.Random) -> str:
    return f"g, user:nora, role:steward, {chance.choice(('*', 'ac*', '*me', 'a.*', '**'))}, _, _"


@pytest.mark.parametrize(
    "sibling",
    [capitals, kinds, signs, exchanged, places, reversed_links, windows, stars],
)
def test_a_hundred_siblings_of_each_kind_are_refused(
    sibling: Callable[[random.Random], str],
) -> None:
    chance = random.Random(sibling.__name__)
    rows = {sibling(chance) for _ in range(SIBLINGS)}
    numbered = ROWS + "".join(f"{row}\n" for row in sorted(rows))
    first = len(ROWS.splitlines()) + 1

    told = {one.where for one in refused(numbered)}
    assert told == {f"policy.csv line {first + place}" for place in range(len(rows))}


def test_a_hundred_names_that_somebody_can_bear_are_admitted() -> None:
    chance = random.Random(1)
    names = {name(chance) for _ in range(SIBLINGS)}

    assert all(map(is_identity, names))
    rows = "".join(f"p, {one}, acme, /*, document:read, True, deny\n" for one in sorted(names))
    assert refused(ROWS + rows) == []


@pytest.mark.parametrize(
    "case",
    [
        "bans-of-nobody",
        "capital-letters-in-rows",
        "kind-of-name-missing-or-misspelt",
        "tenant-and-path-exchanged",
        "path-that-matches-nothing",
        "link-the-wrong-way-round",
        "link-that-ends-before-it-begins",
        "star-as-tenant-of-a-link",
    ],
)
def test_the_shared_cases_are_refused(case: str) -> None:
    if not CASES.exists():
        pytest.skip("the shared cases are not beside this repository")
    (given,) = (
        one
        for one in tomllib.loads((CASES / "cases.toml").read_text(encoding="utf-8"))["case"]
        if one["id"] == case
    )
    if isinstance(given["input"], str):
        for row in given["input"].strip().splitlines():
            assert added(row).column
        return
    model, rows = ((CASES / one).read_text(encoding="utf-8") for one in given["input"])
    assert [one.where[-1] for one in refused(rows, model)] == ["4", "5", "6", "7"]
