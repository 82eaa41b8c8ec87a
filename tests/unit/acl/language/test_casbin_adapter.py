"""The door to Casbin: versions, models, rows, order, set functions, and the oracle."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
from casbin.rbac.default_role_manager import DomainManager, RoleManager

from acl.language import casbin_adapter as casbin_door
from acl.language.casbin_adapter import (
    MATCHING_FUNCTIONS,
    CasbinError,
    CasbinVersionError,
    Oracle,
    PatternedRoleGraph,
    RoleDefinition,
    RoleMatching,
    Row,
    any_of,
    check_versions,
    ordered,
    parse_model,
    subset_of,
)
from tests.conformance.casbin.lines import read_lines
from tests.unit.acl.small_policies import AT, BOTH, model


def installed(versions: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package not in versions:
            raise PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(casbin_door, "version", version)


def test_the_proved_versions_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    installed({"pycasbin": "2.8.0", "simpleeval": "1.0.8"}, monkeypatch)
    check_versions()
    installed({"pycasbin": "2.10.1", "simpleeval": "1.1"}, monkeypatch)
    check_versions()


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ({"casbin": "1.43.0", "pycasbin": "2.8.0", "simpleeval": "1.0.8"}, "overwrites"),
        ({"pycasbin": "2.7.9", "simpleeval": "1.0.8"}, "`pycasbin` is older than 2.8.0"),
        ({"pycasbin": "2.8.0", "simpleeval": "1.0.3"}, "`simpleeval` is older than 1.0.8"),
    ],
)
def test_another_casbin_is_refused(
    versions: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(versions, monkeypatch)

    with pytest.raises(CasbinVersionError, match=reason):
        check_versions()


def test_a_model_is_read_with_its_matchers_as_written() -> None:
    found = parse_model(model("r.obj.a == p.val", roles="g = _, _\ng2 = _, _, _, (_, _)"))

    assert found.requests == {"r": ("sub", "obj", "item", "act")}
    assert found.policies == {"p": ("sub", "val", "act")}
    assert found.roles == {
        "g": RoleDefinition(2, timed=False),
        "g2": RoleDefinition(3, timed=True),
    }
    assert found.matchers == {"m": "r.obj.a == p.val"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[broken\n", "Casbin cannot read the model"),
        ("[request_definition]\nr = a\n", r"\[policy_definition\] is missing"),
        (model().split("[matchers]")[0], r"\[matchers\] is missing"),
    ],
)
def test_a_model_that_casbin_cannot_read_is_refused(text: str, reason: str) -> None:
    with pytest.raises(CasbinError, match=reason):
        parse_model(text)


def test_lines_are_split_as_casbins_adapter_does() -> None:
    found = parse_model(model(roles="g = _, _"))
    text = '# note\n\np, ada, [x, y], read\r\nP, no\np9, no\n  g ,ada , boss\np, "a", b\u2028c, d\n'

    assert read_lines(text, found) == (
        Row(3, "p", ("ada", "[x, y]", "read")),
        Row(6, "g", ("ada", "boss")),
        Row(7, "p", ('"a"', "b\u2028c", "d")),
    )
    with pytest.raises(CasbinError, match="line 2 closes a bracket that it did not open"):
        read_lines("p, a, b, c\np, False) or (True, x, y\n", found)


def test_rows_without_role_definitions_are_read_too() -> None:
    assert read_lines("p, a, b, c", parse_model(model())) == (Row(1, "p", ("a", "b", "c")),)


def test_rows_with_mixed_priorities_cannot_be_ordered() -> None:
    found = parse_model(model(columns="priority, sub", effect="priority(p.eft) || deny"))

    with pytest.raises(CasbinError, match="Casbin cannot order the rows"):
        ordered(found, [Row(1, "p", ("1", "a")), Row(2, "p", ("high", "b"))])


def test_set_functions_want_lists() -> None:
    assert any_of(["a", "b"], ["b"])
    assert not any_of(["a"], [])
    assert subset_of([], [])
    assert subset_of(["a"], ["a", "b"])
    assert not subset_of(["a"], ["b"])
    for function in (any_of, subset_of):
        with pytest.raises(TypeError, match="expected a list of texts"):
            function("ab", ["a"])
        with pytest.raises(TypeError, match="expected a list of texts"):
            function(["a"], "ab")


def graph(*rows: tuple[str, ...], arity: int = 2, **by: str) -> PatternedRoleGraph:
    numbered = [Row(number, "g", values) for number, values in enumerate(rows, 1)]
    return PatternedRoleGraph(numbered, RoleDefinition(arity, timed=False), RoleMatching(**by))


def test_a_graph_may_match_domains_alone() -> None:
    made = graph(("user:ada", "role:reader", "acme*"), arity=3, domains="keyMatch")

    assert made.has_link("user:ada", "role:reader", "acme-labs", AT)
    assert not made.has_link("user:ada", "role:reader", "globex", AT)
    assert not made.has_link("user:adam", "role:reader", "acme-labs", AT)


def test_a_graph_with_patterns_answers_from_a_fresh_manager() -> None:
    made = graph(("/books/:id", "shelf"), ("shelf", "hall"), names="keyMatch2")

    for _ in range(2):
        assert made.has_link("/books/1", "hall", "", AT)
        assert not made.has_link("/pens/1", "hall", "", AT)
    assert made.reached("/books/1", "", AT) == {"/books/1", "shelf", "hall"}
    assert set(made.names("")) == {"/books/:id", "shelf", "hall"}
    assert set(made.domains()) == set()
    assert list(made.boundaries()) == []
    assert made.match == "keyMatch2"
    assert made.match_function("/books/1", "/books/:id")
    assert not made.circles("shelf", "")
    assert made.path("/books/1", "hall", "", AT) == ("/books/1", "shelf", "hall")
    assert made.path("/pens/1", "hall", "", AT) is None
    assert made.path("/pens/1", "/pens/1", "", AT) == ("/pens/1",)


def test_a_graph_with_patterned_domains() -> None:
    made = graph(("ada", "boss", "*"), ("ben", "boss", "acme"), arity=3, domains="keyMatch")

    assert made.has_link("ada", "boss", "acme", AT)
    assert made.has_link("ada", "boss", "best", AT)
    assert not made.has_link("ben", "boss", "best", AT)
    assert made.path("ada", "boss", "best", AT) == ("ada", "boss")
    assert made.path("ben", "boss", "best", AT) is None
    assert set(made.domains()) == {"*", "acme"}
    assert made.match is None
    assert not made.match_function("ada", "ada")


def test_a_graph_forgets_names_and_domains() -> None:
    made = graph(("/books/:id", "shelf"), names="keyMatch2")
    for number in range(20):
        assert made.has_link(f"/books/{number}", "shelf", "", AT)
    assert set(made._managers[""].all_roles) == {"/books/:id", "shelf"}
    by_domain = graph(("ada", "boss", "a*"), arity=3, domains="keyMatch")
    by_name = graph(("a*", "boss", "*"), arity=3, names="keyMatch", domains="keyMatch")
    for number in range(100):
        assert by_domain.has_link("ada", "boss", f"a{number}", AT)
        assert by_name.has_link("ada", "boss", f"a{number}", AT)
    assert len(by_domain._plain) <= 64
    assert len(by_name._managers) <= 64


def test_a_pattern_of_a_domain_that_raises_matches_nothing() -> None:
    made = graph(("ada", "boss", "(a"), arity=3, domains="regexMatch")
    assert not made.has_link("ada", "boss", "a", AT)


NAMES = ("ada", "/a/1", "/a/:x", "/a/*", "boss", "/b/:x", "/b/1", "*", "crew", "/a/2/c")
DOMAINS = ("acme", "a*", "*", "best", "/t/:x", "/t/1")


@pytest.mark.parametrize("seed", range(60))
def test_patterned_graphs_answer_like_fresh_managers_of_casbin(seed: int) -> None:
    rng = random.Random(seed)
    arity, names = rng.choice((2, 3)), rng.choice((None, "keyMatch", "keyMatch2", "regexMatch"))
    by = {"names": names, "domains": rng.choice(("keyMatch", "keyMatch2")) if arity == 3 else None}
    rows = {tuple(rng.choice(NAMES) for _ in "nr") for _ in range(rng.randint(1, 7))}
    links = [(*pair, *(rng.choice(DOMAINS),) * (arity - 2)) for pair in sorted(rows)]
    made = graph(*links, arity=arity, **{key: one for key, one in by.items() if one})
    for _ in range(40):
        name, role, domain = rng.choice(NAMES), rng.choice(NAMES), rng.choice(DOMAINS)
        manager = casbin_manager(links, arity, by)
        within = (domain,) if arity == 3 else ()
        assert made.has_link(name, role, domain, AT) == manager.has_link(name, role, *within)
        expected = {
            one
            for one in made.names(domain)
            if casbin_manager(links, arity, by).has_link(name, one, *within)
        }
        assert made.reached(name, domain, AT) == expected | {name}
        path = made.path(name, role, domain, AT)
        assert (path is not None) == made.has_link(name, role, domain, AT)


def casbin_manager(links: Any, arity: int, by: Any) -> Any:
    manager = RoleManager(10) if arity == 2 else DomainManager(10)
    for link in links:
        manager.add_link(*link)
    if by["names"]:
        manager.add_matching_func(MATCHING_FUNCTIONS[by["names"]])
    if by["domains"]:
        manager.add_domain_matching_func(MATCHING_FUNCTIONS[by["domains"]])
    return manager


def test_the_oracle_decides_at_the_moment_it_is_given() -> None:
    text = model("g(r.sub, p.sub)", roles="g = _, _, (_, _)")
    rows = [
        Row(1, "p", ("boss", "x", "read")),
        Row(2, "g", ("ada", "boss", "2026-01-01 00:00:00", "2027-01-01 00:00:00")),
    ]
    inside = Oracle(parse_model(text), rows, at=AT)
    outside = Oracle(parse_model(text), rows, at=datetime(2028, 1, 1, tzinfo=UTC))

    assert inside.enforce("ada", "d", "i", "read")
    assert not outside.enforce("ada", "d", "i", "read")


def test_the_oracle_knows_domains_in_time_suffixes_and_matching_functions() -> None:
    timed = model("g(r.sub, p.sub, r.item)", roles="g = _, _, _, (_, _)")
    rows = [Row(1, "p", ("boss", "x", "r")), Row(2, "g", ("ada", "boss", "d", "_", "_"))]
    assert Oracle(parse_model(timed), rows, at=AT).enforce("ada", "x", "d", "r")
    assert not Oracle(parse_model(timed), rows, at=AT).enforce("ada", "x", "e", "r")

    matched = model("g(r.sub, p.sub, r.item)", roles="g = _, _, _")
    links = [Row(1, "p", ("boss", "x", "r")), Row(2, "g", ("/u/:x", "boss", "*"))]
    by = {"g": RoleMatching(names="keyMatch2", domains="keyMatch")}
    assert Oracle(parse_model(matched), links, by, at=AT).enforce("/u/1", "x", "anywhere", "r")
    none = {"g": RoleMatching()}
    assert not Oracle(parse_model(matched), links, none, at=AT).enforce(
        "/u/1", "x", "anywhere", "r"
    )

    second = (
        "[request_definition]\nr = sub\nr2 = sub\n[policy_definition]\np = sub\np2 = sub\n"
        f"[policy_effect]\ne = {BOTH}\n[matchers]\nm = r.sub == p.sub\nm2 = r2.sub != p2.sub\n"
    )
    pairs = [Row(1, "p", ("ada",)), Row(2, "p2", ("ada",))]
    assert Oracle(parse_model(second), pairs, at=AT).enforce("ada")
    assert not Oracle(parse_model(second), pairs, suffix="2", at=AT).enforce("ada")
