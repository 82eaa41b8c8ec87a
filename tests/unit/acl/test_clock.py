"""The core is told the time; it never looks."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

ACL: Final = Path(__file__).parents[3] / "acl"
CLOCKS: Final = frozenset({"now", "utcnow", "today", "monotonic", "perf_counter", "time", "sleep"})


def looks(source: str) -> list[str]:
    """Return the calls of a clock: as a method, and as a function imported by name."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    names = (call.attr if isinstance(call, ast.Attribute) else ast.unparse(call) for call in calls)
    return [name for name in names if name in CLOCKS]


def test_nothing_but_the_records_looks_at_a_clock() -> None:
    modules = [path for path in ACL.rglob("*.py") if ACL / "records" not in path.parents]

    assert len(modules) > 30
    assert [path for path in modules if looks(path.read_text("utf-8"))] == []


def test_a_look_at_a_clock_is_seen() -> None:
    assert looks("datetime.now(UTC)") == ["now"]
    assert looks("from time import monotonic\nmonotonic()") == ["monotonic"]
    assert looks("at = datetime(2026, 1, 1).replace(tzinfo=UTC)") == []
