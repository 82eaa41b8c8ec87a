"""What may be meant and does nothing is told with its line, and with what could be meant."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from acl.admission.admission import admit, read_csv
from acl.admission.cautions import NO_ASKER, Known, cautions_of
from acl.admission.impossible import NO_LABEL
from acl.errors import Caution, PolicyError
from acl.language.casbin_adapter import RoleMatching
from acl.policy.policy import Policy, load
from tests.unit.acl.default_policy import ROWS, SCHEMA, policy

CASES = Path(__file__).parents[5] / "shared" / "cases" / "policies" / "cases.toml"
LINE = f"policy.csv line {len(ROWS.splitlines()) + 1}"
SIBLINGS = 100


def told(row: str, known: Known | None = None) -> list[Caution]:
    """Return what is odd about a row beside the policy that comes with the project."""
    loaded = policy(f"{ROWS}{row}\n")
    added = [one for one in loaded.rows if one.number > len(ROWS.splitlines())]
    return list(cautions_of(loaded, known or Known(), added))


def refused(row: str) -> bool:
    try:
        policy(f"{ROWS}{row}\n")
    except PolicyError as error:
        return {one.where for one in error.refusals} == {LINE}
    return False


def rule(who: str, tenant: str = "acme", path: str = "/acme/x/*", when: str = "True") -> str:
    return f'p, {who}, {tenant}, {path}, document:read, "{when}", deny'


def test_nothing_is_odd_about_the_policy_that_comes_with_the_project() -> None:
    assert cautions_of(policy()) == ()


@pytest.mark.parametrize(
    ("row", "column", "nearest"),
    [
        (rule("group:sales", "acmee"), "tenant", "acme"),
        (rule("group:sales", "globex"), "tenant", ""),
        (rule("role:contracter"), "sub", "role:contractor"),
        (rule("role:archivist"), "sub", ""),
        (rule("group:finnance"), "sub", "group:finance"),
        (rule("group:fniance"), "sub", "group:finance"),
        (rule("group:enginering").replace("deny", "allow"), "sub", "group:engineering"),
        (rule("group:x", path="/acme/*/q1"), "path", ""),
        (rule("group:x", "ac*e"), "tenant", ""),
        (rule("group:x", path="crm/*").replace("deny", "allow"), "path", ""),
        (rule("group:finance", path="/Acme/finance/*"), "path", "/acme/finance/*"),
        (rule("group:finance", path="/acme/fiannce/*"), "path", "/acme/finance/*"),
        (rule("group:finance", path="/acme/engineerng/*"), "path", "/acme/engineering/*"),
        ("g, user:ada, role:contractor, acmee, _, _", "domain", "acme"),
        ("g, user:ada, role:contracter, acme, _, _", "role", "role:contractor"),
        ("g, user:ada, role:archivist, globex, _, _", "", ""),
        ("g, group:enginering, role:contractor, acme, _, _", "name", "group:engineering"),
    ],
)
def test_what_refers_to_nothing_is_told_with_the_nearest(
    row: str, column: str, nearest: str
) -> None:
    found = told(row)

    assert [(one.where, one.column, one.nearest) for one in found] == (
        [(LINE, column, nearest)] if column else []
    )
    assert all(nearest in str(one) for one in found)


@pytest.mark.parametrize(
    "row",
    [
        rule("group:sales"),
        rule("group:finance", "*"),
        rule("user:nora"),
        rule("role:archivist").replace("deny", "allow"),
        rule("group:team-a") + "\n" + rule("group:team-b") + "\n" + rule("group:team-12"),
        rule("group:finance", path="/acme/board/minutes # 5.md"),
        rule("group:finance", path="/acme/a/*") + "\n" + rule("group:finance", path="/acme/b/*"),
        rule("group:finance", path="/acme/q1/*") + "\n" + rule("group:finance", path="/acme/q2/*"),
        rule("group:unit1a") + "\n" + rule("group:unita1"),
        rule("group:finance", path="/x/ab/cd") + "\n" + rule("group:finance", path="/x/a/bcd"),
        rule("group:hr") + "\n" + rule("group:hrs"),
        rule("group:unit-21") + "\n" + rule("group:unit-31"),
        "g, user:nora, role:archivist, acme, _, _\n" + rule("role:archivist"),
    ],
)
def test_what_may_well_be_there_is_not_odd(row: str) -> None:
    assert told(row) == []


def test_who_is_known_is_asked_where_that_is_known() -> None:
    known = Known(frozenset({"acme"}), frozenset({"group:sales", "role:archivist"}), complete=True)

    assert told(rule("group:sales"), known) == told(rule("role:archivist"), known) == []
    (found,) = told(rule("group:sale").replace("deny", "allow"), known)
    assert found.nearest == "group:sales"
    assert told(rule("user:nora"), known)
    links = told("g, user:nora, role:contractor, globex, _, _", known)
    assert {(link.column, link.value) for link in links} == {
        ("name", "user:nora"),
        ("domain", "globex"),
    }


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("r.obj.classification > 2 && r.obj.classification < 2", NO_LABEL),
        ("r.obj.owner == 'user:nora' && r.obj.owner == 'user:eve'", NO_LABEL),
        ("r.obj.tenant == 'beta'", NO_LABEL),
        ("keyMatch(r.obj.path, '/globex/*')", NO_LABEL),
        ("r.sub.tenant == 'beta'", NO_ASKER),
        ("r.sub.clearance < 0 || r.sub.id == 'group:x'", NO_ASKER),
        ("r.sub.id == 'user:ada' && r.sub.id == 'user:eve'", NO_ASKER),
    ],
)
def test_a_row_that_can_never_apply_is_refused_or_told(when: str, reason: str) -> None:
    row = rule("group:finance", when=when)
    allows = row.replace("deny", "allow")

    if reason == NO_LABEL or "group:x" in when:
        assert refused(row)
    else:
        assert [one.reason for one in told(row)] == [reason]
    if "group:x" not in when:
        assert [one.reason for one in told(allows)] == [reason]


@pytest.mark.parametrize(
    "when",
    [
        "'board' in r.obj.compartments",
        "!subset_of(r.obj.compartments, ['board'])",
        "r.sub.clearance == 2 && r.obj.classification == 2",
        "'finance' in r.sub.compartments",
        "regexMatch(r.sub.id, 'user:[0-9]+') || r.sub.clearance > 0",
        "r.sub.id == 'user:nora'",
        "'group:legal' in r.sub.groups",
        "r.obj.owner in r.sub.principals && r.obj.owner != r.sub.id",
    ],
)
def test_a_row_that_somebody_can_meet_is_not_odd(when: str) -> None:
    assert told(rule("group:finance", when=when)) == []
    assert told(rule("role:contractor", when=when)) == []


def model(matcher: str, roles: str = "g = _, _\n", columns: str = "sub, path, eft") -> str:
    return (
        f"[request_definition]\nr = sub, obj\n[policy_definition]\np = {columns}\n"
        f"[role_definition]\n{roles}[policy_effect]\n"
        "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n"
        f"[matchers]\nm = keyMatch(r.obj.path, p.path) && {matcher}\n"
    )


def made(matcher: str, rows: str, **more: str) -> Policy:
    loaded = load(model(matcher, **more), read_csv(rows), SCHEMA)
    admit(loaded)
    return loaded


def test_a_role_that_only_links_give_is_met_by_those_whom_a_link_names() -> None:
    rule = "p, role:banned, /*, deny\n"
    link = "g, user:ada, role:guest\ng, role:guest, role:banned\n"

    (found,) = cautions_of(made("g(r.sub.id, p.sub)", rule))
    assert found.reason.startswith("no link gives it")
    assert cautions_of(made("g(r.sub.id, p.sub)", rule + link)) == ()
    ended = link.replace("guest\n", "guest, _, 2001-01-01 00:00:00\n").replace(
        "banned\n", "banned, _, _\n"
    )
    assert cautions_of(made("g(r.sub.id, p.sub)", rule + ended, roles="g = _, _, (_, _)\n")) == ()


def test_what_is_not_known_is_not_odd() -> None:
    patterns = {"g": RoleMatching(domains="keyMatch")}
    roles = "g = _, _, _\n"
    rows = "p, role:x, /*, deny\ng, user:ada, role:x, ac*\n"
    matched = load(
        model("g(r.sub.id, p.sub, r.sub.tenant)", roles), read_csv(rows), SCHEMA, matching=patterns
    )
    both = made("(p.sub == 'a*b' || r.sub.id == p.sub)", "p, a*b, /*, allow\n")
    globs = model("r.sub.id == p.sub").replace("keyMatch(r.obj", "globMatch(r.obj")
    starred = load(globs, read_csv("p, user:ada, /a/*/b, allow\n"), SCHEMA)

    numbers = model("(r.sub.clearance > 2 || r.sub.clearance)")
    unread = load(numbers, read_csv("p, user:ada, /*, allow\n"), SCHEMA)
    theirs = made("r.obj.tenant == p.sub", "p, acme, /*, allow\n")

    for one in (matched, both, starred, unread, theirs):
        assert cautions_of(one) == ()


def test_what_is_too_much_to_decide_is_not_odd(monkeypatch: pytest.MonkeyPatch) -> None:
    never = rule("group:finance", when="r.obj.tenant == 'beta'").replace("deny", "allow")
    monkeypatch.setattr("acl.admission.impossible.STEPS", 0)

    assert all(one.reason != NO_LABEL for one in told(never))


def test_in_other_models_too() -> None:
    assert cautions_of(made("keyMatch(r.sub.id, p.sub)", "p, user:a*, /*, allow\n")) == ()
    (found,) = cautions_of(made("keyMatch(r.sub.id, p.sub)", "p, user:a*b, /*, allow\n"))
    assert "it means `user:a*`" in found.reason
    for matcher, value in (
        ("keyMatch(r.sub.id, p.sub)", "us*"),
        ("regexMatch(r.sub.id, p.sub)", "user:[0-9]"),
        ("ipMatch('10.0.0.1', p.sub)", "10.0.0.0/8"),
    ):
        assert cautions_of(made(matcher, f"p, {value}, /*, deny\n")) == ()
    with pytest.raises(PolicyError, match="a line of its own"):
        made("p.sub in r.obj.compartments", "p, sales # since May, /*, deny\n")
    plain = "p, sales, /*, deny\np, sales, /x/*, deny\n"
    near = made("p.sub in r.obj.compartments", f"{plain}p, slaes, /y/*, deny\n")
    assert [one.nearest for one in cautions_of(near)] == ["sales"]
    tenanted = made(
        "(p.sub == 'any' || r.sub.tenant == p.sub)", "p, any, /*, deny\np, acme, /*, deny\n"
    )
    assert cautions_of(tenanted) == ()


def tenants(chance: random.Random) -> str:
    name = chance.choice(("globex", "acme-eu", "amce", "acmes", "initech", "beta.example"))
    return rule("group:finance", f"{name}{chance.choice(('', '-x', '.y'))}")


def roles(chance: random.Random) -> str:
    right = chance.choice(("contractor", "auditor"))
    place = chance.randrange(1, len(right) - 1)
    wrong = chance.choice((right[:place] + right[place + 1 :], right[:place] + "q" + right[place:]))
    return rule(f"role:{wrong}")


def groups(chance: random.Random) -> str:
    right = chance.choice(("finance", "engineering", "legal"))
    place = chance.randrange(1, len(right) - 1)
    wrong = [right[:place] + right[place + 1 :], right[:place] + "q" + right[place:],
             right[:place] + "q" + right[place + 1 :]]  # fmt: skip
    return rule(f"group:{chance.choice(wrong)}")


def conditions(chance: random.Random) -> str:
    low = chance.randrange(0, 3)
    folders = [f"/acme/{chance.choice('abc')}{number}/*" for number in range(2)]
    when = chance.choice(
        (
            f"r.obj.classification <= {low} && r.obj.classification > {low}",
            f"keyMatch(r.obj.path, '{folders[0]}') && keyMatch(r.obj.path, '{folders[1]}')",
            f"r.obj.owner == 'user:a{low}' && r.obj.owner == 'user:b{low}'",
            f"'x{low}' in r.obj.readers && !('x{low}' in r.obj.readers)".replace("x", "user:x"),
            f"r.obj.classification == {low} && !(r.obj.classification < {low + 1})",
        )
    )
    return rule("group:finance", path="/*", when=when)


@pytest.mark.parametrize("sibling", [tenants, roles, groups, conditions])
def test_a_hundred_siblings_of_each_kind_are_told_or_refused(
    sibling: Callable[[random.Random], str],
) -> None:
    chance = random.Random(sibling.__name__)
    for row in sorted({sibling(chance) for _ in range(SIBLINGS)}):
        assert refused(row) or [one for one in told(row) if one.where == LINE], row


@pytest.mark.parametrize("case", ["tenant-that-nobody-is-in", "role-that-no-link-gives"])
def test_the_shared_cases_are_told(case: str) -> None:
    if not CASES.exists():
        pytest.skip("the shared cases are not beside this repository")
    cases = tomllib.loads(CASES.read_text(encoding="utf-8"))["case"]
    (given,) = (one["input"] for one in cases if one["id"] == case)

    (found,) = told(given)
    assert found.where == LINE
    assert found.nearest in {"acme", "role:contractor"}


def test_the_shared_rule_on_an_address_is_told() -> None:
    if not CASES.exists():
        pytest.skip("the shared cases are not beside this repository")
    row = CASES.with_name("url-as-path.csv").read_text(encoding="utf-8").strip()

    (found,) = told(row)
    assert "`/wiki.acme.example/finance/*`" in found.reason
