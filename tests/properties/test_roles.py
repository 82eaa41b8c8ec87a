"""Role graphs and path patterns, held to Casbin's own managers and functions on random input."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from casbin import util
from casbin.rbac.default_role_manager import (
    ConditionalDomainManager,
    ConditionalRoleManager,
    DomainManager,
    RoleManager,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acl.algebra.leaves import matches
from acl.labels import Attribute, AttributeType, LabelSchema, Prefixes
from acl.language.expression import ExpressionError
from acl.language.roles import Link, PlainRoleGraph, Window
from acl.predicate import ALWAYS, NEVER, Condition, Constant, holds

AT = datetime(2026, 5, 1, tzinfo=UTC)
PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
WINDOWS = (
    Window(),
    Window(PAST, FUTURE),
    Window(None, PAST),
    Window(FUTURE, None),
    Window(PAST, PAST),
    Window(AT, FUTURE),
    Window(PAST, AT),
)


def graph(rng: random.Random, *, domains: tuple[str, ...], timed: bool) -> list[Link]:
    """Return random links, now and then with a chain longer than Casbin follows."""
    names = [f"n{number}" for number in range(rng.randint(2, 9))]
    links = {
        (rng.choice(names), rng.choice(names), rng.choice(domains))
        for _ in range(rng.randint(1, 14))
    }
    if rng.random() < 0.4:
        steps = ["n0", *(f"far{step}" for step in range(rng.randint(7, 11))), "end"]
        domain = rng.choice(domains)
        links |= {(one, other, domain) for one, other in itertools.pairwise(steps)}
    windows = WINDOWS if timed else (Window(),)
    return [Link(one, other, domain, rng.choice(windows)) for one, other, domain in sorted(links)]


def manager(links: list[Link], *, domains: bool, timed: bool) -> Callable[..., bool]:
    """Return Casbin's answer, from the manager that it would make for these links."""
    if not timed:
        made = DomainManager(10) if domains else RoleManager(10)
        for link in links:
            made.add_link(link.name, link.role, *([link.domain] if domains else []))
        return made.has_link  # type: ignore[no-any-return]
    made = ConditionalDomainManager(10) if domains else ConditionalRoleManager(10)
    for link in links:
        made.add_link(link.name, link.role, *([link.domain] if domains else []))
    for link in links:
        answer = link.window.holds(AT)
        if domains:
            made.add_domain_link_condition_func(
                link.name, link.role, link.domain, lambda *_, answer=answer: answer
            )
        else:
            made.add_link_condition_func(link.name, link.role, lambda *_, answer=answer: answer)
    return made.has_link  # type: ignore[no-any-return]


@pytest.mark.parametrize("domains", [(), ("a",), ("a", "b")], ids=["plain", "one", "two"])
@pytest.mark.parametrize("timed", [False, True], ids=["always", "timed"])
def test_a_role_graph_answers_like_casbins_manager(
    domains: tuple[str, ...],
    timed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    rng = random.Random(11)
    yes = no = 0
    for _ in range(120):
        links = graph(rng, domains=domains or ("",), timed=timed)
        ours = PlainRoleGraph(links, timed=timed)
        theirs = manager(links, domains=bool(domains), timed=timed)
        names = sorted({name for link in links for name in (link.name, link.role)} | {"stranger"})
        for domain in (*domains, "elsewhere") if domains else ("",):
            rest = [domain] if domains else []
            for name in names:
                reached = ours.reached(name, domain, AT)
                for role in names:
                    expected = theirs(name, role, *rest)
                    assert ours.has_link(name, role, domain, AT) == expected, (links, name, role)
                    assert (role in reached) == expected
                    yes, no = yes + expected, no + (not expected)
    assert yes > 1_000
    assert no > 1_000


def test_a_path_is_there_where_a_role_is_reached_and_no_shorter_one_is() -> None:
    rng = random.Random(12)
    lengths: Counter[int] = Counter()
    for number in range(150):
        links = graph(rng, domains=("a", "b"), timed=number % 2 == 0)
        made = PlainRoleGraph(links, timed=number % 2 == 0)
        names = sorted({name for link in links for name in (link.name, link.role)} | {"stranger"})
        steps = {
            (link.name, link.role) for link in links if link.domain == "a" and link.window.holds(AT)
        }
        for name, role in itertools.product(names, names):
            path = made.path(name, role, "a", AT)
            assert (path is not None) == made.has_link(name, role, "a", AT)
            if path is None:
                continue
            lengths[len(path)] += 1
            assert (path[0], path[-1]) == (name, role)
            assert set(itertools.pairwise(path)) <= steps
            assert not any(
                (one, other) in steps
                for place, one in enumerate(path)
                for other in path[place + 2 :]
            )
    assert len(lengths) > 3


def test_a_plain_graph_follows_nine_hops_and_a_timed_one_ten() -> None:
    steps = [f"s{number}" for number in range(13)]
    links = [Link(one, other) for one, other in itertools.pairwise(steps)]

    for timed, hops in ((False, 9), (True, 10)):
        made = PlainRoleGraph(links, timed=timed)
        theirs = manager(links, domains=False, timed=timed)
        assert made.has_link("s0", steps[hops], "", AT)
        assert not made.has_link("s0", steps[hops + 1], "", AT)
        assert made.path("s0", steps[hops], "", AT) == tuple(steps[: hops + 1])
        assert made.path("s0", steps[hops + 1], "", AT) is None
        assert theirs("s0", steps[hops])
        assert not theirs("s0", steps[hops + 1])


def test_asking_about_strangers_leaves_the_graph_as_it_was() -> None:
    made = PlainRoleGraph([Link("a", "b", "d")], timed=False)
    for number in range(1000):
        made.has_link(f"stranger{number}", "b", f"domain{number}", AT)

    assert set(made.names("d")) == {"a", "b"}
    assert set(made.domains()) == {"d"}
    assert set(made.names("domain1")) == set()


FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "keyMatch": util.key_match,
    "keyMatch2": util.key_match2,
    "keyMatch3": util.key_match3,
    "keyMatch4": util.key_match4,
    "globMatch": util.glob_match,
}

PATH = Attribute(
    name="path", type=AttributeType.PATH, prefixes=Prefixes.CHARACTER, allow_empty=True
)
SCHEMA = LabelSchema({"path": PATH})

segments = st.text(alphabet="ab.é-_x~", max_size=3)
paths = st.builds(
    lambda parts, root, end: ("/" if root else "") + "/".join(parts) + ("/" if end else ""),
    st.lists(segments.filter(bool), max_size=4),
    st.booleans(),
    st.booleans(),
).filter(lambda path: "//" not in path)
pattern_segments = st.one_of(
    segments,
    st.sampled_from(
        ["*", ":x", ":id", "{x}", "{y}", "{}", "a*", "a:x", "a{x}", "{x}b", "?", "(", "{2}"]
    ),
)
patterns = st.builds(
    lambda parts, root: ("/" if root else "") + "/".join(parts),
    st.lists(pattern_segments, max_size=4),
    st.booleans(),
)


def says(condition: Condition, path: str) -> bool:
    if isinstance(condition, Constant):
        assert condition in (ALWAYS, NEVER)
        return condition is ALWAYS
    return holds(condition, SCHEMA.parse({"path": path}))


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(function=st.sampled_from(sorted(FUNCTIONS)), path=paths, pattern=patterns)
@example(function="keyMatch2", path="/a/", pattern="/a/:x")
@example(function="keyMatch2", path="/a/", pattern="/a/*")
@example(function="keyMatch2", path="", pattern="*")
@example(function="keyMatch3", path="/a/b/c", pattern="/{x}/*")
@example(function="keyMatch4", path="/a/a", pattern="/{x}/{x}")
@example(function="globMatch", path="/a/b/", pattern="/a/*")
@example(function="globMatch", path="a/b", pattern="*/b")
@example(function="globMatch", path="/.a", pattern="/*")
def test_a_pattern_means_what_casbins_function_says_or_is_refused(
    function: str, path: str, pattern: str
) -> None:
    try:
        outcome = matches(function, PATH, pattern)
    except ExpressionError:
        return
    expected = bool(FUNCTIONS[function](path, pattern))

    assert says(outcome.true, path) == expected
    assert says(outcome.false, path) != expected


def test_most_ordinary_patterns_are_expressible() -> None:
    rng = random.Random(3)
    expressible: dict[str, int] = {}
    wildcards = {"keyMatch2": ":x", "keyMatch3": "{x}", "keyMatch4": "{x}", "globMatch": "*"}
    for function in FUNCTIONS:
        wildcard = wildcards.get(function, "a")
        for _ in range(50):
            parts = [rng.choice(["a", "b"]), wildcard, rng.choice(["c", "*"])]
            try:
                matches(function, PATH, "/" + "/".join(parts))
            except ExpressionError:
                continue
            expressible[function] = expressible.get(function, 0) + 1
    assert all(expressible[function] == 50 for function in FUNCTIONS)
