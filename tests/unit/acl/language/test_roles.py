"""Windows of time-limited links, and what a graph tells about itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acl.language.roles import Link, PlainRoleGraph, Window

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_window_excludes_both_of_its_ends() -> None:
    window = Window.parse("2026-01-01 00:00:00", "2027-01-01 00:00:00")

    assert window == Window(START, END)
    moments = (START, START + SECOND, END - SECOND, END)
    assert [window.holds(at) for at in moments] == [False, True, True, False]
    assert Window.parse("_", "_").holds(START)


@pytest.mark.parametrize("text", ["", "soon", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01 0"])
def test_another_form_of_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time data"):
        Window.parse(text, "_")


def test_a_graph_counts_links_in_their_own_domain_and_time() -> None:
    links = [
        Link("ada", "boss", "acme", Window(START, END)),
        Link("boss", "owner", "acme"),
        Link("ada", "clerk", "best"),
    ]
    made = PlainRoleGraph(links, timed=True)

    assert made.reached("ada", "acme", START + SECOND) == {"ada", "boss", "owner"}
    assert made.reached("ada", "acme", END) == {"ada"}
    assert made.reached("ada", "best", END) == {"ada", "clerk"}
    assert made.has_link("stranger", "stranger", "nowhere", END)
    assert set(made.names("acme")) == {"ada", "boss", "owner"}
    assert set(made.domains()) == {"acme", "best"}
    assert list(made.boundaries()) == [START, END]


def test_a_walk_ends_after_the_hops_that_casbin_follows() -> None:
    made = PlainRoleGraph([Link(f"n{step}", f"n{step + 1}") for step in range(20)], timed=False)

    assert made.reached("n0", "", START) == {f"n{step}" for step in range(10)}
